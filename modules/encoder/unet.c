#include "encoder/unet.h"

#include "tensor/conv.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    INPUT = -1, /* the buffer that is the caller's */
    NONE = -2,
    AXIS_MAX = 2048,
    STEPS_MAX = UNET_STAGES_MAX * (2 * UNET_CONVS_MAX + 1) + UNET_SKIPS + 1,
    ALIGNMENT = 64
};

enum step_kind { STEP_CONV, STEP_UP };

/* Writes buffer number = its own number. */
struct step {
    enum step_kind kind;
    union {
        struct conv conv;
        struct conv_up up;
    };
    const float *norm_weight, *norm_bias; /* instance norm follows; NULL: none */
    int in[2];                            /* buffers */
    int last;                             /* step that reads it last; STEPS_MAX: kept for the caller */
    const char *stage;                    /* tap; NULL: none */
    int layer;
    int channels, zyx[3]; /* of the output */
    size_t size, offset;  /* floats */
};

struct unet_plan {
    struct step steps[STEPS_MAX];
    int count;
    int full, skips[UNET_SKIPS], logits; /* buffers */
    float *room;
    size_t room_count, scratch_offset;
    double *sums;         /* [widest][2] */
    float *scale, *shift; /* [widest] */
};

/* ---- steps ---- */

static struct step *add_step(struct unet_plan *plan, enum step_kind kind, int in0, int in1)
{
    struct step *step = &plan->steps[plan->count];
    *step = (struct step){.kind = kind, .in = {in0, in1}, .last = plan->count};
    for (int i = 0; i < 2; i++)
        if (step->in[i] >= 0)
            plan->steps[step->in[i]].last = plan->count;
    plan->count++;
    return step;
}

static int channels_of(const struct unet *unet, int buffer)
{
    if (buffer == NONE)
        return 0;
    return buffer == INPUT ? unet->config.channels : unet->plan->steps[buffer].channels;
}

/* Batch norm and bias as one scale and shift a channel. */
static bool fold_batch_norm(struct weights *weights, const char *norm, int i, int j,
                            const struct unet_config *c, const float *weight, const float *bias,
                            struct step *step, struct err *err)
{
    int out = step->channels;
    const float *mean, *variance, *conv_bias = step->conv.shift;
    char mean_name[80], variance_name[80];
    snprintf(mean_name, sizeof mean_name, "%s.running_mean", norm);
    snprintf(variance_name, sizeof variance_name, "%s.running_var", norm);
    if (!weights_take_at(weights, mean_name, i, j, WEIGHTS_AXES(out), &mean, err) ||
        !weights_take_at(weights, variance_name, i, j, WEIGHTS_AXES(out), &variance, err))
        return false;
    float *scale = ARENA_ARRAY(weights->arena, float, (size_t)out);
    float *shift = ARENA_ARRAY(weights->arena, float, (size_t)out);
    if (!scale || !shift)
        return err_fail(err, ERR_NOMEM, "no memory to fold a norm");
    conv_batch_norm(out, mean, variance, weight, bias, c->norm_eps, scale, shift);
    for (int k = 0; conv_bias && k < out; k++)
        shift[k] += conv_bias[k] * scale[k];
    step->conv.scale = scale;
    step->conv.shift = shift;
    step->conv.slope = c->slope;
    return true;
}

static bool bind_norm(struct weights *weights, const char *prefix, int i, int j, const struct unet_config *c,
                      struct step *step, struct err *err)
{
    char norm[64], name[80];
    const float *weight, *bias;
    snprintf(norm, sizeof norm, "%s.norm", prefix);
    snprintf(name, sizeof name, "%s.weight", norm);
    if (!weights_take_at(weights, name, i, j, WEIGHTS_AXES(step->channels), &weight, err))
        return false;
    snprintf(name, sizeof name, "%s.bias", norm);
    if (!weights_take_at(weights, name, i, j, WEIGHTS_AXES(step->channels), &bias, err))
        return false;
    if (c->norm == UNET_NORM_BATCH)
        return fold_batch_norm(weights, norm, i, j, c, weight, bias, step, err);
    step->norm_weight = weight;
    step->norm_bias = bias;
    return true;
}

static bool bind_conv(struct weights *weights, const char *prefix, int i, int j, bool has_bias,
                      struct step *step, struct err *err)
{
    char name[80];
    struct conv *conv = &step->conv;
    const int *k = conv->kernel_zyx;
    snprintf(name, sizeof name, "%s.weight", prefix);
    if (!weights_take_at(
            weights, name, i, j,
            WEIGHTS_AXES(conv->out_channels, conv->in_channels[0] + conv->in_channels[1], k[0], k[1], k[2]),
            &conv->weight, err))
        return false;
    snprintf(name, sizeof name, "%s.bias", prefix);
    return !has_bias ||
           weights_take_at(weights, name, i, j, WEIGHTS_AXES(conv->out_channels), &conv->shift, err);
}

