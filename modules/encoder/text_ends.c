#include "encoder/text_ends.h"

#include "tensor/ops.h"

#include <string.h>

bool text_ends_bind(struct weights *weights, const struct text_config *c, struct text_weights *ret,
                    struct err *err)
{
    int width = c->blocks.width;
    *ret = (struct text_weights){0};
    if (!weights_take(weights, "text.tok.weight", 0, WEIGHTS_AXES(c->vocab, width), &ret->tok, err) ||
        !weights_take(weights, "text.pos.weight", 0, WEIGHTS_AXES(c->max_pos, width), &ret->pos, err) ||
        !weights_take_linear(weights, "text.proj.weight", c->proj_bias ? "text.proj.bias" : NULL, 0,
                             WEIGHTS_AXES(c->proj_dim, width), &ret->proj, err))
        return false;
    ret->layers = ARENA_ARRAY(weights->arena, struct block_weights, (size_t)c->blocks.depth);
    if (!ret->layers)
        return err_fail(err, ERR_NOMEM, "no memory to bind weights");
    for (int i = 0; i < c->blocks.depth; i++)
        if (!block_bind(weights, "text.layers.{i}.", i, &c->blocks, true, &ret->layers[i], err))
            return false;
    return true;
}

bool text_ends_check(const struct text_config *c, const int *ids, int count, struct err *err)
{
    if (count < 1 || count > c->max_len)
        return err_fail(err, ERR_INPUT, "%d tokens; the text tower takes 1 to %d", count, c->max_len);
    for (int i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] >= c->vocab)
            return err_fail(err, ERR_INPUT, "token id %d is not below %d", ids[i], c->vocab);
    return true;
}

static int position_of_largest(const int *ids, int count)
{
    int best = 0;
    for (int i = 1; i < count; i++)
        if (ids[i] > ids[best])
            best = i;
    return best;
}

/* Token 0 when it does not occur, as in the reference. */
static int position_of(int id, const int *ids, int count)
{
    for (int i = 0; i < count; i++)
        if (ids[i] == id)
            return i;
    return 0;
}

static int pooled_position(const struct text_config *c, const int *ids, int count)
{
    if (c->pool == ENCODER_POOL_EOS && c->eos_id >= 0)
        return position_of(c->eos_id, ids, count);
    if (c->pool == ENCODER_POOL_EOS || c->pool == ENCODER_POOL_ARGMAX_ID)
        return position_of_largest(ids, count);
    return 0;
}

static void pool(const struct text_config *c, const struct block_state *state, const int *ids, int count,
                 float *pooled)
{
    size_t width = (size_t)c->blocks.width;
    if (c->pool == ENCODER_POOL_MEAN)
        block_pool(state->crew, count, c->blocks.width, state->x, NULL, NULL, 0, NULL, pooled);
    else
        memcpy(pooled, state->x + (size_t)pooled_position(c, ids, count) * width, width * sizeof *pooled);
}

bool text_ends_finish(const struct text_config *c, const struct text_weights *w, struct block_state *state,
                      const int *ids, int count, float *embedding, const struct encoder_tap *tap,
                      struct err *err)
{
    int width = c->blocks.width;
    float *pooled = state->norm;
    pool(c, state, ids, count, pooled);
    encoder_tap(tap, "pool", -1, pooled, 1, width);
    if (c->proj_pre_relu)
        ops_relu((size_t)width, pooled);
    if (!block_project(&w->proj, pooled, embedding, err))
        return false;
    encoder_tap(tap, "unit", -1, embedding, 1, c->proj_dim);
    return true;
}
