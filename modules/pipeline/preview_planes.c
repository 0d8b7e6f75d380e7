#include "pipeline/grey.h"
#include "pipeline/preview_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PANEL = 480, NARROW = 240, TICK = 12, LEGEND_LINES = 16 };
/* HU: level 40, width 400, as the mediastinum is read; with contrast agent, level 200, width 800, or the
 * chambers would all be white. */
static const double soft_tissue[2] = {-160, 240}, contrast[2] = {-200, 600};
static const double mr_percents[2] = {1, 99};

/* Axes are 0 z, 1 y, 2 x, in canonical orientation (volume.h). With z downwards a panel is turned over, for
 * the head is above. */
static const struct plane {
    const char *name;
    int through, down, right;
} planes[3] = {{"axial", 0, 1, 2}, {"coronal", 1, 0, 2}, {"sagittal", 2, 0, 1}};

/* A block of space and the three panels that show it. */
struct block {
    double centre_lps[3], axes_lps[3][3]; /* of unit length */
    double size_mm[3];
    double at_mm[3]; /* where the planes lie, from the low side on */
    int pixels[3];   /* of each axis */
    struct canvas_rect panels[3];
    float *values[3]; /* of each panel */
    int yx[3][2];
};

static void *room(struct arena *arena, size_t count, size_t size, struct err *err)
{
    void *memory = arena_alloc(arena, count, size);
    if (!memory)
        err_fail(err, ERR_NOMEM, "no memory for a picture");
    return memory;
}