static struct step *add_conv(struct unet *unet, int in0, int in1, int out, const int kernel[3],
                             const int stride[3])
{
    struct step *step = add_step(unet->plan, STEP_CONV, in0, in1);
    step->channels = out;
    step->conv = (struct conv){
        .in_channels = {channels_of(unet, in0), channels_of(unet, in1)}, .out_channels = out, .slope = 1};
    memcpy(step->conv.kernel_zyx, kernel, sizeof step->conv.kernel_zyx);
    memcpy(step->conv.stride_zyx, stride, sizeof step->conv.stride_zyx);
    return step;
}

static const int ones[3] = {1, 1, 1};

/* Convolution, norm, activation. out: its buffer, or NONE. */
static int add_block(struct unet *unet, struct weights *weights, const char *prefix, int i, int j, int stage,
                     int in0, int in1, const int stride[3], struct err *err)
{
    const struct unet_config *c = &unet->config;
    struct step *step = add_conv(unet, in0, in1, c->features[stage], c->kernels_zyx[stage], stride);
    char name[64];
    snprintf(name, sizeof name, "%s.conv", prefix);
    if (!bind_conv(weights, name, i, j, c->bias, step, err) ||
        !bind_norm(weights, prefix, i, j, c, step, err))
        return NONE;
    return unet->plan->count - 1;
}

static bool add_encoder(struct unet *unet, struct weights *weights, int skips[UNET_STAGES_MAX],
                        struct err *err)
{
    const struct unet_config *c = &unet->config;
    int from = INPUT;
    for (int s = 0; s < c->stages; s++) {
        for (int j = 0; j < c->convs_enc; j++)
            if ((from = add_block(unet, weights, "unet.enc.{i}.{j}", s, j, s, from, NONE,
                                  j ? ones : c->strides_zyx[s], err)) == NONE)
                return false;
        skips[s] = from;
        unet->plan->steps[from].stage = "enc";
        unet->plan->steps[from].layer = s;
    }
    return true;
}

static bool add_up(struct unet *unet, struct weights *weights, int level, int stage, int from,
                   struct err *err)
{
    const struct unet_config *c = &unet->config;
    struct step *step = add_step(unet->plan, STEP_UP, from, NONE);
    const int *s = c->strides_zyx[stage + 1];
    step->channels = c->features[stage];
    step->up = (struct conv_up){.in_channels = channels_of(unet, from), .out_channels = c->features[stage]};
    memcpy(step->up.stride_zyx, s, sizeof step->up.stride_zyx);
    return weights_take_at(weights, "unet.dec.{i}.up.weight", level, 0,
                           WEIGHTS_AXES(step->up.in_channels, step->channels, s[0], s[1], s[2]),
                           &step->up.weight, err) &&
           (!c->bias || weights_take_at(weights, "unet.dec.{i}.up.bias", level, 0,
                                        WEIGHTS_AXES(step->channels), &step->up.bias, err));
}

/* out: the last map's buffer, or NONE. */
static int add_decoder(struct unet *unet, struct weights *weights, const int skips[UNET_STAGES_MAX],
                       struct err *err)
{
    const struct unet_config *c = &unet->config;
    int from = skips[c->stages - 1];
    for (int level = 0; level < c->dec_levels; level++) {
        int stage = c->stages - 2 - level;
        if (!add_up(unet, weights, level, stage, from, err))
            return NONE;
        from = unet->plan->count - 1;
        for (int j = 0; j < c->convs_dec; j++)
            if ((from = add_block(unet, weights, "unet.dec.{i}.{j}", level, j, stage, from,
                                  j ? NONE : skips[stage], ones, err)) == NONE)
                return NONE;
        unet->plan->steps[from].stage = "dec";
        unet->plan->steps[from].layer = level;
    }
    return from;
}

/* A 1x1x1 convolution for the caller. out: its buffer, or NONE. */
static int add_head(struct unet *unet, struct weights *weights, const char *prefix, const char *stage,
                    int layer, int out, int from, struct err *err)
{
    struct step *step = add_conv(unet, from, NONE, out, ones, ones);
    step->stage = stage;
    step->layer = layer;
    return bind_conv(weights, prefix, 0, 0, true, step, err) ? unet->plan->count - 1 : NONE;
}

static bool add_skips(struct unet *unet, struct weights *weights, const int skips[UNET_STAGES_MAX],
                      struct err *err)
{
    static const char *const names[UNET_SKIPS] = {"unet.proj.0", "unet.proj.1", "unet.proj.2"};
    const struct unet_config *c = &unet->config;
    for (int k = 0; k < UNET_SKIPS; k++) {
        int from = skips[c->stages - 1 - k];
        unet->plan->skips[k] =
            c->map_dim ? add_head(unet, weights, names[k], "proj", k, c->map_dim, from, err) : from;
        if (unet->plan->skips[k] == NONE)
            return false;
    }
    return true;
}

