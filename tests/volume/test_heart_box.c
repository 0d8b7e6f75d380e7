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
static const struct ellipsoid fluid = {15, -25, 0,
                                       75, 65,  70}; /* in the pericardium, round the heart's fat */
static const struct ellipsoid fat = {15, -25, 0, 59, 49, 54};
static const struct ellipsoid liver = {-75, -10, -120, 100, 100, 115};
static const struct ellipsoid lungs[2] = {{-70, 0, 30, 60, 85, 130}, {75, 0, 30, 60, 85, 140}};
static const double lung_hu = -860, padding_hu = -1024;

/* What is there besides lungs, heart and its fat. */
struct made {
    double heart_hu;
    bool liver, fluid, aorta; /* aorta: goes up from the heart */
    double field_mm;          /* of a round field of view about the heart; 0: all */
    double lung_hu;
};

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

static double tissue(const struct made *made, double x, double y, double z)
{
    double across = x / 165, deep = y / 115;
    if (made->field_mm > 0 && hypot(x - heart.x, y - heart.y) > made->field_mm / 2)
        return padding_hu;
    if (y > 125 && y < 165 && fabs(x) < 200)
        return y < 130 || y > 160 ? 300 : -900; /* couch */
    if (across * across + deep * deep >= 1)
        return -1000;
    if (within(&heart, x, y, z))
        return made->heart_hu;
    if (made->aorta && z > 0 && hypot(x - 5, y + 20) < 20)
        return made->heart_hu;
    if (within(&fat, x, y, z))
        return -100;
    if (made->fluid && within(&fluid, x, y, z))
        return 10;
    if (made->liver && within(&liver, x, y, z))
        return 60;
    if (fabs(x) < 22 && y > 30)
        return 60; /* spine, aorta, oesophagus */
    return within(&lungs[0], x, y, z) || within(&lungs[1], x, y, z) ? made->lung_hu : 40;
}

/* The field of view from low to high, voxels of 4 mm. */
static void make(struct chest *chest, const struct made *made, const double low_zyx[3],
                 const double high_zyx[3])
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
                *hu++ = (float)tissue(made, grid->origin_lps[0] + x * step, grid->origin_lps[1] + y * step,
                                      grid->origin_lps[2] + z * step);
}

static void make_whole(struct chest *chest, const struct made *made)
{
    make(chest, made, (const double[3]){-150, -190, -200}, (const double[3]){170, 200, 200});
}

static void estimate(struct chest *chest)
{
    struct err err = ERR_INIT;
    assert_true(heart_box_estimate(&chest->grid, chest->hu, &chest->box, &err));
}

static double inside_share(const struct chest *chest)
{
    int all = 0, inside = 0;
    const double *centre = chest->box.centre_lps, *size = chest->box.size_zyx_mm;
    for (double z = -60; z < 60; z += 2)
        for (double y = -80; y < 80; y += 2)
            for (double x = -60; x < 90; x += 2) {
                if (!within(&heart, x, y, z))
                    continue;
                all++;
                inside += fabs(x - centre[0]) <= size[2] / 2 && fabs(y - centre[1]) <= size[1] / 2 &&
                          fabs(z - centre[2]) <= size[0] / 2;
            }
    return (double)inside / all;
}

/* What the issue asks of phantoms. */
static void assert_found(struct chest *chest)
{
    estimate(chest);
    const double *size = chest->box.size_zyx_mm;
    double heart_mm3 = 4 * 3.14159265 / 3 * heart.half_x * heart.half_y * heart.half_z;
    assert_true(chest->box.confidence >= HEART_BOX_CONFIDENT);
    assert_true(inside_share(chest) > 0.98);
    assert_true(size[0] * size[1] * size[2] < 2.5 * heart_mm3);
    free(chest->hu);
}

static void a_heart_between_lungs_is_found(void **state)
{
    struct chest chest;
    make_whole(&chest, &(struct made){.heart_hu = 45, .lung_hu = lung_hu});
    assert_found(&chest);
}

static void one_full_of_contrast_too(void **state)
{
    struct chest chest;
    make_whole(&chest, &(struct made){.heart_hu = 400, .lung_hu = lung_hu});
    assert_found(&chest);
}

static void and_in_a_field_of_view_that_cuts_the_body(void **state)
{
    struct chest chest;
    make(&chest, &(struct made){.heart_hu = 45, .lung_hu = lung_hu}, (const double[3]){-70, -120, -95},
         (const double[3]){90, 80, 125});
    assert_found(&chest);
}

