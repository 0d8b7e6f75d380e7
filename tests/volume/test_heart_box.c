/* heart_box_estimate on a made-up chest: an oval body with two lungs, a heart between them, a spine, a couch.
 */
#include "volume/heart_box.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Ellipsoids in mm: x to the left, y to the back, z to the head; the body's middle is the origin. */
struct ellipsoid {
    double x, y, z, half_x, half_y, half_z;
};
static const struct ellipsoid heart = {15, -25, 0, 55, 45, 50};
static const struct ellipsoid bed = {15, -25, 0, 63, 53, 58}; /* of fat */
static const struct ellipsoid liver = {-75, -10, -120, 100, 100, 115};
static const struct ellipsoid lungs[2] = {{-70, 0, 30, 60, 85, 130}, {75, 0, 30, 60, 85, 140}};

struct chest {
    struct volume_geometry grid;
    float *hu;
    struct heart_box box;
};

static bool within(const struct ellipsoid *e, double x, double y, double z)
{
    double a = (x - e->x) / e->half_x, b = (y - e->y) / e->half_y, c = (z - e->z) / e->half_z;
    return a * a + b * b + c * c < 1;
}

static float tissue(double x, double y, double z, float heart_hu, bool with_liver)
{
    double across = x / 165, deep = y / 115;
    if (y > 125 && y < 165 && fabs(x) < 200)
        return y < 130 || y > 160 ? 300 : -900; /* couch */
    if (across * across + deep * deep >= 1)
        return -1000;
    if (within(&heart, x, y, z))
        return heart_hu;
    if (within(&bed, x, y, z))
        return -100;
    if (with_liver && within(&liver, x, y, z))
        return 60;
    if (fabs(x) < 22 && y > 30)
        return 60; /* spine, aorta, oesophagus */
    return within(&lungs[0], x, y, z) || within(&lungs[1], x, y, z) ? -860 : 40;
}

/* The field of view from low to high, voxels of 4 mm. */
static void make(struct chest *chest, const double low_zyx[3], const double high_zyx[3], float heart_hu,
                 bool with_liver)
{
    static const double step = 4;
    struct volume_geometry *grid = &chest->grid;
    *grid = (struct volume_geometry){.phases = 1, .spacing_zyx_mm = {step, step, step}};
    for (int i = 0; i < 3; i++) {
        grid->zyx[i] = (int)((high_zyx[i] - low_zyx[i]) / step);
        grid->origin_lps[2 - i] = low_zyx[i] + step / 2;
    }
    grid->step_z_lps[2] = grid->step_y_lps[1] = grid->step_x_lps[0] = step;
    float *hu = chest->hu =
        malloc(sizeof *hu * (size_t)grid->zyx[0] * (size_t)grid->zyx[1] * (size_t)grid->zyx[2]);
    for (int z = 0; z < grid->zyx[0]; z++)
        for (int y = 0; y < grid->zyx[1]; y++)
            for (int x = 0; x < grid->zyx[2]; x++)
                *hu++ = tissue(grid->origin_lps[0] + x * step, grid->origin_lps[1] + y * step,
                               grid->origin_lps[2] + z * step, heart_hu, with_liver);
}

static void estimate(struct chest *chest)
{
    struct err err = ERR_INIT;
    assert_true(heart_box_estimate(&chest->grid, chest->hu, &chest->box, &err));
}

static double inside_share(const struct chest *chest, double margin_mm)
{
    int all = 0, inside = 0;
    const double *centre = chest->box.centre_lps, *size = chest->box.size_zyx_mm;
    for (double z = -60; z < 60; z += 2)
        for (double y = -80; y < 80; y += 2)
            for (double x = -60; x < 90; x += 2) {
                if (!within(&heart, x, y, z))
                    continue;
                all++;
                inside += fabs(x - centre[0]) <= size[2] / 2 + margin_mm &&
                          fabs(y - centre[1]) <= size[1] / 2 + margin_mm &&
                          fabs(z - centre[2]) <= size[0] / 2 + margin_mm;
            }
    return (double)inside / all;
}

