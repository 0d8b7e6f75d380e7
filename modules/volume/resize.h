/* Pictures brought to another size as the published pipelines do it.
 * source: Pillow Resample.c (8 bits a channel): separable, horizontal first, weights rounded to 22 fractional
 * bits, every pass rounded and clamped to 8 bits; bicubic with a = -0.5, widened when it shrinks. */
#ifndef VOLUME_RESIZE_H
#define VOLUME_RESIZE_H

#include "base/err.h"

#include <stdint.h>

/* in:  [y][x] of `size_yx`, one channel. out: [y][x] of `out_yx`, equal byte for byte to
 *      PIL.Image.resize((x, y), Image.BICUBIC). An axis that keeps its size is left alone.
 * errors: ERR_NOMEM. threads: any. */
bool resize_bicubic_u8(const uint8_t *in, const int size_yx[2], uint8_t *out, const int out_yx[2],
                       struct err *err);

#endif
