#include "encoder/spacetime.h"

#include "encoder/block.h"
#include "tensor/gemm.h"
#include "tensor/ops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* W = width. */
struct attention {
    const float *qkv_weight, *qkv_bias; /* [3W, W], [3W] or NULL */
    const float *out_weight, *out_bias; /* [W, W], [W] */
};

struct layer {
    struct block_weights block;           /* space attention and MLP */
    const float *ln_t_weight, *ln_t_bias; /* [W] */
    struct attention time;
};

/* N = patches of a frame, F = frames, C = channels. */
struct self {
    const struct vision_config *config;
    const float *patch_weight, *patch_bias;     /* [W, C, py, px], [W] or NULL */
    const float *cls;                           /* [W] */
    const float *pos;                           /* [1 + N, W] or NULL */
    const float *time_pos;                      /* [F, W] or NULL */
    const float *pre_ln_weight, *pre_ln_bias;   /* [W] or NULL */
    const float *post_ln_weight, *post_ln_bias; /* [W] or NULL */
    const float *proj_weight, *proj_bias;       /* [D, W], [D] or NULL */
    struct layer *layers;                       /* [depth] */
    int cells;                                  /* N */
    struct block_state state;                   /* for all frames */
    float *after_time;                          /* [1 + F * N][W] */
    float *scores;                              /* of one group, or of the class query */
    float *keys, *values;                       /* [1 + max(F, N)][head_dim]: of one group */
    float *vector;                              /* [D] */
    float *tower;                               /* [W]: encoder_output.tower */
};

/* ---- weights ---- */

struct want {
    const char *name;
    int axes[5];
    const float **into;
    bool wanted;
};

static bool bind_ends(struct self *self, struct weights *weights, struct err *err)
{
    const struct vision_config *c = self->config;
    int w = c->blocks.width;
    // clang-format off
    const struct want wants[] = {
        {"vision.patch.weight",   {w, c->channels, c->patch_zyx[1], c->patch_zyx[2]}, &self->patch_weight, true},
        {"vision.patch.bias",     {w},                  &self->patch_bias,     c->patch_bias},
        {"vision.cls",            {w},                  &self->cls,            true},
        {"vision.pos",            {1 + self->cells, w}, &self->pos,            c->learned_pos},
        {"vision.time_pos",       {c->time_pos, w},     &self->time_pos,       c->time_pos > 0},
        {"vision.pre_ln.weight",  {w},                  &self->pre_ln_weight,  c->pre_ln},
        {"vision.pre_ln.bias",    {w},                  &self->pre_ln_bias,    c->pre_ln},
        {"vision.post_ln.weight", {w},                  &self->post_ln_weight, c->post_ln},
        {"vision.post_ln.bias",   {w},                  &self->post_ln_bias,   c->post_ln},
        {"vision.proj.weight",    {c->proj_dim, w},     &self->proj_weight,    true},
        {"vision.proj.bias",      {c->proj_dim},        &self->proj_bias,      c->proj_bias},
    };
    // clang-format on
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++)
        if (wants[i].wanted && !weights_take(weights, wants[i].name, 0, wants[i].axes, wants[i].into, err))
            return false;
    return true;
}

static bool bind_layer(struct layer *layer, int number, const struct vision_config *c,
                       struct weights *weights, struct err *err)
{
    int w = c->blocks.width;
    // clang-format off
    const struct want wants[] = {
        {"vision.layers.{i}.ln_t.weight",      {w},        &layer->ln_t_weight,     true},
        {"vision.layers.{i}.ln_t.bias",        {w},        &layer->ln_t_bias,       true},
        {"vision.layers.{i}.tattn.qkv.weight", {3 * w, w}, &layer->time.qkv_weight, true},
        {"vision.layers.{i}.tattn.qkv.bias",   {3 * w},    &layer->time.qkv_bias,   c->qkv_bias},
        {"vision.layers.{i}.tattn.out.weight", {w, w},     &layer->time.out_weight, true},
        {"vision.layers.{i}.tattn.out.bias",   {w},        &layer->time.out_bias,   true},
    };
    // clang-format on
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++)
        if (wants[i].wanted &&
            !weights_take(weights, wants[i].name, number, wants[i].axes, wants[i].into, err))
            return false;
    return block_bind(weights, "vision.layers.{i}.", number, &c->blocks, c->qkv_bias, &layer->block, err);
}

