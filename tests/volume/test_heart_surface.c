/* heart_start and heart_surface on a ball in lung, whose surface is known. */
#include "volume/heart_start.h"
#include "volume/heart_surface.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SIDE = 60 };
static const double step = 4, middle_mm = 116, tissue_mm = 50;

static struct volume_geometry grid = {.zyx = {SIDE, SIDE, SIDE}, .phases = 1, .spacing_zyx_mm = {4, 4, 4}};
static float hu[SIDE * SIDE * SIDE];

/* Muscle up to 50 mm from the middle, then so much fat, then what lies round it. */
static void make(float muscle_hu, double fat_mm, float round_hu)
{
    for (int i = 0; i < SIDE * SIDE * SIDE; i++) {
        double z = i / (SIDE * SIDE) * step, y = i / SIDE % SIDE * step, x = i % SIDE * step;
        double from = hypot(hypot(z - middle_mm, y - middle_mm), x - middle_mm);
        hu[i] = from < tissue_mm ? muscle_hu : from < tissue_mm + fat_mm ? -100 : round_hu;
    }
}

static double mean_radius(const struct heart_surface *surface)
{
    double sum = 0;
    for (int i = 0; i < 6; i++) {
        double direction[3] = {0, 0, 0};
        direction[i / 2] = i % 2 ? 1 : -1;
        sum += heart_surface_radius(surface, direction) / 6;
    }
    return sum;
}

static struct heart_surface fit(const double start_mm[3])
{
    struct err err = ERR_INIT;
    struct heart_scan scan = {&grid, hu};
    struct heart_surface surface;
    assert_true(heart_surface_fit(&scan, start_mm, &surface, &err));
    return surface;
}

static void the_search_begins_within_a_ball_of_tissue(void **state)
{
    struct heart_scan scan = {&grid, hu};
    struct heart_start starts[HEART_STARTS];
    make(45, 5, -860);
    assert_true(heart_start_seek(&scan, starts) > 0);
    for (int axis = 0; axis < 3; axis++)
        assert_true(fabs(starts[0].at_mm[axis] - middle_mm) <= 2 * step);
    assert_true(starts[0].soft > 0.8 && starts[0].lung[0] > 0.8 && starts[0].lung[1] > 0.8);
}

static void there_is_nowhere_to_begin_in_air(void **state)
{
    struct heart_scan scan = {&grid, hu};
    struct heart_start starts[HEART_STARTS];
    make(-1000, 0, -1000);
    assert_int_equal(heart_start_seek(&scan, starts), 0);
}

static void the_surface_is_found_from_anywhere_within(void **state)
{
    make(45, 6, -860);
    const double starts[3][3] = {{116, 116, 116}, {90, 116, 130}, {135, 130, 105}};
    double first = 0;
    for (int i = 0; i < 3; i++) {
        struct heart_surface surface = fit(starts[i]);
        for (int axis = 0; axis < 3; axis++)
            assert_true(fabs(surface.centre_mm[axis] - middle_mm) < 4);
        assert_true(surface.held > 0.7);
        double radius = mean_radius(&surface);
        assert_true(fabs(radius - (tissue_mm + 3)) < 5);
        first = i ? first : radius;
        assert_true(fabs(radius - first) < 1.5);
    }
}

/* Of 16 mm of something between muscle with contrast and lung, fat belongs to the heart and fluid does not.
 */
static void fat_belongs_to_the_heart_and_fluid_does_not(void **state)
{
    const double start[3] = {116, 116, 116};
    make(300, 12, -860);
    struct heart_surface surface = fit(start);
    double with_fat = mean_radius(&surface);
    make(300, 3, 10);
    surface = fit(start);
    double with_fluid = mean_radius(&surface);
    assert_true(with_fat > tissue_mm + 7 && with_fluid < tissue_mm + 6);
}

static void tissue_without_an_end_has_no_surface(void **state)
{
    make(45, 0, 45);
    assert_true(fit((const double[3]){116, 116, 116}).held <= 0);
    assert_true(fit((const double[3]){-500, 0, 1e6}).held <= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_search_begins_within_a_ball_of_tissue),
        cmocka_unit_test(there_is_nowhere_to_begin_in_air),
        cmocka_unit_test(the_surface_is_found_from_anywhere_within),
        cmocka_unit_test(fat_belongs_to_the_heart_and_fluid_does_not),
        cmocka_unit_test(tissue_without_an_end_has_no_surface),
    };
    return cmocka_run_group_tests_name("heart_surface", tests, NULL, NULL);
}
