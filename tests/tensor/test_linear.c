/* Packed linear layers and attention against plain loops in double: every kind of vector this processor has,
 * sizes that cut the last tile, and the same bits whoever computes what. */
#include "tensor/attention.h"
#include "tensor/lane.h"
#include "tensor/linear.h"
#include "tensor/ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { M = 53, N = 75, K = 1100 };

static void fill(float *x, size_t count, unsigned seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = 2.0f * (float)(seed >> 8) / 16777216.0f - 1.0f;
    }
}

/* A crew of three that sits one after the other, last piece first. */
static bool run_backwards(void *self, int count, crew_piece piece, void *work, struct err *err)
{
    for (int i = count - 1; i >= 0; i--)
        if (!piece(work, i % 3, i, err))
            return false;
    return true;
}

static const struct crew backwards = {3, run_backwards, NULL};
static const char *const isas[] = {"baseline", "avx2", "avx512"};

static double acted(enum tile_act act, double x)
{
    if (act == TILE_GELU)
        return 0.5 * x * erfc(-x / sqrt(2));
    if (act == TILE_QUICK_GELU)
        return x / (1 + exp(-1.702 * x));
    return act == TILE_RELU && x < 0 ? 0 : x;
}

struct layer {
    char panels[(N + TILE_PANEL) * (K + 32) * sizeof(float)] __attribute__((aligned(64)));
    float x[M * K], weight[N * K], bias[N], y[M * N];
    struct linear linear;
};

static void check(struct layer *l, const struct crew *crew, int m, int n, int k, enum tile_act act, bool add)
{
    linear_pack(&l->linear, PRECISION_FP32, n, k, l->weight, l->bias, crew, l->panels);
    for (int i = 0; i < m * n; i++)
        l->y[i] = 0.25f;
    linear_run(&l->linear, crew, m, l->x, act, add, l->y);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int at = 0; at < k; at++)
                sum += (double)l->x[i * k + at] * (double)l->weight[j * k + at];
            double wanted = acted(act, sum + (double)l->bias[j]) + (add ? 0.25 : 0);
            if (!(fabs((double)l->y[i * n + j] - wanted) < 2e-6 * (1 + sqrt(k))))
                fail_msg("%s, %d x %d x %d, row %d column %d: %.9g, wanted %.9g",
                         tile_products(PRECISION_FP32), m, n, k, i, j, (double)l->y[i * n + j], wanted);
        }
}

static void every_size_and_activation_is_right(void **state)
{
    static const int sizes[][3] = {{1, 1, 1},    {1, N, K},      {M, 1, 7},    {5, 16, 3},
                                   {6, 17, 512}, {7, 32, 513},   {12, 33, 64}, {13, 48, 5},
                                   {M, N, K},    {24, 64, 1024}, {M, 31, 300}};
    struct layer *l = aligned_alloc(64, sizeof *l);
    memset(l, 0, sizeof *l);
    fill(l->x, M * K, 1);
    fill(l->weight, N * K, 2);
    fill(l->bias, N, 3);
    for (size_t isa = 0; isa < 3; isa++) {
        if (!tile_limit(isas[isa]))
            continue; /* not of this family of processors */
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int act = TILE_PLAIN; act <= TILE_RELU; act++)
                check(l, i % 2 ? &backwards : NULL, sizes[i][0], sizes[i][1], sizes[i][2], act,
                      (i + act) % 2);
    }
    assert_false(tile_limit("avx"));
    free(l);
}

/* ---- fewer bits ---- */

/* To 8 bits of significand, ties to even. */
static float rounded(float x)
{
    int exponent;
    double part = frexp((double)x, &exponent) * 256;
    return (float)ldexp(nearbyint(part), exponent - 8);
}

static void narrow(struct layer *l, const struct crew *crew, enum precision precision, int m, int n, int k)
{
    linear_pack(&l->linear, precision, n, k, l->weight, l->bias, crew, l->panels);
    for (int i = 0; i < m * n; i++)
        l->y[i] = 0.25f;
    linear_run(&l->linear, crew, m, l->x, TILE_PLAIN, true, l->y);
}

static double dot(const struct layer *l, int k, int row, int column)
{
    double sum = 0.25 + (double)l->bias[column];
    for (int at = 0; at < k; at++)
        sum += (double)l->x[row * k + at] * (double)l->weight[column * k + at];
    return sum;
}