static bool make_room(struct self *self, struct arena *arena, struct err *err)
{
    const struct vision_config *c = self->config;
    size_t width = (size_t)c->blocks.width, tokens = (size_t)c->tokens;
    size_t group = (size_t)(c->grid_zyx[0] > self->cells ? c->grid_zyx[0] : self->cells);
    size_t scores = group * (group + 1) > tokens ? group * (group + 1) : tokens;
    size_t head_dim = width / (size_t)c->blocks.heads;
    self->after_time = ARENA_ARRAY(arena, float, tokens *width);
    self->scores = ARENA_ARRAY(arena, float, scores);
    self->keys = ARENA_ARRAY(arena, float, (group + 1) * head_dim);
    self->values = ARENA_ARRAY(arena, float, (group + 1) * head_dim);
    self->vector = ARENA_ARRAY(arena, float, (size_t)c->proj_dim);
    self->tower = ARENA_ARRAY(arena, float, width);
    if (!self->after_time || !self->scores || !self->keys || !self->values || !self->vector || !self->tower)
        return err_fail(err, ERR_NOMEM, "no memory for %d tokens", c->tokens);
    return block_state_init(&self->state, &c->blocks, 1, c->tokens, c->patch_dim, arena, err);
}

static bool open_self(const struct encoder_sections *sections, const struct encoder_config *config,
                      struct weights *weights, void **ret_self, struct err *err)
{
    const struct vision_config *c = &config->vision;
    struct self *self = ARENA_NEW(weights->arena, struct self);
    if (!self)
        return err_fail(err, ERR_NOMEM, "no memory for an encoder");
    *ret_self = self;
    if (sections->slice_pool || !c->cls_token || c->pool == ENCODER_POOL_TOKENS)
        return err_fail(err, ERR_UNSUPPORTED,
                        "vision: a space-time tower has a class token and gives one vector");
    self->config = c;
    self->cells = c->grid_zyx[1] * c->grid_zyx[2];
    self->layers = ARENA_ARRAY(weights->arena, struct layer, (size_t)c->blocks.depth);
    if (!self->layers)
        return err_fail(err, ERR_NOMEM, "no memory to bind weights");
    if (!bind_ends(self, weights, err))
        return false;
    for (int i = 0; i < c->blocks.depth; i++)
        if (!bind_layer(&self->layers[i], i, c, weights, err))
            return false;
    return make_room(self, weights->arena, err);
}

static void close_self(void *self)
{
    (void)self; /* all of it lives in the encoder's arena */
}

/* ---- tokens ---- */

/* A row a patch, in the order of a Conv2d kernel: channel, y, x. */
static void copy_patches(const struct self *self, const float *frame, float *row)
{
    const struct vision_config *c = self->config;
    const int *p = c->patch_zyx, *n = c->input_zyx;
    size_t plane = (size_t)n[1] * (size_t)n[2];
    for (int cell = 0; cell < self->cells; cell++) {
        int y = cell / c->grid_zyx[2] * p[1], x = cell % c->grid_zyx[2] * p[2];
        for (int channel = 0; channel < c->channels; channel++)
            for (int line = y; line < y + p[1]; line++) {
                memcpy(row, frame + (size_t)channel * plane + (size_t)line * (size_t)n[2] + x,
                       (size_t)p[2] * sizeof *row);
                row += p[2];
            }
    }
}

