/* The parts a pre-norm (vision) and a post-norm (text) transformer block share.
 * source: Vaswani et al. 2017; OpenAI CLIP model.py; Hugging Face modeling_bert.py. */
#ifndef ENCODER_BLOCK_H
#define ENCODER_BLOCK_H

#include "encoder/encoder_config.h"
#include "encoder/weights.h"

#include <stddef.h>

/* W = width, M = mlp_dim. Rows of qkv: 0..W-1 query, W..2W-1 key, 2W..3W-1 value, each split into heads
 * contiguously (torch.nn.MultiheadAttention in_proj_weight). */
struct block_weights {
    const float *ln1_weight, *ln1_bias; /* [W] */
    const float *qkv_weight;            /* [3W, W] */
    const float *qkv_bias;              /* [3W] or NULL */
    const float *out_weight, *out_bias; /* [W, W], [W] */
    const float *ln2_weight, *ln2_bias; /* [W] */
    const float *fc1_weight, *fc1_bias; /* [M, W], [M] */
    const float *fc2_weight, *fc2_bias; /* [W, M], [W] */
};

/* Room for the forward pass of up to `items` sequences of up to `tokens` tokens. owns: all in one arena. */
struct block_state {
    int items, tokens;
    int query_rows; /* rows of the score tile */
    float *x;       /* [items * tokens][W]: the residual stream */
    float *norm;    /* [items * tokens][W] */
    float *wide;    /* [items * tokens][max(3W, M, extra)] */
    float *scores;  /* [query_rows][tokens] */
};

/* in: prefix "vision.layers.{i}." or "text.layers.{i}.". errors: those of weights_take. */
bool block_bind(struct weights *weights, const char *prefix, int layer, const struct encoder_blocks *config,
                bool qkv_bias, struct block_weights *ret, struct err *err);

/* in: wide_columns: what the caller itself puts into a row of `wide`. errors: ERR_NOMEM. */
bool block_state_init(struct block_state *state, const struct encoder_blocks *config, int items, int tokens,
                      int wide_columns, struct arena *arena, struct err *err);

/* For each of `items` sequences: state.wide = in W^T + b, then for every head softmax(q k^T / sqrt(d)) v into
 * state.norm, in tiles of query rows, so that the whole score matrix never exists; then x += norm out^T + b.
 * causal: a token sees itself and those before it. in: [items * tokens][W], may be state.norm. */
void block_attention(const struct encoder_blocks *config, const struct block_weights *weights,
                     struct block_state *state, int items, int tokens, bool causal, const float *in);

/* x += fc2(act(fc1(in))); tokens: of all items together. */
void block_mlp(const struct encoder_blocks *config, const struct block_weights *weights,
               struct block_state *state, int tokens, const float *in);

/* out[width]: the mean of `rows` tokens after the last norm; weight NULL: there is none. scratch [rows][width]
 * may be x. */
void block_pool(int rows, int width, const float *x, const float *weight, const float *bias, double eps,
                float *scratch, float *out);

/* out[proj_dim] = pooled W^T + bias, scaled to unit length. errors: ERR_INPUT when it has no length. */
bool block_project(const float *pooled, int width, const float *weight, const float *bias, int proj_dim,
                   float *out, struct err *err);

#endif
