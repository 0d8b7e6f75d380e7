#ifdef __SANITIZE_ADDRESS__ /* with a check of every access the unrolled loops take minutes to compile */
#pragma GCC optimize("O1")
#endif
#include "tensor/tile.h"

#include "tensor/lane.h"
#include "tensor/tile_form.h"

#include <math.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { MOST_COLUMNS = 32, MOST_ROWS = 240 };

/* Unaligned, and they may alias floats. */
typedef float v4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef float v8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float v16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t i4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t i8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t i16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t u4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint32_t u8 __attribute__((vector_size(32), aligned(4), may_alias));

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

#define CPU_AVX2   __attribute__((target("avx2,fma")))
#define CPU_AVX512 __attribute__((target("avx512f,fma")))
#define CPU_BF16   __attribute__((target("avx512f,avx512bw,avx512bf16,fma")))
#define CPU_VNNI   __attribute__((target("avx512f,avx512bw,avx512vnni,fma")))

/* ---- float32 ---- */

#define KERNEL_NAME fp32_baseline
#define KERNEL_CPU
#define KERNEL_SUM  v4
#define KERNEL_ROWS 4
#include "tensor/tile_kernel.inc"

#ifdef __x86_64__
/* sum += x * w. In C, gcc 12 copies sums from register to register between the products; where another thread
 * shares the core, instructions are what a loop waits for. */
#define FUSED(sum, x, w) __asm__("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w))

#define KERNEL_NAME           fp32_avx2
#define KERNEL_CPU            CPU_AVX2
#define KERNEL_SUM            v8
#define KERNEL_ROWS           6
#define KERNEL_UNROLL         2
#define KERNEL_DOT(sum, x, w) FUSED(sum, (v8)_mm256_set1_ps(x), w)
#include "tensor/tile_kernel.inc"

#define KERNEL_NAME fp32_avx512
#define KERNEL_CPU  CPU_AVX512
#define KERNEL_SUM  v16
#define KERNEL_ROWS 8
#include "tensor/tile_kernel.inc"
#endif

/* ---- bfloat16 ---- */

struct two_floats {
    float a, b;
};

struct two_v4 {
    v4 a, b;
};
#define PAIR_LOAD(v, u, at)                                                                                  \
    {                                                                                                        \
        (v)(*(const u *)(at) << 16), (v)(*(const u *)(at)&0xffff0000u)                                       \
    }
#define PAIR_DOT(sum, x, w) ((sum) += (x).a * (w).a, (sum) += (x).b * (w).b)

#define KERNEL_NAME bf16_baseline
#define KERNEL_CPU
#define KERNEL_SUM     v4
#define KERNEL_ROWS    4
#define KERNEL_GROUP   2
#define KERNEL_X       struct two_floats
#define KERNEL_W       struct two_v4
#define KERNEL_LOAD(b) PAIR_LOAD(v4, u4, b)
#define KERNEL_DOT     PAIR_DOT
#include "tensor/tile_kernel.inc"

#ifdef __x86_64__
struct two_v8 {
    v8 a, b;
};
#define KERNEL_NAME    bf16_avx2
#define KERNEL_CPU     CPU_AVX2
#define KERNEL_SUM     v8
#define KERNEL_ROWS    6
#define KERNEL_GROUP   2
#define KERNEL_X       struct two_floats
#define KERNEL_W       struct two_v8
#define KERNEL_LOAD(b) PAIR_LOAD(v8, u8, b)
#define KERNEL_DOT     PAIR_DOT
#include "tensor/tile_kernel.inc"

#define KERNEL_NAME    bf16_avx512bf16
#define KERNEL_CPU     CPU_BF16
#define KERNEL_SUM     v16
#define KERNEL_ROWS    8
#define KERNEL_GROUP   2
#define KERNEL_X       int
#define KERNEL_W       __m512i
#define KERNEL_LOAD(b) _mm512_loadu_si512(b)
#define KERNEL_DOT(sum, x, w)                                                                                \
    ((sum) = (v16)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)_mm512_set1_epi32(x), (__m512bh)(w)))
#include "tensor/tile_kernel.inc"
#endif

/* ---- int8 ---- */

struct two_shorts {
    int16_t a, b;
};

struct two_i4 {
    i4 a, b;
};
#define KERNEL_NAME int8_baseline
#define KERNEL_CPU
#define KERNEL_SUM    i4
#define KERNEL_FLOATS v4
#define KERNEL_ROWS   4
#define KERNEL_GROUP  2
#define KERNEL_BYTES  2
#define KERNEL_X      struct two_shorts
#define KERNEL_W      struct two_i4
#define KERNEL_LOAD(at)                                                                                      \
    {                                                                                                        \
        {((const int8_t *)(at))[0], ((const int8_t *)(at))[2], ((const int8_t *)(at))[4],                    \
         ((const int8_t *)(at))[6]},                                                                         \
        {                                                                                                    \
            ((const int8_t *)(at))[1], ((const int8_t *)(at))[3], ((const int8_t *)(at))[5],                 \
                ((const int8_t *)(at))[7]                                                                    \
        }                                                                                                    \
    }
#define KERNEL_DOT(sum, x, w) ((sum) += (int32_t)(x).a * (w).a + (int32_t)(x).b * (w).b)
#include "tensor/tile_kernel.inc"

