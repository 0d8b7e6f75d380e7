#include "pipeline/canvas.h"

#include "pipeline/canvas_font.h"

bool canvas_init(struct canvas *canvas, int width, int height, struct arena *arena, struct err *err)
{
    uint8_t *pixels = arena_alloc(arena, (size_t)width * (size_t)height, 3);
    *canvas = (struct canvas){width, height, pixels};
    return pixels || err_fail(err, ERR_NOMEM, "no memory for a picture of %d x %d pixels", width, height);
}

void canvas_dot(struct canvas *canvas, int x, int y, struct canvas_colour colour)
{
    if (x < 0 || x >= canvas->width || y < 0 || y >= canvas->height)
        return;
    uint8_t *pixel = canvas->pixels + ((size_t)y * (size_t)canvas->width + (size_t)x) * 3;
    pixel[0] = colour.red;
    pixel[1] = colour.green;
    pixel[2] = colour.blue;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static struct canvas_rect common(struct canvas_rect a, struct canvas_rect b)
{
    int left = larger(a.left, b.left), top = larger(a.top, b.top);
    return (struct canvas_rect){left, top, smaller(a.left + a.width, b.left + b.width) - left,
                                smaller(a.top + a.height, b.top + b.height) - top};
}

void canvas_fill(struct canvas *canvas, struct canvas_rect rect, struct canvas_colour colour)
{
    struct canvas_rect seen = common(rect, (struct canvas_rect){0, 0, canvas->width, canvas->height});
    for (int y = 0; y < seen.height; y++)
        for (int x = 0; x < seen.width; x++)
            canvas_dot(canvas, seen.left + x, seen.top + y, colour);
}

void canvas_outline(struct canvas *canvas, struct canvas_rect within, struct canvas_rect rect,
                    struct canvas_colour colour)
{
    int right = rect.left + rect.width, bottom = rect.top + rect.height;
    const struct canvas_rect lines[4] = {{rect.left - 1, rect.top - 1, rect.width + 2, 2},
                                         {rect.left - 1, bottom - 1, rect.width + 2, 2},
                                         {rect.left - 1, rect.top - 1, 2, rect.height + 2},
                                         {right - 1, rect.top - 1, 2, rect.height + 2}};
    for (int i = 0; i < 4; i++)
        canvas_fill(canvas, common(lines[i], within), colour);
}

/* A character, and past the rest of one that takes several bytes. */
static const char *past(const char *text)
{
    do
        text++;
    while ((*text & 0xc0) == 0x80);
    return text;
}

static void draw_letter(struct canvas *canvas, int left, int top, int scale, struct canvas_colour colour,
                        char letter)
{
    for (int y = 0; y < FONT_HEIGHT; y++)
        for (int x = 0; x < FONT_WIDTH; x++)
            if (canvas_font_inked(letter, y, x))
                canvas_fill(canvas, (struct canvas_rect){left + x * scale, top + y * scale, scale, scale},
                            colour);
}

void canvas_text(struct canvas *canvas, int left, int top, int scale, struct canvas_colour colour,
                 const char *text)
{
    for (; *text; text = past(text), left += FONT_ADVANCE * scale)
        draw_letter(canvas, left, top, scale, colour, *text);
}

void canvas_shaded_text(struct canvas *canvas, int left, int top, int scale, struct canvas_colour colour,
                        const char *text)
{
    for (int y = -1; y <= 1; y++)
        for (int x = -1; x <= 1; x++)
            canvas_text(canvas, left + x, top + y, scale, (struct canvas_colour){0, 0, 0}, text);
    canvas_text(canvas, left, top, scale, colour, text);
}

int canvas_text_width(const char *text, int scale)
{
    int letters = 0;
    for (; *text; text = past(text))
        letters++;
    return letters > 0 ? (letters * FONT_ADVANCE - 1) * scale : 0;
}