static bool add_all(struct unet *unet, struct weights *weights, struct err *err)
{
    const struct unet_config *c = &unet->config;
    struct unet_plan *plan = unet->plan;
    int skips[UNET_STAGES_MAX], last;
    plan->full = plan->logits = plan->skips[0] = NONE;
    if (!add_encoder(unet, weights, skips, err))
        return false;
    if (c->out_map == UNET_OUT_SKIPS && !add_skips(unet, weights, skips, err))
        return false;
    if ((last = add_decoder(unet, weights, skips, err)) == NONE)
        return false;
    if (c->classes &&
        (plan->logits = add_head(unet, weights, "unet.seg", "seg", -1, c->classes, last, err)) == NONE)
        return false;
    if (c->out_map == UNET_OUT_FULL)
        plan->full = last;
    const int kept[] = {plan->full, plan->logits, plan->skips[0], plan->skips[1], plan->skips[2]};
    int keep = plan->skips[0] == NONE ? 2 : 5;
    for (int i = 0; i < keep; i++)
        if (kept[i] != NONE)
            plan->steps[kept[i]].last = STEPS_MAX;
    return true;
}

static bool make_norm_room(struct unet *unet, struct arena *arena, struct err *err)
{
    struct unet_plan *plan = unet->plan;
    size_t widest = 0;
    for (int i = 0; i < plan->count; i++)
        widest = (size_t)plan->steps[i].channels > widest ? (size_t)plan->steps[i].channels : widest;
    plan->sums = ARENA_ARRAY(arena, double, 2 * widest);
    plan->scale = ARENA_ARRAY(arena, float, widest);
    plan->shift = ARENA_ARRAY(arena, float, widest);
    return (plan->sums && plan->scale && plan->shift) || err_fail(err, ERR_NOMEM, "no memory for a U-Net");
}

bool unet_open(struct unet *unet, const json_t *section, int channels, struct weights *weights,
               struct err *err)
{
    *unet = (struct unet){.factor_zyx = {1, 1, 1}};
    if (!section)
        return err_fail(err, ERR_INPUT, "unet: required, but missing");
    if (!unet_config_read(section, channels, &unet->config, err))
        return false;
    for (int s = 0; s < unet->config.stages; s++)
        for (int i = 0; i < 3; i++)
            unet->factor_zyx[i] *= unet->config.strides_zyx[s][i];
    if (!(unet->plan = ARENA_NEW(weights->arena, struct unet_plan)))
        return err_fail(err, ERR_NOMEM, "no memory for a U-Net");
    return add_all(unet, weights, err) && make_norm_room(unet, weights->arena, err);
}

void unet_close(struct unet *unet)
{
    if (unet->plan)
        free(unet->plan->room);
    *unet = (struct unet){0};
}

/* ---- room ---- */

static size_t aligned(size_t count)
{
    return (count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static const int *in_zyx(const struct unet *unet, const struct step *step)
{
    return step->in[0] == INPUT ? unet->zyx : unet->plan->steps[step->in[0]].zyx;
}

/* Sizes of every map. out: the most scratch any step needs, in floats. */
static size_t measure(struct unet *unet)
{
    size_t most = 0;
    for (int i = 0; i < unet->plan->count; i++) {
        struct step *step = &unet->plan->steps[i];
        const int *in = in_zyx(unet, step);
        size_t scratch =
            step->kind == STEP_CONV ? conv_scratch(&step->conv, in) : conv_up_scratch(&step->up, in);
        if (step->kind == STEP_CONV)
            conv_out_zyx(&step->conv, in, step->zyx);
        for (int j = 0; step->kind == STEP_UP && j < 3; j++)
            step->zyx[j] = in[j] * step->up.stride_zyx[j];
        step->size = aligned((size_t)step->channels * tensor_voxels(step->zyx));
        most = scratch > most ? scratch : most;
    }
    return most;
}

static bool alive_together(const struct unet_plan *plan, int a, int b)
{
    return a <= plan->steps[b].last && b <= plan->steps[a].last;
}

/* The lowest place where `which` disturbs none of the `count` placed ones. */
static size_t lowest_place(const struct unet_plan *plan, const int *placed, int count, int which)
{
    size_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < count; i++) {
            const struct step *other = &plan->steps[placed[i]];
            if (alive_together(plan, placed[i], which) && other->offset < offset + plan->steps[which].size &&
                offset < other->offset + other->size) {
                offset = other->offset + other->size;
                moved = true;
            }
        }
    }
    return offset;
}

