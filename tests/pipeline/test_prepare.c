/* Clip and normalise: each rule against numbers worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/prepare.h"

#include <math.h>
#include <string.h>

static void check(const struct preprocess *preprocess, const float in[4], const float expected[4])
{
    struct err err = ERR_INIT;
    float values[4];
    memcpy(values, in, sizeof values);
    assert_true(prepare_values(preprocess, values, 4, &err));
    for (int i = 0; i < 4; i++)
        assert_float_equal(values[i], expected[i], 1e-6f);
}

static void minmax_spans_0_to_1(void **state)
{
    struct preprocess preprocess = {.norm = PREPROCESS_MINMAX};
    check(&preprocess, (float[]){-1000, 0, 500, 1000}, (float[]){0, 0.5f, 0.75f, 1});
}

static void minmax_comes_after_the_clip(void **state)
{
    struct preprocess preprocess = {.norm = PREPROCESS_MINMAX, .has_hu_clip = true, .hu_clip = {-100, 300}};
    check(&preprocess, (float[]){-1000, 0, 100, 3000}, (float[]){0, 0.25f, 0.5f, 1});
    check(&preprocess, (float[]){0, 0, 50, 100},
          (float[]){0, 0, 0.5f, 1}); /* of the values, not of the clip */
}

static void range01_is_of_the_clip(void **state)
{
    struct preprocess preprocess = {.norm = PREPROCESS_RANGE01, .has_hu_clip = true, .hu_clip = {-100, 300}};
    check(&preprocess, (float[]){-1000, 0, 100, 3000}, (float[]){0, 0.25f, 0.5f, 1});
    check(&preprocess, (float[]){0, 0, 0, 0}, (float[]){0.25f, 0.25f, 0.25f, 0.25f});
}

static void meanstd_shifts_and_scales(void **state)
{
    struct preprocess preprocess = {.norm = PREPROCESS_MEANSTD, .mean = {10}, .std = {5}};
    check(&preprocess, (float[]){10, 15, 0, 10}, (float[]){0, 1, -2, 0});
}

static void what_cannot_be_normalised_is_declined(void **state)
{
    struct err err = ERR_INIT;
    struct preprocess preprocess = {.norm = PREPROCESS_MINMAX};
    float same[4] = {7, 7, 7, 7}, infinite[4] = {0, 1, INFINITY, 2}, nothing[4] = {NAN, NAN, NAN, NAN};
    assert_false(prepare_values(&preprocess, same, 4, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_string_equal(err.reason, "constant_volume");
    assert_false(prepare_values(&preprocess, infinite, 4, &err));
    assert_string_equal(err.reason, "not_finite");
    assert_false(prepare_values(&preprocess, nothing, 4, &err));
    assert_string_equal(err.reason, "not_finite");
}

/* Four slices of two phases at these percentages of the RR interval, phase by phase; below 0: not said. */
static int phase_of(const double percents[8], double *ret_spread)
{
    static struct dicom_frame frames[8];
    static struct dicom_head heads[8];
    static struct volume_slice slices[8];
    struct volume_plan plan = {.geometry = {.zyx = {4, 1, 1}, .phases = 2}, .slices = slices};
    for (int i = 0; i < 8; i++) {
        frames[i].has_phase_percent = percents[i] >= 0;
        frames[i].phase_percent = percents[i];
        heads[i].frames = &frames[i];
        slices[i].at.head = &heads[i];
    }
    return prepare_choose_phase(&plan, ret_spread);
}

static void the_phase_nearest_to_75_percent_is_taken(void **state)
{
    double spread;
    assert_int_equal(phase_of((double[]){40, 40, 40, 40, 70, 70, 70, 70}, &spread), 1);
    assert_float_equal(spread, 0, 0);
    assert_int_equal(phase_of((double[]){76, 76, 76, 76, 90, 90, 90, 90}, &spread), 0);
    assert_int_equal(phase_of((double[]){40, 40, 40, 40, 70, -1, 70, 70}, &spread), 0);
    assert_float_equal(spread, 0, 0);
    assert_int_equal(phase_of((double[]){40, 42, 41, 40, 72, 70, 75, 70}, &spread), 1);
    assert_float_equal(spread, 5, 1e-9);
}

static void phases_of_mixed_percentages_are_not_chosen_by_them(void **state)
{
    double spread;
    assert_int_equal(phase_of((double[]){10, 75, 10, 75, 75, 90, 75, 90}, &spread), 0);
    assert_float_equal(spread, 65, 1e-9);
    assert_int_equal(phase_of((double[]){40, 40, 40, 40, 75, 75, 75, 81}, &spread), 0);
    assert_float_equal(spread, 6, 1e-9);
}

static void pictures_that_nobody_can_hold_are_declined(void **state)
{
    struct arena *arena = arena_new();
    struct err err = ERR_INIT;
    struct source source = {0};
    struct volume_plan plan = {.geometry = {.zyx = {64, 2048, 2049}, .phases = 1}};
    assert_null(prepare_voxels(&plan, 0, &source, arena, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_string_equal(err.reason, "volume_too_large");
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minmax_spans_0_to_1),
        cmocka_unit_test(minmax_comes_after_the_clip),
        cmocka_unit_test(range01_is_of_the_clip),
        cmocka_unit_test(meanstd_shifts_and_scales),
        cmocka_unit_test(what_cannot_be_normalised_is_declined),
        cmocka_unit_test(the_phase_nearest_to_75_percent_is_taken),
        cmocka_unit_test(phases_of_mixed_percentages_are_not_chosen_by_them),
        cmocka_unit_test(pictures_that_nobody_can_hold_are_declined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
