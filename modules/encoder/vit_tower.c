#include "encoder/vit_tower.h"

#include "encoder/vit.h"
#include "tensor/gemm.h"
#include "tensor/ops.h"

#include <string.h>

enum { ITEMS_MAX = 100000 };

struct self {
    struct vit vit;
    /* For `items` items: */
    struct arena *room;
    int items;
    float *pooled;  /* [items][W] */
    float *vectors; /* [items][D], unit length */
    float *vector;  /* [D] */
};

static void free_self(void *opaque)
{
    struct self *self = opaque;
    if (!self)
        return;
    vit_close(&self->vit);
    arena_free(self->room);
}

static bool reserve(struct self *self, int items, struct err *err)
{
    const struct vision_config *c = self->vit.config;
    if (items <= self->items)
        return true;
    arena_free(self->room);
    self->items = 0;
    self->room = arena_new();
    if (self->room) {
        self->pooled = ARENA_ARRAY(self->room, float, (size_t)items *(size_t)c->blocks.width);
        self->vectors = ARENA_ARRAY(self->room, float, (size_t)items *(size_t)c->proj_dim);
        self->vector = ARENA_ARRAY(self->room, float, (size_t)c->proj_dim);
    }
    if (!self->room || !self->pooled || !self->vectors || !self->vector)
        return err_fail(err, ERR_NOMEM, "no memory for %d slices", items);
    self->items = items;
    return true;
}

static bool open_self(const struct encoder_sections *sections, const struct encoder_config *config,
                      struct weights *weights, void **ret_self, struct err *err)
{
    struct self *self = ARENA_NEW(weights->arena, struct self);
    if (!self)
        return err_fail(err, ERR_NOMEM, "no memory for an encoder");
    *ret_self = self;
    if (sections->slice_pool)
        return err_fail(err, ERR_UNSUPPORTED, "slice_pool: not supported");
    return vit_open(&self->vit, &config->vision, weights, err) && reserve(self, 1, err);
}

/* Batch by batch to pooled vectors. */
static void run_items(struct self *self, const struct encoder_input *input, const struct encoder_tap *tap)
{
    struct vit *vit = &self->vit;
    size_t width = (size_t)vit->config->blocks.width;
    size_t size =
        (size_t)vit->config->channels * (size_t)vit->zyx[0] * (size_t)vit->zyx[1] * (size_t)vit->zyx[2];
    for (int from = 0; from < input->items; from += vit->batch) {
        int items = input->items - from < vit->batch ? input->items - from : vit->batch;
        vit_tokens(vit, input->values + (size_t)from * size, items, from ? NULL : tap);
        for (int i = 0; i < items; i++)
            vit_pool(vit, i, self->pooled + (size_t)(from + i) * width);
    }
    encoder_tap(tap, "post", -1, self->pooled, 1, (int)width);
}

static bool project(struct self *self, int items, struct err *err)
{
    const struct vision_config *c = self->vit.config;
    const struct vit_weights *w = &self->vit.weights;
    for (int i = 0; i < items; i++) {
        float *pooled = self->pooled + (size_t)i * (size_t)c->blocks.width;
        if (c->proj_pre_relu)
            ops_relu((size_t)c->blocks.width, pooled);
        if (!block_project(pooled, c->blocks.width, w->proj_weight, w->proj_bias, c->proj_dim,
                           self->vectors + (size_t)i * (size_t)c->proj_dim, err))
            return false;
    }
    return true;
}

/* One vector of several: here other ways than the mean plug in. */
static bool join(struct self *self, int items, struct err *err)
{
    size_t dim = (size_t)self->vit.config->proj_dim;
    memcpy(self->vector, self->vectors, dim * sizeof *self->vector);
    for (int i = 1; i < items; i++)
        ops_add(dim, self->vectors + (size_t)i * dim, self->vector);
    return items == 1 || ops_unit(dim, self->vector) ||
           err_decline(err, "embedding_not_finite", "the slices' vectors cancel out");
}

static bool run(void *opaque, const struct encoder_input *input, struct encoder_output *ret,
                const struct encoder_tap *tap, struct err *err)
{
    struct self *self = opaque;
    int dim = self->vit.config->proj_dim;
    if (input->items < 1 || input->items > ITEMS_MAX)
        return err_decline(err, "input_shape", "%d slices; the encoder takes 1 to %d", input->items,
                           ITEMS_MAX);
    if (!vit_reserve(&self->vit, input->items, input->zyx, err) || !reserve(self, input->items, err))
        return false;
    run_items(self, input, tap);
    if (!project(self, input->items, err))
        return false;
    if (input->items > 1)
        encoder_tap(tap, "slices", -1, self->vectors, input->items, dim);
    if (!join(self, input->items, err))
        return false;
    encoder_tap(tap, "unit", -1, self->vector, 1, dim);
    ret->vector = self->vector;
    return true;
}

const struct tower vit_tower = {open_self, run, free_self};