/* The largest first. out: floats needed for all maps. */
static size_t place_all(struct unet_plan *plan)
{
    int order[STEPS_MAX];
    size_t end = 0;
    for (int i = 0; i < plan->count; i++) {
        int at = i;
        for (; at > 0 && plan->steps[order[at - 1]].size < plan->steps[i].size; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    for (int i = 0; i < plan->count; i++) {
        struct step *step = &plan->steps[order[i]];
        step->offset = lowest_place(plan, order, i, order[i]);
        end = step->offset + step->size > end ? step->offset + step->size : end;
    }
    return end;
}

static bool check_size(const struct unet *unet, const int zyx[3], struct err *err)
{
    for (int i = 0; i < 3; i++)
        if (zyx[i] < 1 || zyx[i] > AXIS_MAX || zyx[i] % unet->factor_zyx[i] != 0)
            return err_decline(err, "input_shape",
                               "%d x %d x %d (z, y, x); the encoder takes multiples of %d, %d, %d", zyx[0],
                               zyx[1], zyx[2], unet->factor_zyx[0], unet->factor_zyx[1], unet->factor_zyx[2]);
    if (tensor_voxels(zyx) > (size_t)INT32_MAX / 16)
        return err_decline(err, "input_shape", "%d x %d x %d voxels are too many", zyx[0], zyx[1], zyx[2]);
    return true;
}

static void show_map(const struct unet_plan *plan, int buffer, struct unet_map *map)
{
    *map = (struct unet_map){0};
    if (buffer == NONE)
        return;
    const struct step *step = &plan->steps[buffer];
    map->values = plan->room + step->offset;
    map->channels = step->channels;
    memcpy(map->zyx, step->zyx, sizeof map->zyx);
}

bool unet_reserve(struct unet *unet, const int zyx[3], struct err *err)
{
    struct unet_plan *plan = unet->plan;
    if (memcmp(unet->zyx, zyx, sizeof unet->zyx) == 0)
        return true;
    if (!check_size(unet, zyx, err))
        return false;
    memcpy(unet->zyx, zyx, sizeof unet->zyx);
    size_t scratch = measure(unet), maps = place_all(plan), count = aligned(maps + scratch);
    plan->scratch_offset = maps;
    if (count > plan->room_count) {
        free(plan->room);
        plan->room_count = 0;
        plan->room = aligned_alloc(ALIGNMENT * sizeof *plan->room, count * sizeof *plan->room);
        if (!plan->room) {
            memset(unet->zyx, 0, sizeof unet->zyx);
            return err_fail(err, ERR_NOMEM, "no memory for a U-Net of %d x %d x %d voxels", zyx[0], zyx[1],
                            zyx[2]);
        }
        plan->room_count = count;
    }
    show_map(plan, plan->full, &unet->full);
    show_map(plan, plan->logits, &unet->logits);
    for (int k = 0; k < UNET_SKIPS; k++)
        show_map(plan, plan->skips[0] == NONE ? NONE : plan->skips[k], &unet->skips[k]);
    return true;
}

size_t unet_room_bytes(const struct unet *unet)
{
    return unet->plan->room_count * sizeof *unet->plan->room;
}

/* ---- forward ---- */

static void run_step(const struct unet *unet, const struct step *step, const float *input)
{
    const struct unet_plan *plan = unet->plan;
    const float *in[2] = {NULL, NULL};
    float *out = plan->room + step->offset, *scratch = plan->room + plan->scratch_offset;
    for (int i = 0; i < 2; i++)
        if (step->in[i] != NONE)
            in[i] = step->in[i] == INPUT ? input : plan->room + plan->steps[step->in[i]].offset;
    if (step->kind == STEP_UP) {
        conv_up_run(&step->up, in[0], in_zyx(unet, step), out, scratch);
        return;
    }
    conv_run(&step->conv, in, in_zyx(unet, step), out, step->norm_weight ? plan->sums : NULL, scratch);
    if (!step->norm_weight)
        return;
    conv_instance_norm(step->channels, plan->sums, tensor_voxels(step->zyx), step->norm_weight,
                       step->norm_bias, unet->config.norm_eps, plan->scale, plan->shift);
    conv_affine(step->channels, tensor_voxels(step->zyx), plan->scale, plan->shift, unet->config.slope, out);
}

void unet_run(struct unet *unet, const float *input, const struct encoder_tap *tap)
{
    for (int i = 0; i < unet->plan->count; i++) {
        const struct step *step = &unet->plan->steps[i];
        run_step(unet, step, input);
        if (step->stage)
            encoder_tap(tap, step->stage, step->layer, unet->plan->room + step->offset, step->channels,
                        (int)tensor_voxels(step->zyx));
    }
}
