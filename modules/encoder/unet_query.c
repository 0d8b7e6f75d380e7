#include "encoder/unet_query.h"

#include "encoder/organ.h"
#include "encoder/stitch.h"
#include "encoder/unet.h"
#include "tensor/labels.h"
#include "tensor/ops.h"

#include <stdlib.h>
#include <string.h>

enum {
    MARGIN = 2,      /* source: inference_demo.py, margin */
    CROP_WINDOWS = 4 /* our bound */
};

struct self {
    const struct vision_config *config;
    struct unet unet;
    struct organ_config organs;
    struct organ_weights weights;
    struct organ_room room;
    float *scratch; /* of labels_argmax */
    float *vectors; /* [organs][proj_dim] */
    struct encoder_organ *out;
};

/* ---- open ---- */

static size_t cells_of(const struct unet *unet)
{
    size_t cells = 0;
    for (int k = 0; k < UNET_SKIPS; k++)
        cells += tensor_voxels(unet->skips[k].zyx);
    return cells;
}

static bool reserve(struct self *self, const int zyx[3], struct err *err)
{
    if (!unet_reserve(&self->unet, zyx, err))
        return false;
    size_t cells = cells_of(&self->unet), width = (size_t)self->unet.skips[0].channels;
    return organ_room_reserve(&self->room, &self->organs, self->config->channels, zyx, cells, cells, width,
                              err);
}

/* The flow needs: organs predicted on every plane; three maps of one width. */
static bool check_unet(const struct self *self, struct err *err)
{
    const struct unet *unet = &self->unet;
    if (!unet->skips[0].values)
        return err_fail(err, ERR_INPUT, "unet.out_map: organ.pool queries needs skips");
    for (int k = 1; k < UNET_SKIPS; k++)
        if (unet->skips[k].channels != unet->skips[0].channels)
            return err_fail(err, ERR_INPUT, "unet.map_dim: required, the maps differ in width");
    if (!unet->logits.values)
        return err_fail(err, ERR_INPUT, "unet.classes: required by organ.pool queries");
    if (unet->logits.zyx[0] != self->config->input_zyx[0])
        return err_fail(err, ERR_UNSUPPORTED,
                        "unet.strides: the predicted mask is coarser in z than the input");
    return true;
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
        !unet_reserve(&self->unet, config->vision.input_zyx, err) || !check_unet(self, err) ||
        !organ_bind(weights, &self->organs, self->unet.skips[0].channels, config->vision.proj_dim,
                    &self->weights, err))
        return false;
    size_t organs = (size_t)self->organs.count;
    self->vectors = ARENA_ARRAY(weights->arena, float, organs *(size_t)config->vision.proj_dim);
    self->out = ARENA_ARRAY(weights->arena, struct encoder_organ, organs);
    self->scratch =
        ARENA_ARRAY(weights->arena, float, labels_scratch((const int[3]){1, 1, WINDOWS_AXIS_MAX}));
    if (!self->vectors || !self->out || !self->scratch)
        return err_fail(err, ERR_NOMEM, "no memory for organs");
    return reserve(self, config->vision.input_zyx, err);
}

static void close_self(void *opaque)
{
    struct self *self = opaque;
    if (!self)
        return;
    organ_room_free(&self->room);
    unet_close(&self->unet);
}

/* ---- one box ---- */

static bool run_box(struct self *self, const struct encoder_input *input, const struct organ_box *box,
                    const struct encoder_tap *tap, struct err *err)
{
    const struct unet_map *logits = &self->unet.logits;
    struct organ_room *r = &self->room;
    windows_cut(input->values, self->config->channels, input->zyx, box->start_zyx, box->end_zyx,
                box->size_zyx, r->values);
    unet_run(&self->unet, r->values, tap);
    if (!ops_finite((size_t)logits->channels * tensor_voxels(logits->zyx), logits->values))
        return err_decline(err, "scores_not_finite", "a score of the predicted mask is not finite");
    labels_argmax(logits->channels, logits->values, logits->zyx, box->size_zyx, r->labels, self->scratch);
    for (size_t i = 0; i < tensor_voxels(box->size_zyx); i++)
        r->labels[i] = self->organs.of_label[r->labels[i]];
    return true;
}

/* there[n], edge[n]: organ number n occurs in the box; within MARGIN of its border. */
struct seen {
    bool there[ORGANS_MAX + 1], edge[ORGANS_MAX + 1];
};

static void mark(const uint8_t *row, int from, int end, bool *into)
{
    for (int x = from; x < end; x++)
        into[row[x]] = true;
}

static void look(const uint8_t *labels, const int zyx[3], struct seen *seen)
{
    *seen = (struct seen){0};
    for (int z = 0; z < zyx[0]; z++)
        for (int y = 0; y < zyx[1]; y++, labels += zyx[2]) {
            bool edge = z < MARGIN || z >= zyx[0] - MARGIN || y < MARGIN || y >= zyx[1] - MARGIN;
            int border = edge || zyx[2] < MARGIN ? zyx[2] : MARGIN;
            mark(labels, 0, zyx[2], seen->there);
            mark(labels, 0, border, seen->edge);
            mark(labels, zyx[2] - border, zyx[2], seen->edge);
        }
}

