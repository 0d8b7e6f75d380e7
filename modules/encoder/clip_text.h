/* The text tower of CLIP: a causal, pre-norm transformer.
 * source: OpenAI CLIP model.py; Hugging Face modeling_clip.py. */
#ifndef ENCODER_CLIP_TEXT_H
#define ENCODER_CLIP_TEXT_H

#include "encoder/text_ends.h"

struct clip_text_weights {
    struct text_weights text;
    const float *final_ln_weight, *final_ln_bias; /* [W] */
};

/* errors: those of weights_take. */
bool clip_text_bind(struct weights *weights, const struct text_config *config, struct clip_text_weights *ret,
                    struct err *err);

/* in:  ids [count], special tokens included, no padding (causal, so padding behind changes nothing).
 * out: embedding[proj_dim], unit length. Allocates nothing. state: of max_len tokens.
 * tap: "embed", "layer" [count][W]; "final" [count][W] after the last layer norm; those of text_ends.h.
 * errors: ERR_INPUT (count or an id out of bounds; the result is not finite). */
bool clip_text_forward(const struct text_config *config, const struct clip_text_weights *weights,
                       struct block_state *state, const int *ids, int count, float *embedding,
                       const struct encoder_tap *tap, struct err *err);

#endif