/* Rounded already, or whole numbers up to 127: then nothing is lost. */
static void what_fits_into_fewer_bits_is_computed_as_it_is(void **state)
{
    static const int sizes[][3] = {{1, 1, 1}, {M, N, 1}, {5, 16, 3}, {13, 33, 7}, {7, 48, 514}, {M, N, K}};
    struct layer *l = aligned_alloc(64, sizeof *l);
    for (size_t kind = 0; kind < 3 * sizeof sizes / sizeof *sizes; kind++) {
        int m = sizes[kind / 3][0], n = sizes[kind / 3][1], k = sizes[kind / 3][2];
        tile_limit(isas[kind % 3]);
        fill(l->bias, N, 3);
        fill(l->x, M * K, 1);
        fill(l->weight, N * K, 2);
        for (int i = 0; i < M * K; i++)
            l->x[i] = rounded(l->x[i]);
        for (int i = 0; i < N * K; i++)
            l->weight[i] = rounded(l->weight[i]);
        narrow(l, kind % 2 ? &backwards : NULL, PRECISION_BF16, m, n, k);
        for (int i = 0; i < m * n; i++)
            assert_true(fabs((double)l->y[i] - dot(l, k, i / n, i % n)) < 2e-6 * (1 + sqrt(k)));
        for (int i = 0; i < M * K; i++)
            l->x[i] = i % k ? roundf(l->x[i] * 127) : 127;
        for (int i = 0; i < N * K; i++)
            l->weight[i] = i % k ? roundf(l->weight[i] * 127) : -127;
        for (int i = 0; i < N; i++)
            l->bias[i] = (float)i;
        narrow(l, kind % 2 ? &backwards : NULL, PRECISION_INT8, m, n, k);
        for (int i = 0; i < m * n; i++)
            if (fabs((double)l->y[i] - dot(l, k, i / n, i % n)) > 0.13) /* of up to 2^21 */
                fail_msg("%s, %d x %d x %d, %d: %.9g, wanted %.9g", tile_products(PRECISION_INT8), m, n, k, i,
                         (double)l->y[i], dot(l, k, i / n, i % n));
    }
    free(l);
}

static void what_does_not_fit_is_near(void **state)
{
    struct layer *l = aligned_alloc(64, sizeof *l);
    static float apart[M * N];
    memset(l, 0, sizeof *l);
    fill(l->x, M * K, 4);
    fill(l->weight, N * K, 5);
    for (size_t kind = 0; kind < 6; kind++) {
        enum precision precision = kind % 2 ? PRECISION_BF16 : PRECISION_INT8;
        double error = 0, size = 0;
        tile_limit(isas[kind / 2]);
        narrow(l, NULL, precision, M, N, K);
        for (int i = 0; i < M * N; i++) {
            double wanted = dot(l, K, i / N, i % N);
            error += pow((double)l->y[i] - wanted, 2);
            size += wanted * wanted;
        }
        error = sqrt(error / size);
        assert_true(error < (kind % 2 ? 4e-3 : 1e-2) && error > 1e-4); /* 2^-9 and 1 / 254, of each factor */
        memcpy(apart, l->y, sizeof apart);
        narrow(l, &backwards, precision, M, N, K);
        assert_memory_equal(apart, l->y, sizeof apart);
    }
    free(l);
}

/* Rows that share a mean: what rounding the weights does to it is gone, and what went through was seen. */
static void a_mean_is_corrected(void **state)
{
    struct layer *l = aligned_alloc(64, sizeof *l);
    static float mean[K], corrected[N];
    static double sums[K];
    memset(l, 0, sizeof *l);
    fill(mean, K, 7);
    fill(l->x, M * K, 8);
    fill(l->weight, N * K, 9);
    fill(l->bias, N, 10);
    for (int i = 0; i < M * K; i++)
        l->x[i] = 0.3f * l->x[i] + mean[i % K];
    for (size_t kind = 0; kind < 6; kind++) {
        enum precision precision = kind % 2 ? PRECISION_BF16 : PRECISION_INT8;
        struct linear_seen seen = {0, memset(sums, 0, sizeof sums)};
        double before = 0, after = 0;
        tile_limit(isas[kind / 2]);
        for (int pass = 0; pass < 2; pass++) {
            linear_pack(&l->linear, precision, N, K, l->weight, l->bias, NULL, l->panels);
            if (pass == 0)
                l->linear.seen = &seen;
            else
                linear_correct(&l->linear, l->weight, mean, &backwards, corrected);
            linear_run(&l->linear, NULL, M, l->x, TILE_PLAIN, false, l->y);
            for (int j = 0; j < N; j++) {
                double apart = 0.25 * M;
                for (int i = 0; i < M; i++)
                    apart += (double)l->y[i * N + j] - dot(l, K, i, j);
                *(pass ? &after : &before) += apart * apart;
            }
            for (int j = 0; pass == 0 && j < K; j++)
                mean[j] = (float)(sums[j] / (double)seen.rows);
        }
        assert_int_equal(seen.rows, M);
        assert_true(after < 0.1 * before);
    }
    free(l);
}

