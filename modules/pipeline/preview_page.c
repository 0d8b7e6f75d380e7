#include "pipeline/preview_page.h"

#include "pipeline/grey.h"
#include "volume/resize.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

const struct canvas_colour preview_ground = {32, 34, 40}, preview_white = {255, 255, 255},
                           preview_dim = {180, 180, 180}, preview_orange = {255, 140, 40},
                           preview_yellow = {255, 220, 0}, preview_cyan = {0, 210, 210};

void preview_line(struct preview_page *page, struct canvas_colour colour, const char *fmt, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, fmt);
    vsnprintf(text, sizeof text, fmt, arguments);
    va_end(arguments);
    canvas_text(&page->canvas, PREVIEW_MARGIN, page->top, PREVIEW_SCALE, colour, text);
    page->top += PREVIEW_LINE;
}

/* ---- values ---- */

static void enlarge(const float *values, const int yx[2], float *out, const int out_yx[2])
{
    for (int y = 0; y < out_yx[0]; y++) {
        const float *row = values + (size_t)preview_at(y, out_yx[0], yx[0]) * (size_t)yx[1];
        for (int x = 0; x < out_yx[1]; x++)
            *out++ = row[preview_at(x, out_yx[1], yx[1])];
    }
}

static void paint(struct canvas *canvas, struct canvas_rect place, const uint8_t *grey)
{
    for (int y = 0; y < place.height; y++)
        for (int x = 0; x < place.width; x++, grey++)
            canvas_dot(canvas, place.left + x, place.top + y, (struct canvas_colour){*grey, *grey, *grey});
}

bool preview_image(struct preview_page *page, struct canvas_rect place, const float *values, const int yx[2],
                   const double low_high[2], struct err *err)
{
    const int out_yx[2] = {place.height, place.width};
    size_t count = (size_t)place.height * (size_t)place.width;
    float *scaled = ARENA_ARRAY(page->arena, float, count);
    uint8_t *grey = ARENA_ARRAY(page->arena, uint8_t, count);
    if (!scaled || !grey)
        return err_fail(err, ERR_NOMEM, "no memory for a picture");
    if (out_yx[0] >= yx[0] && out_yx[1] >= yx[1])
        enlarge(values, yx, scaled, out_yx);
    else if (!resize_bilinear_f32(values, yx, scaled, out_yx, err))
        return false;
    for (size_t i = 0; i < count; i++)
        scaled[i] = isnan(scaled[i]) ? (float)low_high[0] : scaled[i];
    grey_of(scaled, count, low_high, grey);
    paint(&page->canvas, place, grey);
    return true;
}

/* ---- sides ---- */

static const double aslant = 0.34; /* sine of 20 degrees */

void preview_letters(const double direction_lps[3], double sign, char ret[3])
{
    static const char sides[3][2] = {{'R', 'L'}, {'A', 'P'}, {'F', 'H'}};
    const double *d = direction_lps;
    double length = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]), last = INFINITY;
    int count = 0, used = -1;
    for (int rank = 0; rank < 2; rank++) {
        int most = -1;
        for (int i = 0; i < 3; i++)
            if (i != used && (most < 0 || fabs(d[i]) > fabs(d[most])))
                most = i;
        last = fabs(d[most]);
        if (rank == 0 || last > aslant * length)
            ret[count++] = sides[most][d[most] * sign > 0];
        used = most;
    }
    ret[count] = '\0';
}

void preview_sides(struct preview_page *page, struct canvas_rect place, const double right_lps[3],
                   const double down_lps[3], int scale)
{
    enum { AWAY = 3, TALL = 7 };
    char left[3], right[3], top[3], bottom[3];
    preview_letters(right_lps, -1, left);
    preview_letters(right_lps, 1, right);
    preview_letters(down_lps, -1, top);
    preview_letters(down_lps, 1, bottom);
    int middle_x = place.left + place.width / 2, middle_y = place.top + (place.height - TALL * scale) / 2;
    int away = AWAY * scale, end_x = place.left + place.width, end_y = place.top + place.height;
    struct canvas *canvas = &page->canvas;
    canvas_shaded_text(canvas, place.left + away, middle_y, scale, preview_white, left);
    canvas_shaded_text(canvas, end_x - away - canvas_text_width(right, scale), middle_y, scale, preview_white,
                       right);
    canvas_shaded_text(canvas, middle_x - canvas_text_width(top, scale) / 2, place.top + away, scale,
                       preview_white, top);
    canvas_shaded_text(canvas, middle_x - canvas_text_width(bottom, scale) / 2, end_y - away - TALL * scale,
                       scale, preview_white, bottom);
}

/* ---- colours ---- */

static uint8_t share_of(double hue, double from)
{
    double away = fabs(hue - from);
    away = away > 0.5 ? 1 - away : away;
    double share = 2 - 6 * away;
    return (uint8_t)(70 + 185 * (share < 0 ? 0 : share > 1 ? 1 : share));
}

/* Steps of the golden section round the circle of colours. */
struct canvas_colour preview_colour(int number)
{
    double hue = fmod(number * 0.61803398875, 1);
    return (struct canvas_colour){share_of(hue, 0), share_of(hue, 1.0 / 3), share_of(hue, 2.0 / 3)};
}
