#include "encoder/spacetime.h"

#include "encoder/block.h"
#include "tensor/attention.h"
#include "tensor/ops.h"

#include <string.h>

/* W = width. */
struct layer {
    struct block_weights block;           /* space attention and MLP */
    const float *ln_t_weight, *ln_t_bias; /* [W] */
    struct block_heads time;
};

/* N = patches of a frame, F = frames, C = channels. */
struct self {
    const struct vision_config *config;
    struct linear patch;                        /* in the file [W, C, py, px] */
    const float *cls;                           /* [W] */
    const float *pos;                           /* [1 + N, W] or NULL */
    const float *time_pos;                      /* [F, W] or NULL */
    const float *pre_ln_weight, *pre_ln_bias;   /* [W] or NULL */
    const float *post_ln_weight, *post_ln_bias; /* [W] or NULL */
    struct linear proj;                         /* W to D */
    struct layer *layers;                       /* [depth] */
    int cells;                                  /* N */
    struct block_state state;                   /* for all frames */
    float *after_time;                          /* [1 + F * N][W] */
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
        {"vision.cls",            {w},                  &self->cls,            true},
        {"vision.pos",            {1 + self->cells, w}, &self->pos,            c->learned_pos},
        {"vision.time_pos",       {c->time_pos, w},     &self->time_pos,       c->time_pos > 0},
        {"vision.pre_ln.weight",  {w},                  &self->pre_ln_weight,  c->pre_ln},
        {"vision.pre_ln.bias",    {w},                  &self->pre_ln_bias,    c->pre_ln},
        {"vision.post_ln.weight", {w},                  &self->post_ln_weight, c->post_ln},
        {"vision.post_ln.bias",   {w},                  &self->post_ln_bias,   c->post_ln},
    };
    // clang-format on
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++)
        if (wants[i].wanted && !weights_take(weights, wants[i].name, 0, wants[i].axes, wants[i].into, err))
            return false;
    return weights_take_linear(weights, "vision.patch.weight", c->patch_bias ? "vision.patch.bias" : NULL, 0,
                               WEIGHTS_AXES(w, c->channels, c->patch_zyx[1], c->patch_zyx[2]), &self->patch,
                               err) &&
           weights_take_linear(weights, "vision.proj.weight", c->proj_bias ? "vision.proj.bias" : NULL, 0,
                               WEIGHTS_AXES(c->proj_dim, w), &self->proj, err);
}

static bool bind_layer(struct layer *layer, int number, const struct vision_config *c,
                       struct weights *weights, struct err *err)
{
    int w = c->blocks.width;
    return weights_take(weights, "vision.layers.{i}.ln_t.weight", number, WEIGHTS_AXES(w),
                        &layer->ln_t_weight, err) &&
           weights_take(weights, "vision.layers.{i}.ln_t.bias", number, WEIGHTS_AXES(w), &layer->ln_t_bias,
                        err) &&
           weights_take_block_linear(weights, "vision.layers.{i}.tattn.qkv.weight",
                                     c->qkv_bias ? "vision.layers.{i}.tattn.qkv.bias" : NULL, number,
                                     WEIGHTS_AXES(3 * w, w), &layer->time.qkv, err) &&
           weights_take_block_linear(weights, "vision.layers.{i}.tattn.out.weight",
                                     "vision.layers.{i}.tattn.out.bias", number, WEIGHTS_AXES(w, w),
                                     &layer->time.out, err) &&
           block_bind(weights, "vision.layers.{i}.", number, &c->blocks, c->qkv_bias, &layer->block, err);
}

static bool make_room(struct self *self, struct weights *weights, struct err *err)
{
    const struct vision_config *c = self->config;
    size_t width = (size_t)c->blocks.width, tokens = (size_t)c->tokens;
    struct arena *arena = weights->arena;
    self->after_time = ARENA_ARRAY(arena, float, tokens *width);
    self->vector = ARENA_ARRAY(arena, float, (size_t)c->proj_dim);
    self->tower = ARENA_ARRAY(arena, float, width);
    if (!self->after_time || !self->vector || !self->tower)
        return err_fail(err, ERR_NOMEM, "no memory for %d tokens", c->tokens);
    return block_state_init(&self->state, &c->blocks, 1, c->tokens, c->patch_dim, weights->crew, arena, err);
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
    return make_room(self, weights, err);
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
    linear_run(&self->patch, self->state.crew, rows, self->state.wide, TILE_PLAIN, false, patches);
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
        ops_layer_norm(self->state.crew, rows + 1, width, x, self->pre_ln_weight, self->pre_ln_bias,
                       c->blocks.ln_eps, x);
    encoder_tap(tap, "embed", -1, x, rows + 1, width);
}

