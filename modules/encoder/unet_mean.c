#include "encoder/unet_mean.h"

#include "encoder/organ.h"
#include "encoder/unet.h"
#include "encoder/windows.h"

#include <string.h>

struct self {
    const struct vision_config *config;
    struct unet unet;
    struct organ_config organs;
    struct organ_weights weights;
    struct windows_means means;
    float *values;   /* [channels][z][y][x] of a window */
    uint8_t *labels; /* [z][y][x] of a window: organ numbers */
    void *room;      /* of windows_add */
    float *mean;     /* [channels of the map] */
    float *vectors;  /* [organs][proj_dim] */
    struct encoder_organ *out;
};

static bool make_room(struct self *self, struct arena *arena, struct err *err)
{
    const struct vision_config *c = self->config;
    size_t voxels = tensor_voxels(c->input_zyx), organs = (size_t)self->organs.count;
    size_t channels = (size_t)self->unet.full.channels;
    self->means = (struct windows_means){.organs = self->organs.count, .channels = (int)channels};
    self->means.sums = ARENA_ARRAY(arena, double, organs *channels);
    self->means.weights = ARENA_ARRAY(arena, double, organs);
    self->values = ARENA_ARRAY(arena, float, (size_t)c->channels *voxels);
    self->labels = ARENA_ARRAY(arena, uint8_t, voxels);
    self->room = arena_alloc(arena, 1, windows_add_room(self->unet.full.zyx));
    self->mean = ARENA_ARRAY(arena, float, channels);
    self->vectors = ARENA_ARRAY(arena, float, organs *(size_t)c->proj_dim);
    self->out = ARENA_ARRAY(arena, struct encoder_organ, organs);
    return (self->means.sums && self->means.weights && self->values && self->labels && self->room &&
            self->mean && self->vectors && self->out) ||
           err_fail(err, ERR_NOMEM, "no memory for windows");
}

static bool open_self(const struct encoder_sections *sections, const struct encoder_config *config,
                      struct weights *weights, void **ret_self, struct err *err)
{
    struct self *self = ARENA_NEW(weights->arena, struct self);
    if (!self)
        return err_fail(err, ERR_NOMEM, "no memory for an encoder");
    *ret_self = self;
    self->config = &config->vision;
    if (!unet_open(&self->unet, sections->unet, config->vision.channels, weights, err) ||
        !organ_config_read(sections->organ, weights->arena, &self->organs, err) ||
        !unet_reserve(&self->unet, config->vision.input_zyx, err))
        return false;
    if (!self->unet.full.values)
        return err_fail(err, ERR_INPUT, "unet.out_map: organ.pool mean needs full");
    return organ_bind(weights, &self->organs, self->unet.full.channels, config->vision.proj_dim,
                      &self->weights, err) &&
           make_room(self, weights->arena, err);
}

static void close_self(void *opaque)
{
    struct self *self = opaque;
    if (self)
        unet_close(&self->unet);
}

/* Labels to organ numbers. out: is there any? */
static bool number_organs(struct self *self)
{
    size_t voxels = tensor_voxels(self->config->input_zyx);
    bool any = false;
    for (size_t i = 0; i < voxels; i++) {
        self->labels[i] = self->organs.of_label[self->labels[i]];
        any |= self->labels[i] != 0;
    }
    return any;
}

static void add_windows(struct self *self, const struct encoder_input *input, const struct encoder_tap *tap)
{
    const int *size = self->config->input_zyx;
    struct windows windows = windows_plan(input->zyx, size, self->unet.config.overlap);
    struct windows_means *means = &self->means;
    memset(means->weights, 0, (size_t)means->organs * sizeof *means->weights);
    memset(means->sums, 0, (size_t)means->organs * (size_t)means->channels * sizeof *means->sums);
    for (int i = 0; i < windows.count; i++) {
        int start[3];
        windows_start(&windows, i, start);
        windows_cut_labels(input->mask, input->zyx, start, size, self->labels);
        if (!number_organs(self))
            continue;
        windows_cut(input->values, self->config->channels, input->zyx, start, input->zyx, size, self->values);
        unet_run(&self->unet, self->values, tap);
        windows_add(means, &windows, i, self->unet.full.values, self->unet.full.zyx, self->labels,
                    self->room);
    }
}

static bool finish_organ(struct self *self, int organ, const struct encoder_tap *tap, struct err *err)
{
    int channels = self->means.channels;
    const double *sums = self->means.sums + (size_t)organ * (size_t)channels;
    double weight = self->means.weights[organ];
    float *vector = self->vectors + (size_t)organ * (size_t)self->config->proj_dim;
    self->out[organ] =
        (struct encoder_organ){.id = self->organs.organs[organ].id, .reason = "organ_not_in_mask"};
    if (weight <= 0)
        return true;
    for (int i = 0; i < channels; i++)
        self->mean[i] = (float)(sums[i] / weight);
    encoder_tap(tap, "mean", organ, self->mean, 1, channels);
    self->out[organ].vector = vector;
    self->out[organ].reason = NULL;
    return organ_project(&self->weights, organ, self->mean, vector, err);
}

static bool run(void *opaque, const struct encoder_input *input, struct encoder_output *ret,
                const struct encoder_tap *tap, struct err *err)
{
    struct self *self = opaque;
    if (!windows_check_input(input->items, input->zyx, err))
        return false;
    if (!input->mask)
        return err_decline(err, "mask_missing", "the encoder needs a mask of the organs");
    add_windows(self, input, tap);
    for (int organ = 0; organ < self->organs.count; organ++)
        if (!finish_organ(self, organ, tap, err))
            return false;
    *ret = (struct encoder_output){.organs = self->out, .organ_count = self->organs.count};
    return true;
}

const struct tower unet_mean_tower = {open_self, run, close_self};
