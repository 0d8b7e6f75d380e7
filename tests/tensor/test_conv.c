/* Convolutions against plain loops in double, at sizes where tiles are cut and phases are uneven. */
#include "tensor/conv.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static float *fresh(size_t count, unsigned seed)
{
    float *x = malloc((count ? count : 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = 2.0f * (float)(seed >> 8) / 16777216.0f - 1.0f;
    }
    return x;
}

/* Memory whose every value is not a number: what is read before it is written shows. */
static float *unwritten(size_t count)
{
    float *x = fresh(count, 0);
    for (size_t i = 0; i < count; i++)
        x[i] = NAN;
    return x;
}

static size_t volume(const int zyx[3])
{
    return (size_t)zyx[0] * (size_t)zyx[1] * (size_t)zyx[2];
}

static double at(const float *x, const int zyx[3], int channel, int z, int y, int x_)
{
    bool inside = z >= 0 && z < zyx[0] && y >= 0 && y < zyx[1] && x_ >= 0 && x_ < zyx[2];
    size_t line = ((size_t)channel * (size_t)zyx[0] + (size_t)z) * (size_t)zyx[1] + (size_t)y;
    return inside ? (double)x[line * (size_t)zyx[2] + (size_t)x_] : 0.0;
}

static double plain(const struct conv *c, const float *const in[2], const int zyx[3], int out,
                    const int at_zyx[3])
{
    const int *k = c->kernel_zyx, *s = c->stride_zyx;
    int channels = c->in_channels[0] + c->in_channels[1];
    const float *w = c->weight + (size_t)out * (size_t)channels * volume(k);
    double sum = 0;
    for (int i = 0; i < channels; i++)
        for (int z = 0; z < k[0]; z++)
            for (int y = 0; y < k[1]; y++)
                for (int x = 0; x < k[2]; x++, w++) {
                    bool first = i < c->in_channels[0];
                    sum += (double)*w * at(in[first ? 0 : 1], zyx, first ? i : i - c->in_channels[0],
                                           at_zyx[0] * s[0] + z - k[0] / 2, at_zyx[1] * s[1] + y - k[1] / 2,
                                           at_zyx[2] * s[2] + x - k[2] / 2);
                }
    sum = sum * (c->scale ? (double)c->scale[out] : 1) + (c->shift ? (double)c->shift[out] : 0);
    return sum > 0 ? sum : sum * (double)c->slope;
}

static void check_voxels(const struct conv *c, const float *const in[2], const int zyx[3], const float *out,
                         const double *sums)
{
    int o[3], v[3];
    conv_out_zyx(c, zyx, o);
    for (int channel = 0; channel < c->out_channels; channel++) {
        double sum = 0, squares = 0;
        for (v[0] = 0; v[0] < o[0]; v[0]++)
            for (v[1] = 0; v[1] < o[1]; v[1]++)
                for (v[2] = 0; v[2] < o[2]; v[2]++) {
                    double got = at(out, o, channel, v[0], v[1], v[2]);
                    double wanted = plain(c, in, zyx, channel, v);
                    if (!(fabs(got - wanted) < 2e-5))
                        fail_msg("channel %d, voxel %d %d %d: %g, wanted %g", channel, v[0], v[1], v[2], got,
                                 wanted);
                    sum += got;
                    squares += got * got;
                }
        assert_true(fabs(sums[2 * channel] - sum) < 1e-6 * (1 + fabs(sum)));
        assert_true(fabs(sums[2 * channel + 1] - squares) < 1e-6 * (1 + squares));
    }
}

static void check(struct conv c, const int zyx[3], bool affine)
{
    int out_zyx[3];
    conv_out_zyx(&c, zyx, out_zyx);
    size_t channels = (size_t)(c.in_channels[0] + c.in_channels[1]), outs = (size_t)c.out_channels;
    float *in[2] = {fresh((size_t)c.in_channels[0] * volume(zyx), 1),
                    fresh((size_t)c.in_channels[1] * volume(zyx), 2)};
    float *weight = fresh(outs * channels * volume(c.kernel_zyx), 3), *scale = fresh(outs, 4),
          *shift = fresh(outs, 5);
    float *out = unwritten(outs * volume(out_zyx)), *scratch = unwritten(conv_scratch(&c, zyx));
    double *sums = malloc(2 * outs * sizeof *sums);
    c.weight = weight;
    c.scale = affine ? scale : NULL;
    c.shift = affine ? shift : NULL;
    conv_run(&c, (const float *const *)in, zyx, out, sums, scratch);
    check_voxels(&c, (const float *const *)in, zyx, out, sums);
    free(in[0]);
    free(in[1]);
    free(weight);
    free(scale);
    free(shift);
    free(out);
    free(scratch);
    free(sums);
}

/* in 0, in 1, out; kernel; stride; size; slope */
static const struct {
    int channels[3], kernel[3], stride[3], zyx[3];
    float slope;
} cases[] = {
    {{1, 0, 3}, {1, 3, 3}, {1, 1, 1}, {2, 5, 7}, 0},
    {{1, 0, 2}, {7, 7, 7}, {1, 2, 2}, {5, 9, 8}, 1},
    {{1, 0, 2}, {3, 3, 3}, {2, 2, 2}, {5, 40, 90}, 0.01f},
    {{9, 0, 3}, {1, 3, 3}, {1, 1, 1}, {1, 4, 5}, 1},
    {{9, 0, 3}, {3, 3, 3}, {1, 1, 1}, {3, 6, 5}, 0},
    {{9, 0, 3}, {3, 3, 3}, {2, 2, 2}, {4, 6, 8}, 0.01f},
    {{9, 0, 3}, {3, 3, 3}, {2, 2, 2}, {5, 7, 9}, 0.01f},
    {{8, 5, 4}, {3, 3, 3}, {1, 1, 1}, {3, 5, 6}, 0},
    {{3, 4, 4}, {3, 3, 3}, {1, 2, 1}, {3, 5, 6}, 0},
    {{8, 0, 2}, {1, 1, 1}, {1, 1, 1}, {2, 3, 4}, 1},
    {{8, 0, 2}, {1, 1, 1}, {2, 2, 2}, {3, 5, 4}, 1},
    {{8, 0, 2}, {7, 7, 7}, {1, 2, 2}, {3, 9, 10}, 1},
    {{10, 0, 2}, {3, 3, 3}, {1, 1, 1}, {2, 50, 70}, 0.01f},
    {{10, 0, 2}, {3, 3, 3}, {1, 2, 2}, {2, 100, 130}, 0.01f},
    {{8, 0, 1}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 1},
};

static void convolutions_equal_plain_loops(void **unused)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int affine = 0; affine < 2; affine++) {
            struct conv c = {.out_channels = cases[i].channels[2], .slope = cases[i].slope};
            for (int j = 0; j < 3; j++) {
                c.kernel_zyx[j] = cases[i].kernel[j];
                c.stride_zyx[j] = cases[i].stride[j];
                if (j < 2)
                    c.in_channels[j] = cases[i].channels[j];
            }
            check(c, cases[i].zyx, affine);
        }
}

