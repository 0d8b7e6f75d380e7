/* Linear layers over weights that are packed once: y = act(x W^T + b), or y += x W^T + b.
 * The bits of y depend on neither the crew nor how many rows go through at once (tensor/tile.h). */
#ifndef TENSOR_LINEAR_H
#define TENSOR_LINEAR_H

#include "base/crew.h"
#include "tensor/tile.h"

#include <stdint.h>

/* All rows that went through a layer, added up. */
struct linear_seen {
    int64_t rows;
    double *sums; /* [k] */
};

/* owns: nothing; panels and bias lie where the caller has them. */
struct linear {
    int n, k; /* outputs, inputs, at least 1; panels NULL: none was packed */
    enum precision precision;
    const void *panels;       /* [n / TILE_PANEL, rounded up] of tile_panel_bytes */
    const float *bias;        /* [n] or NULL */
    struct linear_seen *seen; /* added to by every run; NULL: nobody asks */
};

/* Rows of more inputs are not made in fewer bits: such a layer is fp32 whatever is asked. */
enum { LINEAR_K_MOST = 8192 };

/* What panels take. */
size_t linear_bytes(enum precision precision, int n, int k);

/* in: weight [n, k], row-major, not needed afterwards; panels: linear_bytes, aligned to 64, kept by the
 * caller; bias borrowed. */
void linear_pack(struct linear *linear, enum precision precision, int n, int k, const float *weight,
                 const float *bias, const struct crew *crew, void *panels);
/* The same of panels that were packed before, by a process on this processor. */
void linear_take(struct linear *linear, enum precision precision, int n, int k, const float *bias,
                 const void *panels);

/* Give the layer a bias with which rows whose mean is `mean` get the mean result they have in float32: what
 * rounding did to the weights is the same for every row, and would stay in a mean over tokens. in: weight and
 * bias as packed from; mean[k]. out: bias into corrected[n], which the caller keeps.
 * source: Nagel et al. 2019, Data-Free Quantization Through Weight Equalization and Bias Correction, 4.2. */
void linear_correct(struct linear *linear, const float *weight, const float *mean, const struct crew *crew,
                    float *corrected);

/* x[rows][k], y[rows][n], dense, at least one row. add: to what y holds; act comes before. threads: one run
 * of the crew at a time; 512 KiB of each seat's stack. */
void linear_run(const struct linear *linear, const struct crew *crew, int rows, const float *x,
                enum tile_act act, bool add, float *y);

#endif
