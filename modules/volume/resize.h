/* Pictures brought to another size as the published pipelines do it: separable, x first, the kernel widened
 * when it shrinks. An axis that keeps its size is left alone. errors of all: ERR_NOMEM. threads: any. */
#ifndef VOLUME_RESIZE_H
#define VOLUME_RESIZE_H

#include "base/err.h"

#include <stdint.h>

/* in:  [y][x] of `size_yx`, one channel. out: [y][x] of `out_yx`, equal byte for byte to
 *      PIL.Image.resize((x, y), Image.BICUBIC): a = -0.5, weights rounded to 22 fractional bits, every pass
 *      rounded and clamped to 8 bits. source: Pillow Resample.c (8 bits a channel). */
bool resize_bicubic_u8(const uint8_t *in, const int size_yx[2], uint8_t *out, const int out_yx[2],
                       struct err *err);

/* The same with a triangle of half-width max(in / out, 1) and no rounding, equal to 1e-5 of the range to
 * torch.nn.functional.interpolate(size=(y, x), mode="bilinear", align_corners=False, antialias=True). source:
 * that function's documentation; models.md 2(b)4 of the design. */
bool resize_bilinear_f32(const float *in, const int size_yx[2], float *out, const int out_yx[2],
                         struct err *err);

#endif