static void embed(struct self *self, const float *input, int frames, const struct encoder_tap *tap)
{
    const struct vision_config *c = self->config;
    int width = c->blocks.width, rows = frames * self->cells;
    size_t size = (size_t)c->channels * (size_t)c->input_zyx[1] * (size_t)c->input_zyx[2];
    size_t one = (size_t)self->cells * (size_t)width;
    float *x = self->state.x, *patches = x + width;
    for (int f = 0; f < frames; f++)
        copy_patches(self, input + (size_t)f * size,
                     self->state.wide + (size_t)f * (size_t)self->cells * (size_t)c->patch_dim);
    gemm_linear(rows, width, c->patch_dim, self->state.wide, self->patch_weight, self->patch_bias, patches);
    encoder_tap(tap, "patch", -1, patches, rows, width);
    memcpy(x, self->cls, (size_t)width * sizeof *x);
    if (self->pos)
        ops_add((size_t)width, self->pos, x);
    for (int f = 0; f < frames; f++) {
        if (self->pos)
            ops_add(one, self->pos + width, patches + (size_t)f * one);
        for (int p = 0; self->time_pos && p < self->cells; p++)
            ops_add((size_t)width, self->time_pos + (size_t)f * (size_t)width,
                    patches + (size_t)f * one + (size_t)p * (size_t)width);
    }
    if (self->pre_ln_weight)
        ops_layer_norm(rows + 1, width, x, self->pre_ln_weight, self->pre_ln_bias, c->blocks.ln_eps, x);
    encoder_tap(tap, "embed", -1, x, rows + 1, width);
}

/* ---- attention ---- */

/* Tokens first, first + stride, ...: each sees the class token and all of them. */
struct group {
    int first, stride, count;
};

static void copy_rows(const float *class_row, const float *first, size_t stride, int count, int head_dim,
                      float *out)
{
    size_t bytes = (size_t)head_dim * sizeof *out;
    memcpy(out, class_row, bytes);
    for (int i = 0; i < count; i++)
        memcpy(out + (size_t)(i + 1) * (size_t)head_dim, first + (size_t)i * stride, bytes);
}

static void attend_group(struct self *self, const struct group *g, int head)
{
    int width = self->config->blocks.width, head_dim = width / self->config->blocks.heads;
    size_t column = (size_t)head * (size_t)head_dim, row = 3 * (size_t)width;
    const float *qkv = self->state.wide + column, *mine = qkv + (size_t)g->first * row;
    float scale = (float)(1.0 / sqrt((double)head_dim));
    copy_rows(qkv + width, mine + width, (size_t)g->stride * row, g->count, head_dim, self->keys);
    copy_rows(qkv + 2 * width, mine + 2 * width, (size_t)g->stride * row, g->count, head_dim, self->values);
    gemm_nt(g->count, g->count + 1, head_dim, scale, mine, g->stride * 3 * width, self->keys, head_dim,
            self->scores, g->count + 1);
    ops_softmax(g->count, g->count + 1, g->count + 1, self->scores);
    gemm_nn(g->count, head_dim, g->count + 1, self->scores, g->count + 1, self->values, head_dim,
            self->state.norm + (size_t)g->first * (size_t)width + column, g->stride * width);
}

static void attend_class(struct self *self, int tokens, int head)
{
    int width = self->config->blocks.width, head_dim = width / self->config->blocks.heads;
    const float *query = self->state.wide + (size_t)head * (size_t)head_dim;
    float scale = (float)(1.0 / sqrt((double)head_dim));
    gemm_nt(1, tokens, head_dim, scale, query, 3 * width, query + width, 3 * width, self->scores, tokens);
    ops_softmax(1, tokens, tokens, self->scores);
    gemm_nn(1, head_dim, tokens, self->scores, tokens, query + 2 * width, 3 * width,
            self->state.norm + (size_t)head * (size_t)head_dim, width);
}

/* to += attention of state.norm; groups: their number, and which tokens each holds. */
static void attend(struct self *self, const struct attention *w, int tokens, int groups, struct group first,
                   int step, float *to)
{
    int width = self->config->blocks.width;
    gemm_linear(tokens, 3 * width, width, self->state.norm, w->qkv_weight, w->qkv_bias, self->state.wide);
    for (int head = 0; head < self->config->blocks.heads; head++) {
        attend_class(self, tokens, head);
        for (int i = 0; i < groups; i++) {
            struct group g = {first.first + i * step, first.stride, first.count};
            attend_group(self, &g, head);
        }
    }
    gemm_linear_add(tokens, width, width, self->state.norm, w->out_weight, w->out_bias, to);
}

