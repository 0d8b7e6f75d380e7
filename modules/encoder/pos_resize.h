/* Learned positions of one grid, for another.
 * source: torch.nn.functional.interpolate, align_corners=False: mode "trilinear"; "bicubic" with a = -0.75,
 * as Hugging Face's interpolate_pos_encoding uses it for 2D grids. */
#ifndef ENCODER_POS_RESIZE_H
#define ENCODER_POS_RESIZE_H

#include <stdbool.h>

/* in: [z][y][x][width] of `from_zyx`. out: the same of `to_zyx`, every value written. */
void pos_resize(const float *in, const int from_zyx[3], const int to_zyx[3], int width, bool bicubic,
                float *out);

#endif