static void and_in_a_round_one_of_180_mm(void **state)
{
    struct chest chest;
    make(&chest, &(struct made){.heart_hu = 300, .field_mm = 180, .lung_hu = lung_hu},
         (const double[3]){-70, -115, -75}, (const double[3]){70, 65, 105});
    assert_found(&chest);
}

static void the_liver_below_is_not_taken_for_it(void **state)
{
    struct chest chest;
    make_whole(&chest, &(struct made){.heart_hu = 45, .liver = true, .lung_hu = lung_hu});
    assert_found(&chest);
}

static void nor_is_fluid_round_it_where_there_is_contrast(void **state)
{
    struct chest chest;
    make_whole(&chest, &(struct made){.heart_hu = 300, .fluid = true, .lung_hu = lung_hu});
    assert_found(&chest);
}

static void nor_the_vessel_that_leaves_it(void **state)
{
    struct chest chest;
    make_whole(&chest, &(struct made){.heart_hu = 300, .aorta = true, .lung_hu = lung_hu});
    assert_found(&chest);
}

static void without_lungs_there_is_nothing_to_go_by(void **state)
{
    struct chest chest;
    make_whole(&chest, &(struct made){.heart_hu = 45, .lung_hu = 40});
    estimate(&chest);
    assert_true(chest.box.confidence < HEART_BOX_CONFIDENT);
    free(chest.hu);
}

static void nor_in_air(void **state)
{
    struct chest chest;
    make_whole(&chest, &(struct made){.field_mm = 1});
    estimate(&chest);
    assert_float_equal(chest.box.confidence, 0, 0);
    assert_float_equal(chest.box.size_zyx_mm[0], 320, 1e-9);
    assert_float_equal(chest.box.centre_lps[1], 5 - 1, 2);
    free(chest.hu);
}

static void nor_in_a_few_slices_below_it(void **state)
{
    struct chest chest;
    make(&chest, &(struct made){.heart_hu = 45, .liver = true, .lung_hu = lung_hu},
         (const double[3]){-100, -190, -200}, (const double[3]){-72, 200, 200});
    estimate(&chest);
    assert_true(chest.box.confidence < HEART_BOX_CONFIDENT);
    free(chest.hu);
}

/* A grid of any shape and values that are no numbers give a box within the grid. */
static void whatever_the_voxels_are_the_box_lies_within_them(void **state)
{
    static const int shapes[][3] = {{1, 1, 1}, {1, 90, 90}, {60, 1, 60}, {3, 4, 300}, {40, 40, 40}};
    static const float values[] = {-INFINITY, -860, 40, NAN, INFINITY, 3e38f, -1024};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct chest chest;
        make(&chest, &(struct made){.heart_hu = 300}, (const double[3]){0, 0, 0},
             (const double[3]){4 * shapes[i][0], 4 * shapes[i][1], 4 * shapes[i][2]});
        int count = shapes[i][0] * shapes[i][1] * shapes[i][2];
        for (int at = 0; at < count; at++)
            chest.hu[at] = values[(unsigned)at * 2654435761u / 65536 % (sizeof values / sizeof *values)];
        estimate(&chest);
        for (int axis = 0; axis < 3; axis++) {
            double half = chest.box.size_zyx_mm[axis] / 2, from = chest.box.centre_lps[2 - axis];
            assert_true(from - half >= -1e-6 && from + half <= 4 * shapes[i][axis] + 1e-6);
        }
        assert_true(chest.box.confidence < HEART_BOX_CONFIDENT);
        free(chest.hu);
    }
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
        cmocka_unit_test(and_in_a_round_one_of_180_mm),
        cmocka_unit_test(the_liver_below_is_not_taken_for_it),
        cmocka_unit_test(nor_is_fluid_round_it_where_there_is_contrast),
        cmocka_unit_test(nor_the_vessel_that_leaves_it),
        cmocka_unit_test(without_lungs_there_is_nothing_to_go_by),
        cmocka_unit_test(nor_in_air),
        cmocka_unit_test(nor_in_a_few_slices_below_it),
        cmocka_unit_test(whatever_the_voxels_are_the_box_lies_within_them),
        cmocka_unit_test(a_mask_gives_its_own_box),
    };
    return cmocka_run_group_tests_name("heart_box", tests, NULL, NULL);
}
