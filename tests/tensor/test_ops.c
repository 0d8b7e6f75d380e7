#include "tensor/gemm.h"
#include "tensor/lane.h"
#include "tensor/ops.h"
#include "tensor/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Deterministic numbers in [-scale, scale]. */
static void fill(float *x, size_t count, float scale, unsigned seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = scale * (2.0f * (float)(seed >> 8) / 16777216.0f - 1.0f);
    }
}

static void assert_near(double got, double wanted, double relative)
{
    if (fabs(got - wanted) > relative * (fabs(wanted) + 1e-6))
        fail_msg("got %.9g, wanted %.9g", got, wanted);
}

static void softmax_is_right_for_every_length(void **state)
{
    float x[67], in[67];
    for (int n = 1; n <= 67; n++) {
        fill(in, (size_t)n, 30.0f, (unsigned)n);
        memcpy(x, in, sizeof x);
        double sum = 0, max = (double)in[0];
        for (int i = 0; i < n; i++)
            max = fmax(max, (double)in[i]);
        for (int i = 0; i < n; i++)
            sum += exp((double)in[i] - max);
        ops_softmax(1, n, n, x);
        for (int i = 0; i < n; i++)
            assert_near((double)x[i], exp((double)in[i] - max) / sum, 1e-5);
    }
}

static void softmax_leaves_what_lies_between_rows(void **state)
{
    float x[6] = {1, 1, 7, 5, -1000, 7};
    ops_softmax(2, 2, 3, x);
    assert_near((double)x[0], 0.5, 1e-6);
    assert_near((double)x[3], 1.0, 1e-6);
    assert_near((double)x[4], 0.0, 1e-6);
    assert_true(x[2] == 7 && x[5] == 7);
}

static void softmax_of_far_apart_scores_is_finite(void **state)
{
    float x[4] = {-3e37f, 0, 3e38f, 1e38f};
    ops_softmax(1, 4, 4, x);
    assert_true(ops_finite(4, x));
    assert_near((double)x[2], 1.0, 1e-6);
}

static void overflow_is_not_hidden(void **state)
{
    float nan[3] = {0, NAN, 1}, infinite[3] = {0, INFINITY, 1}, gelu[1] = {NAN};
    ops_softmax(1, 3, 3, nan);
    ops_softmax(1, 3, 3, infinite);
    gelu[0] = lane_gelu(gelu[0]) + lane_quick_gelu(gelu[0]);
    assert_false(ops_finite(3, nan) || ops_finite(3, infinite) || ops_finite(1, gelu));
}

static void activations_equal_their_formulas(void **state)
{
    for (float v = -40; v < 40; v += 0.37f) {
        float r[1] = {v};
        ops_relu(1, r);
        assert_near((double)lane_quick_gelu(v), (double)v / (1 + exp(-1.702 * (double)v)), 3e-6);
        double gelu = 0.5 * (double)v * erfc(-(double)v / sqrt(2));
        assert_true(fabs((double)lane_gelu(v) - gelu) < 1.2e-7 * fmax(1, fabs((double)v)));
        assert_true(r[0] == (v > 0 ? v : 0));
    }
    float far[4] = {lane_quick_gelu(-1e30f), lane_quick_gelu(1e30f), lane_gelu(-1e30f), lane_gelu(1e30f)};
    assert_true(ops_finite(4, far) && far[1] == 1e30f && far[2] == 0 && far[3] == 1e30f);
}

static void layer_norm_has_mean_and_variance(void **state)
{
    float x[2][5] = {{1, 2, 3, 4, 5}, {1e6f, 1e6f + 1, 1e6f + 2, 1e6f + 3, 1e6f + 4}};
    const float weight[5] = {1, 1, 1, 2, 1}, bias[5] = {0, 0, 0, 0, 3};
    ops_layer_norm(NULL, 2, 5, x[0], weight, bias, 0.5, x[0]);
    double scale = 1 / sqrt(2 + 0.5);
    for (int row = 0; row < 2; row++) {
        assert_near((double)x[row][0], -2 * scale, 1e-6);
        assert_near((double)x[row][3], 2 * scale, 1e-6);
        assert_near((double)x[row][4], 2 * scale + 3, 1e-6);
    }
}

