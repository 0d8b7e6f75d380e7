/* One plane written in all eight ways is seen one way, and every value stays at its place in the patient. */
#include "volume/volume_turn.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 3, COLUMNS = 5, ALL = ROWS * COLUMNS };

/* x along `x`, y along `y`, unit vectors; 0.8 mm between columns, 1.5 mm between rows. */
static struct volume_geometry plane(const double x[3], const double y[3])
{
    struct volume_geometry ret = {
        .zyx = {1, ROWS, COLUMNS}, .phases = 1, .origin_lps = {10, -20, 30}, .spacing_zyx_mm = {8, 1.5, 0.8}};
    for (int i = 0; i < 3; i++) {
        ret.step_x_lps[i] = 0.8 * x[i];
        ret.step_y_lps[i] = 1.5 * y[i];
    }
    return ret;
}

static double at(const struct volume_geometry *geometry, int row, int column)
{
    static const double weights[3] = {1, 100, 10000};
    double sum = 0;
    for (int i = 0; i < 3; i++)
        sum += weights[i] *
               (geometry->origin_lps[i] + geometry->step_y_lps[i] * row + geometry->step_x_lps[i] * column);
    return sum;
}

/* Values that tell where they are. */
static void paint(const struct volume_geometry *geometry, float *values)
{
    for (int row = 0; row < geometry->zyx[1]; row++)
        for (int column = 0; column < geometry->zyx[2]; column++)
            *values++ = (float)at(geometry, row, column);
}

static void assert_seen(const double x[3], const double y[3], const double seen_x[3], const double seen_y[3])
{
    const struct volume_geometry written = plane(x, y);
    for (int way = 0; way < 8; way++) {
        const struct volume_turn other = {way & 4, {way & 2, way & 1}};
        const struct volume_geometry as = volume_turned(&written, &other);
        const struct volume_turn turn = volume_turn_anatomical(&as);
        const struct volume_geometry seen = volume_turned(&as, &turn);
        float values[ALL], turned[ALL], expected[ALL];
        paint(&as, values);
        volume_turn_values(&turn, values, (size_t)as.zyx[2], as.zyx + 1, turned);
        paint(&seen, expected);
        for (int i = 0; i < ALL; i++)
            assert_true(fabsf(turned[i] - expected[i]) < 1e-2F);
        for (int i = 0; i < 3; i++) {
            assert_true(fabs(seen.step_x_lps[i] / seen.spacing_zyx_mm[2] - seen_x[i]) < 1e-12);
            assert_true(fabs(seen.step_y_lps[i] / seen.spacing_zyx_mm[1] - seen_y[i]) < 1e-12);
        }
    }
}

static const double left[3] = {1, 0, 0}, back[3] = {0, 1, 0}, feet[3] = {0, 0, -1};

static void test_planes_of_the_body(void **state)
{
    (void)state;
    assert_seen(left, back, left, back);
    assert_seen(left, feet, left, feet);
    assert_seen(back, feet, back, feet);
}

static void test_a_short_axis(void **state)
{
    (void)state;
    const double x[3] = {0.7071067811865476, 0.5, -0.5}, y[3] = {0, 0.7071067811865476, 0.7071067811865476};
    const double feet_y[3] = {0, -0.7071067811865476, -0.7071067811865476};
    assert_seen(x, y, x, feet_y);
}

static void test_a_swapped_plane_keeps_its_millimetres(void **state)
{
    (void)state;
    const struct volume_geometry written = plane(back, left);
    const struct volume_turn turn = volume_turn_anatomical(&written);
    const struct volume_geometry seen = volume_turned(&written, &turn);
    assert_true(turn.swap && !turn.flip_yx[0] && !turn.flip_yx[1]);
    assert_int_equal(seen.zyx[1], COLUMNS);
    assert_int_equal(seen.zyx[2], ROWS);
    assert_true(seen.spacing_zyx_mm[1] == 0.8 && seen.spacing_zyx_mm[2] == 1.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planes_of_the_body),
        cmocka_unit_test(test_a_short_axis),
        cmocka_unit_test(test_a_swapped_plane_keeps_its_millimetres),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