#ifdef __x86_64__
#define KERNEL_NAME    int8_avx2
#define KERNEL_CPU     CPU_AVX2
#define KERNEL_SUM     i8
#define KERNEL_FLOATS  v8
#define KERNEL_ROWS    6
#define KERNEL_GROUP   2
#define KERNEL_BYTES   2
#define KERNEL_X       int
#define KERNEL_W       __m256i
#define KERNEL_LOAD(b) _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(b)))
#define KERNEL_DOT(sum, x, w)                                                                                \
    ((sum) = (i8)_mm256_add_epi32((__m256i)(sum), _mm256_madd_epi16(_mm256_set1_epi32(x), w)))
#include "tensor/tile_kernel.inc"

#define KERNEL_NAME           int8_avx512vnni
#define KERNEL_CPU            CPU_VNNI
#define KERNEL_SUM            i16
#define KERNEL_FLOATS         v16
#define KERNEL_ROWS           8
#define KERNEL_GROUP          4
#define KERNEL_X              int
#define KERNEL_W              __m512i
#define KERNEL_LOAD(b)        _mm512_loadu_si512(b)
#define KERNEL_DOT(sum, x, w) ((sum) = (i16)_mm512_dpbusd_epi32((__m512i)(sum), _mm512_set1_epi32(x), w))
#include "tensor/tile_kernel.inc"
#endif

/* ---- weights of attention ---- */

INLINE float weigh(int count, float *scores, float *largest, float *sum)
{
    float before = *largest, now = lane_max(count, scores);
    now = now > before ? now : before;
    for (int i = 0; i < count; i++)
        scores[i] = lane_exp_low(scores[i] - now);
    float shrink = before > -INFINITY ? lane_exp_low(before - now) : 0;
    *largest = now;
    *sum = *sum * shrink + lane_sum(count, scores);
    return shrink;
}

#define WEIGH(name, cpu)                                                                                     \
    cpu static float name(int count, float *scores, float *largest, float *sum)                              \
    {                                                                                                        \
        return weigh(count, scores, largest, sum);                                                           \
    }
WEIGH(weigh_baseline, )
#ifdef __x86_64__
WEIGH(weigh_avx2, CPU_AVX2)
WEIGH(weigh_avx512, CPU_AVX512)
#endif

/* ---- choice ---- */

enum isa { BASELINE, AVX2, AVX512, ISAS };
static const char *const isas[ISAS] = {"baseline", "avx2", "avx512"};
static enum isa most = AVX512;

struct kernel {
    const char *name;
    enum isa isa;
    bool (*there)(void);
    void (*run)(const struct tile *tile);
    int rows;
    enum tile_form form;
};

static bool always(void)
{
    return true;
}

#ifdef __x86_64__
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && has_avx2();
}

static bool has_bf16(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512bf16");
}

static bool has_vnni(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni");
}
#endif

/* The best first. */
static const struct kernel fp32[] = {
#ifdef __x86_64__
    {"avx512", AVX512, has_avx512, fp32_avx512, 8, FORM_FP32},
    {"avx2", AVX2, has_avx2, fp32_avx2, 6, FORM_FP32},
#endif
    {"baseline", BASELINE, always, fp32_baseline, 4, FORM_FP32},
};
static const struct kernel bf16[] = {
#ifdef __x86_64__
    {"avx512bf16", AVX512, has_bf16, bf16_avx512bf16, 8, FORM_BF16_PAIRS},
    {"avx2", AVX2, has_avx2, bf16_avx2, 6, FORM_BF16_FLOATS},
#endif
    {"baseline", BASELINE, always, bf16_baseline, 4, FORM_BF16_FLOATS},
};
static const struct kernel int8[] = {
#ifdef __x86_64__
    {"avx512vnni", AVX512, has_vnni, int8_avx512vnni, 8, FORM_INT8_FOURS},
    {"avx2", AVX2, has_avx2, int8_avx2, 6, FORM_INT8_PAIRS},
#endif
    {"baseline", BASELINE, always, int8_baseline, 4, FORM_INT8_PAIRS},
};

static const struct kernel *chosen(enum precision precision)
{
    static const struct kernel *const all[] = {fp32, bf16, int8};
    const struct kernel *kernel = all[precision];
    while (kernel->isa > most || !kernel->there())
        kernel++;
    return kernel;
}

void tile_run(const struct tile *tile)
{
    chosen(tile->precision)->run(tile);
}

float tile_weigh(int count, float *scores, float *largest, float *sum)
{
#ifdef __x86_64__
    enum isa isa = chosen(PRECISION_FP32)->isa;
    if (isa == AVX512)
        return weigh_avx512(count, scores, largest, sum);
    if (isa == AVX2)
        return weigh_avx2(count, scores, largest, sum);
#endif
    return weigh_baseline(count, scores, largest, sum);
}

enum tile_form tile_form(enum precision precision)
{
    return chosen(precision)->form;
}

int tile_rows(enum precision precision)
{
    return chosen(precision)->rows;
}

const char *tile_products(enum precision precision)
{
    return chosen(precision)->name;
}

bool tile_limit(const char *isa)
{
    for (int i = 0; i < ISAS; i++)
        if (strcmp(isa, isas[i]) == 0) {
            most = (enum isa)i;
            return true;
        }
    return false;
}
