#include "pipeline/preview_block.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NARROW = 240, TICK = 12 };

const struct preview_plane preview_plane[3] = {
    {"axial", 0, 1, 2}, {"coronal", 1, 0, 2}, {"sagittal", 2, 0, 1}};

/* ---- where things lie ---- */

bool preview_block_field(const struct volume_geometry *geometry, struct preview_block *ret, struct err *err)
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

double preview_block_along(const struct preview_block *block, int axis, const double place_lps[3])
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

double preview_block_scale(struct preview_block *block)
{
    double pixel_mm = largest(block->size_mm) / PREVIEW_PANEL;
    for (int i = 0; i < 3; i++)
        block->pixels[i] = pixels_of(block->size_mm[i], pixel_mm);
    return pixel_mm;
}

void preview_block_place(struct preview_block *block, struct preview_page *page)
{
    for (int i = 0; i < 3; i++)
        block->panels[i] =
            (struct canvas_rect){PREVIEW_MARGIN + i * (PREVIEW_PANEL + PREVIEW_GAP), page->top + PREVIEW_LINE,
                                 block->pixels[preview_plane[i].right], block->pixels[preview_plane[i].down]};
    int tallest = block->pixels[0] > block->pixels[1] ? block->pixels[0] : block->pixels[1];
    page->top += PREVIEW_LINE + tallest + PREVIEW_GAP;
}

/* Pixels from the panel's edge for mm from the low side of an axis. */
static int pixel_at(const struct preview_block *block, const struct preview_plane *plane, int axis, double mm)
{
    double share = mm / block->size_mm[axis];
    share = axis == plane->down && preview_turned(plane) ? 1 - share : share;
    return (int)floor(share * block->pixels[axis] + 0.5);
}

/* ---- what is drawn on every panel ---- */

void preview_block_box(const struct preview_block *block, const double centre_lps[3], const double size_mm[3],
                       struct canvas_colour colour, struct preview_page *page)
{
    for (int i = 0; i < 3; i++) {
        const struct preview_plane *plane = &preview_plane[i];
        const struct canvas_rect *panel = &block->panels[i];
        int edges[3][2];
        for (int axis = 0; axis < 3; axis++) {
            double middle = preview_block_along(block, axis, centre_lps) + block->size_mm[axis] / 2;
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
static void draw_ticks(const struct preview_block *block, struct preview_page *page)
{
    for (int i = 0; i < 3; i++) {
        const struct preview_plane *plane = &preview_plane[i];
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

bool preview_block_draw(const struct preview_block *block, const double low_high[2],
                        struct preview_page *page, struct err *err)
{
    for (int i = 0; i < 3; i++)
        if (!preview_image(page, block->panels[i], block->values[i], block->yx[i], low_high, err))
            return false;
    return true;
}

void preview_block_marks(const struct preview_block *block, struct preview_page *page)
{
    draw_ticks(block, page);
    for (int i = 0; i < 3; i++) {
        const struct preview_plane *plane = &preview_plane[i];
        double down[3];
        for (int lps = 0; lps < 3; lps++)
            down[lps] = block->axes_lps[plane->down][lps] * (preview_turned(plane) ? -1 : 1);
        preview_sides(page, block->panels[i], block->axes_lps[plane->right], down, PREVIEW_SCALE);
        draw_scale_bar(&block->panels[i], block->size_mm[plane->right] / block->pixels[plane->right], page);
    }
}

void preview_block_title(const struct preview_block *block, int i, struct preview_page *page,
                         const char *text)
{
    canvas_text(&page->canvas, block->panels[i].left, block->panels[i].top - PREVIEW_LINE, PREVIEW_SCALE,
                preview_white, text);
}
