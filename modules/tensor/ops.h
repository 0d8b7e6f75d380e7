/* What a transformer needs besides products. Matrices are dense row-major float unless ld says otherwise.
 * threads: any; no state. None allocates. */
#ifndef TENSOR_OPS_H
#define TENSOR_OPS_H

#include "base/crew.h"

#include <stdbool.h>
#include <stddef.h>

/* y = (x - mean) / sqrt(variance + eps) * weight + bias, per row; variance over n. y may be x. */
void ops_layer_norm(const struct crew *crew, int rows, int columns, const float *x, const float *weight,
                    const float *bias, double eps, float *y);

/* Softmax over each row, in place. Rows lie ld floats apart. */
void ops_softmax(int rows, int columns, int ld, float *x);

/* max(x, 0), in place; what is not a number stays so. */
void ops_relu(size_t count, float *x);

/* y += x */
void ops_add(size_t count, const float *x, float *y);

double ops_dot(size_t count, const float *x, const float *y);

/* Scale to unit length, in place. False, and x untouched, when the length is zero or not finite. */
bool ops_unit(size_t count, float *x);

bool ops_finite(size_t count, const float *x);

#endif
