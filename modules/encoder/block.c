#include "encoder/block.h"

#include "tensor/attention.h"
#include "tensor/ops.h"

#include <stdio.h>
#include <string.h>

struct want {
    const char *name;
    const float **into;
    int size;
};

struct wanted_linear {
    const char *name, *bias;
    struct linear *into;
    int n, k;
};

bool block_bind(struct weights *weights, const char *prefix, int layer, const struct encoder_blocks *config,
                bool qkv_bias, struct block_weights *ret, struct err *err)
{
    int w = config->width, m = config->mlp_dim;
    // clang-format off
    const struct want norms[] = {
        {"ln1.weight", &ret->ln1_weight, w}, {"ln1.bias", &ret->ln1_bias, w},
        {"ln2.weight", &ret->ln2_weight, w}, {"ln2.bias", &ret->ln2_bias, w},
    };
    const struct wanted_linear linears[] = {
        {"attn.qkv.weight", qkv_bias ? "attn.qkv.bias" : NULL, &ret->attn.qkv, 3 * w, w},
        {"attn.out.weight", "attn.out.bias", &ret->attn.out, w, w},
        {"mlp.fc1.weight",  "mlp.fc1.bias",  &ret->fc1,      m, w},
        {"mlp.fc2.weight",  "mlp.fc2.bias",  &ret->fc2,      w, m},
    };
    // clang-format on
    char name[80], bias[80];
    for (size_t i = 0; i < sizeof norms / sizeof *norms; i++) {
        snprintf(name, sizeof name, "%s%s", prefix, norms[i].name);
        if (!weights_take(weights, name, layer, WEIGHTS_AXES(norms[i].size), norms[i].into, err))
            return false;
    }
    for (size_t i = 0; i < sizeof linears / sizeof *linears; i++) {
        const struct wanted_linear *l = &linears[i];
        snprintf(name, sizeof name, "%s%s", prefix, l->name);
        snprintf(bias, sizeof bias, "%s%s", prefix, l->bias ? l->bias : "");
        if (!weights_take_block_linear(weights, name, l->bias ? bias : NULL, layer, WEIGHTS_AXES(l->n, l->k),
                                       l->into, err))
            return false;
    }
    return true;
}

static int max_int(int a, int b)
{
    return a > b ? a : b;
}

bool block_state_init(struct block_state *state, const struct encoder_blocks *config, int items, int tokens,
                      int wide_columns, const struct crew *crew, struct arena *arena, struct err *err)
{
    size_t rows = (size_t)items * (size_t)tokens, width = (size_t)config->width;
    size_t wide = (size_t)max_int(max_int(3 * config->width, config->mlp_dim), wide_columns);
    *state = (struct block_state){.crew = crew, .items = items, .tokens = tokens};
    state->x = ARENA_ARRAY(arena, float, rows *width);
    state->norm = ARENA_ARRAY(arena, float, rows *width);
    state->wide = ARENA_ARRAY(arena, float, rows *wide);
    state->room = ARENA_ARRAY(arena, float, attention_room(crew, tokens, config->width / config->heads));
    if (state->x && state->norm && state->wide && state->room)
        return true;
    return err_fail(err, ERR_NOMEM, "no memory for the run state of %d x %d tokens", items, tokens);
}

/* ---- attention ---- */

struct heads {
    const struct block_state *state;
    int width, heads, tokens;
    bool causal;
};

/* Of every item, every head. */
static void group(const void *work, int number, struct attention *ret)
{
    const struct heads *h = work;
    int head_dim = h->width / h->heads;
    size_t width = (size_t)h->width, column = (size_t)(number % h->heads) * (size_t)head_dim;
    size_t first = (size_t)(number / h->heads) * (size_t)h->tokens * width;
    const float *q = h->state->wide + 3 * first + column;
    *ret = (struct attention){.queries = h->tokens,
                              .keys = h->tokens,
                              .head_dim = head_dim,
                              .q = q,
                              .q_step = 3 * width,
                              .k = q + width,
                              .v = q + 2 * width,
                              .kv_step = 3 * width,
                              .causal = h->causal,
                              .out = h->state->norm + first + column,
                              .out_step = width};
}

void block_attention(const struct encoder_blocks *config, const struct block_heads *weights,
                     struct block_state *state, int items, int tokens, bool causal, const float *in)
{
    const struct heads heads = {state, config->width, config->heads, tokens, causal};
    linear_run(&weights->qkv, state->crew, items * tokens, in, TILE_PLAIN, false, state->wide);
    attention_run(state->crew, items * config->heads, group, &heads, state->room);
    linear_run(&weights->out, state->crew, items * tokens, state->norm, TILE_PLAIN, true, state->x);
}

/* ---- the rest ---- */

void block_norm(const struct encoder_blocks *config, struct block_state *state, int tokens,
                const float *weight, const float *bias)
{
    ops_layer_norm(state->crew, tokens, config->width, state->x, weight, bias, config->ln_eps, state->norm);
}

void block_mlp(const struct encoder_blocks *config, const struct block_weights *weights,
               struct block_state *state, int tokens, const float *in)
{
    static const enum tile_act acts[] = {
        [ENCODER_QUICK_GELU] = TILE_QUICK_GELU, [ENCODER_GELU] = TILE_GELU, [ENCODER_RELU] = TILE_RELU};
    linear_run(&weights->fc1, state->crew, tokens, in, acts[config->act], false, state->wide);
    linear_run(&weights->fc2, state->crew, tokens, state->wide, TILE_PLAIN, true, state->x);
}

void block_pool(const struct crew *crew, int rows, int width, const float *x, const float *weight,
                const float *bias, double eps, float *scratch, float *out)
{
    if (weight)
        ops_layer_norm(crew, rows, width, x, weight, bias, eps, scratch);
    const float *row = weight ? scratch : x;
    memset(out, 0, (size_t)width * sizeof *out);
    for (int i = 0; i < rows; i++, row += width)
        ops_add((size_t)width, row, out);
    for (int j = 0; j < width; j++)
        out[j] /= (float)rows;
}

bool block_project(const struct linear *proj, const float *pooled, float *out, struct err *err)
{
    linear_run(proj, NULL, 1, pooled, TILE_PLAIN, false, out);
    return ops_unit((size_t)proj->n, out) ||
           err_decline(err, "embedding_not_finite", "the embedding is zero or not finite");
}