static void assert_found(struct chest *chest)
{
    estimate(chest);
    const double *size = chest->box.size_zyx_mm;
    assert_true(chest->box.confidence >= HEART_BOX_CONFIDENT);
    assert_true(inside_share(chest, 5) > 0.95);
    assert_true(size[0] * size[1] * size[2] < 2.5 * 110 * 90 * 100);
    free(chest->hu);
}

static void a_heart_between_lungs_is_found(void **state)
{
    struct chest chest;
    make(&chest, (const double[3]){-150, -190, -200}, (const double[3]){170, 200, 200}, 45, false);
    assert_found(&chest);
}

static void one_full_of_contrast_too(void **state)
{
    struct chest chest;
    make(&chest, (const double[3]){-150, -190, -200}, (const double[3]){170, 200, 200}, 400, false);
    assert_found(&chest);
}

static void and_in_a_field_of_view_that_cuts_the_body(void **state)
{
    struct chest chest;
    make(&chest, (const double[3]){-70, -120, -95}, (const double[3]){90, 80, 125}, 45, false);
    assert_found(&chest);
}

static void where_the_liver_takes_the_right_lungs_place_the_left_one_flanks(void **state)
{
    struct chest chest;
    make(&chest, (const double[3]){-150, -190, -200}, (const double[3]){170, 200, 200}, 45, true);
    assert_found(&chest);
}

static void without_lungs_there_is_nothing_to_go_by(void **state)
{
    struct chest chest;
    make(&chest, (const double[3]){-150, -190, -200}, (const double[3]){170, 200, 200}, 45, false);
    size_t count = (size_t)chest.grid.zyx[0] * (size_t)chest.grid.zyx[1] * (size_t)chest.grid.zyx[2];
    for (size_t i = 0; i < count; i++)
        chest.hu[i] = chest.hu[i] == -860 ? 40 : chest.hu[i];
    estimate(&chest);
    assert_true(chest.box.confidence < HEART_BOX_CONFIDENT);
    for (size_t i = 0; i < count; i++)
        chest.hu[i] = -1000;
    estimate(&chest);
    assert_float_equal(chest.box.confidence, 0, 0);
    assert_float_equal(chest.box.size_zyx_mm[0], 320, 1e-9);
    assert_float_equal(chest.box.centre_lps[1], 5 - 1, 2);
    free(chest.hu);
}

static void a_mask_gives_its_own_box(void **state)
{
    struct heart_box box;
    uint8_t mask[4 * 5 * 6] = {0};
    struct volume_geometry grid = {.zyx = {4, 5, 6},
                                   .phases = 1,
                                   .spacing_zyx_mm = {10, 10, 10},
                                   .origin_lps = {100, 200, 300},
                                   .step_z_lps = {0, 0, 10},
                                   .step_y_lps = {0, 10, 0},
                                   .step_x_lps = {10, 0, 0}};
    assert_false(heart_box_of_mask(&grid, mask, &box));
    mask[(1 * 5 + 2) * 6 + 2] = mask[(2 * 5 + 2) * 6 + 3] = 1;
    assert_true(heart_box_of_mask(&grid, mask, &box));
    assert_float_equal(box.confidence, 1, 0);
    assert_float_equal(box.centre_lps[0], 125, 1e-9);
    assert_float_equal(box.centre_lps[1], 220, 1e-9);
    assert_float_equal(box.centre_lps[2], 315, 1e-9);
    assert_float_equal(box.size_zyx_mm[0], 28, 1e-9); /* two voxels and 4 mm on either side */
    assert_float_equal(box.size_zyx_mm[1], 18, 1e-9);
    assert_float_equal(box.size_zyx_mm[2], 28, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heart_between_lungs_is_found),
        cmocka_unit_test(one_full_of_contrast_too),
        cmocka_unit_test(and_in_a_field_of_view_that_cuts_the_body),
        cmocka_unit_test(where_the_liver_takes_the_right_lungs_place_the_left_one_flanks),
        cmocka_unit_test(without_lungs_there_is_nothing_to_go_by),
        cmocka_unit_test(a_mask_gives_its_own_box),
    };
    return cmocka_run_group_tests_name("heart_box", tests, NULL, NULL);
}
