#include "canvas.h"

#include <stdlib.h>

bool canvas_init(struct canvas *canvas, size_t pixels, struct err *err)
{
    *canvas = (struct canvas){calloc(pixels, sizeof(float)), calloc(pixels, sizeof(float)),
                              calloc(pixels, sizeof(float)), calloc(pixels, sizeof(float)),
                              calloc(pixels, sizeof(uint16_t))};
    if (canvas->image && canvas->layer && canvas->field && canvas->room && canvas->words)
        return true;
    canvas_done(canvas);
    return err_fail(err, ERR_NOMEM, "no memory for a picture");
}

void canvas_done(struct canvas *canvas)
{
    free(canvas->image);
    free(canvas->layer);
    free(canvas->field);
    free(canvas->room);
    free(canvas->words);
    *canvas = (struct canvas){0};
}
