/* What a compiler turns into vector code: functions of one float without branch or library call, and what it
 * may not reorder by itself. threads: any. */
#ifndef TENSOR_LANE_H
#define TENSOR_LANE_H

#include "tensor/cpu.h"

#include <stdint.h>
#include <string.h>

/* exp of 0 or less, to 2 units in the last place; below -87, where float has no normal result, that of -87.
 * What is not finite gives not a number, so that an overflow anywhere reaches the embedding and is refused
 * there. source: Cephes mathematical library, expf (range reduction by ln 2 in two parts, polynomial of
 * degree 5). */
INLINE float lane_exp_low(float in)
{
    float x = in > -87.0f ? in : -87.0f;
    float shifted = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: rounds to nearest, and the low bits count */
    float whole = shifted - 12582912.0f;
    float rest = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * rest + 1.3981999507e-3f;
    p = p * rest + 8.3334519073e-3f;
    p = p * rest + 4.1665795894e-2f;
    p = p * rest + 1.6666665459e-1f;
    p = p * rest + 5.0000001201e-1f;
    p = p * rest * rest + rest + 1.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + 0x3f800000u;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale + (in - in);
}

/* The same of any number; above 88, that of 88. */
INLINE float lane_exp(float in)
{
    return lane_exp_low(in < 88.0f ? in : 88.0f) + (in - in);
}

/* x * sigmoid(1.702 x). source: OpenAI CLIP model.py QuickGELU */
INLINE float lane_quick_gelu(float x)
{
    return x / (1.0f + lane_exp(-1.702f * x));
}

/* x * 0.5 (1 + erf(x / sqrt 2)), to one unit in the last place of max(1, |x|).
 * source: torch.nn.GELU(approximate="none"). log(erfc(t)) / t as a polynomial of degree 9, fitted on [0, 5]
 * for the smallest largest error of the whole. */
INLINE float lane_gelu(float x)
{
    float t = (x < 0 ? -x : x) * 0.70710678f;
    float at = t < 5.0f ? t : 5.0f;
    float p = -4.5820175387e-7f;
    p = p * at + 1.0431920601e-5f;
    p = p * at - 1.0033104627e-4f;
    p = p * at + 5.1773426821e-4f;
    p = p * at - 1.3617002405e-3f;
    p = p * at - 2.6923374389e-4f;
    p = p * at + 1.9492423162e-2f;
    p = p * at - 1.0292479396e-1f;
    p = p * at - 6.3658791780e-1f;
    p = p * at - 1.1283816099f;
    float tail = t < 5.0f ? lane_exp_low(p * at) : 0;
    return 0.5f * x * (x < 0 ? tail : 2.0f - tail);
}

/* Eight lanes at once, and four of these, explicitly: the compiler may not reorder a sum or a maximum by
 * itself.
 */
enum { LANE_WIDE = 8, LANE_CHAINS = 4, LANE_STEP = LANE_WIDE * LANE_CHAINS };
typedef float lane_floats __attribute__((vector_size(LANE_WIDE * sizeof(float))));
typedef int32_t lane_ints __attribute__((vector_size(LANE_WIDE * sizeof(int32_t))));

INLINE float lane_max(int columns, const float *x)
{
    float max = x[0];
    int i = 0;
    lane_floats chains[LANE_CHAINS];
#pragma GCC unroll 4
    for (int j = 0; j < LANE_CHAINS; j++)
        chains[j] = (lane_floats){0} + max;
    for (; i + LANE_STEP <= columns; i += LANE_STEP)
#pragma GCC unroll 4
        for (int j = 0; j < LANE_CHAINS; j++) {
            lane_floats v;
            memcpy(&v, x + i + j * LANE_WIDE, sizeof v);
            lane_ints take = v > chains[j];
            chains[j] = (lane_floats)(((lane_ints)v & take) | ((lane_ints)chains[j] & ~take));
        }
    for (int j = 1; j < LANE_CHAINS; j++) {
        lane_ints take = chains[j] > chains[0];
        chains[0] = (lane_floats)(((lane_ints)chains[j] & take) | ((lane_ints)chains[0] & ~take));
    }
    for (int j = 0; j < LANE_WIDE; j++)
        max = chains[0][j] > max ? chains[0][j] : max;
    for (; i < columns; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

INLINE float lane_sum(int columns, const float *x)
{
    lane_floats chains[LANE_CHAINS] = {{0}};
    int i = 0;
    for (; i + LANE_STEP <= columns; i += LANE_STEP)
#pragma GCC unroll 4
        for (int j = 0; j < LANE_CHAINS; j++) {
            lane_floats v;
            memcpy(&v, x + i + j * LANE_WIDE, sizeof v);
            chains[j] += v;
        }
    lane_floats lanes = (chains[0] + chains[1]) + (chains[2] + chains[3]);
    double sum = 0;
    for (int j = 0; j < LANE_WIDE; j++)
        sum += (double)lanes[j];
    for (; i < columns; i++)
        sum += (double)x[i];
    return (float)sum;
}

INLINE float lane_dot(int columns, const float *x, const float *y)
{
    lane_floats chains[LANE_CHAINS] = {{0}};
    int i = 0;
    for (; i + LANE_STEP <= columns; i += LANE_STEP)
#pragma GCC unroll 4
        for (int j = 0; j < LANE_CHAINS; j++) {
            lane_floats a, b;
            memcpy(&a, x + i + j * LANE_WIDE, sizeof a);
            memcpy(&b, y + i + j * LANE_WIDE, sizeof b);
            chains[j] += a * b;
        }
    lane_floats lanes = (chains[0] + chains[1]) + (chains[2] + chains[3]);
    float sum = 0;
    for (int j = 0; j < LANE_WIDE; j++)
        sum += lanes[j];
    for (; i < columns; i++)
        sum += x[i] * y[i];
    return sum;
}

#endif
