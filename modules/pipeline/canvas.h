/* A page of pixels to draw a picture on. Part of the pipeline. Whatever lies beyond it is not drawn. */
#ifndef PIPELINE_CANVAS_H
#define PIPELINE_CANVAS_H

#include "base/arena.h"
#include "base/err.h"

#include <stdint.h>

struct canvas {
    int width, height;
    uint8_t *pixels; /* [y][x][red, green, blue], black at first */
};

struct canvas_rect {
    int left, top, width, height;
};

struct canvas_colour {
    uint8_t red, green, blue;
};

/* Its pixels live in arena. errors: ERR_NOMEM. */
bool canvas_init(struct canvas *canvas, int width, int height, struct arena *arena, struct err *err);

void canvas_fill(struct canvas *canvas, struct canvas_rect rect, struct canvas_colour colour);
void canvas_dot(struct canvas *canvas, int x, int y, struct canvas_colour colour);

/* Lines of two pixels that run along the edges, one pixel inside and one outside, as far as they lie within
 * `within`. */
void canvas_outline(struct canvas *canvas, struct canvas_rect within, struct canvas_rect rect,
                    struct canvas_colour colour);

/* in: UTF-8; what is not ASCII is a block. left, top: of the first letter; scale: pixels of a dot. shaded:
 * with a black rim, to stand on a picture. */
void canvas_text(struct canvas *canvas, int left, int top, int scale, struct canvas_colour colour,
                 const char *text);
void canvas_shaded_text(struct canvas *canvas, int left, int top, int scale, struct canvas_colour colour,
                        const char *text);
int canvas_text_width(const char *text, int scale);

#endif
