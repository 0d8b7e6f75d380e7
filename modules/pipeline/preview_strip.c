#include "pipeline/preview_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH_LEAST = 1200, WIDTH_MOST = 2048, TILE_LEAST = 56, TILE_USUAL = 176, SPACE = 8, LABEL = 22 };

/* Where the pictures stand: row by row, each with a label below it. */
struct tiles {
    int count, columns, rows, width, height, scale;
};

static struct tiles tiles_of(const struct preview *preview)
{
    const int *yx = preview->input->zyx + 1;
    struct tiles tiles = {.count = preview->input->items};
    tiles.columns = (int)ceil(sqrt(tiles.count));
    tiles.rows = (tiles.count + tiles.columns - 1) / tiles.columns;
    int most = (WIDTH_MOST - 2 * PREVIEW_MARGIN) / tiles.columns - SPACE;
    tiles.width = yx[1];
    while (tiles.width < TILE_USUAL)
        tiles.width += yx[1];
    tiles.width = tiles.width > most ? most : tiles.width;
    tiles.width = tiles.width < TILE_LEAST ? TILE_LEAST : tiles.width;
    tiles.height = (int)((double)yx[0] * tiles.width / yx[1] + 0.5);
    tiles.height = tiles.height < 1 ? 1 : tiles.height > 2 * tiles.width ? 2 * tiles.width : tiles.height;
    tiles.scale = tiles.width >= TILE_USUAL ? PREVIEW_SCALE : 1;
    return tiles;
}

void preview_strip_size(const struct preview *preview, int *ret_width, int *ret_height)
{
    struct tiles tiles = tiles_of(preview);
    int width = tiles.columns * (tiles.width + SPACE) - SPACE + 2 * PREVIEW_MARGIN;
    *ret_width = width < WIDTH_LEAST ? WIDTH_LEAST : width;
    *ret_height = tiles.rows * (tiles.height + LABEL) + (FRAMES_VIEWS_MAX + 2) * PREVIEW_LINE;
}

/* One picture of the input, its first channel from black 0 to white 1 before normalisation. geometry: of what
 * it was made of; NULL: of nothing. errors: ERR_NOMEM. */
static bool draw_tile(const struct preview *preview, const struct tiles *tiles, int i,
                      const struct volume_geometry *geometry, struct canvas_colour colour, const char *label,
                      struct preview_page *page, struct err *err)
{
    const struct preprocess *preprocess = model_preprocess(preview->model);
    const double mean = preprocess->mean[0], std = preprocess->std[0];
    const double low_high[2] = {-mean / std, (1 - mean) / std};
    const int *yx = preview->input->zyx + 1;
    size_t values = (size_t)yx[0] * (size_t)yx[1] * (size_t)model_vision(preview->model)->channels;
    const struct canvas_rect place = {PREVIEW_MARGIN + i % tiles->columns * (tiles->width + SPACE),
                                      page->top + i / tiles->columns * (tiles->height + LABEL), tiles->width,
                                      tiles->height};
    if (!preview_image(page, place, preview->input->values + (size_t)i * values, yx, low_high, err))
        return false;
    if (geometry && tiles->scale > 1)
        preview_sides(page, place, geometry->step_x_lps, geometry->step_y_lps, 1);
    int scale = canvas_text_width(label, tiles->scale) <= tiles->width ? tiles->scale : 1;
    canvas_text(&page->canvas, place.left, place.top + place.height + 3, scale, colour, label);
    return true;
}

/* ---- slices ---- */

/* As the reading room knows it: by instance number, of a multi-frame object by frame. */
static void name_frame(const struct dicom_frame_ref *at, char *text, size_t size)
{
    if (at->head->frame_count > 1)
        snprintf(text, size, "frame %d", at->frame + 1);
    else
        snprintf(text, size, "image %d", at->head->instance_number);
}

static bool draw_slices(const struct preview *preview, struct preview_page *page, struct err *err)
{
    struct tiles tiles = tiles_of(preview);
    const struct volume_plan *plan = preview->plan;
    preview_line(page, preview_dim, "The encoder's input: %d of %d slices as %d x %d pictures (y, x)",
                 tiles.count, preview->result->source_zyx[0], preview->input->zyx[1], preview->input->zyx[2]);
    for (int i = 0; i < tiles.count; i++) {
        char text[64];
        name_frame(&plan->slices[i].at, text, sizeof text);
        if (plan->slices[i].next_weight > 0)
            snprintf(text + strlen(text), sizeof text - strlen(text), " +");
        if (!draw_tile(preview, &tiles, i, &plan->geometry, preview_white, text, page, err))
            return false;
    }
    page->top += tiles.rows * (tiles.height + LABEL);
    return true;
}

/* ---- frames of an examination ---- */

static int series_number(const struct result *result, const char *uid)
{
    for (int i = 0; i < result->series_count; i++)
        if (strcmp(result->series[i].series_uid, uid) == 0)
            return result->series[i].series_number;
    return 0;
}

static void list_views(const struct preview *preview, struct preview_page *page)
{
    const struct result *result = preview->result;
    for (int i = 0; i < result->view_count; i++) {
        const struct result_view *view = &result->views[i];
        if (view->reason)
            preview_line(page, preview_colour(i), "%-9s not there: %s", view->name, view->reason);
        else
            preview_line(page, preview_colour(i), "%-9s series %d, recognised by %s: %d slice%s, %d phase%s",
                         view->name, series_number(result, view->series_uid), view->how, view->slices,
                         view->slices == 1 ? "" : "s", view->phases, view->phases == 1 ? "" : "s");
    }
}

/* "cine_sa 12/30": the frame among those its view has; of one that is repeated, it is the only one. */
static void name_view_frame(const struct exam_view *view, int frame, char *text, size_t size)
{
    const char *name = study_view_names[view->wish->view];
    bool repeated = view->wish->from == FRAMES_REPEAT;
    if (view->reason)
        snprintf(text, size, "%s blank", name);
    else
        snprintf(text, size, "%s %d/%d", name, frame + 1, repeated ? 1 : view->frames);
}

static bool draw_frames(const struct preview *preview, struct preview_page *page, struct err *err)
{
    const struct exam *exam = preview->exam;
    struct tiles tiles = tiles_of(preview);
    int *places = ARENA_ARRAY(page->arena, int, (size_t)tiles.count);
    if (!places)
        return err_fail(err, ERR_NOMEM, "no memory for a picture");
    int count = exam_sample(exam->frames, tiles.count, places);
    list_views(preview, page);
    preview_line(page, preview_dim, "The encoder's input: %d of %d frames as %d x %d pictures (y, x)", count,
                 exam->frames, preview->input->zyx[1], preview->input->zyx[2]);
    for (int i = 0; i < tiles.count; i++) {
        char text[64] = "no frame";
        struct volume_geometry seen, *geometry = NULL;
        struct canvas_colour colour = preview_dim;
        if (i < count) {
            int frame;
            const struct exam_view *view = exam_at(exam, places[i], &frame);
            name_view_frame(view, frame, text, sizeof text);
            if (!view->reason) {
                seen = volume_turned(&view->picked->geometry, &view->turn);
                geometry = &seen;
            }
            colour = preview_colour((int)(view - exam->views));
        }
        if (!draw_tile(preview, &tiles, i, geometry, colour, text, page, err))
            return false;
    }
    page->top += tiles.rows * (tiles.height + LABEL);
    return true;
}

bool preview_strip(const struct preview *preview, struct preview_page *page, struct err *err)
{
    return preview->exam ? draw_frames(preview, page, err) : draw_slices(preview, page, err);
}
