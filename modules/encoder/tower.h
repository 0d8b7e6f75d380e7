/* What encoder.c asks of an image side. One object a way from input to output: a tower alone (vit,
 * spacetime), or a tower and what pools it (organ flows). encoder.c chooses it by vision.arch and family.
 *
 * To add one: fill a `const struct tower NAME_tower` in NAME.c, declare it in NAME.h, name it in encoder.c.
 */
#ifndef ENCODER_TOWER_H
#define ENCODER_TOWER_H

#include "encoder/encoder.h"
#include "encoder/weights.h"

struct tower {
    /* Bind tensors and make room for the configured input. in: config and weights->file live as long as the
     * encoder, sections only for the call; weights->arena is the encoder's, freed after close. out:
     * *ret_self, in weights->arena. errors: those of encoder_open; what was made so far is given to close. */
    bool (*open)(const struct encoder_sections *sections, const struct encoder_config *config,
                 struct weights *weights, void **ret_self, struct err *err);
    /* As encoder_image; the values are finite. Room for a larger input is made before the forward pass. */
    bool (*run)(void *self, const struct encoder_input *input, struct encoder_output *ret,
                const struct encoder_tap *tap, struct err *err);
    /* Frees what does not live in weights->arena. Accepts NULL. */
    void (*close)(void *self);
};

#endif
