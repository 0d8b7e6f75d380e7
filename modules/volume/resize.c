#include "volume/resize.h"

#include "base/arena.h"

#include <math.h>
#include <string.h>

/* 32 bits less 8 of the value less 2 of headroom for weights beyond 0..1. */
enum { FRACTION_BITS = 32 - 8 - 2 };

struct filter {
    double support;
    double (*at)(double x);
    double (*centre)(int i, double scale); /* of output i, among the inputs */
};

/* What each output takes: count[i] inputs from first[i] on, weights[i * taps ...], which sum to 1. */
struct kernel {
    int taps;
    int *first, *count;
    double *weights;
};

static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static double triangle(double x)
{
    return fmax(0, 1 - fabs(x));
}

static double exact_centre(int i, double scale)
{
    return (i + 0.5) * scale;
}

/* torch keeps it in single precision, which is worth 2e-5 of the range in the 200th column. */
static double single_centre(int i, double scale)
{
    return (double)(float)((i + 0.5) * (double)(float)scale);
}

static const struct filter cubic = {2, bicubic, exact_centre}, linear = {1, triangle, single_centre};

static bool no_memory(struct err *err)
{
    return err_fail(err, ERR_NOMEM, "no memory to resize a picture");
}

static void fill_taps(struct kernel *kernel, const struct filter *filter, int i, int in, double scale)
{
    double wide = scale > 1 ? scale : 1, support = filter->support * wide, centre = filter->centre(i, scale);
    int first = (int)(centre - support + 0.5), end = (int)(centre + support + 0.5);
    double *weights = kernel->weights + (size_t)i * (size_t)kernel->taps, sum = 0;
    first = first > 0 ? first : 0;
    end = end < in ? end : in;
    for (int j = first; j < end; j++)
        sum += weights[j - first] = filter->at((j - centre + 0.5) / wide);
    for (int j = first; j < end; j++)
        weights[j - first] /= sum;
    kernel->first[i] = first;
    kernel->count[i] = end - first;
}

static bool make_kernel(struct kernel *kernel, const struct filter *filter, int in, int out,
                        struct arena *arena, struct err *err)
{
    double scale = (double)in / out;
    kernel->taps = (int)ceil(filter->support * (scale > 1 ? scale : 1)) * 2 + 1;
    kernel->first = ARENA_ARRAY(arena, int, (size_t)out);
    kernel->count = ARENA_ARRAY(arena, int, (size_t)out);
    kernel->weights = ARENA_ARRAY(arena, double, (size_t)out *(size_t)kernel->taps);
    if (!kernel->first || !kernel->count || !kernel->weights)
        return no_memory(err);
    for (int i = 0; i < out; i++)
        fill_taps(kernel, filter, i, in, scale);
    return true;
}

/* ---- one pass: lines of `in` values, `step` apart, become lines of `out` values ---- */

struct pass {
    int lines, in, out; /* how many lines, and values of one */
    size_t line_step_in, line_step_out, step_in, step_out;
};

static struct pass along_x(int rows, int in_x, int out_x)
{
    return (struct pass){rows, in_x, out_x, (size_t)in_x, (size_t)out_x, 1, 1};
}

static struct pass along_y(int in_y, int columns, int out_y)
{
    return (struct pass){columns, in_y, out_y, 1, 1, (size_t)columns, (size_t)columns};
}

static uint8_t weigh_u8(const int32_t *weights, int count, const uint8_t *in, size_t step)
{
    int32_t sum = 1 << (FRACTION_BITS - 1);
    for (int j = 0; j < count; j++)
        sum += in[(size_t)j * step] * weights[j];
    sum >>= FRACTION_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static bool pass_u8(const uint8_t *in, uint8_t *out, const struct pass *p, struct arena *arena,
                    struct err *err)
{
    struct kernel kernel;
    if (!make_kernel(&kernel, &cubic, p->in, p->out, arena, err))
        return false;
    size_t count = (size_t)p->out * (size_t)kernel.taps;
    int32_t *weights = ARENA_ARRAY(arena, int32_t, count);
    if (!weights)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        weights[i] = (int32_t)(kernel.weights[i] * (1 << FRACTION_BITS) + copysign(0.5, kernel.weights[i]));
    for (size_t line = 0; line < (size_t)p->lines; line++)
        for (int i = 0; i < p->out; i++)
            out[line * p->line_step_out + (size_t)i * p->step_out] =
                weigh_u8(weights + (size_t)i * (size_t)kernel.taps, kernel.count[i],
                         in + line * p->line_step_in + (size_t)kernel.first[i] * p->step_in, p->step_in);
    return true;
}

static float weigh_f32(const double *weights, int count, const float *in, size_t step)
{
    double sum = 0;
    for (int j = 0; j < count; j++)
        sum += (double)in[(size_t)j * step] * weights[j];
    return (float)sum;
}

static bool pass_f32(const float *in, float *out, const struct pass *p, struct arena *arena, struct err *err)
{
    struct kernel kernel;
    if (!make_kernel(&kernel, &linear, p->in, p->out, arena, err))
        return false;
    for (size_t line = 0; line < (size_t)p->lines; line++)
        for (int i = 0; i < p->out; i++)
            out[line * p->line_step_out + (size_t)i * p->step_out] =
                weigh_f32(kernel.weights + (size_t)i * (size_t)kernel.taps, kernel.count[i],
                          in + line * p->line_step_in + (size_t)kernel.first[i] * p->step_in, p->step_in);
    return true;
}

/* ---- both passes ---- */

static bool resize_u8(const uint8_t *in, const int size_yx[2], uint8_t *out, const int out_yx[2],
                      struct arena *arena, struct err *err)
{
    const struct pass x = along_x(size_yx[0], size_yx[1], out_yx[1]);
    const struct pass y = along_y(size_yx[0], out_yx[1], out_yx[0]);
    size_t between_size = (size_t)size_yx[0] * (size_t)out_yx[1];
    if (x.in != x.out) {
        uint8_t *between = y.in == y.out ? out : ARENA_ARRAY(arena, uint8_t, between_size);
        if (!between)
            return no_memory(err);
        if (!pass_u8(in, between, &x, arena, err))
            return false;
        in = between;
    }
    if (y.in != y.out)
        return pass_u8(in, out, &y, arena, err);
    if (in != out)
        memcpy(out, in, between_size);
    return true;
}

static bool resize_f32(const float *in, const int size_yx[2], float *out, const int out_yx[2],
                       struct arena *arena, struct err *err)
{
    const struct pass x = along_x(size_yx[0], size_yx[1], out_yx[1]);
    const struct pass y = along_y(size_yx[0], out_yx[1], out_yx[0]);
    float *between = ARENA_ARRAY(arena, float, (size_t)size_yx[0] * (size_t)out_yx[1]);
    if (!between)
        return no_memory(err);
    return pass_f32(in, between, &x, arena, err) && pass_f32(between, out, &y, arena, err);
}

bool resize_bicubic_u8(const uint8_t *in, const int size_yx[2], uint8_t *out, const int out_yx[2],
                       struct err *err)
{
    struct arena *arena = arena_new();
    bool ok = arena ? resize_u8(in, size_yx, out, out_yx, arena, err) : no_memory(err);
    arena_free(arena);
    return ok;
}

bool resize_bilinear_f32(const float *in, const int size_yx[2], float *out, const int out_yx[2],
                         struct err *err)
{
    struct arena *arena = arena_new();
    bool ok = arena ? resize_f32(in, size_yx, out, out_yx, arena, err) : no_memory(err);
    arena_free(arena);
    return ok;
}
