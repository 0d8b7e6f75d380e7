#include "encoder/vit.h"

#include "encoder/pos_resize.h"
#include "tensor/ops.h"

#include <string.h>

/* Tokens that go through the products at once: enough for their full speed, and 16 slices of ViT-L/14 take
 * 140 MB. */
enum { BATCH_TOKENS = 4112 };

static bool bind_ends(struct weights *weights, const struct vision_config *c, struct vit_weights *ret,
                      struct err *err)
{
    int width = c->blocks.width;
    const int *p = c->patch_zyx, *axes = WEIGHTS_AXES(width);
    if (!weights_take_linear(weights, "vision.patch.weight", c->patch_bias ? "vision.patch.bias" : NULL, 0,
                             WEIGHTS_AXES(width, c->channels, p[0], p[1], p[2]), &ret->patch, err))
        return false;
    if (c->cls_token && !weights_take(weights, "vision.cls", 0, axes, &ret->cls, err))
        return false;
    if (c->learned_pos &&
        !weights_take(weights, "vision.pos", 0, WEIGHTS_AXES(c->tokens, width), &ret->pos, err))
        return false;
    if (c->pool == ENCODER_POOL_TOKENS)
        return true;
    return weights_take_linear(weights, "vision.proj.weight", c->proj_bias ? "vision.proj.bias" : NULL, 0,
                               WEIGHTS_AXES(c->proj_dim, width), &ret->proj, err);
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

bool vit_open(struct vit *vit, const struct vision_config *config, struct weights *weights, struct err *err)
{
    int depth = config->blocks.depth;
    struct vit_weights *ret = &vit->weights;
    *vit = (struct vit){.config = config, .crew = weights->crew};
    if (!bind_ends(weights, config, ret, err) || !bind_norms(weights, config, ret, err))
        return false;
    ret->layers = ARENA_ARRAY(weights->arena, struct block_weights, (size_t)depth);
    if (!ret->layers)
        return err_fail(err, ERR_NOMEM, "no memory to bind weights");
    for (int i = 0; i < depth; i++)
        if (!block_bind(weights, "vision.layers.{i}.", i, &config->blocks, config->qkv_bias, &ret->layers[i],
                        err))
            return false;
    return vit_reserve(vit, 1, config->input_zyx, err);
}

void vit_close(struct vit *vit)
{
    arena_free(vit->room);
    vit->room = NULL;
}

/* ---- room for the forward pass ---- */

static bool check_size(const struct vision_config *c, const int zyx[3], struct err *err)
{
    bool same = memcmp(zyx, c->input_zyx, sizeof c->input_zyx) == 0;
    if (!same && c->learned_pos && c->pos_resize == ENCODER_POS_FIXED)
        return err_decline(err, "input_shape", "an item of %d x %d x %d; the encoder takes %d x %d x %d",
                           zyx[0], zyx[1], zyx[2], c->input_zyx[0], c->input_zyx[1], c->input_zyx[2]);
    int64_t cells = 1;
    for (int i = 0; i < 3; i++) {
        if (zyx[i] < c->patch_zyx[i] || zyx[i] % c->patch_zyx[i] != 0)
            return err_decline(err, "input_shape", "the patch of %d does not divide an axis of %d",
                               c->patch_zyx[i], zyx[i]);
        cells *= zyx[i] / c->patch_zyx[i];
        if (cells >= ENCODER_TOKENS_MAX)
            return err_decline(err, "input_shape", "%lld patches are too many", (long long)cells);
    }
    return true;
}

static bool resize_pos(struct vit *vit)
{
    const struct vision_config *c = vit->config;
    vit->pos = vit->weights.pos;
    if (!vit->pos || memcmp(vit->grid_zyx, c->grid_zyx, sizeof c->grid_zyx) == 0)
        return true;
    size_t width = (size_t)c->blocks.width, first = c->cls_token ? width : 0;
    float *pos = ARENA_ARRAY(vit->room, float, (size_t)vit->tokens *width);
    if (!pos)
        return false;
    memcpy(pos, vit->pos, first * sizeof *pos);
    pos_resize(vit->pos + first, c->grid_zyx, vit->grid_zyx, c->blocks.width,
               c->pos_resize == ENCODER_POS_BICUBIC, pos + first);
    vit->pos = pos;
    return true;
}

static bool fill_room(struct vit *vit, struct err *err)
{
    const struct vision_config *c = vit->config;
    size_t kept = (size_t)vit->tokens * (size_t)c->blocks.width;
    if (!vit->room || !resize_pos(vit))
        return err_fail(err, ERR_NOMEM, "no memory for %d tokens", vit->tokens);
    if (!block_state_init(&vit->state, &c->blocks, vit->batch, vit->tokens, c->patch_dim, vit->crew,
                          vit->room, err))
        return false;
    for (int i = 0; c->pool == ENCODER_POOL_TOKENS && i <= c->tap_count; i++) {
        vit->kept[i] = ARENA_ARRAY(vit->room, float, kept);
        if (!vit->kept[i])
            return err_fail(err, ERR_NOMEM, "no memory for %d tokens", vit->tokens);
    }
    return true;
}

bool vit_reserve(struct vit *vit, int items, const int zyx[3], struct err *err)
{
    const struct vision_config *c = vit->config;
    if (!check_size(c, zyx, err))
        return false;
    int cells = 1, grid_zyx[3];
    for (int i = 0; i < 3; i++) {
        grid_zyx[i] = zyx[i] / c->patch_zyx[i];
        cells *= grid_zyx[i];
    }
    int tokens = cells + (c->cls_token ? 1 : 0);
    int batch = BATCH_TOKENS / tokens < 1 ? 1 : BATCH_TOKENS / tokens;
    batch = items < batch ? items : batch;
    if (vit->room && memcmp(vit->zyx, zyx, sizeof vit->zyx) == 0 && batch <= vit->batch)
        return true;
    arena_free(vit->room);
    vit->room = arena_new();
    vit->cells = cells;
    vit->tokens = tokens;
    vit->batch = batch;
    memcpy(vit->zyx, zyx, sizeof vit->zyx);
    memcpy(vit->grid_zyx, grid_zyx, sizeof vit->grid_zyx);
    if (fill_room(vit, err))
        return true;
    vit_close(vit);
    return false;
}

/* ---- the forward pass ---- */

/* One patch as a row, in the order of a Conv3d kernel: channel, z, y, x. */
static float *copy_patch(const struct vit *vit, const float *input, const int cell[3], float *row)
{
    const int *p = vit->config->patch_zyx, *n = vit->zyx;
    for (int channel = 0; channel < vit->config->channels; channel++)
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
static void embed_patches(struct vit *vit, const float *input, float *tokens)
{
    float *row = vit->state.wide;
    int cell[3];
    for (cell[0] = 0; cell[0] < vit->grid_zyx[0]; cell[0]++)
        for (cell[1] = 0; cell[1] < vit->grid_zyx[1]; cell[1]++)
            for (cell[2] = 0; cell[2] < vit->grid_zyx[2]; cell[2]++)
                row = copy_patch(vit, input, cell, row);
    linear_run(&vit->weights.patch, vit->crew, vit->cells, vit->state.wide, TILE_PLAIN, false, tokens);
}

/* One item. x: [tokens][W] */
static void embed(struct vit *vit, const float *input, float *x, const struct encoder_tap *tap)
{
    const struct vit_weights *w = &vit->weights;
    int width = vit->config->blocks.width;
    float *patches = x + (w->cls ? width : 0);
    embed_patches(vit, input, patches);
    encoder_tap(tap, "patch", -1, patches, vit->cells, width);
    if (w->cls)
        memcpy(x, w->cls, (size_t)width * sizeof *x);
    if (vit->pos)
        ops_add((size_t)vit->tokens * (size_t)width, vit->pos, x);
    if (w->pre_ln_weight)
        ops_layer_norm(vit->crew, vit->tokens, width, x, w->pre_ln_weight, w->pre_ln_bias,
                       vit->config->blocks.ln_eps, x);
    encoder_tap(tap, "embed", -1, x, vit->tokens, width);
}

static void layer(struct vit *vit, int items, int number, const struct encoder_tap *tap)
{
    const struct encoder_blocks *c = &vit->config->blocks;
    const struct block_weights *w = &vit->weights.layers[number];
    struct block_state *state = &vit->state;
    int rows = items * vit->tokens;
    block_norm(c, state, rows, w->ln1_weight, w->ln1_bias);
    block_attention(c, &w->attn, state, items, vit->tokens, false, state->norm);
    encoder_tap(tap, "attn", number, state->x, vit->tokens, c->width);
    block_norm(c, state, rows, w->ln2_weight, w->ln2_bias);
    block_mlp(c, w, state, rows, state->norm);
    encoder_tap(tap, "layer", number, state->x, vit->tokens, c->width);
}

static void post_norm(const struct vit *vit, int rows, const float *x, float *out)
{
    const struct vit_weights *w = &vit->weights;
    int width = vit->config->blocks.width;
    if (w->post_ln_weight)
        ops_layer_norm(vit->crew, rows, width, x, w->post_ln_weight, w->post_ln_bias,
                       vit->config->blocks.ln_eps, out);
    else
        memcpy(out, x, (size_t)rows * (size_t)width * sizeof *out);
}

void vit_tokens(struct vit *vit, const float *input, int items, const struct encoder_tap *tap)
{
    const struct vision_config *c = vit->config;
    int width = c->blocks.width, kept = 0;
    bool keeps = c->pool == ENCODER_POOL_TOKENS;
    size_t one = (size_t)vit->tokens * (size_t)width;
    size_t size = (size_t)c->channels * (size_t)vit->zyx[0] * (size_t)vit->zyx[1] * (size_t)vit->zyx[2];
    for (int i = 0; i < items; i++)
        embed(vit, input + (size_t)i * size, vit->state.x + (size_t)i * one, i ? NULL : tap);
    for (int i = 0; i < c->blocks.depth; i++) {
        layer(vit, items, i, tap);
        if (keeps && kept < c->tap_count && c->taps[kept] == i)
            memcpy(vit->kept[kept++], vit->state.x, one * sizeof(float));
    }
    if (!keeps)
        return;
    post_norm(vit, vit->tokens, vit->state.x, vit->kept[kept]);
    encoder_tap(tap, "post", -1, vit->kept[kept], vit->tokens, width);
}

void vit_pool(struct vit *vit, int item, float *pooled)
{
    const struct vision_config *c = vit->config;
    const struct vit_weights *w = &vit->weights;
    size_t width = (size_t)c->blocks.width;
    const float *x = vit->state.x + (size_t)item * (size_t)vit->tokens * width;
    bool mean = c->pool == ENCODER_POOL_MEAN;
    block_pool(vit->crew, mean ? vit->cells : 1, c->blocks.width, x + (mean && c->cls_token ? width : 0),
               w->post_ln_weight, w->post_ln_bias, c->blocks.ln_eps, vit->state.norm, pooled);
}
