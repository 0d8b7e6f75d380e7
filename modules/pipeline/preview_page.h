/* The page of a preview, filled from the top down. Private to preview*.c. */
#ifndef PIPELINE_PREVIEW_PAGE_H
#define PIPELINE_PREVIEW_PAGE_H

#include "pipeline/canvas.h"
#include "pipeline/preview.h"

/* Pixels; docs/picture.md states them. */
enum { PREVIEW_MARGIN = 24, PREVIEW_GAP = 24, PREVIEW_LINE = 24, PREVIEW_SCALE = 2 };

struct preview_page {
    struct canvas canvas; /* its height: room for the fullest page */
    int top;              /* where the next thing goes */
    struct arena *arena;
};

extern const struct canvas_colour preview_ground, preview_white, preview_dim, preview_orange, preview_yellow,
    preview_cyan;

/* One line of text. */
void preview_line(struct preview_page *page, struct canvas_colour colour, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Values [y][x] from black to white of low_high, brought to the size of the place: enlarged, each value stays
 * a block; made smaller, it is the mean of what it stands for. No number is black. errors: ERR_NOMEM. */
bool preview_image(struct preview_page *page, struct canvas_rect place, const float *values, const int yx[2],
                   const double low_high[2], struct err *err);

/* Which value stands at a pixel of an enlarged axis. */
static inline int preview_at(int pixel, int pixels, int values)
{
    return (int)((2 * (int64_t)pixel + 1) * values / (2 * (int64_t)pixels));
}

/* Letters of the patient's sides (R L, A P, H F) at the edges of a place. in: where its rows and columns run,
 * of any length. */
void preview_sides(struct preview_page *page, struct canvas_rect place, const double right_lps[3],
                   const double down_lps[3], int scale);

/* The letters of a direction: the side it points to most, and the next if it is more than 20 degrees off.
 * out: three bytes. */
void preview_letters(const double direction_lps[3], double sign, char ret[3]);

/* A colour for the number of an organ or view; neighbours differ. */
struct canvas_colour preview_colour(int number);

/* Every picture the encoder got, and the width and greatest height of that. */
bool preview_strip(const struct preview *preview, struct preview_page *page, struct err *err);
void preview_strip_size(const struct preview *preview, int *ret_width, int *ret_height);

#endif