/* ---- attention ---- */

/* Groups of tokens: group i is first + i * step, and from there every `stride`-th. */
struct groups {
    const struct self *self;
    int first, step, stride, size;
    bool with_class; /* each token also sees the class token */
    int queries;     /* of each group, its first */
};

/* Of every group, every head. */
static void group(const void *work, int number, struct attention *ret)
{
    const struct groups *g = work;
    const struct block_state *state = &g->self->state;
    int heads = g->self->config->blocks.heads, head_dim = g->self->config->blocks.width / heads;
    size_t width = (size_t)g->self->config->blocks.width, stride = (size_t)g->stride * width;
    size_t column = (size_t)(number % heads) * (size_t)head_dim;
    size_t token = (size_t)(g->first + number / heads * g->step);
    const float *class_row = state->wide + column, *q = class_row + 3 * token * width;
    *ret = (struct attention){.queries = g->queries,
                              .keys = g->size,
                              .head_dim = head_dim,
                              .q = q,
                              .q_step = 3 * stride,
                              .k = q + width,
                              .v = q + 2 * width,
                              .kv_step = 3 * stride,
                              .first_k = g->with_class ? class_row + width : NULL,
                              .first_v = g->with_class ? class_row + 2 * width : NULL,
                              .out = state->norm + token * width + column,
                              .out_step = stride};
}

/* to += attention of state.norm; patches: their groups, `count` of them. */
static void attend(struct self *self, const struct block_heads *w, int tokens, int count,
                   const struct groups *patches, float *to)
{
    struct block_state *state = &self->state;
    const struct groups all = {self, 0, 0, 1, tokens, false, 1};
    int heads = self->config->blocks.heads;
    linear_run(&w->qkv, state->crew, tokens, state->norm, TILE_PLAIN, false, state->wide);
    attention_run(state->crew, heads, group, &all, state->room);
    attention_run(state->crew, heads * count, group, patches, state->room);
    linear_run(&w->out, state->crew, tokens, state->norm, TILE_PLAIN, true, to);
}

static void run_layer(struct self *self, int number, int frames, const struct encoder_tap *tap)
{
    const struct encoder_blocks *c = &self->config->blocks;
    const struct layer *layer = &self->layers[number];
    const struct block_weights *w = &layer->block;
    struct block_state *state = &self->state;
    int cells = self->cells, tokens = 1 + frames * cells;
    const struct groups places = {self, 1, 1, cells, frames, true, frames};
    const struct groups pictures = {self, 1, cells, 1, cells, true, cells};
    size_t bytes = (size_t)tokens * (size_t)c->width * sizeof(float);
    memcpy(self->after_time, state->x, bytes);
    block_norm(c, state, tokens, layer->ln_t_weight, layer->ln_t_bias);
    attend(self, &layer->time, tokens, cells, &places, self->after_time);
    encoder_tap(tap, "time", number, self->after_time, tokens, c->width);
    ops_layer_norm(state->crew, tokens, c->width, self->after_time, w->ln1_weight, w->ln1_bias, c->ln_eps,
                   state->norm);
    if (self->config->space_residual == ENCODER_RESIDUAL_AFTER_TIME)
        memcpy(state->x, self->after_time, bytes);
    attend(self, &w->attn, tokens, frames, &pictures, state->x);
    encoder_tap(tap, "attn", number, state->x, tokens, c->width);
    block_norm(c, state, tokens, w->ln2_weight, w->ln2_bias);
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
    block_pool(self->state.crew, mean ? input->items * self->cells : 1, width,
               self->state.x + (mean ? width : 0), self->post_ln_weight, self->post_ln_bias, c->blocks.ln_eps,
               self->state.norm, pooled);
    encoder_tap(tap, "post", -1, pooled, 1, width);
    memcpy(read, pooled, (size_t)width * sizeof *read);
    if (c->proj_pre_relu)
        ops_relu((size_t)width, read);
    if (!block_project(&self->proj, read, self->vector, err))
        return false;
    encoder_tap(tap, "unit", -1, self->vector, 1, c->proj_dim);
    ret->vector = self->vector;
    ret->tower = self->tower;
    return true;
}

const struct tower spacetime_tower = {open_self, run, close_self};
