/* Room for one picture while it is painted and written. */
#ifndef PHANTOM_CANVAS_H
#define PHANTOM_CANVAS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct canvas {
    float *image, *layer, *field, *room; /* [rows][columns] of the largest picture */
    uint16_t *words;
};

/* errors: ERR_NOMEM. owns: canvas_done. */
bool canvas_init(struct canvas *canvas, size_t pixels, struct err *err);
void canvas_done(struct canvas *canvas); /* accepts a half-built or zeroed one */

#endif
