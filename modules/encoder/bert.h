/* The text tower: a BERT encoder, pooled and projected.
 * source: Hugging Face modeling_bert.py (post-norm, erf GELU); without the
 * token type term as CXR-BERT in github.com/alibaba-damo-academy/fvlm. */
#ifndef ENCODER_BERT_H
#define ENCODER_BERT_H

#include "encoder/text_ends.h"

struct bert_weights {
    struct text_weights text;
    const float *type;                        /* [2, W], only row 0 is used; or NULL */
    const float *emb_ln_weight, *emb_ln_bias; /* [W] */
};

/* errors: those of weights_take. */
bool bert_bind(struct weights *weights, const struct text_config *config, struct bert_weights *ret,
               struct err *err);

/* in:  ids [count], special tokens included, no padding; 1 <= count <= max_len.
 * out: embedding[proj_dim], unit length. Allocates nothing. state: of max_len tokens.
 * tap: "embed", "layer" [count][W]; those of text_ends.h.
 * errors: ERR_INPUT (count or an id out of bounds; the result is not finite). */
bool bert_forward(const struct text_config *config, const struct bert_weights *weights,
                  struct block_state *state, const int *ids, int count, float *embedding,
                  const struct encoder_tap *tap, struct err *err);

#endif