static void run_layer(struct self *self, int number, int frames, const struct encoder_tap *tap)
{
    const struct encoder_blocks *c = &self->config->blocks;
    const struct layer *layer = &self->layers[number];
    const struct block_weights *w = &layer->block;
    const struct attention space = {w->qkv_weight, w->qkv_bias, w->out_weight, w->out_bias};
    struct block_state *state = &self->state;
    int cells = self->cells, tokens = 1 + frames * cells;
    size_t bytes = (size_t)tokens * (size_t)c->width * sizeof(float);
    memcpy(self->after_time, state->x, bytes);
    ops_layer_norm(tokens, c->width, state->x, layer->ln_t_weight, layer->ln_t_bias, c->ln_eps, state->norm);
    attend(self, &layer->time, tokens, cells, (struct group){1, cells, frames}, 1, self->after_time);
    encoder_tap(tap, "time", number, self->after_time, tokens, c->width);
    ops_layer_norm(tokens, c->width, self->after_time, w->ln1_weight, w->ln1_bias, c->ln_eps, state->norm);
    if (self->config->space_residual == ENCODER_RESIDUAL_AFTER_TIME)
        memcpy(state->x, self->after_time, bytes);
    attend(self, &space, tokens, frames, (struct group){1, 1, cells}, cells, state->x);
    encoder_tap(tap, "attn", number, state->x, tokens, c->width);
    ops_layer_norm(tokens, c->width, state->x, w->ln2_weight, w->ln2_bias, c->ln_eps, state->norm);
    block_mlp(c, w, state, tokens, state->norm);
    encoder_tap(tap, "layer", number, state->x, tokens, c->width);
}

/* ---- from video to vector ---- */

static bool check_size(const struct vision_config *c, const struct encoder_input *input, struct err *err)
{
    const int *zyx = input->zyx;
    int frames = c->time_pos && c->time_pos < c->input_zyx[0] ? c->time_pos : c->input_zyx[0];
    if (input->items >= 1 && input->items <= frames && zyx[0] == 1 && zyx[1] == c->input_zyx[1] &&
        zyx[2] == c->input_zyx[2])
        return true;
    return err_decline(err, "input_shape",
                       "%d frames of %d x %d x %d; the encoder takes 1 to %d of 1 x %d x %d", input->items,
                       zyx[0], zyx[1], zyx[2], frames, c->input_zyx[1], c->input_zyx[2]);
}

static bool run(void *opaque, const struct encoder_input *input, struct encoder_output *ret,
                const struct encoder_tap *tap, struct err *err)
{
    struct self *self = opaque;
    const struct vision_config *c = self->config;
    int width = c->blocks.width;
    bool mean = c->pool == ENCODER_POOL_MEAN;
    float *pooled = self->tower, *read = self->state.norm;
    if (!check_size(c, input, err))
        return false;
    embed(self, input->values, input->items, tap);
    for (int i = 0; i < c->blocks.depth; i++)
        run_layer(self, i, input->items, tap);
    block_pool(mean ? input->items * self->cells : 1, width, self->state.x + (mean ? width : 0),
               self->post_ln_weight, self->post_ln_bias, c->blocks.ln_eps, self->state.norm, pooled);
    encoder_tap(tap, "post", -1, pooled, 1, width);
    memcpy(read, pooled, (size_t)width * sizeof *read);
    if (c->proj_pre_relu)
        ops_relu((size_t)width, read);
    if (!block_project(read, width, self->proj_weight, self->proj_bias, c->proj_dim, self->vector, err))
        return false;
    encoder_tap(tap, "unit", -1, self->vector, 1, c->proj_dim);
    ret->vector = self->vector;
    ret->tower = self->tower;
    return true;
}

const struct tower spacetime_tower = {open_self, run, close_self};