/* The cells of one map that the organ touches, as rows. out: where the next row goes. */
static float *gather_tokens(const struct self *self, const struct unet_map *map, const int box_zyx[3],
                            int organ, float *to)
{
    const struct organ_room *r = &self->room;
    const int cell[3] = {box_zyx[0] / map->zyx[0], box_zyx[1] / map->zyx[1], box_zyx[2] / map->zyx[2]};
    size_t cells = tensor_voxels(map->zyx);
    organ_cells(r->labels, box_zyx, cell, organ + 1, r->flags);
    for (size_t i = 0; i < cells; i++) {
        if (!r->flags[i])
            continue;
        for (int c = 0; c < map->channels; c++)
            *to++ = map->values[(size_t)c * cells + i];
    }
    return to;
}

static bool attend(struct self *self, const struct organ_box *box, int organ, const struct encoder_tap *tap,
                   struct err *err)
{
    int dim = self->config->proj_dim;
    float *end = self->room.tokens, *vector = self->vectors + (size_t)organ * (size_t)dim;
    for (int k = 0; k < UNET_SKIPS; k++)
        end = gather_tokens(self, &self->unet.skips[k], box->size_zyx, organ, end);
    int count = (int)((end - self->room.tokens) / self->unet.skips[0].channels);
    if (!organ_attend(&self->organs, &self->weights, organ, self->room.tokens, count, self->room.scores,
                      vector, err))
        return false;
    self->out[organ].vector = vector;
    encoder_tap(tap, "organ", organ, vector, 1, dim);
    return true;
}

/* Vectors of organs that have none yet. waived: the organ without a border rule; -1: none. */
static bool take_organs(struct self *self, const struct organ_box *box, int waived,
                        const struct encoder_tap *tap, struct err *err)
{
    struct seen seen;
    look(self->room.labels, box->size_zyx, &seen);
    for (int organ = 0; organ < self->organs.count; organ++) {
        bool intact = seen.there[organ + 1] && (!seen.edge[organ + 1] || organ == waived);
        if (intact && !self->out[organ].vector && !attend(self, box, organ, tap, err))
            return false;
    }
    return true;
}

/* ---- the whole volume ---- */

static bool run_windows(struct self *self, const struct encoder_input *input, const struct windows *windows,
                        struct stitch *stitch, const struct encoder_tap *tap, struct err *err)
{
    struct organ_box box;
    memcpy(box.size_zyx, windows->size_zyx, sizeof box.size_zyx);
    memcpy(box.end_zyx, windows->zyx, sizeof box.end_zyx);
    for (int i = 0; i < windows->count; i++) {
        windows_start(windows, i, box.start_zyx);
        if (!run_box(self, input, &box, tap, err))
            return false;
        stitch_add(stitch, i, self->unet.logits.values);
        if (!take_organs(self, &box, -1, tap, err))
            return false;
    }
    return true;
}

/* The same multiple along all axes. source: inference_demo.py, DivisiblePadd(k=32). */
static bool place_crop(const struct self *self, const struct windows *windows, const uint8_t *stitched,
                       int organ, struct organ_box *box)
{
    const int *factor = self->unet.factor_zyx, *crop = self->organs.crop_zyx;
    int most = factor[0] > factor[1] ? factor[0] : factor[1];
    most = factor[2] > most ? factor[2] : most;
    const int multiple[3] = {most, most, most};
    return organ_crop(&self->organs, organ, stitched, windows->zyx, crop[0] ? crop : windows->size_zyx,
                      multiple, box);
}

static bool run_crop(struct self *self, const struct encoder_input *input, const struct windows *windows,
                     const uint8_t *stitched, int organ, const struct encoder_tap *tap, struct err *err)
{
    struct organ_box box;
    if (!place_crop(self, windows, stitched, organ, &box))
        return true;
    self->out[organ].reason = "organ_too_large";
    if (tensor_voxels(box.size_zyx) > CROP_WINDOWS * tensor_voxels(windows->size_zyx))
        return true;
    self->out[organ].reason = "organ_not_found";
    return reserve(self, box.size_zyx, err) && run_box(self, input, &box, tap, err) &&
           take_organs(self, &box, organ, tap, err);
}

static bool run_volume(struct self *self, const struct encoder_input *input, const struct windows *windows,
                       struct stitch *stitch, const struct encoder_tap *tap, struct err *err)
{
    if (!run_windows(self, input, windows, stitch, tap, err))
        return false;
    for (int organ = 0; organ < self->organs.count; organ++)
        if (!self->out[organ].vector &&
            !run_crop(self, input, windows, stitch_labels(stitch), organ, tap, err))
            return false;
    return true;
}

static bool run(void *opaque, const struct encoder_input *input, struct encoder_output *ret,
                const struct encoder_tap *tap, struct err *err)
{
    struct self *self = opaque;
    if (!windows_check_input(input->items, input->zyx, err) || !reserve(self, self->config->input_zyx, err))
        return false;
    struct windows windows = windows_plan(input->zyx, self->config->input_zyx, self->unet.config.overlap);
    struct stitch *stitch = stitch_open(&windows, self->unet.logits.channels, self->unet.logits.zyx, err);
    for (int i = 0; i < self->organs.count; i++)
        self->out[i] = (struct encoder_organ){.id = self->organs.organs[i].id, .reason = "organ_not_found"};
    bool ok = stitch && run_volume(self, input, &windows, stitch, tap, err);
    stitch_close(stitch);
    for (int i = 0; i < self->organs.count; i++)
        if (self->out[i].vector)
            self->out[i].reason = NULL;
    *ret = (struct encoder_output){.organs = self->out, .organ_count = self->organs.count};
    return ok;
}

const struct tower unet_query_tower = {open_self, run, close_self};