static bool turned(const struct plane *plane)
{
    return plane->down == 0;
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

/* ---- where things lie ---- */

static bool whole_field(const struct volume_geometry *geometry, struct block *ret, struct err *err)
{
    static const int one[3] = {1, 1, 1};
    struct volume_geometry field;
    if (!volume_cover(geometry, one, &field, err))
        return false;
    const double *steps[3] = {field.step_z_lps, field.step_y_lps, field.step_x_lps};
    memcpy(ret->centre_lps, field.origin_lps, sizeof ret->centre_lps);
    for (int i = 0; i < 3; i++) {
        ret->size_mm[i] = field.spacing_zyx_mm[i];
        for (int lps = 0; lps < 3; lps++)
            ret->axes_lps[i][lps] = steps[i][lps] / field.spacing_zyx_mm[i];
    }
    return true;
}

/* mm along an axis from the block's middle. */
static double along(const struct block *block, int axis, const double place_lps[3])
{
    double sum = 0;
    for (int lps = 0; lps < 3; lps++)
        sum += (place_lps[lps] - block->centre_lps[lps]) * block->axes_lps[axis][lps];
    return sum;
}

static double largest(const double size_mm[3])
{
    return fmax(size_mm[0], fmax(size_mm[1], size_mm[2]));
}

static int pixels_of(double size_mm, double pixel_mm)
{
    int pixels = (int)floor(size_mm / pixel_mm + 0.5);
    return pixels < 1 ? 1 : pixels;
}

static void place_panels(struct block *block, struct preview_page *page)
{
    for (int i = 0; i < 3; i++)
        block->panels[i] =
            (struct canvas_rect){PREVIEW_MARGIN + i * (PANEL + PREVIEW_GAP), page->top + PREVIEW_LINE,
                                 block->pixels[planes[i].right], block->pixels[planes[i].down]};
    int tallest = block->pixels[0] > block->pixels[1] ? block->pixels[0] : block->pixels[1];
    page->top += PREVIEW_LINE + tallest + PREVIEW_GAP;
}

/* Pixels from the panel's edge for mm from the low side of an axis. */
static int pixel_at(const struct block *block, const struct plane *plane, int axis, double mm)
{
    double share = mm / block->size_mm[axis];
    share = axis == plane->down && turned(plane) ? 1 - share : share;
    return (int)floor(share * block->pixels[axis] + 0.5);
}

/* How large the input is in the patient. With a box it lies round the box's middle. source: cube.c,
 * grounded.c.
 */
static bool input_size(const struct preview *preview, double ret_mm[3], struct err *err)
{
    const struct result_box *box = &preview->result->box;
    const double *spacing = model_preprocess(preview->model)->spacing_zyx_mm;
    const struct volume_geometry *geometry = &preview->plan->geometry;
    struct volume_geometry grid;
    struct block field;
    bool grounded = model_organs(preview->model)->count > 0;
    if (grounded && !volume_regrid(geometry, spacing, &grid, err))
        return false;
    spacing = grounded ? grid.spacing_zyx_mm : spacing;
    if (!whole_field(geometry, &field, err))
        return false;
    for (int i = 0; i < 3; i++)
        ret_mm[i] = grounded || (box->source && spacing[0] > 0) ? spacing[i] * preview->input->zyx[i]
                    : box->source                               ? box->size_zyx_mm[i]
                                                                : field.size_mm[i];
    return true;
}

/* ---- what is drawn on every panel ---- */

static void draw_box(const struct block *block, const double centre_lps[3], const double size_mm[3],
                     struct canvas_colour colour, struct preview_page *page)
{
    for (int i = 0; i < 3; i++) {
        const struct plane *plane = &planes[i];
        const struct canvas_rect *panel = &block->panels[i];
        int edges[3][2];
        for (int axis = 0; axis < 3; axis++) {
            double middle = along(block, axis, centre_lps) + block->size_mm[axis] / 2;
            int a = pixel_at(block, plane, axis, middle - size_mm[axis] / 2);
            int b = pixel_at(block, plane, axis, middle + size_mm[axis] / 2);
            edges[axis][0] = a < b ? a : b;
            edges[axis][1] = a < b ? b : a;
        }
        const int *x = edges[plane->right], *y = edges[plane->down];
        struct canvas_rect rect = {panel->left + x[0], panel->top + y[0], x[1] - x[0], y[1] - y[0]};
        canvas_outline(&page->canvas, *panel, rect, colour);
    }
}

/* Short lines at the edges where the other two planes cut a panel. */
static void draw_ticks(const struct block *block, struct preview_page *page)
{
    for (int i = 0; i < 3; i++) {
        const struct plane *plane = &planes[i];
        const struct canvas_rect *panel = &block->panels[i];
        int x = panel->left + pixel_at(block, plane, plane->right, block->at_mm[plane->right]);
        int y = panel->top + pixel_at(block, plane, plane->down, block->at_mm[plane->down]);
        int right = panel->left + panel->width, bottom = panel->top + panel->height;
        const struct canvas_rect ticks[4] = {{x, panel->top - TICK / 2, 1, TICK},
                                             {x, bottom - TICK / 2, 1, TICK},
                                             {panel->left - TICK / 2, y, TICK, 1},
                                             {right - TICK / 2, y, TICK, 1}};
        for (int k = 0; k < 4; k++)
            canvas_fill(&page->canvas, ticks[k], preview_cyan);
    }
}

static void draw_scale_bar(const struct canvas_rect *panel, double pixel_mm, struct preview_page *page)
{
    static const int lengths_cm[] = {10, 5, 2, 1};
    int i = 0;
    while (i < 3 && lengths_cm[i] * 10 / pixel_mm > panel->width / 3.0)
        i++;
    int length = (int)(lengths_cm[i] * 10 / pixel_mm + 0.5), left = panel->left + 12,
        bottom = panel->top + panel->height - (panel->width < NARROW ? 34 : 10);
    char text[16];
    snprintf(text, sizeof text, "%d cm", lengths_cm[i]);
    canvas_fill(&page->canvas, (struct canvas_rect){left - 1, bottom - 7, length + 2, 8},
                (struct canvas_colour){0, 0, 0});
    canvas_fill(&page->canvas, (struct canvas_rect){left, bottom - 3, length, 2}, preview_white);
    canvas_fill(&page->canvas, (struct canvas_rect){left, bottom - 6, 2, 6}, preview_white);
    canvas_fill(&page->canvas, (struct canvas_rect){left + length - 2, bottom - 6, 2, 6}, preview_white);
    canvas_shaded_text(&page->canvas, left + 4, bottom - 24, PREVIEW_SCALE, preview_white, text);
}

static bool draw_panels(const struct block *block, const double low_high[2], struct preview_page *page,
                        struct err *err)
{
    for (int i = 0; i < 3; i++)
        if (!preview_image(page, block->panels[i], block->values[i], block->yx[i], low_high, err))
            return false;
    return true;
}

static void draw_marks(const struct block *block, struct preview_page *page)
{
    draw_ticks(block, page);
    for (int i = 0; i < 3; i++) {
        const struct plane *plane = &planes[i];
        double down[3];
        for (int lps = 0; lps < 3; lps++)
            down[lps] = block->axes_lps[plane->down][lps] * (turned(plane) ? -1 : 1);
        preview_sides(page, block->panels[i], block->axes_lps[plane->right], down, PREVIEW_SCALE);
        draw_scale_bar(&block->panels[i], block->size_mm[plane->right] / block->pixels[plane->right], page);
    }
}

static void draw_title(const struct block *block, int i, struct preview_page *page, const char *text)
{
    canvas_text(&page->canvas, block->panels[i].left, block->panels[i].top - PREVIEW_LINE, PREVIEW_SCALE,
                preview_white, text);
}

/* ---- the source ---- */

static bool sample_plane(const struct preview *preview, const struct plane *plane, struct block *block, int i,
                         struct arena *arena, struct err *err)
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
    if (turned(plane))
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
static bool source_range(const struct block *block, const double *ct, double ret[2], struct arena *arena,
                         struct err *err)
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
static void name_planes(const struct block *block, struct preview_page *page)
{
    for (int i = 0; i < 3; i++) {
        const int through = planes[i].through, lps = 2 - through;
        const double *axis = block->axes_lps[through];
        double mm = block->centre_lps[lps] + block->at_mm[through] - block->size_mm[through] / 2;
        char text[64], side[3];
        preview_letters(axis, mm, side);
        if (axis[lps] > 0.9999)
            snprintf(text, sizeof text, "%s at %s %.1f mm", planes[i].name, side, fabs(mm));
        else
            snprintf(text, sizeof text, "oblique, nearest to %s", planes[i].name);
        draw_title(block, i, page, text);
    }
}

/* Was more cut out round the box, or less? */
static bool cut_differs(const struct preview *preview, double ret_mm[3])
{
    const struct result_box *box = &preview->result->box;
    struct err why = ERR_INIT;
    double differs = 0;
    if (!box->source || !input_size(preview, ret_mm, &why))
        return false;
    for (int i = 0; i < 3; i++)
        differs = fmax(differs, fabs(ret_mm[i] - box->size_zyx_mm[i]));
    return differs > 0.5;
}

static void draw_boxes(const struct preview *preview, const struct block *block, struct preview_page *page)
{
    const struct result_box *box = &preview->result->box;
    double size_mm[3];
    if (cut_differs(preview, size_mm))
        draw_box(block, box->centre_lps, size_mm, preview_cyan, page);
    if (box->source)
        draw_box(block, box->centre_lps, box->size_zyx_mm, preview_yellow, page);
}

static void title_source(const struct preview *preview, const double low_high[2], bool ct,
                         struct preview_page *page)
{
    double size_mm[3];
    preview_line(page, preview_dim, "The volume as acquired, black %.4g to white %.4g%s%s", low_high[0],
                 low_high[1], ct ? " HU" : "",
                 cut_differs(preview, size_mm) ? "; yellow: the box, cyan: what the encoder got" : "");
}

static bool draw_source(const struct preview *preview, struct preview_page *page, struct err *err)
{
    const struct result_box *box = &preview->result->box;
    bool ct = preview->plan->slices[0].at.head->kind == DICOM_KIND_CT;
    const double *window = ct ? ct_window(preview->result) : NULL;
    double low_high[2];
    struct block block;
    if (!whole_field(&preview->plan->geometry, &block, err))
        return false;
    double pixel_mm = largest(block.size_mm) / PANEL;
    for (int i = 0; i < 3; i++) {
        double away = box->source ? along(&block, i, box->centre_lps) : 0;
        block.pixels[i] = pixels_of(block.size_mm[i], pixel_mm);
        block.size_mm[i] = block.pixels[i] * pixel_mm;
        block.at_mm[i] = block.size_mm[i] / 2 + away;
    }
    for (int i = 0; i < 3; i++)
        if (!sample_plane(preview, &planes[i], &block, i, page->arena, err))
            return false;
    if (!source_range(&block, window, low_high, page->arena, err))
        return false;
    title_source(preview, low_high, ct, page);
    place_panels(&block, page);
    if (!draw_panels(&block, low_high, page, err))
        return false;
    name_planes(&block, page);
    draw_boxes(preview, &block, page);
    draw_marks(&block, page);
    return true;
}

/* ---- the encoder's input ---- */

static size_t voxel_at(const int zyx[3], const struct plane *plane, const int at[3])
{
    return ((size_t)at[0] * (size_t)zyx[1] + (size_t)at[1]) * (size_t)zyx[2] + (size_t)at[2];
}

/* Voxel of row y, column x of a panel's plane. */
static size_t voxel_of(const struct encoder_input *input, const struct plane *plane, int through, int y,
                       int x)
{
    int at[3];
    at[plane->through] = through;
    at[plane->down] = turned(plane) ? input->zyx[plane->down] - 1 - y : y;
    at[plane->right] = x;
    return voxel_at(input->zyx, plane, at);
}

static bool take_plane(const struct encoder_input *input, int i, const int at[3], struct block *block,
                       struct arena *arena, struct err *err)
{
    const struct plane *plane = &planes[i];
    int *yx = block->yx[i];
    yx[0] = input->zyx[plane->down];
    yx[1] = input->zyx[plane->right];
    float *to = block->values[i] = room(arena, (size_t)yx[0] * (size_t)yx[1], sizeof *to, err);
    for (int y = 0; to && y < yx[0]; y++)
        for (int x = 0; x < yx[1]; x++)
            *to++ = input->values[voxel_of(input, plane, at[plane->through], y, x)];
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
static void input_range(const struct preprocess *preprocess, const struct block *block, double ret[2])
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

static void title_input(const struct preview *preview, const struct block *block, struct preview_page *page)
{
    const struct preprocess *preprocess = model_preprocess(preview->model);
    const int *zyx = preview->input->zyx;
    char clip[64] = "not clipped";
    if (preprocess->has_hu_clip)
        snprintf(clip, sizeof clip, "clipped to %g and %g", preprocess->hu_clip[0], preprocess->hu_clip[1]);
    preview_line(page, preview_dim,
                 "The encoder's input: %d x %d x %d voxels of %.2f x %.2f x %.2f mm (z, y, x), %s", zyx[0],
                 zyx[1], zyx[2], block->size_mm[0] / zyx[0], block->size_mm[1] / zyx[1],
                 block->size_mm[2] / zyx[2], clip);
}

/* ---- organs ---- */

static int organ_at(const struct preview *preview, const struct block *block, int i, const int at[3], int y,
                    int x)
{
    const struct canvas_rect *panel = &block->panels[i];
    const struct plane *plane = &planes[i];
    if (y < 0 || y >= panel->height || x < 0 || x >= panel->width)
        return 0;
    size_t voxel =
        voxel_of(preview->input, plane, at[plane->through], preview_at(y, panel->height, block->yx[i][0]),
                 preview_at(x, panel->width, block->yx[i][1]));
    return model_organs(preview->model)->of_label[preview->input->mask[voxel]];
}

static bool at_edge(const struct preview *preview, const struct block *block, int i, const int at[3], int y,
                    int x, int organ)
{
    for (int away = -2; away <= 2; away++)
        if (organ_at(preview, block, i, at, y + away, x) != organ ||
            organ_at(preview, block, i, at, y, x + away) != organ)
            return true;
    return false;
}

static void outline_organs(const struct preview *preview, const struct block *block, int i, const int at[3],
                           struct preview_page *page, bool *seen)
{
    const struct canvas_rect *panel = &block->panels[i];
    for (int y = 0; y < panel->height; y++)
        for (int x = 0; x < panel->width; x++) {
            int organ = organ_at(preview, block, i, at, y, x);
            if (organ == 0 || !at_edge(preview, block, i, at, y, x, organ))
                continue;
            seen[organ] = true;
            canvas_dot(&page->canvas, panel->left + x, panel->top + y, preview_colour(organ));
        }
}

static void name_organs(const struct preview *preview, const bool *seen, struct preview_page *page)
{
    const struct organ_config *organs = model_organs(preview->model);
    int left = PREVIEW_MARGIN, lines = 1;
    for (int organ = 1; organ <= organs->count; organ++) {
        const char *text = organs->organs[organ - 1].text;
        int width = canvas_text_width(text, PREVIEW_SCALE) + 2 * PREVIEW_GAP;
        if (!seen[organ])
            continue;
        if (left > PREVIEW_MARGIN && left + width > page->canvas.width && lines < LEGEND_LINES) {
            left = PREVIEW_MARGIN;
            page->top += PREVIEW_LINE;
            lines++;
        }
        canvas_text(&page->canvas, left, page->top, PREVIEW_SCALE, preview_colour(organ), text);
        left += width;
    }
    page->top += PREVIEW_LINE;
}

static void draw_organs(const struct preview *preview, const struct block *block, const int at[3],
                        struct preview_page *page)
{
    bool seen[ORGANS_MAX + 1] = {false};
    for (int i = 0; i < 3; i++)
        outline_organs(preview, block, i, at, page, seen);
    name_organs(preview, seen, page);
}

static bool draw_input(const struct preview *preview, struct preview_page *page, struct err *err)
{
    const struct encoder_input *input = preview->input;
    struct block block;
    double low_high[2];
    int at[3];
    if (!whole_field(&preview->plan->geometry, &block, err) || !input_size(preview, block.size_mm, err))
        return false;
    middle_voxel(input, at);
    for (int i = 0; i < 3; i++) {
        block.pixels[i] = pixels_of(block.size_mm[i], largest(block.size_mm) / PANEL);
        block.at_mm[i] = (at[i] + 0.5) / input->zyx[i] * block.size_mm[i];
        if (!take_plane(input, i, at, &block, page->arena, err))
            return false;
    }
    input_range(model_preprocess(preview->model), &block, low_high);
    title_input(preview, &block, page);
    place_panels(&block, page);
    if (!draw_panels(&block, low_high, page, err))
        return false;
    for (int i = 0; i < 3; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s, plane %d of %d", planes[i].name, at[planes[i].through] + 1,
                 input->zyx[planes[i].through]);
        draw_title(&block, i, page, text);
    }
    draw_marks(&block, page);
    if (input->mask)
        draw_organs(preview, &block, at, page);
    return true;
}

/* ---- both ---- */

void preview_planes_size(const struct preview *preview, int *ret_width, int *ret_height)
{
    *ret_width = 2 * PREVIEW_MARGIN + 3 * PANEL + 2 * PREVIEW_GAP;
    *ret_height = 2 * (PANEL + 2 * PREVIEW_LINE + PREVIEW_GAP) + (LEGEND_LINES + 1) * PREVIEW_LINE;
}

bool preview_planes(const struct preview *preview, struct preview_page *page, struct err *err)
{
    return draw_source(preview, page, err) && draw_input(preview, page, err);
}
