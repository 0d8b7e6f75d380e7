/* What the text towers share: their weights but for the norms; ids checked at one end, pooling and projection
 * at the other. */
#ifndef ENCODER_TEXT_ENDS_H
#define ENCODER_TEXT_ENDS_H

#include "encoder/block.h"
#include "encoder/tap.h"

/* W = width, V = vocab, P = max_pos, D = proj_dim. */
struct text_weights {
    const float *tok;             /* [V, W] */
    const float *pos;             /* [P, W] */
    struct block_weights *layers; /* [depth] */
    struct linear proj;           /* W to D */
};

/* errors: those of weights_take. */
bool text_ends_bind(struct weights *weights, const struct text_config *config, struct text_weights *ret,
                    struct err *err);

/* errors: ERR_INPUT (count not within 1..max_len; an id out of bounds). */
bool text_ends_check(const struct text_config *config, const int *ids, int count, struct err *err);

/* state.x [count][W] to one vector: pooled as configured, through proj_pre and the projection, to unit
 * length. tap: "pool" [1][W]; "unit" [1][D]. errors:
 * ERR_INPUT (the result is not finite). source: argmax_id as in github.com/Sliver-g/Cardiac-CLIP; eos as
 * Hugging Face modeling_clip.py: the first eos_id; without one configured (their rule for eos_token_id 2) the
 * first place of the largest id. */
bool text_ends_finish(const struct text_config *config, const struct text_weights *weights,
                      struct block_state *state, const int *ids, int count, float *embedding,
                      const struct encoder_tap *tap, struct err *err);

#endif
