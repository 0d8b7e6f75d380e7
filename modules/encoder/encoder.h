/* One engine for every family: what config.json describes, bound to one file of weights. An image or token
 * ids in, a unit vector out; organ-grounded families give one unit vector an organ. source:
 * docs/model-folder.md. */
#ifndef ENCODER_ENCODER_H
#define ENCODER_ENCODER_H

#include "base/crew.h"
#include "encoder/encoder_config.h"
#include "encoder/tap.h"
#include "tensor/safetensors.h"

#include <stdint.h>

struct encoder;

/* Read the sections, check and bind every tensor, make room for an input of the configured size. With
 * sections->faults a tensor that does not fit does not stop: NULL then, and err untouched when all is told
 * there. in: weights stay open and crew, which packs and computes (NULL: the caller alone), is there until
 * encoder_close; the sections only until encoder_open returns. owns: caller closes. threads: one call at a
 * time per encoder. errors: ERR_INPUT, ERR_UNSUPPORTED (key or tensor named), ERR_NOMEM. */
struct encoder *encoder_open(const struct encoder_sections *sections, const struct safetensors *weights,
                             const struct crew *crew, struct err *err);
void encoder_close(struct encoder *encoder); /* accepts NULL */

const struct encoder_config *encoder_config(const struct encoder *encoder); /* borrowed */
bool encoder_has_logit_scale(const struct encoder *encoder);
double encoder_logit_scale(const struct encoder *encoder); /* as stored; 0 when there is none */
bool encoder_has_temp(const struct encoder *encoder);      /* what fVLM and RADAR divide cosines by */
double encoder_temp(const struct encoder *encoder);

/* All weights, as they are held: float32. */
uint64_t encoder_weights_bytes(const struct encoder *encoder);

/* Of the layers that precision concerns, over all images encoded so far (input_means.h); opened with
 * watch_inputs. owns: the caller drops the reference. errors: ERR_INPUT: there are none, or no image was
 * encoded. */
json_t *encoder_input_means(const struct encoder *encoder, struct err *err);

/* Borrowed for the call. */
struct encoder_input {
    const float *values; /* [items][channels][z][y][x], preprocessed */
    int items;           /* frames of a space-time tower, slices of a 2D tower; else 1 */
    int zyx[3];          /* of one item */
    const uint8_t *mask; /* [z][y][x] organ labels; NULL: none */
};

struct encoder_organ {
    const char *id;      /* as in the section "organ" */
    const float *vector; /* unit [proj_dim]; NULL: not assessed */
    const char *reason;  /* a stable word when not assessed, else NULL */
};

/* Borrowed until the next call on the encoder. */
struct encoder_output {
    const float *vector; /* unit [proj_dim]; NULL for an organ-grounded family */
    const float *tower;  /* [width], what proj_pre and the projection get of one item: after post_ln and pool.
                            Of several slices their mean. NULL for an organ-grounded family */
    const struct encoder_organ *organs;
    int organ_count;
};

/* tap may be NULL; stages in vit.h and its siblings, bert.h and clip_text.h.
 * errors: ERR_INPUT (a size the encoder does not take, "input_shape"; a value not finite,
 * "input_not_finite"), ERR_NOMEM (room for a larger input than any before). */
bool encoder_image(struct encoder *encoder, const struct encoder_input *input, struct encoder_output *ret,
                   const struct encoder_tap *tap, struct err *err);

/* out: unit vector of proj_dim. errors: ERR_INPUT (token ids out of bounds), ERR_UNSUPPORTED (the model has
 * no text tower). */
bool encoder_text(struct encoder *encoder, const int *ids, int count, float *embedding,
                  const struct encoder_tap *tap, struct err *err);

#endif
