/* The parts a pre-norm (vision) and a post-norm (text) transformer block share.
 * source: Vaswani et al. 2017; OpenAI CLIP model.py; Hugging Face modeling_bert.py. */
#ifndef ENCODER_BLOCK_H
#define ENCODER_BLOCK_H

#include "encoder/encoder_config.h"
#include "encoder/weights.h"

#include <stddef.h>

/* W = width, M = mlp_dim. Rows of qkv: 0..W-1 query, W..2W-1 key, 2W..3W-1 value, each split into heads
 * contiguously (torch.nn.MultiheadAttention in_proj_weight). */
struct block_heads {
    struct linear qkv; /* W to 3W */
    struct linear out; /* W to W */
};

struct block_weights {
    const float *ln1_weight, *ln1_bias; /* [W] */
    struct block_heads attn;
    const float *ln2_weight, *ln2_bias; /* [W] */
    struct linear fc1;                  /* W to M */
    struct linear fc2;                  /* M to W */
};

/* Room for the forward pass of up to `items` sequences of up to `tokens` tokens. owns: all in one arena. */
struct block_state {
    const struct crew *crew; /* who computes; may be NULL */
    int items, tokens;
    float *x;    /* [items * tokens][W]: the residual stream */
    float *norm; /* [items * tokens][W] */
    float *wide; /* [items * tokens][max(3W, M, extra)] */
    float *room; /* attention_room of `tokens` queries */
};

/* in: prefix "vision.layers.{i}." or "text.layers.{i}.". errors: those of weights_take. */
bool block_bind(struct weights *weights, const char *prefix, int layer, const struct encoder_blocks *config,
                bool qkv_bias, struct block_weights *ret, struct err *err);

/* in: wide_columns: what the caller itself puts into a row of `wide`. errors: ERR_NOMEM. */
bool block_state_init(struct block_state *state, const struct encoder_blocks *config, int items, int tokens,
                      int wide_columns, const struct crew *crew, struct arena *arena, struct err *err);

/* For each of `items` sequences: state.wide = in W^T + b, then for every head softmax(q k^T / sqrt(d)) v into
 * state.norm (tensor/attention.h); then x += norm out^T + b. causal: a token sees itself and those before it.
 * in: [items * tokens][W], may be state.norm. */
void block_attention(const struct encoder_blocks *config, const struct block_heads *weights,
                     struct block_state *state, int items, int tokens, bool causal, const float *in);

/* state.norm = layer norm of state.x. tokens: of all items together. */
void block_norm(const struct encoder_blocks *config, struct block_state *state, int tokens,
                const float *weight, const float *bias);

/* x += fc2(act(fc1(in))); tokens: of all items together. */
void block_mlp(const struct encoder_blocks *config, const struct block_weights *weights,
               struct block_state *state, int tokens, const float *in);

/* out[width]: the mean of `rows` tokens after the last norm; weight NULL: there is none. scratch
 * [rows][width] may be x. */
void block_pool(const struct crew *crew, int rows, int width, const float *x, const float *weight,
                const float *bias, double eps, float *scratch, float *out);

/* out = proj(pooled), scaled to unit length. errors: ERR_INPUT when it has no length. */
bool block_project(const struct linear *proj, const float *pooled, float *out, struct err *err);

#endif
