#include "tensor/tile.h"

#include "tensor/lane.h"

#include <math.h>

enum { MOST_COLUMNS = 32 };

/* Unaligned, and they may alias floats. */
typedef float v4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef float v8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float v16 __attribute__((vector_size(64), aligned(4), may_alias));

INLINE float act_lane(enum tile_act act, float x)
{
    switch (act) {
    case TILE_GELU:
        return lane_gelu(x);
    case TILE_QUICK_GELU:
        return lane_quick_gelu(x);
    case TILE_RELU:
        return x < 0 ? 0 : x; /* so that what is not a number stays so */
    case TILE_PLAIN:
        break;
    }
    return x;
}

/* in: sums of a row; column: of its first, within the tile. */
INLINE void finish_row(const struct tile *t, enum tile_act act, int row, int column, int columns,
                       const float *sums)
{
    static const float zeros[MOST_COLUMNS];
    const float *bias = t->bias ? t->bias + column : zeros;
    float *y = t->y + (size_t)row * t->y_step + column, scale = t->scale;
    if (t->add)
        for (int j = 0; j < columns; j++)
            y[j] += act_lane(act, sums[j] * scale + bias[j]);
    else
        for (int j = 0; j < columns; j++)
            y[j] = act_lane(act, sums[j] * scale + bias[j]);
}

INLINE void finish(const struct tile *t, int row, int rows, int column, int columns, const float *sums,
                   int ld)
{
    for (int i = 0; i < rows; i++, sums += ld) {
        if (t->act == TILE_GELU)
            finish_row(t, TILE_GELU, row + i, column, columns, sums);
        else if (t->act == TILE_QUICK_GELU)
            finish_row(t, TILE_QUICK_GELU, row + i, column, columns, sums);
        else if (t->act == TILE_RELU)
            finish_row(t, TILE_RELU, row + i, column, columns, sums);
        else
            finish_row(t, TILE_PLAIN, row + i, column, columns, sums);
    }
}

#define KERNEL_NAME  run_baseline
#define KERNEL_WEIGH weigh_baseline
#define KERNEL_CPU
#define KERNEL_VECTOR v4
#define KERNEL_ROWS   4
#include "tensor/tile_kernel.inc"

#ifdef __x86_64__
#define KERNEL_NAME   run_avx2
#define KERNEL_WEIGH  weigh_avx2
#define KERNEL_CPU    __attribute__((target("avx2,fma")))
#define KERNEL_VECTOR v8
#define KERNEL_ROWS   6
#include "tensor/tile_kernel.inc"

#define KERNEL_NAME   run_avx512
#define KERNEL_WEIGH  weigh_avx512
#define KERNEL_CPU    __attribute__((target("avx512f,fma")))
#define KERNEL_VECTOR v16
#define KERNEL_ROWS   12
#include "tensor/tile_kernel.inc"
#endif

enum { BASELINE, AVX2, AVX512 };
static const struct kind {
    const char *name;
    void (*run)(const struct tile *tile);
    float (*weigh)(int count, float *scores, float *largest, float *sum);
    int rows;
} kinds[] = {
    [BASELINE] = {"baseline", run_baseline, weigh_baseline, 4},
#ifdef __x86_64__
    [AVX2] = {"avx2", run_avx2, weigh_avx2, 6},
    [AVX512] = {"avx512", run_avx512, weigh_avx512, 12},
#endif
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int most = KINDS - 1;

static const struct kind *chosen(void)
{
#ifdef __x86_64__
    if (most >= AVX512 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma"))
        return &kinds[AVX512];
    if (most >= AVX2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &kinds[AVX2];
#endif
    return &kinds[BASELINE];
}

void tile_run(const struct tile *tile)
{
    chosen()->run(tile);
}

float tile_weigh(int count, float *scores, float *largest, float *sum)
{
    return chosen()->weigh(count, scores, largest, sum);
}

int tile_rows(void)
{
    return chosen()->rows;
}

const char *tile_isa(void)
{
    return chosen()->name;
}

bool tile_limit(const char *isa)
{
    for (int i = 0; i < KINDS; i++)
        if (strcmp(isa, kinds[i].name) == 0) {
            most = i;
            return true;
        }
    return false;
}

void tile_pack(const float *w, size_t step, int columns, int k, float *panel)
{
    int count = columns < TILE_PANEL ? columns : TILE_PANEL;
    for (int at = 0; at < k; at++, panel += TILE_PANEL)
        for (int j = 0; j < TILE_PANEL; j++)
            panel[j] = j < count ? w[(size_t)j * step + (size_t)at] : 0;
}
