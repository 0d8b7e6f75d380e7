#include "encoder/slice_pool.h"

#include "tensor/gemm.h"
#include "tensor/ops.h"
#include "tensor/section.h"

#include <math.h>
#include <string.h>

enum { HEADS_MAX = 128, SLICES_MAX = 4096 };

/* ---- configuration and weights ---- */

static bool read_section(struct slice_pool *pool, const json_t *section, struct err *err)
{
    static const char *const modes[] = {"mean", "max", "mhsa", NULL};
    static const char *const inputs[] = {"projected", "tower", NULL};
    static const char *const pes[] = {"none", "sincos", "learned", NULL};
    static const char *const reduces[] = {"mean", "query", "first", NULL};
    int input = 0;
    *pool = (struct slice_pool){.pe = SLICE_POOL_PE_SINCOS, .max_slices = 64, .heads = {.heads = 8}};
    // clang-format off
    const struct section_key keys[] = {
        {"mode",       SECTION_WORD, &pool->mode,        true,  .words = modes},
        {"input",      SECTION_WORD, &input,             false, .words = inputs},
        {"heads",      SECTION_INT,  &pool->heads.heads, false, 1, HEADS_MAX},
        {"pe",         SECTION_WORD, &pool->pe,          false, .words = pes},
        {"max_slices", SECTION_INT,  &pool->max_slices,  false, 1, SLICES_MAX},
        {"residual",   SECTION_BOOL, &pool->residual,    false},
        {"reduce",     SECTION_WORD, &pool->reduce,      false, .words = reduces},
    };
    // clang-format on
    if (section && !section_read(section, "slice_pool", keys, sizeof keys / sizeof *keys, err))
        return false;
    pool->before_projection = input == 1;
    return true;
}

static bool bind(struct slice_pool *pool, struct weights *weights, struct err *err)
{
    int d = pool->heads.width;
    if (d % pool->heads.heads != 0)
        return err_fail(err, ERR_INPUT, "slice_pool.heads: %d heads do not divide %d", pool->heads.heads, d);
    pool->crew = weights->crew;
    if (!weights_take_linear(weights, "slice_pool.attn.in_proj_weight", "slice_pool.attn.in_proj_bias", 0,
                             WEIGHTS_AXES(3 * d, d), &pool->attn.qkv, err) ||
        !weights_take_linear(weights, "slice_pool.attn.out_proj.weight", "slice_pool.attn.out_proj.bias", 0,
                             WEIGHTS_AXES(d, d), &pool->attn.out, err))
        return false;
    if (pool->pe == SLICE_POOL_PE_LEARNED &&
        !weights_take(weights, "slice_pool.pos", 0, WEIGHTS_AXES(pool->max_slices, d), &pool->pos, err))
        return false;
    return pool->reduce != SLICE_POOL_REDUCE_QUERY ||
           weights_take(weights, "slice_pool.query", 0, WEIGHTS_AXES(d), &pool->query, err);
}

bool slice_pool_open(struct slice_pool *pool, const json_t *section, int width, int proj_dim,
                     struct weights *weights, struct err *err)
{
    if (!read_section(pool, section, err))
        return false;
    pool->heads.width = pool->before_projection ? width : proj_dim;
    return pool->mode != SLICE_POOL_MHSA || bind(pool, weights, err);
}

void slice_pool_close(struct slice_pool *pool)
{
    arena_free(pool->room);
    pool->room = NULL;
}

bool slice_pool_reserve(struct slice_pool *pool, int slices, struct err *err)
{
    if (pool->mode != SLICE_POOL_MHSA || slices < 2)
        return true;
    if (pool->pos && slices > pool->max_slices)
        return err_decline(err, "input_shape", "%d slices; the slice pooling takes at most %d", slices,
                           pool->max_slices);
    if (pool->room && slices <= pool->state.tokens)
        return true;
    slice_pool_close(pool);
    pool->room = arena_new();
    if (!pool->room)
        return err_fail(err, ERR_NOMEM, "no memory for %d slices", slices);
    pool->share = ARENA_ARRAY(pool->room, float, (size_t)slices);
    if (!pool->share)
        return err_fail(err, ERR_NOMEM, "no memory for %d slices", slices);
    return block_state_init(&pool->state, &pool->heads, 1, slices, 0, pool->crew, pool->room, err);
}

/* ---- pooling ---- */

static void add_sincos(int slices, int d, float *x)
{
    for (int s = 0; s < slices; s++)
        for (int j = 0; j < d; j++) {
            double angle = s / pow(10000.0, (double)(j / 2 * 2) / d);
            x[(size_t)s * (size_t)d + (size_t)j] += (float)(j % 2 ? cos(angle) : sin(angle));
        }
}

static void reduce(struct slice_pool *pool, int slices, float *pooled)
{
    int d = pool->heads.width;
    float *x = pool->state.x, *share = pool->share;
    if (pool->reduce == SLICE_POOL_REDUCE_FIRST) {
        memcpy(pooled, x, (size_t)d * sizeof *pooled);
        return;
    }
    for (int s = 0; s < slices; s++)
        share[s] = 1.0f / (float)slices;
    if (pool->query) {
        gemm_nt(1, slices, d, (float)(1.0 / sqrt((double)d)), pool->query, d, x, d, share, slices);
        ops_softmax(1, slices, slices, share);
    }
    gemm_nn(1, d, slices, share, slices, x, d, pooled, d);
}

static void attend(struct slice_pool *pool, const float *vectors, int slices, float *pooled)
{
    size_t count = (size_t)slices * (size_t)pool->heads.width;
    struct block_state *state = &pool->state;
    memcpy(state->norm, vectors, count * sizeof *vectors);
    if (pool->pos)
        ops_add(count, pool->pos, state->norm);
    else if (pool->pe == SLICE_POOL_PE_SINCOS)
        add_sincos(slices, pool->heads.width, state->norm);
    if (pool->residual)
        memcpy(state->x, state->norm, count * sizeof *state->x);
    else
        memset(state->x, 0, count * sizeof *state->x);
    block_attention(&pool->heads, &pool->attn, state, 1, slices, false, state->norm);
    reduce(pool, slices, pooled);
}

void slice_pool_run(struct slice_pool *pool, const float *vectors, int slices, float *pooled)
{
    size_t d = (size_t)pool->heads.width;
    if (pool->mode == SLICE_POOL_MHSA) {
        attend(pool, vectors, slices, pooled);
        return;
    }
    memcpy(pooled, vectors, d * sizeof *pooled);
    for (int s = 1; s < slices; s++)
        for (size_t j = 0; j < d; j++) {
            float value = vectors[(size_t)s * d + j];
            if (pool->mode == SLICE_POOL_MEAN)
                pooled[j] += value;
            else
                pooled[j] = value > pooled[j] ? value : pooled[j];
        }
}
