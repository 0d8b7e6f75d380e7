/* Labels on a finer grid against the formula of torch's interpolate, in double. */
#include "tensor/labels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { CLASSES = 5, Z = 2 };

static float *scores_of(const int coarse_zyx[3])
{
    size_t count = CLASSES * (size_t)coarse_zyx[0] * (size_t)coarse_zyx[1] * (size_t)coarse_zyx[2];
    float *x = malloc(count * sizeof *x);
    unsigned seed = 3;
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = 4.0f * (float)(seed >> 8) / 16777216.0f - 2.0f;
    }
    return x;
}

static double linear(const float *plane, const int n[2], double y, double x)
{
    y = fmax(y, 0);
    x = fmax(x, 0);
    int y0 = (int)y, x0 = (int)x, y1 = y0 + 1 < n[0] ? y0 + 1 : y0, x1 = x0 + 1 < n[1] ? x0 + 1 : x0;
    double above = (1 - (x - x0)) * (double)plane[y0 * n[1] + x0] + (x - x0) * (double)plane[y0 * n[1] + x1];
    double below = (1 - (x - x0)) * (double)plane[y1 * n[1] + x0] + (x - x0) * (double)plane[y1 * n[1] + x1];
    return (1 - (y - y0)) * above + (y - y0) * below;
}

static double fine_at(const float *scores, const int *coarse, const int *fine, int class_, int z, int y,
                      int x)
{
    const float *plane = scores + ((size_t)class_ * Z + (size_t)z) * (size_t)(coarse[1] * coarse[2]);
    return linear(plane, coarse + 1, (y + 0.5) * coarse[1] / fine[1] - 0.5,
                  (x + 0.5) * coarse[2] / fine[2] - 0.5);
}

static void check_argmax(const int coarse[3], const int fine[3])
{
    float *scores = scores_of(coarse), *scratch = malloc(labels_scratch(fine) * sizeof *scratch);
    uint8_t *labels = malloc((size_t)(fine[0] * fine[1] * fine[2]));
    labels_argmax(CLASSES, scores, coarse, fine, labels, scratch);
    for (int v = 0; v < fine[0] * fine[1] * fine[2]; v++) {
        int z = v / (fine[1] * fine[2]), y = v / fine[2] % fine[1], x = v % fine[2], best = 0;
        for (int c = 1; c < CLASSES; c++)
            if (fine_at(scores, coarse, fine, c, z, y, x) > fine_at(scores, coarse, fine, best, z, y, x))
                best = c;
        assert_int_equal(labels[v], best);
    }
    free(scores);
    free(scratch);
    free(labels);
}

static void the_highest_interpolated_score_wins(void **unused)
{
    check_argmax((const int[]){Z, 5, 6}, (const int[]){Z, 10, 12});
    check_argmax((const int[]){Z, 5, 6}, (const int[]){Z, 5, 6});
    check_argmax((const int[]){Z, 3, 4}, (const int[]){Z, 12, 16});
    check_argmax((const int[]){Z, 1, 1}, (const int[]){Z, 2, 2});
}

static void the_first_of_equal_classes_wins(void **unused)
{
    const float scores[] = {1, 2, 2};
    const int one[3] = {1, 1, 1};
    float scratch[3];
    uint8_t label;
    labels_argmax(3, scores, one, one, &label, scratch);
    assert_int_equal(label, 1);
}

static void planes_are_softmaxed_and_added(void **unused)
{
    const int coarse[3] = {Z, 9, 11}, fine[3] = {Z, 18, 22};
    float *scores = scores_of(coarse), *plane = malloc(CLASSES * 99 * sizeof *plane), scratch[66],
          to[18 * 30] = {0};
    labels_softmax_plane(CLASSES, scores, coarse, 1, plane);
    for (int i = 0; i < 99; i++) {
        double total = 0;
        for (int c = 0; c < CLASSES; c++)
            total += exp((double)scores[(c * Z + 1) * 99 + i]);
        for (int c = 0; c < CLASSES; c++)
            assert_true(fabs((double)plane[c * 99 + i] - exp((double)scores[(c * Z + 1) * 99 + i]) / total) <
                        1e-6);
    }
    for (int twice = 0; twice < 2; twice++)
        labels_add_plane(plane + 99, coarse + 1, fine + 1, to + 3, 30, scratch);
    for (int y = 0; y < 18; y++)
        for (int x = 0; x < 30; x++) {
            bool inside = x >= 3 && x < 25;
            double wanted =
                inside ? 2 * linear(plane + 99, coarse + 1, y / 2.0 - 0.25, (x - 3) / 2.0 - 0.25) : 0;
            assert_true(fabs((double)to[y * 30 + x] - wanted) < 1e-6);
        }
    free(scores);
    free(plane);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_highest_interpolated_score_wins),
        cmocka_unit_test(the_first_of_equal_classes_wins),
        cmocka_unit_test(planes_are_softmaxed_and_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
