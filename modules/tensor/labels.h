/* From class scores on a coarse grid to labels on a finer one.
 * Scores are dense float [classes][z][y][x]; the finer grid has the same z and whole multiples in y and x.
 * Between grid points scores are interpolated, align_corners=false, edges repeated; the first of equal
 * classes wins.
 *
 * threads: any; no state.
 *
 * source: torch.nn.functional.interpolate(mode="trilinear"), torch.argmax, torch.softmax. */
#ifndef TENSOR_LABELS_H
#define TENSOR_LABELS_H

#include <stddef.h>
#include <stdint.h>

/* Floats of scratch for the functions below. */
size_t labels_scratch(const int fine_zyx[3]);

/* labels[z][y][x] of fine_zyx: the class whose interpolated score is the highest. classes <= 256. */
void labels_argmax(int classes, const float *scores, const int coarse_zyx[3], const int fine_zyx[3],
                   uint8_t *labels, float *scratch);

/* Softmax over the classes at every point of one plane z: out [classes][y][x] of the coarse grid. */
void labels_softmax_plane(int classes, const float *scores, const int coarse_zyx[3], int z, float *out);

/* Add one plane [y][x], interpolated to fine_yx, to `to`, whose rows lie ld apart. */
void labels_add_plane(const float *plane, const int coarse_yx[2], const int fine_yx[2], float *to, size_t ld,
                      float *scratch);

#endif
