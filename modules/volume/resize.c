#include "volume/resize.h"

#include "base/arena.h"

#include <math.h>
#include <string.h>

/* 32 bits less 8 of the value less 2 of headroom for weights beyond 0..1. */
enum { FRACTION_BITS = 32 - 8 - 2, SUPPORT = 2 };

/* What each output takes: taps inputs from first[i] on, weights[i * taps ...]. */
struct kernel {
    int taps;
    int *first, *count;
    int32_t *weights;
};

static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static void fill_taps(struct kernel *kernel, int i, int in, double scale)
{
    double wide = scale > 1 ? scale : 1, support = SUPPORT * wide, centre = (i + 0.5) * scale, sum = 0;
    int first = (int)(centre - support + 0.5), end = (int)(centre + support + 0.5);
    int32_t *weights = kernel->weights + (size_t)i * (size_t)kernel->taps;
    first = first > 0 ? first : 0;
    end = end < in ? end : in;
    for (int j = first; j < end; j++)
        sum += bicubic((j - centre + 0.5) / wide);
    for (int j = first; j < end; j++) {
        double weight = bicubic((j - centre + 0.5) / wide) / sum * (1 << FRACTION_BITS);
        weights[j - first] = (int32_t)(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    kernel->first[i] = first;
    kernel->count[i] = end - first;
}

static bool make_kernel(struct kernel *kernel, int in, int out, struct arena *arena, struct err *err)
{
    double scale = (double)in / out;
    kernel->taps = (int)ceil(SUPPORT * (scale > 1 ? scale : 1)) * 2 + 1;
    kernel->first = ARENA_ARRAY(arena, int, (size_t)out);
    kernel->count = ARENA_ARRAY(arena, int, (size_t)out);
    kernel->weights = ARENA_ARRAY(arena, int32_t, (size_t)out * (size_t)kernel->taps);
    if (!kernel->first || !kernel->count || !kernel->weights)
        return err_fail(err, ERR_NOMEM, "no memory to resize a picture");
    for (int i = 0; i < out; i++)
        fill_taps(kernel, i, in, scale);
    return true;
}

/* One output value from inputs `step` apart. */
static uint8_t weigh(const struct kernel *kernel, int i, const uint8_t *in, int step)
{
    const int32_t *weights = kernel->weights + (size_t)i * (size_t)kernel->taps;
    int32_t sum = 1 << (FRACTION_BITS - 1);
    for (int j = 0; j < kernel->count[i]; j++)
        sum += in[(size_t)(kernel->first[i] + j) * (size_t)step] * weights[j];
    sum >>= FRACTION_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static bool pass_x(const uint8_t *in, int rows, int in_x, uint8_t *out, int out_x, struct arena *arena,
                   struct err *err)
{
    struct kernel kernel;
    if (!make_kernel(&kernel, in_x, out_x, arena, err))
        return false;
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < out_x; x++)
            out[(size_t)y * (size_t)out_x + (size_t)x] = weigh(&kernel, x, in + (size_t)y * (size_t)in_x, 1);
    return true;
}

static bool pass_y(const uint8_t *in, int in_y, int columns, uint8_t *out, int out_y, struct arena *arena,
                   struct err *err)
{
    struct kernel kernel;
    if (!make_kernel(&kernel, in_y, out_y, arena, err))
        return false;
    for (int y = 0; y < out_y; y++)
        for (int x = 0; x < columns; x++)
            out[(size_t)y * (size_t)columns + (size_t)x] = weigh(&kernel, y, in + x, columns);
    return true;
}

static bool resize(const uint8_t *in, const int size_yx[2], uint8_t *out, const int out_yx[2],
                   struct arena *arena, struct err *err)
{
    size_t between_size = (size_t)size_yx[0] * (size_t)out_yx[1];
    if (size_yx[1] != out_yx[1]) {
        uint8_t *between = size_yx[0] == out_yx[0] ? out : ARENA_ARRAY(arena, uint8_t, between_size);
        if (!between)
            return err_fail(err, ERR_NOMEM, "no memory to resize a picture");
        if (!pass_x(in, size_yx[0], size_yx[1], between, out_yx[1], arena, err))
            return false;
        in = between;
    }
    if (size_yx[0] != out_yx[0])
        return pass_y(in, size_yx[0], out_yx[1], out, out_yx[0], arena, err);
    if (in != out)
        memcpy(out, in, between_size);
    return true;
}

bool resize_bicubic_u8(const uint8_t *in, const int size_yx[2], uint8_t *out, const int out_yx[2],
                       struct err *err)
{
    struct arena *arena = arena_new();
    bool ok = arena ? resize(in, size_yx, out, out_yx, arena, err)
                    : err_fail(err, ERR_NOMEM, "no memory to resize a picture");
    arena_free(arena);
    return ok;
}
