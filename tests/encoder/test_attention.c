/* Tiled attention against plain loops, at sizes where the last tile is cut. */
#include "encoder/block.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 12, HEADS = 3, HEAD_DIM = 4, TOKENS_MAX = 300, ITEMS_MAX = 3 };

static void fill(float *x, size_t count, unsigned seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = 2.0f * (float)(seed >> 8) / 16777216.0f - 1.0f;
    }
}

static double dot(const float *x, const float *y, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

/* One head of one query, from qkv [tokens][3 * WIDTH], of which it sees the first `seen`. */
static void plain_head(const float *qkv, int seen, int row, int head, double out[HEAD_DIM])
{
    double total = 0;
    const float *query = qkv + row * 3 * WIDTH + head * HEAD_DIM;
    memset(out, 0, HEAD_DIM * sizeof *out);
    for (int i = 0; i < seen; i++) {
        const float *key = qkv + i * 3 * WIDTH + WIDTH + head * HEAD_DIM;
        double weight = exp(dot(query, key, HEAD_DIM) / sqrt(HEAD_DIM));
        total += weight;
        for (int j = 0; j < HEAD_DIM; j++)
            out[j] += weight * (double)key[WIDTH + j];
    }
    for (int j = 0; j < HEAD_DIM; j++)
        out[j] /= total;
}

static void check_rows(int tokens, bool causal, const float *qkv, const float *out_weight, const float *x)
{
    for (int row = 0; row < tokens; row++) {
        double joined[WIDTH];
        for (int head = 0; head < HEADS; head++)
            plain_head(qkv, causal ? row + 1 : tokens, row, head, joined + head * HEAD_DIM);
        for (int j = 0; j < WIDTH; j++) {
            double wanted = 0;
            for (int k = 0; k < WIDTH; k++)
                wanted += joined[k] * (double)out_weight[j * WIDTH + k];
            assert_true(fabs((double)x[row * WIDTH + j] - wanted) < 2e-5);
        }
    }
}

static void check(int items, int tokens, bool causal)
{
    static float qkv_weight[3 * WIDTH * WIDTH], out_weight[WIDTH * WIDTH], in[ITEMS_MAX * TOKENS_MAX * WIDTH];
    static float qkv[ITEMS_MAX * TOKENS_MAX * 3 * WIDTH];
    const struct encoder_blocks config = {.width = WIDTH, .depth = 1, .heads = HEADS, .mlp_dim = WIDTH};
    struct block_heads weights;
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    struct block_state state;
    fill(qkv_weight, 3 * WIDTH * WIDTH, 1);
    fill(out_weight, WIDTH * WIDTH, 2);
    fill(in, ITEMS_MAX * TOKENS_MAX * WIDTH, 3);
    linear_pack(&weights.qkv, PRECISION_FP32, 3 * WIDTH, WIDTH, qkv_weight, NULL, NULL,
                arena_alloc(arena, linear_bytes(PRECISION_FP32, 3 * WIDTH, WIDTH), 1));
    linear_pack(&weights.out, PRECISION_FP32, WIDTH, WIDTH, out_weight, NULL, NULL,
                arena_alloc(arena, linear_bytes(PRECISION_FP32, WIDTH, WIDTH), 1));
    assert_true(block_state_init(&state, &config, items, tokens, 0, NULL, arena, &err));
    block_attention(&config, &weights, &state, items, tokens, causal, in);
    for (int i = 0; i < items * tokens * 3 * WIDTH; i++)
        qkv[i] = (float)dot(in + i / (3 * WIDTH) * WIDTH, qkv_weight + i % (3 * WIDTH) * WIDTH, WIDTH);
    for (int item = 0; item < items; item++)
        check_rows(tokens, causal, qkv + item * tokens * 3 * WIDTH, out_weight,
                   state.x + item * tokens * WIDTH);
    arena_free(arena);
}

static const int sizes[] = {1, 2, 127, 128, 129, 256, 300};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void tiles_give_what_the_whole_gives(void **unused)
{
    for (size_t i = 0; i < SIZES; i++)
        check(1, sizes[i], false);
}

static void a_causal_token_sees_itself_and_those_before(void **unused)
{
    for (size_t i = 0; i < SIZES; i++)
        check(1, sizes[i], true);
}

static void items_do_not_see_each_other(void **unused)
{
    check(ITEMS_MAX, 129, false);
    check(ITEMS_MAX, 17, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_give_what_the_whole_gives),
        cmocka_unit_test(a_causal_token_sees_itself_and_those_before),
        cmocka_unit_test(items_do_not_see_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
