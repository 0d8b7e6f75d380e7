#include "pipeline/grounded.h"

#include "encoder/organ.h"
#include "pipeline/grounded_mask.h"
#include "pipeline/prepare.h"

#include <string.h>

struct work {
    const struct model *model;
    const struct preprocess *preprocess;
    struct volume_geometry grid;
    float *values;               /* [z][y][x] of the grid */
    uint8_t *numbers;            /* the same; NULL: the model needs no mask */
    int low_zyx[3], high_zyx[3]; /* what is kept: from low up to before high */
};

static void *room(struct arena *arena, size_t count, size_t size, struct err *err)
{
    void *memory = arena_alloc(arena, count, size);
    if (!memory)
        err_fail(err, ERR_NOMEM, "no memory for %zu items of %zu bytes", count, size);
    return memory;
}

static bool resample(struct work *work, const struct volume_plan *plan, int phase, struct source *source,
                     struct arena *arena, struct err *err)
{
    if (!volume_regrid(&plan->geometry, work->preprocess->spacing_zyx_mm, &work->grid, err))
        return false;
    size_t count = tensor_voxels(work->grid.zyx);
    work->values = room(arena, count, sizeof *work->values, err);
    return work->values && prepare_sample(plan, phase, source, &work->grid, work->values, err) &&
           prepare_values(work->preprocess, work->values, count, err);
}

/* ---- crop ---- */

static bool wanted(const struct work *work, size_t voxel)
{
    return work->preprocess->crop == PREPROCESS_CROP_MASK ? work->numbers[voxel] != 0
                                                          : work->values[voxel] != 0;
}

static void include(struct work *work, bool first, const int at[3])
{
    for (int i = 0; i < 3; i++) {
        work->low_zyx[i] = first || at[i] < work->low_zyx[i] ? at[i] : work->low_zyx[i];
        work->high_zyx[i] = first || at[i] >= work->high_zyx[i] ? at[i] + 1 : work->high_zyx[i];
    }
}

/* The box of what is wanted and a margin; everything when there is nothing. */
static void find_box(struct work *work)
{
    const int *zyx = work->grid.zyx, *margin = work->preprocess->crop_margin_zyx;
    bool none = true, whole = work->preprocess->crop == PREPROCESS_CROP_NONE ||
                              (work->preprocess->crop == PREPROCESS_CROP_MASK && !work->numbers);
    size_t voxel = 0;
    int at[3];
    for (at[0] = 0; !whole && at[0] < zyx[0]; at[0]++)
        for (at[1] = 0; at[1] < zyx[1]; at[1]++)
            for (at[2] = 0; at[2] < zyx[2]; at[2]++)
                if (wanted(work, voxel++)) {
                    include(work, none, at);
                    none = false;
                }
    for (int i = 0; i < 3; i++) {
        int low = work->low_zyx[i] - margin[i], high = work->high_zyx[i] + margin[i];
        work->low_zyx[i] = none || low < 0 ? 0 : low;
        work->high_zyx[i] = none || high > zyx[i] ? zyx[i] : high;
    }
}

/* ---- pad ---- */

/* Where the box begins in an input of size zyx. */
static void find_place(const struct work *work, int zyx[3], int place[3])
{
    const struct preprocess *p = work->preprocess;
    for (int i = 0; i < 3; i++) {
        int size = work->high_zyx[i] - work->low_zyx[i];
        zyx[i] = size > p->pad_size_zyx[i] ? size : p->pad_size_zyx[i];
        place[i] = p->pad_both ? (zyx[i] - size) / 2 : 0;
    }
}

/* A mask is given in labels, not numbers. */
static void first_labels(const struct organ_config *organs, uint8_t labels[ORGANS_MAX + 1])
{
    memset(labels, 0, ORGANS_MAX + 1);
    for (int label = ORGAN_LABELS - 1; label > 0; label--)
        labels[organs->of_label[label]] = (uint8_t)label;
    labels[0] = 0;
}

static void copy_box(const struct work *work, const int zyx[3], const int place[3], float *values,
                     uint8_t *mask)
{
    const int *low = work->low_zyx, *from_zyx = work->grid.zyx;
    uint8_t labels[ORGANS_MAX + 1];
    int columns = work->high_zyx[2] - low[2];
    first_labels(model_organs(work->model), labels);
    for (int z = low[0]; z < work->high_zyx[0]; z++)
        for (int y = low[1]; y < work->high_zyx[1]; y++) {
            size_t from =
                ((size_t)z * (size_t)from_zyx[1] + (size_t)y) * (size_t)from_zyx[2] + (size_t)low[2];
            size_t plane = (size_t)(place[0] + z - low[0]) * (size_t)zyx[1];
            size_t to = (plane + (size_t)(place[1] + y - low[1])) * (size_t)zyx[2] + (size_t)place[2];
            memcpy(values + to, work->values + from, (size_t)columns * sizeof *values);
            for (int x = 0; mask && x < columns; x++)
                mask[to + (size_t)x] = labels[work->numbers[from + (size_t)x]];
        }
}

static bool cut_and_pad(struct work *work, struct arena *arena, struct encoder_input *ret, struct err *err)
{
    int zyx[3], place[3];
    find_box(work);
    find_place(work, zyx, place);
    float *values = room(arena, tensor_voxels(zyx), sizeof *values, err);
    uint8_t *mask = work->numbers && values ? room(arena, tensor_voxels(zyx), 1, err) : NULL;
    if (!values || (work->numbers && !mask))
        return false;
    for (size_t i = 0; work->preprocess->pad_value != 0 && i < tensor_voxels(zyx); i++)
        values[i] = (float)work->preprocess->pad_value;
    copy_box(work, zyx, place, values, mask);
    *ret =
        (struct encoder_input){.values = values, .items = 1, .zyx = {zyx[0], zyx[1], zyx[2]}, .mask = mask};
    return true;
}

bool grounded_prepare(const struct model *model, struct source *source, const struct volume_plan *plan,
                      int phase, struct arena *arena, struct grounded *ret, struct err *err)
{
    struct work work = {.model = model, .preprocess = model_preprocess(model)};
    *ret = (struct grounded){0};
    if (!resample(&work, plan, phase, source, arena, err))
        return false;
    if (model_needs_mask(model)) {
        work.numbers = room(arena, tensor_voxels(work.grid.zyx), 1, err);
        if (!work.numbers || !grounded_mask(model_organs(model), model_segments(model), source, plan,
                                            &work.grid, arena, work.numbers, ret, err))
            return false;
    }
    return cut_and_pad(&work, arena, &ret->input, err);
}

bool grounded_explain(const struct grounded *grounded, struct encoder_output *output, struct arena *arena,
                      struct err *err)
{
    if (!grounded->reasons)
        return true;
    size_t count = (size_t)output->organ_count;
    struct encoder_organ *organs = room(arena, count, sizeof *organs, err);
    if (!organs)
        return false;
    memcpy(organs, output->organs, count * sizeof *organs);
    for (size_t i = 0; i < count; i++)
        if (organs[i].reason && strcmp(organs[i].reason, "organ_not_in_mask") == 0 && grounded->reasons[i])
            organs[i].reason = grounded->reasons[i];
    output->organs = organs;
    return true;
}
