#include "pipeline/preview_block.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void *room(struct arena *arena, size_t count, size_t size, struct err *err)
{
    void *memory = arena_alloc(arena, count, size);
    if (!memory)
        err_fail(err, ERR_NOMEM, "no memory for a picture");
    return memory;
}

bool preview_input_size(const struct preview *preview, double ret_mm[3], struct err *err)
{
    const struct result_box *box = &preview->result->box;
    const double *spacing = model_preprocess(preview->model)->spacing_zyx_mm;
    const struct volume_geometry *geometry = &preview->plan->geometry;
    struct volume_geometry grid;
    struct preview_block field;
    bool grounded = model_organs(preview->model)->count > 0;
    if (grounded && !volume_regrid(geometry, spacing, &grid, err))
        return false;
    spacing = grounded ? grid.spacing_zyx_mm : spacing;
    if (!preview_block_field(geometry, &field, err))
        return false;
    for (int i = 0; i < 3; i++)
        ret_mm[i] = grounded || (box->source && spacing[0] > 0) ? spacing[i] * preview->input->zyx[i]
                    : box->source                               ? box->size_zyx_mm[i]
                                                                : field.size_mm[i];
    return true;
}

size_t preview_voxel(const struct encoder_input *input, const struct preview_plane *plane, int through, int y,
                     int x)
{
    int at[3];
    at[plane->through] = through;
    at[plane->down] = preview_turned(plane) ? input->zyx[plane->down] - 1 - y : y;
    at[plane->right] = x;
    const int *zyx = input->zyx;
    return ((size_t)at[0] * (size_t)zyx[1] + (size_t)at[1]) * (size_t)zyx[2] + (size_t)at[2];
}

static bool take_plane(const struct encoder_input *input, int i, const int at[3], struct preview_block *block,
                       struct arena *arena, struct err *err)
{
    const struct preview_plane *plane = &preview_plane[i];
    int *yx = block->yx[i];
    yx[0] = input->zyx[plane->down];
    yx[1] = input->zyx[plane->right];
    float *to = block->values[i] = room(arena, (size_t)yx[0] * (size_t)yx[1], sizeof *to, err);
    for (int y = 0; to && y < yx[0]; y++)
        for (int x = 0; x < yx[1]; x++)
            *to++ = input->values[preview_voxel(input, plane, at[plane->through], y, x)];
    return block->values[i] != NULL;
}

/* The middle, or that of the masks. */
static void middle_voxel(const struct encoder_input *input, int ret[3])
{
    double sums[3] = {0}, count = 0;
    size_t voxel = 0;
    for (int i = 0; i < 3; i++)
        ret[i] = input->zyx[i] / 2;
    for (int z = 0; input->mask && z < input->zyx[0]; z++)
        for (int y = 0; y < input->zyx[1]; y++)
            for (int x = 0; x < input->zyx[2]; x++)
                if (input->mask[voxel++]) {
                    sums[0] += z;
                    sums[1] += y;
                    sums[2] += x;
                    count++;
                }
    for (int i = 0; count > 0 && i < 3; i++)
        ret[i] = (int)(sums[i] / count + 0.5);
}

/* What black and white of the model's range of values are after its normalisation. */
static void input_range(const struct preprocess *preprocess, const struct preview_block *block, double ret[2])
{
    ret[0] = 0;
    ret[1] = 1;
    if (preprocess->norm != PREPROCESS_MEANSTD)
        return;
    for (int side = 0; preprocess->has_hu_clip && side < 2; side++)
        ret[side] = (preprocess->hu_clip[side] - preprocess->mean[0]) / preprocess->std[0];
    if (preprocess->has_hu_clip)
        return;
    ret[0] = INFINITY;
    ret[1] = -INFINITY;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < block->yx[i][0] * block->yx[i][1]; k++) {
            ret[0] = fmin(ret[0], (double)block->values[i][k]);
            ret[1] = fmax(ret[1], (double)block->values[i][k]);
        }
    ret[1] = fmax(ret[1], ret[0] + 1e-6);
}

static void title_input(const struct preview *preview, const struct preview_block *block,
                        struct preview_page *page)
{
    const struct preprocess *preprocess = model_preprocess(preview->model);
    const int *zyx = preview->input->zyx;
    char clip[96] = "not clipped";
    if (preprocess->has_hu_clip)
        snprintf(clip, sizeof clip, "clipped to %g and %g%s", preprocess->hu_clip[0], preprocess->hu_clip[1],
                 preprocess->window_count > 1 ? ", the first channel" : "");
    preview_line(page, preview_dim,
                 "The encoder's input: %d x %d x %d voxels of %.2f x %.2f x %.2f mm (z, y, x), %s", zyx[0],
                 zyx[1], zyx[2], block->size_mm[0] / zyx[0], block->size_mm[1] / zyx[1],
                 block->size_mm[2] / zyx[2], clip);
}

bool preview_input(const struct preview *preview, struct preview_page *page, struct err *err)
{
    const struct encoder_input *input = preview->input;
    struct preview_block block;
    double low_high[2];
    int at[3];
    if (!preview_block_field(&preview->plan->geometry, &block, err) ||
        !preview_input_size(preview, block.size_mm, err))
        return false;
    middle_voxel(input, at);
    preview_block_scale(&block);
    for (int i = 0; i < 3; i++) {
        block.at_mm[i] = (at[i] + 0.5) / input->zyx[i] * block.size_mm[i];
        if (!take_plane(input, i, at, &block, page->arena, err))
            return false;
    }
    input_range(model_preprocess(preview->model), &block, low_high);
    title_input(preview, &block, page);
    preview_block_place(&block, page);
    if (!preview_block_draw(&block, low_high, page, err))
        return false;
    for (int i = 0; i < 3; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s, plane %d of %d", preview_plane[i].name,
                 at[preview_plane[i].through] + 1, input->zyx[preview_plane[i].through]);
        preview_block_title(&block, i, page, text);
    }
    preview_block_marks(&block, page);
    if (input->mask)
        preview_organs(preview, &block, at, page);
    return true;
}
