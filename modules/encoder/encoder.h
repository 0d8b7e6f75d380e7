/* Both towers, bound to one file of weights: an image or token ids in, a unit vector out. */
#ifndef ENCODER_ENCODER_H
#define ENCODER_ENCODER_H

#include "encoder/encoder_config.h"
#include "encoder/tap.h"
#include "tensor/safetensors.h"

struct encoder;

/* Read the two sections, check and bind every tensor, allocate the run state.
 * in:     weights stay open until encoder_close.
 * owns:   caller closes. threads: one call at a time per encoder.
 * errors: ERR_INPUT, ERR_UNSUPPORTED (key or tensor named), ERR_NOMEM. */
struct encoder *encoder_open(const json_t *vision, const json_t *text, const struct safetensors *weights,
                             struct err *err);
void encoder_close(struct encoder *encoder); /* accepts NULL */

const struct encoder_config *encoder_config(const struct encoder *encoder); /* borrowed */
bool encoder_has_logit_scale(const struct encoder *encoder);
double encoder_logit_scale(const struct encoder *encoder); /* as stored; 0 when there is none */

/* in: [channels][z][y][x]. out: unit vector of proj_dim. tap may be NULL; stages in vit.h and bert.h.
 * errors: ERR_INPUT (a value not finite, token ids out of bounds). */
bool encoder_image(struct encoder *encoder, const float *input, float *embedding,
                   const struct encoder_tap *tap, struct err *err);
bool encoder_text(struct encoder *encoder, const int *ids, int count, float *embedding,
                  const struct encoder_tap *tap, struct err *err);

#endif
