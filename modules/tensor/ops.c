#include "tensor/ops.h"

#include "tensor/cpu.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* exp to 2 units in the last place; clamped where float has no normal result; what is not finite gives not a
 * number, so that an overflow anywhere reaches the embedding and is refused there.
 * source: Cephes mathematical library, expf (range reduction by ln 2 in two parts, polynomial of degree 5).
 */
INLINE float exp_lane(float in)
{
    float x = in > -87.0f ? in : -87.0f;
    x = x < 88.0f ? x : 88.0f;
    float whole = (x * 1.44269504f + 12582912.0f) - 12582912.0f; /* 1.5 * 2^23: rounds to nearest */
    float rest = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * rest + 1.3981999507e-3f;
    p = p * rest + 8.3334519073e-3f;
    p = p * rest + 4.1665795894e-2f;
    p = p * rest + 1.6666665459e-1f;
    p = p * rest + 5.0000001201e-1f;
    p = p * rest * rest + rest + 1.0f;
    int32_t bits = ((int32_t)whole + 127) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale + (in - in);
}

/* Eight lanes at once, explicitly: the compiler may not reorder a sum or a maximum by itself. */
enum { WIDE = 8 };
typedef float wide_float __attribute__((vector_size(WIDE * sizeof(float))));
typedef int32_t wide_int __attribute__((vector_size(WIDE * sizeof(int32_t))));

INLINE float row_max(int columns, const float *x)
{
    float max = x[0];
    int i = 0;
    wide_float best = {max, max, max, max, max, max, max, max};
    for (; i + WIDE <= columns; i += WIDE) {
        wide_float v;
        memcpy(&v, x + i, sizeof v);
        wide_int take = v > best;
        best = (wide_float)(((wide_int)v & take) | ((wide_int)best & ~take));
    }
    for (int j = 0; j < WIDE; j++)
        max = best[j] > max ? best[j] : max;
    for (; i < columns; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

INLINE float row_sum(int columns, const float *x)
{
    wide_float lanes = {0};
    int i = 0;
    for (; i + WIDE <= columns; i += WIDE) {
        wide_float v;
        memcpy(&v, x + i, sizeof v);
        lanes += v;
    }
    double sum = 0;
    for (int j = 0; j < WIDE; j++)
        sum += (double)lanes[j];
    for (; i < columns; i++)
        sum += (double)x[i];
    return (float)sum;
}

FOR_EACH_CPU static void softmax_row(int columns, float *x)
{
    float max = row_max(columns, x);
    for (int i = 0; i < columns; i++)
        x[i] = exp_lane(x[i] - max);
    float scale = 1.0f / row_sum(columns, x);
    for (int i = 0; i < columns; i++)
        x[i] *= scale;
}

void ops_softmax(int rows, int columns, int ld, float *x)
{
    for (int i = 0; i < rows; i++)
        softmax_row(columns, x + (size_t)i * (size_t)ld);
}

FOR_EACH_CPU void ops_quick_gelu(size_t count, float *x)
{
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] / (1.0f + exp_lane(-1.702f * x[i]));
}

void ops_gelu(size_t count, float *x)
{
    for (size_t i = 0; i < count; i++)
        x[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678f));
}

void ops_relu(size_t count, float *x)
{
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] > 0 ? x[i] : 0;
}

void ops_layer_norm(int rows, int columns, const float *x, const float *weight, const float *bias, double eps,
                    float *y)
{
    for (int i = 0; i < rows; i++, x += columns, y += columns) {
        double sum = 0, squares = 0;
        for (int j = 0; j < columns; j++)
            sum += (double)x[j];
        double mean = sum / columns;
        for (int j = 0; j < columns; j++)
            squares += ((double)x[j] - mean) * ((double)x[j] - mean);
        double scale = 1.0 / sqrt(squares / columns + eps);
        for (int j = 0; j < columns; j++)
            y[j] = (float)(((double)x[j] - mean) * scale) * weight[j] + bias[j];
    }
}

void ops_add(size_t count, const float *x, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] += x[i];
}

double ops_dot(size_t count, const float *x, const float *y)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

bool ops_unit(size_t count, float *x)
{
    double length = sqrt(ops_dot(count, x, x));
    if (!isfinite(length) || length <= 0)
        return false;
    for (size_t i = 0; i < count; i++)
        x[i] = (float)((double)x[i] / length);
    return true;
}

bool ops_finite(size_t count, const float *x)
{
    /* x - x is 0 for every finite number and not a number otherwise. */
    wide_float lanes = {0};
    float sum = 0;
    size_t i = 0;
    for (; i + WIDE <= count; i += WIDE) {
        wide_float v;
        memcpy(&v, x + i, sizeof v);
        lanes += v - v;
    }
    for (; i < count; i++)
        sum += x[i] - x[i];
    for (int j = 0; j < WIDE; j++)
        sum += lanes[j];
    return isfinite(sum);
}
