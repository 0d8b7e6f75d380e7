/* Measured values as grey of 8 bits. Part of the pipeline. */
#ifndef PIPELINE_GREY_H
#define PIPELINE_GREY_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The values at two percentiles: of a million and less, the one at place percent / 100 * (count - 1),
 * rounded, in their order; of more, of a regular sample of about a million. errors: ERR_INPUT "not_finite" (a
 * value is no number), "constant_volume" (both are the same); ERR_NOMEM. */
bool grey_range(const float *values, size_t count, const double percent[2], double ret_low_high[2],
                struct arena *arena, struct err *err);

/* low becomes 0, high 255, what lies outside is clamped, the rest rounded. */
void grey_of(const float *values, size_t count, const double low_high[2], uint8_t *grey);

#endif
