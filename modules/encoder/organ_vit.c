#include "encoder/organ_vit.h"

#include "encoder/organ.h"
#include "encoder/vit.h"
#include "encoder/windows.h"

#include <stdlib.h>
#include <string.h>

enum { CROPS_MAX = 4 /* our bound */ };

/* source: fvlm eval.py, roi_size */
static const int published_crop_zyx[3] = {112, 288, 352};

struct self {
    const struct vision_config *config;
    struct vit vit;
    struct organ_config organs;
    struct organ_weights weights;
    struct organ_room room;
    bool ran; /* vit.kept and room.labels are those of `box` */
    struct organ_box box;
    float *vectors; /* [organs][proj_dim] */
    struct encoder_organ *out;
};

/* ---- open ---- */

static bool reserve(struct self *self, const int zyx[3], struct err *err)
{
    const struct vision_config *c = self->config;
    if (!vit_reserve(&self->vit, 1, zyx, err))
        return false;
    size_t cells = (size_t)self->vit.cells, rows = cells * (size_t)(c->tap_count + 1);
    return organ_room_reserve(&self->room, &self->organs, c->channels, zyx, cells, rows,
                              (size_t)c->blocks.width, err);
}

static bool check_flow(struct self *self, struct err *err)
{
    if (self->config->pool != ENCODER_POOL_TOKENS)
        return err_fail(err, ERR_INPUT, "vision.pool: with a section organ it is \"tokens\"");
    if (self->organs.pool != ORGAN_POOL_QUERIES)
        return err_fail(err, ERR_UNSUPPORTED, "organ.pool: with arch vit it is \"queries\"");
    if (!self->organs.crop_zyx[0])
        memcpy(self->organs.crop_zyx, published_crop_zyx, sizeof published_crop_zyx);
    return true;
}

static bool open_self(const struct encoder_sections *sections, const struct encoder_config *config,
                      struct weights *weights, void **ret_self, struct err *err)
{
    const struct vision_config *c = &config->vision;
    struct self *self = ARENA_NEW(weights->arena, struct self);
    if (!self)
        return err_fail(err, ERR_NOMEM, "no memory for an encoder");
    *ret_self = self;
    self->config = c;
    if (!organ_config_read(sections->organ, weights->arena, &self->organs, err) || !check_flow(self, err) ||
        !vit_open(&self->vit, c, weights, err) ||
        !organ_bind(weights, &self->organs, c->blocks.width, c->proj_dim, &self->weights, err))
        return false;
    size_t organs = (size_t)self->organs.count;
    self->vectors = ARENA_ARRAY(weights->arena, float, organs *(size_t)c->proj_dim);
    self->out = ARENA_ARRAY(weights->arena, struct encoder_organ, organs);
    if (!self->vectors || !self->out)
        return err_fail(err, ERR_NOMEM, "no memory for organs");
    return reserve(self, c->input_zyx, err);
}

static void close_self(void *opaque)
{
    struct self *self = opaque;
    if (!self)
        return;
    organ_room_free(&self->room);
    vit_close(&self->vit);
}

/* ---- run ---- */

/* Mask labels to organ numbers; none where the crop is padding. */
static void number_labels(struct self *self, const struct organ_box *box)
{
    uint8_t *row = self->room.labels;
    int within[3];
    for (int i = 0; i < 3; i++)
        within[i] = box->end_zyx[i] - box->start_zyx[i];
    for (int z = 0; z < box->size_zyx[0]; z++)
        for (int y = 0; y < box->size_zyx[1]; y++, row += box->size_zyx[2]) {
            int columns = z < within[0] && y < within[1] ? within[2] : 0;
            for (int x = 0; x < columns; x++)
                row[x] = self->organs.of_label[row[x]];
            memset(row + columns, 0, (size_t)(box->size_zyx[2] - columns));
        }
}

static bool run_box(struct self *self, const struct encoder_input *input, const struct organ_box *box,
                    const struct encoder_tap *tap, struct err *err)
{
    struct organ_room *r = &self->room;
    if (self->ran && memcmp(box, &self->box, sizeof *box) == 0)
        return true;
    self->ran = false;
    if (!reserve(self, box->size_zyx, err))
        return false;
    windows_cut(input->values, self->config->channels, input->zyx, box->start_zyx, box->end_zyx,
                box->size_zyx, r->values);
    windows_cut_labels(input->mask, input->zyx, box->start_zyx, box->size_zyx, r->labels);
    number_labels(self, box);
    vit_tokens(&self->vit, r->values, 1, tap);
    self->box = *box;
    self->ran = true;
    return true;
}

/* The rows of every kept level that the organ touches. out: how many. */
static int gather_tokens(struct self *self, int organ)
{
    const struct vit *vit = &self->vit;
    const struct organ_room *r = &self->room;
    size_t width = (size_t)self->config->blocks.width, first = (size_t)(vit->tokens - vit->cells) * width;
    int count = 0;
    organ_cells(r->labels, vit->zyx, self->config->patch_zyx, organ + 1, r->flags);
    for (int level = 0; level <= self->config->tap_count; level++)
        for (int cell = 0; cell < vit->cells; cell++)
            if (r->flags[cell])
                memcpy(r->tokens + (size_t)count++ * width, vit->kept[level] + first + (size_t)cell * width,
                       width * sizeof *r->tokens);
    return count;
}

static bool run_organ(struct self *self, const struct encoder_input *input, int organ,
                      const struct encoder_tap *tap, struct err *err)
{
    int dim = self->config->proj_dim;
    float *vector = self->vectors + (size_t)organ * (size_t)dim;
    struct encoder_organ *out = &self->out[organ];
    struct organ_box box;
    *out = (struct encoder_organ){.id = self->organs.organs[organ].id, .reason = "organ_not_in_mask"};
    if (!organ_crop(&self->organs, organ, input->mask, input->zyx, self->organs.crop_zyx,
                    self->config->patch_zyx, &box))
        return true;
    out->reason = "organ_too_large";
    if (tensor_voxels(box.size_zyx) > CROPS_MAX * tensor_voxels(self->organs.crop_zyx))
        return true;
    if (!run_box(self, input, &box, tap, err))
        return false;
    int tokens = gather_tokens(self, organ);
    if (tokens == 0)
        return true;
    if (!organ_attend(&self->organs, &self->weights, organ, self->room.tokens, tokens, self->room.scores,
                      vector, err))
        return false;
    encoder_tap(tap, "organ", organ, vector, 1, dim);
    out->vector = vector;
    out->reason = NULL;
    return true;
}

static bool run(void *opaque, const struct encoder_input *input, struct encoder_output *ret,
                const struct encoder_tap *tap, struct err *err)
{
    struct self *self = opaque;
    if (!windows_check_input(input->items, input->zyx, err))
        return false;
    if (!input->mask)
        return err_decline(err, "mask_missing", "the encoder needs a mask of the organs");
    self->ran = false;
    for (int organ = 0; organ < self->organs.count; organ++)
        if (!run_organ(self, input, organ, tap, err))
            return false;
    *ret = (struct encoder_output){.organs = self->out, .organ_count = self->organs.count};
    return true;
}

const struct tower organ_vit_tower = {open_self, run, close_self};
