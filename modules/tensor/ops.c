#include "tensor/ops.h"

#include "tensor/lane.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

FOR_EACH_CPU static void softmax_row(int columns, float *x)
{
    float max = lane_max(columns, x);
    for (int i = 0; i < columns; i++)
        x[i] = lane_exp_low(x[i] - max);
    float scale = 1.0f / lane_sum(columns, x);
    for (int i = 0; i < columns; i++)
        x[i] *= scale;
}

void ops_softmax(int rows, int columns, int ld, float *x)
{
    for (int i = 0; i < rows; i++)
        softmax_row(columns, x + (size_t)i * (size_t)ld);
}

void ops_relu(size_t count, float *x)
{
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] < 0 ? 0 : x[i];
}

/* ---- layer norm ---- */

/* Eight sums at once, as in lane.h. */
enum { SUMS = 8 };

INLINE double sum_of(const double lanes[SUMS])
{
    double sum = 0;
    for (int i = 0; i < SUMS; i++)
        sum += lanes[i];
    return sum;
}

FOR_EACH_CPU static void moments(int n, const float *x, double *ret_mean, double *ret_squares)
{
    double sums[SUMS] = {0}, squares[SUMS] = {0};
    int whole = n / SUMS * SUMS;
    for (int i = 0; i < whole; i += SUMS)
        for (int j = 0; j < SUMS; j++)
            sums[j] += (double)x[i + j];
    for (int i = whole; i < n; i++)
        sums[0] += (double)x[i];
    double mean = sum_of(sums) / n;
    for (int i = 0; i < whole; i += SUMS)
        for (int j = 0; j < SUMS; j++)
            squares[j] += ((double)x[i + j] - mean) * ((double)x[i + j] - mean);
    for (int i = whole; i < n; i++)
        squares[0] += ((double)x[i] - mean) * ((double)x[i] - mean);
    *ret_mean = mean;
    *ret_squares = sum_of(squares);
}

FOR_EACH_CPU static void norm_row(int n, const float *x, double mean, double scale, const float *weight,
                                  const float *bias, float *y)
{
    for (int j = 0; j < n; j++)
        y[j] = (float)(((double)x[j] - mean) * scale) * weight[j] + bias[j];
}

enum { NORM_ROWS = 32 }; /* of a piece: about 20 microseconds */

struct norm {
    int rows, columns;
    const float *x, *weight, *bias;
    double eps;
    float *y;
};

static bool norm_piece(void *work, int seat, int number, struct err *err)
{
    const struct norm *norm = work;
    int first = number * NORM_ROWS, end = first + NORM_ROWS < norm->rows ? first + NORM_ROWS : norm->rows;
    for (int i = first; i < end; i++) {
        size_t at = (size_t)i * (size_t)norm->columns;
        double mean, squares;
        moments(norm->columns, norm->x + at, &mean, &squares);
        norm_row(norm->columns, norm->x + at, mean, 1.0 / sqrt(squares / norm->columns + norm->eps),
                 norm->weight, norm->bias, norm->y + at);
    }
    return true;
}

void ops_layer_norm(const struct crew *crew, int rows, int columns, const float *x, const float *weight,
                    const float *bias, double eps, float *y)
{
    struct norm norm = {rows, columns, x, weight, bias, eps, y};
    struct err none = ERR_INIT;
    crew_run(crew, (rows + NORM_ROWS - 1) / NORM_ROWS, norm_piece, &norm, &none);
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
    lane_floats lanes = {0};
    float sum = 0;
    size_t i = 0;
    for (; i + LANE_WIDE <= count; i += LANE_WIDE) {
        lane_floats v;
        memcpy(&v, x + i, sizeof v);
        lanes += v - v;
    }
    for (; i < count; i++)
        sum += x[i] - x[i];
    for (int j = 0; j < LANE_WIDE; j++)
        sum += lanes[j];
    return isfinite(sum);
}
