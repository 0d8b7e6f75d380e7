/* Drawing on a page: nothing lands beside its place, nothing beyond the page. */
#include "pipeline/canvas.h"
#include "pipeline/canvas_font.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 40, HEIGHT = 30 };
static const struct canvas_colour colour = {9, 8, 7};

/* The rectangle of what is drawn, and how many pixels of it are. */
static int drawn(const struct canvas *canvas, struct canvas_rect *ret)
{
    int left = WIDTH, top = HEIGHT, right = -1, bottom = -1, count = 0;
    for (int y = 0; y < canvas->height; y++)
        for (int x = 0; x < canvas->width; x++) {
            const uint8_t *pixel = canvas->pixels + 3 * (y * canvas->width + x);
            if (memcmp(pixel, "\0\0\0", 3) == 0)
                continue;
            assert_memory_equal(pixel, "\x09\x08\x07", 3);
            left = x < left ? x : left;
            right = x > right ? x : right;
            top = y < top ? y : top;
            bottom = y;
            count++;
        }
    *ret = (struct canvas_rect){left, top, right - left + 1, bottom - top + 1};
    return count;
}

static void assert_drawn(const struct canvas *canvas, struct canvas_rect wanted, int count)
{
    struct canvas_rect seen;
    assert_int_equal(drawn(canvas, &seen), count);
    if (memcmp(&seen, &wanted, sizeof seen) != 0)
        fail_msg("%d %d %d %d instead of %d %d %d %d", seen.left, seen.top, seen.width, seen.height,
                 wanted.left, wanted.top, wanted.width, wanted.height);
}

static int set_up(void **state)
{
    static struct canvas canvas;
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    assert_true(canvas_init(&canvas, WIDTH, HEIGHT, arena, &err));
    static void *both[2];
    both[0] = &canvas;
    both[1] = arena;
    *state = both;
    return 0;
}

static int tear_down(void **state)
{
    arena_free(((void **)*state)[1]);
    return 0;
}

static struct canvas *canvas_of(void **state)
{
    return ((void **)*state)[0];
}

static void a_rectangle_is_filled(void **state)
{
    canvas_fill(canvas_of(state), (struct canvas_rect){3, 4, 5, 6}, colour);
    assert_drawn(canvas_of(state), (struct canvas_rect){3, 4, 5, 6}, 30);
}

static void what_lies_beyond_the_page_is_not_drawn(void **state)
{
    struct canvas *canvas = canvas_of(state);
    canvas_fill(canvas, (struct canvas_rect){-5, -5, 3, 3}, colour);
    canvas_fill(canvas, (struct canvas_rect){WIDTH, 0, 9, 9}, colour);
    canvas_fill(canvas, (struct canvas_rect){0, 0, -3, 9}, colour);
    canvas_dot(canvas, -1, 0, colour);
    canvas_dot(canvas, 0, HEIGHT, colour);
    struct canvas_rect seen;
    assert_int_equal(drawn(canvas, &seen), 0);
    canvas_fill(canvas, (struct canvas_rect){-1000, -1000, 100000, 100000}, colour);
    assert_drawn(canvas, (struct canvas_rect){0, 0, WIDTH, HEIGHT}, WIDTH * HEIGHT);
}

static void an_outline_lies_on_both_sides_of_its_edge(void **state)
{
    const struct canvas_rect page = {0, 0, WIDTH, HEIGHT};
    canvas_outline(canvas_of(state), page, (struct canvas_rect){10, 10, 8, 6}, colour);
    assert_drawn(canvas_of(state), (struct canvas_rect){9, 9, 10, 8}, 10 * 8 - 6 * 4);
}

static void an_outline_stays_within(void **state)
{
    canvas_outline(canvas_of(state), (struct canvas_rect){12, 5, 20, 20}, (struct canvas_rect){10, 10, 8, 6},
                   colour);
    assert_drawn(canvas_of(state), (struct canvas_rect){12, 9, 7, 8}, 7 * 8 - 5 * 4);
}

static void letters_have_their_places_and_sizes(void **state)
{
    struct canvas *canvas = canvas_of(state);
    canvas_text(canvas, 2, 3, 2, colour, "HH");
    assert_drawn(canvas, (struct canvas_rect){2, 3, 22, 14}, 2 * 17 * 4);
    assert_int_equal(canvas_text_width("HH", 2), 22);
    assert_int_equal(canvas_text_width("", 2), 0);
}

static void what_is_not_ascii_is_one_block(void **state)
{
    canvas_text(canvas_of(state), 0, 0, 1, colour, "\xc3\xa9");
    assert_drawn(canvas_of(state), (struct canvas_rect){0, 0, 5, 7}, 35);
    assert_int_equal(canvas_text_width("a\xc3\xa9\xe4\xb8\xad", 1), 17);
}

/* No two characters look alike, and all but the space have ink. */
static void every_character_is_its_own(void **state)
{
    char shapes[128][FONT_WIDTH * FONT_HEIGHT];
    for (int c = ' '; c < 127; c++) {
        for (int i = 0; i < FONT_WIDTH * FONT_HEIGHT; i++)
            shapes[c][i] = canvas_font_inked((char)c, i / FONT_WIDTH, i % FONT_WIDTH);
        assert_int_equal(memchr(shapes[c], 1, sizeof shapes[c]) != NULL, c != ' ');
        for (int other = ' '; other < c; other++)
            if (memcmp(shapes[c], shapes[other], sizeof shapes[c]) == 0)
                fail_msg("%c and %c look alike", c, other);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_rectangle_is_filled),
        T(what_lies_beyond_the_page_is_not_drawn),
        T(an_outline_lies_on_both_sides_of_its_edge),
        T(an_outline_stays_within),
        T(letters_have_their_places_and_sizes),
        T(what_is_not_ascii_is_one_block),
        cmocka_unit_test(every_character_is_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
