#include "encoder/vit_tower.h"

#include "encoder/slice_pool.h"
#include "encoder/vit.h"
#include "tensor/ops.h"

#include <string.h>

enum { ITEMS_MAX = 4096 };

struct self {
    struct vit vit;
    struct slice_pool pool;
    float *vector; /* [D] */
    float *joined; /* [W] */
    float *tower;  /* [W]: encoder_output.tower */
    /* For `items` items: */
    struct arena *room;
    int items;
    float *pooled;  /* [items][W] */
    float *vectors; /* [items][D] */
};

static void free_self(void *opaque)
{
    struct self *self = opaque;
    if (!self)
        return;
    vit_close(&self->vit);
    slice_pool_close(&self->pool);
    arena_free(self->room);
}

static bool reserve(struct self *self, int items, struct err *err)
{
    const struct vision_config *c = self->vit.config;
    if (!slice_pool_reserve(&self->pool, items, err))
        return false;
    if (items <= self->items)
        return true;
    arena_free(self->room);
    self->items = 0;
    self->room = arena_new();
    if (self->room) {
        self->pooled = ARENA_ARRAY(self->room, float, (size_t)items *(size_t)c->blocks.width);
        self->vectors = ARENA_ARRAY(self->room, float, (size_t)items *(size_t)c->proj_dim);
    }
    if (!self->room || !self->pooled || !self->vectors)
        return err_fail(err, ERR_NOMEM, "no memory for %d slices", items);
    self->items = items;
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
    self->vector = ARENA_ARRAY(weights->arena, float, (size_t)c->proj_dim);
    self->joined = ARENA_ARRAY(weights->arena, float, (size_t)c->blocks.width);
    self->tower = ARENA_ARRAY(weights->arena, float, (size_t)c->blocks.width);
    if (!self->vector || !self->joined || !self->tower)
        return err_fail(err, ERR_NOMEM, "no memory for an encoder");
    return slice_pool_open(&self->pool, sections->slice_pool, c->blocks.width, c->proj_dim, weights, err) &&
           vit_open(&self->vit, c, weights, err) && reserve(self, 1, err);
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

/* However slices are joined for the embedding, and however many there are. */
static void mean_tower(struct self *self, int items)
{
    block_pool(self->vit.crew, items, self->vit.config->blocks.width, self->pooled, NULL, NULL, 0, NULL,
               self->tower);
}

/* Slices weigh the same, unless attention weighs them. */
static bool pool_slices(struct self *self, float *vectors, int slices, float *pooled, struct err *err)
{
    size_t d = (size_t)self->pool.heads.width;
    for (int i = 0; self->pool.mode != SLICE_POOL_MHSA && i < slices; i++)
        if (!ops_unit(d, vectors + (size_t)i * d))
            return err_decline(err, "embedding_not_finite", "the vector of slice %d is zero or not finite",
                               i + 1);
    slice_pool_run(&self->pool, vectors, slices, pooled);
    return true;
}

/* From self->pooled to self->vector. */
static bool join(struct self *self, int items, const struct encoder_tap *tap, struct err *err)
{
    const struct vision_config *c = self->vit.config;
    const struct linear *proj = &self->vit.weights.proj;
    const struct crew *crew = self->vit.crew;
    if (c->proj_pre_relu)
        ops_relu((size_t)items * (size_t)c->blocks.width, self->pooled);
    if (items == 1) {
        linear_run(proj, crew, 1, self->pooled, TILE_PLAIN, false, self->vector);
    } else if (self->pool.before_projection) {
        if (!pool_slices(self, self->pooled, items, self->joined, err))
            return false;
        linear_run(proj, crew, 1, self->joined, TILE_PLAIN, false, self->vector);
    } else {
        linear_run(proj, crew, items, self->pooled, TILE_PLAIN, false, self->vectors);
        if (!pool_slices(self, self->vectors, items, self->vector, err))
            return false;
        encoder_tap(tap, "slices", -1, self->vectors, items, c->proj_dim);
    }
    return ops_unit((size_t)c->proj_dim, self->vector) ||
           err_decline(err, "embedding_not_finite", "the embedding is zero or not finite");
}

static bool run(void *opaque, const struct encoder_input *input, struct encoder_output *ret,
                const struct encoder_tap *tap, struct err *err)
{
    struct self *self = opaque;
    if (input->items < 1 || input->items > ITEMS_MAX)
        return err_decline(err, "input_shape", "%d slices; the encoder takes 1 to %d", input->items,
                           ITEMS_MAX);
    if (!vit_reserve(&self->vit, input->items, input->zyx, err) || !reserve(self, input->items, err))
        return false;
    run_items(self, input, tap);
    mean_tower(self, input->items);
    if (!join(self, input->items, tap, err))
        return false;
    encoder_tap(tap, "unit", -1, self->vector, 1, self->vit.config->proj_dim);
    ret->vector = self->vector;
    ret->tower = self->tower;
    return true;
}

const struct tower vit_tower = {open_self, run, free_self};
