/* Linear layers over weights that are packed once: y = act(x W^T + b), or y += x W^T + b.
 * The bits of y depend on neither the crew nor how many rows go through at once (tensor/tile.h). */
#ifndef TENSOR_LINEAR_H
#define TENSOR_LINEAR_H

#include "base/arena.h"
#include "base/crew.h"
#include "tensor/tile.h"

/* owns: nothing; panels live in the arena they were packed into, bias where the caller has it. */
struct linear {
    int n, k;            /* outputs, inputs, at least 1; panels NULL: none was packed */
    const float *panels; /* [n / PANEL, rounded up][k][PANEL] */
    const float *bias;   /* [n] or NULL */
};

/* in: weight [n, k], row-major, not needed afterwards; bias borrowed. False when memory is out. */
bool linear_pack(struct linear *linear, int n, int k, const float *weight, const float *bias,
                 const struct crew *crew, struct arena *arena);

/* x[rows][k], y[rows][n], dense, at least one row. add: to what y holds; act comes before. threads: one run
 * of the crew at a time. */
void linear_run(const struct linear *linear, const struct crew *crew, int rows, const float *x,
                enum tile_act act, bool add, float *y);

#endif
