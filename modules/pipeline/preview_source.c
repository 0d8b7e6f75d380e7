#include "pipeline/grey.h"
#include "pipeline/preview_block.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* HU: level 40, width 400, as the mediastinum is read; with contrast agent, level 200, width 800, or the
 * chambers would all be white. */
static const double soft_tissue[2] = {-160, 240}, contrast[2] = {-200, 600};
static const double mr_percents[2] = {1, 99};

static void *room(struct arena *arena, size_t count, size_t size, struct err *err)
{
    void *memory = arena_alloc(arena, count, size);
    if (!memory)
        err_fail(err, ERR_NOMEM, "no memory for a picture");
    return memory;
}

static void turn_over(float *values, int rows, int columns)
{
    for (int y = 0; y < rows / 2; y++) {
        float *above = values + (size_t)y * (size_t)columns;
        float *below = values + (size_t)(rows - 1 - y) * (size_t)columns;
        for (int x = 0; x < columns; x++) {
            float kept = above[x];
            above[x] = below[x];
            below[x] = kept;
        }
    }
}

static bool sample_plane(const struct preview *preview, const struct preview_plane *plane,
                         struct preview_block *block, int i, struct arena *arena, struct err *err)
{
    struct volume_reader reader = source_reader(preview->source);
    struct volume_geometry grid;
    double centre_lps[3], size_mm[3];
    int zyx[3], *yx = block->yx[i];
    memcpy(size_mm, block->size_mm, sizeof size_mm);
    memcpy(zyx, block->pixels, sizeof zyx);
    zyx[plane->through] = 1;
    yx[0] = zyx[plane->down];
    yx[1] = zyx[plane->right];
    double away = block->at_mm[plane->through] - block->size_mm[plane->through] / 2;
    for (int lps = 0; lps < 3; lps++)
        centre_lps[lps] = block->centre_lps[lps] + away * block->axes_lps[plane->through][lps];
    block->values[i] = room(arena, (size_t)yx[0] * (size_t)yx[1], sizeof(float), err);
    if (!block->values[i] || !volume_box(&preview->plan->geometry, centre_lps, size_mm, zyx, &grid, err) ||
        !volume_sample(preview->plan, preview->phase, &reader, &grid, NAN, block->values[i], err))
        return false;
    if (preview_turned(plane))
        turn_over(block->values[i], yx[0], yx[1]);
    return true;
}

static const double *ct_window(const struct result *result)
{
    for (int i = 0; i < result->series_count; i++)
        if (result->series[i].taken && result->series[i].role && strcmp(result->series[i].role, "cta") == 0)
            return contrast;
    return soft_tissue;
}

/* Black and white of all three panels; of one value only, it is black. ct: its window; NULL: MR. */
static bool source_range(const struct preview_block *block, const double *ct, double ret[2],
                         struct arena *arena, struct err *err)
{
    struct err why = ERR_INIT;
    size_t count = 0, total = 0;
    if (ct) {
        memcpy(ret, ct, 2 * sizeof *ret);
        return true;
    }
    for (int i = 0; i < 3; i++)
        total += (size_t)block->yx[i][0] * (size_t)block->yx[i][1];
    float *values = room(arena, total, sizeof *values, err);
    if (!values)
        return false;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < block->yx[i][0] * block->yx[i][1]; k++)
            if (isfinite(block->values[i][k]))
                values[count++] = block->values[i][k];
    if (count > 0 && grey_range(values, count, mr_percents, ret, arena, &why))
        return true;
    ret[0] = count > 0 ? (double)values[0] : 0;
    ret[1] = ret[0] + 1;
    return why.code != ERR_NOMEM || err_fail(err, ERR_NOMEM, "no memory for a picture");
}

/* "axial at F 12.3 mm"; where the volume lies aslant, no one coordinate says it. */
static void name_planes(const struct preview_block *block, struct preview_page *page)
{
    for (int i = 0; i < 3; i++) {
        const int through = preview_plane[i].through, lps = 2 - through;
        const double *axis = block->axes_lps[through];
        double mm = block->centre_lps[lps] + block->at_mm[through] - block->size_mm[through] / 2;
        char text[64], side[3];
        preview_letters(axis, mm, side);
        if (axis[lps] > 0.9999)
            snprintf(text, sizeof text, "%s at %s %.1f mm", preview_plane[i].name, side, fabs(mm));
        else
            snprintf(text, sizeof text, "oblique, nearest to %s", preview_plane[i].name);
        preview_block_title(block, i, page, text);
    }
}

/* Was more cut out round the box, or less? */
static bool cut_differs(const struct preview *preview, double ret_mm[3])
{
    const struct result_box *box = &preview->result->box;
    struct err why = ERR_INIT;
    double differs = 0;
    if (!box->source || !preview_input_size(preview, ret_mm, &why))
        return false;
    for (int i = 0; i < 3; i++)
        differs = fmax(differs, fabs(ret_mm[i] - box->size_zyx_mm[i]));
    return differs > 0.5;
}

static void draw_boxes(const struct preview *preview, const struct preview_block *block,
                       struct preview_page *page)
{
    const struct result_box *box = &preview->result->box;
    double size_mm[3];
    if (cut_differs(preview, size_mm))
        preview_block_box(block, box->centre_lps, size_mm, preview_cyan, page);
    if (box->source)
        preview_block_box(block, box->centre_lps, box->size_zyx_mm, preview_yellow, page);
}

static void title_source(const struct preview *preview, const double low_high[2], bool ct,
                         struct preview_page *page)
{
    double size_mm[3];
    preview_line(page, preview_dim, "The volume as acquired, black %.4g to white %.4g%s%s", low_high[0],
                 low_high[1], ct ? " HU" : "",
                 cut_differs(preview, size_mm) ? "; yellow: the box, cyan: what the encoder got" : "");
}

bool preview_source(const struct preview *preview, struct preview_page *page, struct err *err)
{
    const struct result_box *box = &preview->result->box;
    bool ct = preview->plan->slices[0].at.head->kind == DICOM_KIND_CT;
    const double *window = ct ? ct_window(preview->result) : NULL;
    double low_high[2];
    struct preview_block block;
    if (!preview_block_field(&preview->plan->geometry, &block, err))
        return false;
    double pixel_mm = preview_block_scale(&block);
    for (int i = 0; i < 3; i++) {
        double away = box->source ? preview_block_along(&block, i, box->centre_lps) : 0;
        block.size_mm[i] = block.pixels[i] * pixel_mm;
        block.at_mm[i] = block.size_mm[i] / 2 + away;
    }
    for (int i = 0; i < 3; i++)
        if (!sample_plane(preview, &preview_plane[i], &block, i, page->arena, err))
            return false;
    if (!source_range(&block, window, low_high, page->arena, err))
        return false;
    title_source(preview, low_high, ct, page);
    preview_block_place(&block, page);
    if (!preview_block_draw(&block, low_high, page, err))
        return false;
    name_planes(&block, page);
    draw_boxes(preview, &block, page);
    preview_block_marks(&block, page);
    return true;
}