static void unit_refuses_what_has_no_length(void **state)
{
    float x[3] = {3, 0, 4}, zero[3] = {0}, bad[3] = {1, NAN, 1};
    assert_true(ops_unit(3, x));
    assert_near((double)x[2], 0.8, 1e-7);
    assert_false(ops_unit(3, zero));
    assert_false(ops_unit(3, bad));
}

static void finite_sees_every_place(void **state)
{
    float x[40] = {0};
    x[7] = 3e38f;
    assert_true(ops_finite(40, x));
    for (int i = 0; i < 40; i++) {
        float keep = x[i];
        x[i] = i % 2 ? NAN : -INFINITY;
        assert_false(ops_finite(40, x));
        x[i] = keep;
    }
}

static void products_equal_plain_loops(void **state)
{
    enum { M = 5, N = 7, K = 11 };
    float x[M * K], w[N * K], bias[N], y[M * N], z[M * N];
    fill(x, M * K, 1, 1);
    fill(w, N * K, 1, 2);
    fill(bias, N, 1, 3);
    gemm_linear(M, N, K, x, w, bias, y);
    gemm_nt(M, N, K, 2.0f, x, K, w, K, z, N);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            double sum = ops_dot(K, x + i * K, w + j * K);
            assert_near((double)y[i * N + j], sum + (double)bias[j], 1e-5);
            assert_near((double)z[i * N + j], 2 * sum, 1e-5);
        }
    gemm_nn(2, 3, 4, x, 4, w, 3, y, 3);
    assert_near((double)y[4], (double)(x[4] * w[1] + x[5] * w[4] + x[6] * w[7] + x[7] * w[10]), 1e-5);
    assert_non_null(strstr(gemm_runtime(), "OpenBLAS"));
}

static void narrow_floats_are_widened(void **state)
{
    struct err err = ERR_INIT;
    /* 1, -2, 65504, smallest subnormal, infinity, -0.333251953125 */
    static const uint16_t half[] = {0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00, 0xb555};
    static const uint16_t brain[] = {0x3f80, 0xc000, 0x7f80};
    float out[6];
    struct tensor tensor = {
        .name = "t", .dtype = TENSOR_F16, .rank = 1, .shape = {6}, .data = (const unsigned char *)half};
    assert_true(tensor_to_f32(&tensor, out, &err));
    assert_true(out[0] == 1 && out[1] == -2 && out[2] == 65504 && out[3] == 0x1p-24f && isinf(out[4]));
    assert_true(out[5] == -0.333251953125f);
    tensor = (struct tensor){
        .name = "t", .dtype = TENSOR_BF16, .rank = 1, .shape = {3}, .data = (const unsigned char *)brain};
    assert_true(tensor_to_f32(&tensor, out, &err));
    assert_true(out[0] == 1 && out[1] == -2 && isinf(out[2]));
    tensor.dtype = TENSOR_I16;
    assert_false(tensor_to_f32(&tensor, out, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_is_right_for_every_length),
        cmocka_unit_test(softmax_leaves_what_lies_between_rows),
        cmocka_unit_test(softmax_of_far_apart_scores_is_finite),
        cmocka_unit_test(overflow_is_not_hidden),
        cmocka_unit_test(activations_equal_their_formulas),
        cmocka_unit_test(layer_norm_has_mean_and_variance),
        cmocka_unit_test(unit_refuses_what_has_no_length),
        cmocka_unit_test(finite_sees_every_place),
        cmocka_unit_test(products_equal_plain_loops),
        cmocka_unit_test(narrow_floats_are_widened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
