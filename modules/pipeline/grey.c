#include "pipeline/grey.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    float left = *(const float *)a, right = *(const float *)b;
    return (left > right) - (left < right);
}

/* A million tell a percentile to a tenth of a percent. The step is odd, so that it does not fall on the same
 * columns again and again. */
bool grey_range(const float *values, size_t count, const double percent[2], double ret_low_high[2],
                struct arena *arena, struct err *err)
{
    size_t step = (count / 1000000) | 1, taken = (count + step - 1) / step;
    float *sorted = ARENA_ARRAY(arena, float, taken);
    if (!sorted)
        return err_fail(err, ERR_NOMEM, "no memory for %zu values", taken);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return err_decline(err, "not_finite", "the volume holds values that are no numbers");
    for (size_t i = 0; i < taken; i++)
        sorted[i] = values[i * step];
    qsort(sorted, taken, sizeof *sorted, by_value);
    for (int i = 0; i < 2; i++)
        ret_low_high[i] = (double)sorted[(size_t)(percent[i] / 100 * (double)(taken - 1) + 0.5)];
    return ret_low_high[1] > ret_low_high[0] ||
           err_decline(err, "constant_volume", "nearly every voxel has the same value");
}

void grey_of(const float *values, size_t count, const double low_high[2], uint8_t *grey)
{
    double factor = 255 / (low_high[1] - low_high[0]);
    for (size_t i = 0; i < count; i++)
        grey[i] = (uint8_t)(fmin(fmax(((double)values[i] - low_high[0]) * factor, 0), 255) + 0.5);
}
