#include "encoder/clip_text.h"

#include "tensor/ops.h"

#include <string.h>

bool clip_text_bind(struct weights *weights, const struct text_config *config, struct clip_text_weights *ret,
                    struct err *err)
{
    const int *axes = WEIGHTS_AXES(config->blocks.width);
    *ret = (struct clip_text_weights){0};
    return weights_take(weights, "text.final_ln.weight", 0, axes, &ret->final_ln_weight, err) &&
           weights_take(weights, "text.final_ln.bias", 0, axes, &ret->final_ln_bias, err) &&
           text_ends_bind(weights, config, &ret->text, err);
}

static void layer(const struct encoder_blocks *c, const struct block_weights *w, struct block_state *state,
                  int count)
{
    block_norm(c, state, count, w->ln1_weight, w->ln1_bias);
    block_attention(c, &w->attn, state, 1, count, true, state->norm);
    block_norm(c, state, count, w->ln2_weight, w->ln2_bias);
    block_mlp(c, w, state, count, state->norm);
}

bool clip_text_forward(const struct text_config *c, const struct clip_text_weights *w,
                       struct block_state *state, const int *ids, int count, float *embedding,
                       const struct encoder_tap *tap, struct err *err)
{
    size_t width = (size_t)c->blocks.width;
    if (!text_ends_check(c, ids, count, err))
        return false;
    for (int i = 0; i < count; i++)
        memcpy(state->x + (size_t)i * width, w->text.tok + (size_t)ids[i] * width, width * sizeof *state->x);
    ops_add((size_t)count * width, w->text.pos, state->x);
    encoder_tap(tap, "embed", -1, state->x, count, (int)width);
    for (int i = 0; i < c->blocks.depth; i++) {
        layer(&c->blocks, &w->text.layers[i], state, count);
        encoder_tap(tap, "layer", i, state->x, count, (int)width);
    }
    ops_layer_norm(state->crew, count, (int)width, state->x, w->final_ln_weight, w->final_ln_bias,
                   c->blocks.ln_eps, state->x);
    encoder_tap(tap, "final", -1, state->x, count, (int)width);
    return text_ends_finish(c, &w->text, state, ids, count, embedding, tap, err);
}
