#include "encoder/bert.h"

#include "encoder/text_ends.h"
#include "tensor/ops.h"

#include <string.h>

static bool bind_ends(struct weights *weights, const struct text_config *c, struct bert_weights *ret,
                      struct err *err)
{
    int width = c->blocks.width;
    const int *axes = WEIGHTS_AXES(width);
    if (!weights_take(weights, "text.tok.weight", 0, WEIGHTS_AXES(c->vocab, width), &ret->tok, err) ||
        !weights_take(weights, "text.pos.weight", 0, WEIGHTS_AXES(c->max_pos, width), &ret->pos, err) ||
        !weights_take(weights, "text.emb_ln.weight", 0, axes, &ret->emb_ln_weight, err) ||
        !weights_take(weights, "text.emb_ln.bias", 0, axes, &ret->emb_ln_bias, err) ||
        !weights_take(weights, "text.proj.weight", 0, WEIGHTS_AXES(c->proj_dim, width), &ret->proj_weight,
                      err))
        return false;
    if (c->type_emb && !weights_take(weights, "text.type.weight", 0, WEIGHTS_AXES(2, width), &ret->type, err))
        return false;
    return !c->proj_bias ||
           weights_take(weights, "text.proj.bias", 0, WEIGHTS_AXES(c->proj_dim), &ret->proj_bias, err);
}

bool bert_bind(struct weights *weights, const struct text_config *config, struct bert_weights *ret,
               struct err *err)
{
    *ret = (struct bert_weights){0};
    if (!bind_ends(weights, config, ret, err))
        return false;
    ret->layers = ARENA_ARRAY(weights->arena, struct block_weights, (size_t)config->blocks.depth);
    if (!ret->layers)
        return err_fail(err, ERR_NOMEM, "no memory to bind weights");
    for (int i = 0; i < config->blocks.depth; i++)
        if (!block_bind(weights, "text.layers.{i}.", i, &config->blocks, true, &ret->layers[i], err))
            return false;
    return true;
}

static void embed(const struct text_config *c, const struct bert_weights *w, struct block_state *state,
                  const int *ids, int count)
{
    size_t width = (size_t)c->blocks.width;
    for (int i = 0; i < count; i++) {
        float *row = state->x + (size_t)i * width;
        memcpy(row, w->tok + (size_t)ids[i] * width, width * sizeof *row);
        if (w->type)
            ops_add(width, w->type, row);
        ops_add(width, w->pos + (size_t)i * width, row);
    }
    ops_layer_norm(count, c->blocks.width, state->x, w->emb_ln_weight, w->emb_ln_bias, c->blocks.ln_eps,
                   state->x);
}

static void layer(const struct text_config *c, const struct block_weights *w, struct block_state *state,
                  int count)
{
    int width = c->blocks.width;
    block_attention(&c->blocks, w, state, 1, count, false, state->x);
    ops_layer_norm(count, width, state->x, w->ln1_weight, w->ln1_bias, c->blocks.ln_eps, state->x);
    block_mlp(&c->blocks, w, state, count, state->x);
    ops_layer_norm(count, width, state->x, w->ln2_weight, w->ln2_bias, c->blocks.ln_eps, state->x);
}

bool bert_forward(const struct text_config *c, const struct bert_weights *w, struct block_state *state,
                  const int *ids, int count, float *embedding, const struct encoder_tap *tap, struct err *err)
{
    int width = c->blocks.width;
    if (!text_ends_check(c, ids, count, err))
        return false;
    embed(c, w, state, ids, count);
    encoder_tap(tap, "embed", -1, state->x, count, width);
    for (int i = 0; i < c->blocks.depth; i++) {
        layer(c, &w->layers[i], state, count);
        encoder_tap(tap, "layer", i, state->x, count, width);
    }
    return text_ends_finish(c, w->proj_weight, w->proj_bias, state, ids, count, embedding, tap, err);
}
