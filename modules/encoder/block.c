#include "encoder/block.h"

#include "tensor/gemm.h"
#include "tensor/ops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* 128 rows of 5,185 scores are 2.7 MB: they stay in the last-level cache between the two products. */
enum { QUERY_ROWS = 128 };

struct want {
    const char *name;
    int axes[3];
    const float **into;
};

bool block_bind(struct weights *weights, const char *prefix, int layer, const struct encoder_blocks *config,
                bool qkv_bias, struct block_weights *ret, struct err *err)
{
    int w = config->width, m = config->mlp_dim;
    // clang-format off
    const struct want wants[] = {
        {"ln1.weight",      {w},        &ret->ln1_weight}, {"ln1.bias",      {w}, &ret->ln1_bias},
        {"attn.qkv.weight", {3 * w, w}, &ret->qkv_weight},
        {"attn.out.weight", {w, w},     &ret->out_weight}, {"attn.out.bias", {w}, &ret->out_bias},
        {"ln2.weight",      {w},        &ret->ln2_weight}, {"ln2.bias",      {w}, &ret->ln2_bias},
        {"mlp.fc1.weight",  {m, w},     &ret->fc1_weight}, {"mlp.fc1.bias",  {m}, &ret->fc1_bias},
        {"mlp.fc2.weight",  {w, m},     &ret->fc2_weight}, {"mlp.fc2.bias",  {w}, &ret->fc2_bias},
        {"attn.qkv.bias",   {3 * w},    &ret->qkv_bias}, /* last: optional */
    };
    // clang-format on
    ret->qkv_bias = NULL;
    size_t count = sizeof wants / sizeof *wants - (qkv_bias ? 0 : 1);
    for (size_t i = 0; i < count; i++) {
        char name[80];
        snprintf(name, sizeof name, "%s%s", prefix, wants[i].name);
        if (!weights_take(weights, name, layer, wants[i].axes, wants[i].into, err))
            return false;
    }
    return true;
}

static int max_int(int a, int b)
{
    return a > b ? a : b;
}

bool block_state_init(struct block_state *state, const struct encoder_blocks *config, int items, int tokens,
                      int wide_columns, struct arena *arena, struct err *err)
{
    size_t rows = (size_t)items * (size_t)tokens, width = (size_t)config->width;
    size_t wide = (size_t)max_int(max_int(3 * config->width, config->mlp_dim), wide_columns);
    int query_rows = tokens < QUERY_ROWS ? tokens : QUERY_ROWS;
    *state = (struct block_state){.items = items, .tokens = tokens, .query_rows = query_rows};
    state->x = ARENA_ARRAY(arena, float, rows *width);
    state->norm = ARENA_ARRAY(arena, float, rows *width);
    state->wide = ARENA_ARRAY(arena, float, rows *wide);
    state->scores = ARENA_ARRAY(arena, float, (size_t)query_rows *(size_t)tokens);
    if (state->x && state->norm && state->wide && state->scores)
        return true;
    return err_fail(err, ERR_NOMEM, "no memory for the run state of %d x %d tokens", items, tokens);
}

/* Row r of the tile is query from + r: it sees the keys 0 .. from + r. */
static void softmax_causal(int rows, int from, int keys, int ld, float *scores)
{
    for (int r = 0; r < rows; r++) {
        float *row = scores + (size_t)r * (size_t)ld;
        int seen = from + r + 1;
        ops_softmax(1, seen, ld, row);
        for (int i = seen; i < keys; i++)
            row[i] = 0;
    }
}

/* qkv: [tokens][3W] of one sequence and its head's first column; out: [tokens][W] likewise. */
static void attend_head(struct block_state *state, int tokens, int width, int head_dim, bool causal,
                        const float *qkv, float *out)
{
    const float *key = qkv + width, *value = key + width;
    float scale = (float)(1.0 / sqrt((double)head_dim));
    for (int from = 0; from < tokens; from += state->query_rows) {
        int rows = tokens - from < state->query_rows ? tokens - from : state->query_rows;
        int keys = causal ? from + rows : tokens;
        size_t offset = (size_t)from * (size_t)width;
        gemm_nt(rows, keys, head_dim, scale, qkv + 3 * offset, 3 * width, key, 3 * width, state->scores,
                tokens);
        if (causal)
            softmax_causal(rows, from, keys, tokens, state->scores);
        else
            ops_softmax(rows, keys, tokens, state->scores);
        gemm_nn(rows, head_dim, keys, state->scores, tokens, value, 3 * width, out + offset, width);
    }
}

void block_attention(const struct encoder_blocks *config, const struct block_weights *weights,
                     struct block_state *state, int items, int tokens, bool causal, const float *in)
{
    int width = config->width, head_dim = width / config->heads, rows = items * tokens;
    gemm_linear(rows, 3 * width, width, in, weights->qkv_weight, weights->qkv_bias, state->wide);
    for (int item = 0; item < items; item++) {
        size_t first = (size_t)item * (size_t)tokens * (size_t)width;
        for (int head = 0; head < config->heads; head++) {
            size_t column = (size_t)head * (size_t)head_dim;
            attend_head(state, tokens, width, head_dim, causal, state->wide + 3 * first + column,
                        state->norm + first + column);
        }
    }
    gemm_linear_add(rows, width, width, state->norm, weights->out_weight, weights->out_bias, state->x);
}

static void activate(int act, size_t count, float *x)
{
    if (act == ENCODER_QUICK_GELU)
        ops_quick_gelu(count, x);
    else if (act == ENCODER_GELU)
        ops_gelu(count, x);
    else
        ops_relu(count, x);
}

void block_mlp(const struct encoder_blocks *config, const struct block_weights *weights,
               struct block_state *state, int tokens, const float *in)
{
    int width = config->width, mlp_dim = config->mlp_dim;
    gemm_linear(tokens, mlp_dim, width, in, weights->fc1_weight, weights->fc1_bias, state->wide);
    activate(config->act, (size_t)tokens * (size_t)mlp_dim, state->wide);
    gemm_linear_add(tokens, width, mlp_dim, state->wide, weights->fc2_weight, weights->fc2_bias, state->x);
}

void block_pool(int rows, int width, const float *x, const float *weight, const float *bias, double eps,
                float *scratch, float *out)
{
    if (weight)
        ops_layer_norm(rows, width, x, weight, bias, eps, scratch);
    const float *row = weight ? scratch : x;
    memset(out, 0, (size_t)width * sizeof *out);
    for (int i = 0; i < rows; i++, row += width)
        ops_add((size_t)width, row, out);
    for (int j = 0; j < width; j++)
        out[j] /= (float)rows;
}

bool block_project(const float *pooled, int width, const float *weight, const float *bias, int proj_dim,
                   float *out, struct err *err)
{
    gemm_linear(1, proj_dim, width, pooled, weight, bias, out);
    return ops_unit((size_t)proj_dim, out) ||
           err_decline(err, "embedding_not_finite", "the embedding is zero or not finite");
}
