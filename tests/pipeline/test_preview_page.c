/* Parts of a preview's page: the letters of the patient's sides, values as grey, colours. */
#include "pipeline/preview_page.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void sides_have_their_letters(void **state)
{
    static const struct {
        double direction[3], sign;
        const char *letters;
    } cases[] = {
        {{1, 0, 0}, 1, "L"},          {{1, 0, 0}, -1, "R"},         {{0, 1, 0}, 1, "P"},
        {{0, -3, 0}, 1, "A"},         {{0, 0, 2}, 1, "H"},          {{0, 0, 2}, -1, "F"},
        {{0.95, 0.3, 0}, 1, "L"},     {{0.9, 0.43, 0}, 1, "LP"},    {{0.9, 0.43, 0}, -1, "RA"},
        {{0.5, -0.5, 0.70}, 1, "HL"}, {{-0.1, 0.8, -0.6}, 1, "PF"}, {{0, 0, 0}, 1, "R"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char letters[3];
        preview_letters(cases[i].direction, cases[i].sign, letters);
        assert_string_equal(letters, cases[i].letters);
    }
}

struct made {
    struct arena *arena;
    struct preview_page page;
};

static int set_up(void **state)
{
    static struct made made;
    struct err err = ERR_INIT;
    made = (struct made){.arena = arena_new()};
    made.page.arena = made.arena;
    assert_true(canvas_init(&made.page.canvas, 16, 16, made.arena, &err));
    *state = &made;
    return 0;
}

static int tear_down(void **state)
{
    arena_free(((struct made *)*state)->arena);
    return 0;
}

static int grey_at(const struct made *made, int x, int y)
{
    return made->page.canvas.pixels[3 * (y * 16 + x)];
}

static void values_become_blocks_of_grey(void **state)
{
    struct made *made = *state;
    struct err err = ERR_INIT;
    const float values[6] = {-10, 0, 60, 100, 500, NAN};
    const int yx[2] = {2, 3};
    const double low_high[2] = {0, 100};
    assert_true(preview_image(&made->page, (struct canvas_rect){1, 2, 6, 4}, values, yx, low_high, &err));
    static const int wanted[2][3] = {{0, 0, 153}, {255, 255, 0}};
    for (int y = 0; y < 16; y++)
        for (int x = 0; x < 16; x++) {
            bool inside = x >= 1 && x < 7 && y >= 2 && y < 6;
            assert_int_equal(grey_at(made, x, y), inside ? wanted[(y - 2) / 2][(x - 1) / 2] : 0);
        }
}

static void smaller_pictures_are_means(void **state)
{
    struct made *made = *state;
    struct err err = ERR_INIT;
    float values[32 * 32];
    const int yx[2] = {32, 32};
    const double low_high[2] = {0, 255};
    for (int i = 0; i < 32 * 32; i++)
        values[i] = (i + i / 32) % 2 ? 200 : 0; /* a chequer board */
    assert_true(preview_image(&made->page, (struct canvas_rect){0, 0, 8, 8}, values, yx, low_high, &err));
    for (int i = 0; i < 64; i++)
        assert_in_range(grey_at(made, i % 8, i / 8), 98, 102);
}

static void a_place_stands_for_the_value_it_lies_in(void **state)
{
    assert_int_equal(preview_at(0, 10, 5), 0);
    assert_int_equal(preview_at(9, 10, 5), 4);
    assert_int_equal(preview_at(479, 480, 7), 6);
    assert_int_equal(preview_at(5, 10, 5), 2);
    assert_int_equal(preview_at(2, 3, 1000), 833);
}

static void numbers_that_follow_have_colours_apart(void **state)
{
    for (int i = 0; i < 255; i++) {
        struct canvas_colour one = preview_colour(i), next = preview_colour(i + 1);
        int apart = abs(one.red - next.red) + abs(one.green - next.green) + abs(one.blue - next.blue);
        assert_true(apart > 150);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sides_have_their_letters),
        cmocka_unit_test_setup_teardown(values_become_blocks_of_grey, set_up, tear_down),
        cmocka_unit_test_setup_teardown(smaller_pictures_are_means, set_up, tear_down),
        cmocka_unit_test(a_place_stands_for_the_value_it_lies_in),
        cmocka_unit_test(numbers_that_follow_have_colours_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
