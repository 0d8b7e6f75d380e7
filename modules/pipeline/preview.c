#include "pipeline/preview.h"

#include "base/picture.h"
#include "pipeline/preview_block.h"

#include <stdio.h>
#include <string.h>

enum { HEADER_LINES = 4, MANIFEST_DIGITS = 12, SERIES_SHOWN = 6 };

static bool is_volume(const struct preview *preview)
{
    return !preview->exam && model_vision(preview->model)->input_zyx[0] > 1;
}

/* "series 4 (cta), series 5": of an examination the views say it. */
static void name_series(const struct result *result, char *text, size_t size)
{
    int shown = 0;
    size_t length = 0;
    text[0] = '\0';
    for (int i = 0; i < result->series_count && shown < SERIES_SHOWN && length < size; i++) {
        const struct result_series *one = &result->series[i];
        const char *role = one->role ? one->role : "";
        if (one->taken)
            length += (size_t)snprintf(text + length, size - length, "%sseries %d%s%s%s", shown++ ? ", " : "",
                                       one->series_number, *role ? " (" : "", role, *role ? ")" : "");
    }
}

static void name_box(const struct result_box *box, char *text, size_t size)
{
    if (!box->source)
        snprintf(text, size, "no box: the whole field of view");
    else if (strcmp(box->source, "estimate") == 0)
        snprintf(text, size, "heart's box: estimate, confidence %.2f", box->confidence);
    else
        snprintf(text, size, "heart's box: %s",
                 strcmp(box->source, "field_of_view") == 0 ? "field of view" : box->source);
}

static void draw_header(const struct preview *preview, struct preview_page *page)
{
    static const char warning[] = "NOT FOR CLINICAL USE";
    const struct result *result = preview->result;
    const struct model_identity *model = &result->model;
    char series[256], box[96];
    int left = page->canvas.width - PREVIEW_MARGIN - canvas_text_width(warning, PREVIEW_SCALE);
    canvas_text(&page->canvas, left, page->top, PREVIEW_SCALE, preview_orange, warning);
    preview_line(page, preview_white, "What the encoder saw");
    preview_line(page, preview_white, "%s %s, %s", model->name, model->version,
                 model->trained ? model->family : "UNTRAINED");
    name_series(result, series, sizeof series);
    name_box(&result->box, box, sizeof box);
    if (is_volume(preview) && model_organs(preview->model)->count == 0)
        preview_line(page, result->box.source ? preview_yellow : preview_white, "%s", box);
    preview_line(page, preview_white, "%s%smanifest %.*s", preview->exam ? "" : series,
                 preview->exam ? "" : "; ", MANIFEST_DIGITS, result->manifest_sha256);
    page->top += PREVIEW_LINE / 2;
}

static void volume_size(int *ret_width, int *ret_height)
{
    *ret_width = 2 * PREVIEW_MARGIN + 3 * PREVIEW_PANEL + 2 * PREVIEW_GAP;
    *ret_height =
        2 * (PREVIEW_PANEL + 2 * PREVIEW_LINE + PREVIEW_GAP) + (PREVIEW_LEGEND_LINES + 1) * PREVIEW_LINE;
}

static bool draw_volume(const struct preview *preview, struct preview_page *page, struct err *err)
{
    return preview_source(preview, page, err) && preview_input(preview, page, err);
}

bool preview_write(const struct preview *preview, int fd, struct arena *arena, struct err *err)
{
    struct preview_page page = {.arena = arena, .top = PREVIEW_MARGIN};
    bool volume = is_volume(preview);
    int width, height;
    if (volume)
        volume_size(&width, &height);
    else
        preview_strip_size(preview, &width, &height);
    height += 2 * PREVIEW_MARGIN + (HEADER_LINES + 1) * PREVIEW_LINE;
    if (!canvas_init(&page.canvas, width, height, arena, err))
        return false;
    canvas_fill(&page.canvas, (struct canvas_rect){0, 0, width, height}, preview_ground);
    draw_header(preview, &page);
    return (volume ? draw_volume(preview, &page, err) : preview_strip(preview, &page, err)) &&
           picture_save(fd, page.canvas.pixels, width, page.top + PREVIEW_MARGIN, 3, err);
}