static void what_is_not_finite_stays_so_in_fewer_bits(void **state)
{
    const float bad[] = {NAN, INFINITY, -INFINITY, 3.4e38f};
    struct layer *l = aligned_alloc(64, sizeof *l);
    memset(l, 0, sizeof *l);
    fill(l->weight, N * K, 6);
    for (int i = 0; i < N * K; i++)
        l->weight[i] = l->weight[i] > 0 ? 1.5f : -1.5f;
    for (size_t kind = 0; kind < 24; kind++) {
        tile_limit(isas[kind / 8]);
        l->x[K / 2] = bad[kind / 2 % 4];
        narrow(l, NULL, kind % 2 ? PRECISION_BF16 : PRECISION_INT8, 1, N, K);
        if (isfinite(l->y[0]) || isfinite(l->y[N - 1]))
            fail_msg("%s, %g: %g", tile_products(l->linear.precision), (double)l->x[K / 2], (double)l->y[0]);
    }
    free(l);
}

static void a_layer_too_wide_for_fewer_bits_is_fp32(void **state)
{
    static float x[LINEAR_K_MOST + 1], weight[LINEAR_K_MOST + 1], y;
    static char panels[(LINEAR_K_MOST + 1) * TILE_PANEL * sizeof(float)] __attribute__((aligned(64)));
    struct linear linear;
    x[0] = 0.7f;
    weight[0] = 0.9f;
    for (int k = LINEAR_K_MOST; k <= LINEAR_K_MOST + 1; k++) {
        tile_limit("avx512");
        assert_true(linear_bytes(PRECISION_BF16, 1, k) <= sizeof panels);
        linear_pack(&linear, PRECISION_BF16, 1, k, weight, NULL, NULL, panels);
        linear_run(&linear, NULL, 1, x, TILE_PLAIN, false, &y);
        assert_true((fabsf(y - 0.63f) < 1e-7f) == (k > LINEAR_K_MOST));
    }
}

static void bits_depend_neither_on_crew_nor_on_rows_at_once(void **state)
{
    struct layer *l = aligned_alloc(64, sizeof *l);
    memset(l, 0, sizeof *l);
    static float apart[M * N];
    fill(l->x, M * K, 4);
    fill(l->weight, N * K, 5);
    linear_pack(&l->linear, PRECISION_FP32, N, K, l->weight, NULL, NULL, l->panels);
    for (size_t isa = 0; isa < 3; isa++) {
        tile_limit(isas[isa]);
        linear_run(&l->linear, NULL, M, l->x, TILE_GELU, false, l->y);
        linear_run(&l->linear, &backwards, M, l->x, TILE_GELU, false, apart);
        assert_memory_equal(apart, l->y, sizeof apart);
        for (int i = 0; i < M; i++)
            linear_run(&l->linear, NULL, 1, l->x + i * K, TILE_GELU, false, apart + i * N);
        assert_memory_equal(apart, l->y, sizeof apart);
    }
    free(l);
}

static void what_is_not_finite_stays_so(void **state)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    struct layer *l = aligned_alloc(64, sizeof *l);
    memset(l, 0, sizeof *l);
    fill(l->weight, N * K, 6);
    linear_pack(&l->linear, PRECISION_FP32, N, K, l->weight, NULL, NULL, l->panels);
    for (size_t i = 0; i < 3; i++) {
        l->x[K / 2] = bad[i];
        linear_run(&l->linear, NULL, 1, l->x, TILE_PLAIN, false, l->y);
        assert_false(isfinite(l->y[0]) || isfinite(l->y[N - 1]));
        for (int act = TILE_PLAIN; i == 0 && act <= TILE_RELU; act++) {
            linear_run(&l->linear, NULL, 1, l->x, act, false, l->y);
            assert_true(isnan(l->y[0]) && isnan(l->y[N - 1]));
        }
        ops_relu(1, &l->x[K / 2]);
        assert_true(i == 2 ? l->x[K / 2] <= 0 : !isfinite(l->x[K / 2]));
    }
    free(l);
}

/* ---- attention ---- */

enum { D = 20, TOKENS = 300, HEADS = 2, W = HEADS * D };

struct heads {
    int queries, keys;
    bool causal, first;
    float x[TOKENS * 3 * W], class_row[3 * W], out[TOKENS * W];
};

static void group(const void *work, int number, struct attention *ret)
{
    const struct heads *h = work;
    const float *q = h->x + number * D, *one = h->class_row + number * D;
    *ret = (struct attention){.queries = h->queries,
                              .keys = h->keys,
                              .head_dim = D,
                              .q = q,
                              .q_step = 3 * W,
                              .k = q + W,
                              .v = q + 2 * W,
                              .kv_step = 3 * W,
                              .causal = h->causal,
                              .first_k = h->first ? one + W : NULL,
                              .first_v = h->first ? one + 2 * W : NULL,
                              .out = (float *)h->out + number * D,
                              .out_step = W};
}

