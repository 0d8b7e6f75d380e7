#include "encoder/vit.h"

#include "tensor/gemm.h"
#include "tensor/ops.h"

#include <string.h>

static bool bind_ends(struct weights *weights, const struct vision_config *c, struct vit_weights *ret,
                      struct err *err)
{
    int width = c->blocks.width;
    const int *p = c->patch_zyx, *axes = WEIGHTS_AXES(width), *proj = WEIGHTS_AXES(c->proj_dim);
    if (!weights_take(weights, "vision.patch.weight", 0, WEIGHTS_AXES(width, c->channels, p[0], p[1], p[2]),
                      &ret->patch_weight, err) ||
        !weights_take(weights, "vision.cls", 0, axes, &ret->cls, err) ||
        !weights_take(weights, "vision.proj.weight", 0, WEIGHTS_AXES(c->proj_dim, width), &ret->proj_weight,
                      err))
        return false;
    if (c->patch_bias && !weights_take(weights, "vision.patch.bias", 0, axes, &ret->patch_bias, err))
        return false;
    if (c->learned_pos &&
        !weights_take(weights, "vision.pos", 0, WEIGHTS_AXES(c->tokens, width), &ret->pos, err))
        return false;
    return !c->proj_bias || weights_take(weights, "vision.proj.bias", 0, proj, &ret->proj_bias, err);
}

static bool bind_norms(struct weights *weights, const struct vision_config *c, struct vit_weights *ret,
                       struct err *err)
{
    const int *axes = WEIGHTS_AXES(c->blocks.width);
    if (c->pre_ln && (!weights_take(weights, "vision.pre_ln.weight", 0, axes, &ret->pre_ln_weight, err) ||
                      !weights_take(weights, "vision.pre_ln.bias", 0, axes, &ret->pre_ln_bias, err)))
        return false;
    return !c->post_ln ||
           (weights_take(weights, "vision.post_ln.weight", 0, axes, &ret->post_ln_weight, err) &&
            weights_take(weights, "vision.post_ln.bias", 0, axes, &ret->post_ln_bias, err));
}

bool vit_bind(struct weights *weights, const struct vision_config *config, struct vit_weights *ret,
              struct err *err)
{
    *ret = (struct vit_weights){0};
    if (!bind_ends(weights, config, ret, err) || !bind_norms(weights, config, ret, err))
        return false;
    ret->layers = ARENA_ARRAY(weights->arena, struct block_weights, (size_t)config->blocks.depth);
    if (!ret->layers)
        return err_fail(err, ERR_NOMEM, "no memory to bind weights");
    for (int i = 0; i < config->blocks.depth; i++)
        if (!block_bind(weights, "vision.layers.{i}.", i, &config->blocks, config->qkv_bias, &ret->layers[i],
                        err))
            return false;
    return true;
}

bool vit_state_init(struct block_state *state, const struct vision_config *config, struct arena *arena,
                    struct err *err)
{
    return block_state_init(state, &config->blocks, config->tokens, config->patch_dim, arena, err);
}

/* One patch as a row, in the order of a Conv3d kernel: channel, z, y, x. */
static float *copy_patch(const struct vision_config *c, const float *input, const int cell[3], float *row)
{
    const int *p = c->patch_zyx, *n = c->input_zyx;
    for (int channel = 0; channel < c->channels; channel++)
        for (int z = 0; z < p[0]; z++)
            for (int y = 0; y < p[1]; y++) {
                size_t plane = (size_t)channel * (size_t)n[0] + (size_t)(cell[0] * p[0] + z);
                size_t line = plane * (size_t)n[1] + (size_t)(cell[1] * p[1] + y);
                memcpy(row, input + line * (size_t)n[2] + cell[2] * p[2], (size_t)p[2] * sizeof *row);
                row += p[2];
            }
    return row;
}

/* A convolution whose stride is its kernel is one product over patches laid out as rows. */
static void embed_patches(const struct vision_config *c, const struct vit_weights *w,
                          struct block_state *state, const float *input)
{
    float *row = state->wide;
    int cell[3];
    for (cell[0] = 0; cell[0] < c->grid_zyx[0]; cell[0]++)
        for (cell[1] = 0; cell[1] < c->grid_zyx[1]; cell[1]++)
            for (cell[2] = 0; cell[2] < c->grid_zyx[2]; cell[2]++)
                row = copy_patch(c, input, cell, row);
    gemm_linear(c->tokens - 1, c->blocks.width, c->patch_dim, state->wide, w->patch_weight, w->patch_bias,
                state->x + c->blocks.width);
}

static void embed(const struct vision_config *c, const struct vit_weights *w, struct block_state *state,
                  const float *input, const struct encoder_tap *tap)
{
    int width = c->blocks.width;
    embed_patches(c, w, state, input);
    encoder_tap(tap, "patch", -1, state->x + width, c->tokens - 1, width);
    memcpy(state->x, w->cls, (size_t)width * sizeof *state->x);
    if (w->pos)
        ops_add((size_t)c->tokens * (size_t)width, w->pos, state->x);
    if (w->pre_ln_weight)
        ops_layer_norm(c->tokens, width, state->x, w->pre_ln_weight, w->pre_ln_bias, c->blocks.ln_eps,
                       state->x);
    encoder_tap(tap, "embed", -1, state->x, c->tokens, width);
}

static void layer(const struct vision_config *c, const struct block_weights *w, struct block_state *state,
                  int number, const struct encoder_tap *tap)
{
    int width = c->blocks.width;
    ops_layer_norm(c->tokens, width, state->x, w->ln1_weight, w->ln1_bias, c->blocks.ln_eps, state->norm);
    block_attention(&c->blocks, w, state, c->tokens, state->norm);
    encoder_tap(tap, "attn", number, state->x, c->tokens, width);
    ops_layer_norm(c->tokens, width, state->x, w->ln2_weight, w->ln2_bias, c->blocks.ln_eps, state->norm);
    block_mlp(&c->blocks, w, state, c->tokens, state->norm);
    encoder_tap(tap, "layer", number, state->x, c->tokens, width);
}

bool vit_forward(const struct vision_config *c, const struct vit_weights *w, struct block_state *state,
                 const float *input, float *embedding, const struct encoder_tap *tap, struct err *err)
{
    int width = c->blocks.width;
    float *pooled = state->norm;
    embed(c, w, state, input, tap);
    for (int i = 0; i < c->blocks.depth; i++)
        layer(c, &w->layers[i], state, i, tap);
    if (w->post_ln_weight)
        ops_layer_norm(1, width, state->x, w->post_ln_weight, w->post_ln_bias, c->blocks.ln_eps, pooled);
    else
        memcpy(pooled, state->x, (size_t)width * sizeof *pooled);
    encoder_tap(tap, "post", -1, pooled, 1, width);
    if (c->proj_pre_relu)
        ops_relu((size_t)width, pooled);
    if (!block_project(pooled, width, w->proj_weight, w->proj_bias, c->proj_dim, embedding, err))
        return false;
    encoder_tap(tap, "unit", -1, embedding, 1, c->proj_dim);
    return true;
}