static void check_up(const int stride[3], const int zyx[3])
{
    enum { IN = 5, OUT = 3 };
    int o[3] = {zyx[0] * stride[0], zyx[1] * stride[1], zyx[2] * stride[2]}, taps = (int)volume(stride);
    float *in = fresh(IN * volume(zyx), 1), *weight = fresh(IN * OUT * volume(stride), 2),
          *bias = fresh(OUT, 3);
    struct conv_up up = {IN, OUT, {stride[0], stride[1], stride[2]}, weight, bias};
    float *out = unwritten(OUT * volume(o)), *scratch = unwritten(conv_up_scratch(&up, zyx));
    conv_up_run(&up, in, zyx, out, scratch);
    for (int c = 0; c < OUT; c++)
        for (int v = 0; v < (int)volume(o); v++) {
            int z = v / (o[1] * o[2]), y = v / o[2] % o[1], x = v % o[2];
            int tap = (z % stride[0] * stride[1] + y % stride[1]) * stride[2] + x % stride[2];
            double wanted = (double)bias[c];
            for (int i = 0; i < IN; i++)
                wanted += (double)weight[(i * OUT + c) * taps + tap] *
                          at(in, zyx, i, z / stride[0], y / stride[1], x / stride[2]);
            assert_true(fabs(at(out, o, c, z, y, x) - wanted) < 1e-5);
        }
    free(in);
    free(weight);
    free(bias);
    free(out);
    free(scratch);
}

static void transposed_convolutions_equal_plain_loops(void **unused)
{
    check_up((const int[]){2, 2, 2}, (const int[]){3, 4, 5});
    check_up((const int[]){1, 2, 2}, (const int[]){3, 40, 50});
    check_up((const int[]){1, 1, 1}, (const int[]){1, 2, 3});
}

static void norms_equal_their_formulas(void **unused)
{
    enum { COUNT = 301 };
    const float weight[] = {0.7f}, bias[] = {-0.3f};
    float scale, shift, *x = fresh(COUNT, 9), y[COUNT];
    double sums[2] = {0}, squares = 0;
    for (int i = 0; i < COUNT; i++) {
        y[i] = x[i] = x[i] + 5;
        sums[0] += (double)x[i];
        sums[1] += (double)x[i] * (double)x[i];
    }
    for (int i = 0; i < COUNT; i++)
        squares += ((double)x[i] - sums[0] / COUNT) * ((double)x[i] - sums[0] / COUNT);
    conv_instance_norm(1, sums, COUNT, weight, bias, 1e-5, &scale, &shift);
    conv_affine(1, COUNT, &scale, &shift, 0.01f, y);
    for (int i = 0; i < COUNT; i++) {
        double v = ((double)x[i] - sums[0] / COUNT) / sqrt(squares / COUNT + 1e-5) * 0.7 - 0.3;
        assert_true(fabs((double)y[i] - (v > 0 ? v : v * 0.01)) < 2e-6);
    }
    float mean = 0.5f, variance = 0.25f;
    conv_batch_norm(1, &mean, &variance, NULL, NULL, 0, &scale, &shift);
    assert_true(scale == 2 && shift == -1);
    free(x);
}

/* A channel that is the same everywhere has no variance; rounding must not make it negative. */
static void a_flat_channel_stays_finite(void **unused)
{
    const double sums[2] = {3 * 0.1, 3 * 0.1 * 0.1 * (1 - 1e-15)};
    float scale, shift, x[3] = {0.1f, 0.1f, 0.1f};
    conv_instance_norm(1, sums, 3, NULL, NULL, 1e-5, &scale, &shift);
    conv_affine(1, 3, &scale, &shift, 1, x);
    assert_true(isfinite(scale) && fabs((double)x[1]) < 1e-4);
}

static void what_is_not_finite_is_not_hidden(void **unused)
{
    const float one = 1, zero = 0;
    float x[2] = {NAN, -INFINITY};
    conv_affine(1, 2, &one, &zero, 0, x);
    assert_true(isnan(x[0]) && !isfinite(x[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_equal_plain_loops),
        cmocka_unit_test(transposed_convolutions_equal_plain_loops),
        cmocka_unit_test(norms_equal_their_formulas),
        cmocka_unit_test(a_flat_channel_stays_finite),
        cmocka_unit_test(what_is_not_finite_is_not_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
