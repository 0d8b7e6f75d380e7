#include "encoder/bert.h"

#include "tensor/ops.h"

#include <string.h>

bool bert_bind(struct weights *weights, const struct text_config *config, struct bert_weights *ret,
               struct err *err)
{
    int width = config->blocks.width;
    const int *axes = WEIGHTS_AXES(width);
    *ret = (struct bert_weights){0};
    if (config->type_emb &&
        !weights_take(weights, "text.type.weight", 0, WEIGHTS_AXES(2, width), &ret->type, err))
        return false;
    return weights_take(weights, "text.emb_ln.weight", 0, axes, &ret->emb_ln_weight, err) &&
           weights_take(weights, "text.emb_ln.bias", 0, axes, &ret->emb_ln_bias, err) &&
           text_ends_bind(weights, config, &ret->text, err);
}

static void embed(const struct text_config *c, const struct bert_weights *w, struct block_state *state,
                  const int *ids, int count)
{
    size_t width = (size_t)c->blocks.width;
    for (int i = 0; i < count; i++) {
        float *row = state->x + (size_t)i * width;
        memcpy(row, w->text.tok + (size_t)ids[i] * width, width * sizeof *row);
        if (w->type)
            ops_add(width, w->type, row);
        ops_add(width, w->text.pos + (size_t)i * width, row);
    }
    ops_layer_norm(state->crew, count, c->blocks.width, state->x, w->emb_ln_weight, w->emb_ln_bias,
                   c->blocks.ln_eps, state->x);
}

static void layer(const struct text_config *c, const struct block_weights *w, struct block_state *state,
                  int count)
{
    int width = c->blocks.width;
    block_attention(&c->blocks, &w->attn, state, 1, count, false, state->x);
    ops_layer_norm(state->crew, count, width, state->x, w->ln1_weight, w->ln1_bias, c->blocks.ln_eps,
                   state->x);
    block_mlp(&c->blocks, w, state, count, state->x);
    ops_layer_norm(state->crew, count, width, state->x, w->ln2_weight, w->ln2_bias, c->blocks.ln_eps,
                   state->x);
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
        layer(c, &w->text.layers[i], state, count);
        encoder_tap(tap, "layer", i, state->x, count, width);
    }
    return text_ends_finish(c, &w->text, state, ids, count, embedding, tap, err);
}