static void plain(const struct heads *h, int head, int query, double out[D])
{
    double total = 0;
    memset(out, 0, D * sizeof *out);
    for (int key = h->first ? -1 : 0; key < h->keys && !(h->causal && key > query); key++) {
        const float *row = (key < 0 ? h->class_row : h->x + key * 3 * W) + head * D;
        double score = 0;
        for (int i = 0; i < D; i++)
            score += (double)h->x[query * 3 * W + head * D + i] * (double)row[W + i];
        double weight = exp(score / sqrt(D));
        total += weight;
        for (int i = 0; i < D; i++)
            out[i] += weight * (double)row[2 * W + i];
    }
    for (int i = 0; i < D; i++)
        out[i] /= total;
}

static void check_heads(struct heads *h, const struct crew *crew, float *room)
{
    attention_run(crew, HEADS, group, h, room);
    for (int head = 0; head < HEADS; head++)
        for (int query = 0; query < h->queries; query++) {
            double wanted[D];
            plain(h, head, query, wanted);
            for (int i = 0; i < D; i++)
                if (!(fabs((double)h->out[query * W + head * D + i] - wanted[i]) < 2e-5))
                    fail_msg("%s, %d queries, %d keys, query %d: %.9g, wanted %.9g",
                             tile_products(PRECISION_FP32), h->queries, h->keys, query,
                             (double)h->out[query * W + head * D + i], wanted[i]);
        }
}

static void attention_is_right_for_every_kind_of_group(void **state)
{
    static const int sizes[][2] = {{1, 1},           {1, TOKENS}, {48, 128}, {49, 129},
                                   {TOKENS, TOKENS}, {127, 5},    {3, 257}};
    struct heads *h = calloc(1, sizeof *h);
    float *room = calloc(attention_room(&backwards, TOKENS, D), sizeof *room);
    fill(h->x, TOKENS * 3 * W, 7);
    fill(h->class_row, 3 * W, 8);
    for (int i = 0; i < TOKENS * 3 * W; i++)
        h->x[i] *= 4; /* so that the largest score moves from tile to tile */
    for (size_t isa = 0; isa < 3; isa++) {
        tile_limit(isas[isa]);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int kind = 0; kind < 3; kind++) {
                h->queries = sizes[i][0];
                h->keys = kind == 1 ? h->queries : sizes[i][1];
                h->causal = kind == 1;
                h->first = kind == 2;
                check_heads(h, i % 2 ? &backwards : NULL, room);
            }
    }
    free(room);
    free(h);
}

static void attention_keeps_its_bits_and_what_is_not_finite(void **state)
{
    struct heads *h = calloc(1, sizeof *h);
    static float before[TOKENS * W];
    float *room = calloc(attention_room(&backwards, TOKENS, D), sizeof *room);
    fill(h->x, TOKENS * 3 * W, 9);
    h->queries = h->keys = TOKENS;
    attention_run(NULL, HEADS, group, h, room);
    memcpy(before, h->out, sizeof before);
    attention_run(&backwards, HEADS, group, h, room);
    assert_memory_equal(before, h->out, sizeof before);
    h->x[200 * 3 * W + W] = NAN; /* a key of head 0, in the second tile */
    attention_run(NULL, HEADS, group, h, room);
    assert_false(isfinite(h->out[0]));
    assert_true(h->out[D] >= before[D] && h->out[D] <= before[D]);
    h->x[200 * 3 * W + W] = 3e38f; /* a score that is not finite */
    h->x[0] = 3e38f;
    attention_run(NULL, HEADS, group, h, room);
    assert_false(isfinite(h->out[0]));
    h->queries = 1;
    attention_run(NULL, HEADS, group, h, room);
    assert_false(isfinite(h->out[0]));
    assert_true(fabsf(h->out[D] - before[D]) < 1e-5f);
    free(room);
    free(h);
}

int main(void)
{
    printf("# products here: fp32 %s, bf16 %s, int8 %s\n", tile_products(PRECISION_FP32),
           tile_products(PRECISION_BF16), tile_products(PRECISION_INT8));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_and_activation_is_right),
        cmocka_unit_test(what_fits_into_fewer_bits_is_computed_as_it_is),
        cmocka_unit_test(what_does_not_fit_is_near),
        cmocka_unit_test(a_mean_is_corrected),
        cmocka_unit_test(what_is_not_finite_stays_so_in_fewer_bits),
        cmocka_unit_test(a_layer_too_wide_for_fewer_bits_is_fp32),
        cmocka_unit_test(bits_depend_neither_on_crew_nor_on_rows_at_once),
        cmocka_unit_test(what_is_not_finite_stays_so),
        cmocka_unit_test(attention_is_right_for_every_kind_of_group),
        cmocka_unit_test(attention_keeps_its_bits_and_what_is_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
