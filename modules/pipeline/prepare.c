#include "pipeline/prepare.h"

#include <math.h>

static const double read_phase_percent = 75;

struct percents {
    double low, high;
};

/* Percentages of the RR interval in a phase; false when a frame does not say. */
static bool phase_percents(const struct volume_plan *plan, int phase, struct percents *ret)
{
    const struct volume_slice *slices = plan->slices + (size_t)phase * (size_t)plan->geometry.zyx[0];
    *ret = (struct percents){INFINITY, -INFINITY};
    for (int z = 0; z < plan->geometry.zyx[0]; z++) {
        const struct dicom_frame *frame = &slices[z].at.head->frames[slices[z].at.frame];
        if (!frame->has_phase_percent)
            return false;
        ret->low = fmin(ret->low, frame->phase_percent);
        ret->high = fmax(ret->high, frame->phase_percent);
    }
    return true;
}

int prepare_choose_phase(const struct volume_plan *plan, double *ret_spread)
{
    int best = 0;
    double least = INFINITY, spread = 0;
    *ret_spread = 0;
    for (int phase = 0; phase < plan->geometry.phases; phase++) {
        struct percents percents;
        if (!phase_percents(plan, phase, &percents))
            return 0;
        double away = fabs((percents.low + percents.high) / 2 - read_phase_percent);
        spread = fmax(spread, percents.high - percents.low);
        if (away < least) {
            least = away;
            best = phase;
        }
    }
    *ret_spread = spread;
    return spread > PREPARE_MAX_PHASE_SPREAD ? 0 : best;
}

/* Range of what is a number; false when nothing is. */
static bool range(const float *values, size_t count, float *ret_low, float *ret_high)
{
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
    }
    *ret_low = low;
    *ret_high = high;
    return low <= high;
}

/* What is NAN becomes air in CT; MR has no such value, so the lowest there is. */
static bool fill_outside(const struct volume_plan *plan, float *values, size_t count, struct err *err)
{
    float low, high;
    if (!range(values, count, &low, &high))
        return err_decline(err, "constant_volume", "every voxel is padding");
    float outside = plan->slices[0].at.head->kind == DICOM_KIND_CT ? VOLUME_AIR_HU : low;
    for (size_t i = 0; i < count; i++)
        values[i] = isnan(values[i]) ? outside : values[i];
    return true;
}

float *prepare_voxels(const struct volume_plan *plan, int phase, struct source *source, struct arena *arena,
                      struct err *err)
{
    struct volume_reader reader = source_reader(source);
    const int *zyx = plan->geometry.zyx;
    size_t count = tensor_voxels(zyx);
    if (count > VOLUME_HELD_MAX) {
        err_decline(err, "volume_too_large", "%d slices of %d x %d are too large to be pictures", zyx[0],
                    zyx[1], zyx[2]);
        return NULL;
    }
    float *voxels = ARENA_ARRAY(arena, float, count);
    if (!voxels)
        err_fail(err, ERR_NOMEM, "no memory for %zu voxels", count);
    bool ok = voxels && volume_fill_padded(plan, phase, &reader, NAN, voxels, err) &&
              fill_outside(plan, voxels, count, err);
    return ok ? voxels : NULL;
}

bool prepare_sample(const struct volume_plan *plan, int phase, struct source *source,
                    const struct volume_geometry *grid, float *values, struct err *err)
{
    struct volume_reader reader = source_reader(source);
    return volume_sample(plan, phase, &reader, grid, NAN, values, err) &&
           fill_outside(plan, values, tensor_voxels(grid->zyx), err);
}

/* y = (x - from) / width, computed in double as the reference does. */
static void scale(float *values, size_t count, double from, double width)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(((double)values[i] - from) / width);
}

bool prepare_values(const struct preprocess *preprocess, float *values, size_t count, struct err *err)
{
    const double *clip = preprocess->hu_clip;
    for (size_t i = 0; preprocess->has_hu_clip && i < count; i++)
        values[i] = fminf(fmaxf(values[i], (float)clip[0]), (float)clip[1]);
    float low = 0, high = 0;
    if (!range(values, count, &low, &high) || isinf(low) || isinf(high))
        return err_decline(err, "not_finite", "the volume holds values that are no numbers");
    if (preprocess->norm == PREPROCESS_MEANSTD) {
        scale(values, count, preprocess->mean[0], preprocess->std[0]);
    } else if (preprocess->norm == PREPROCESS_RANGE01 && preprocess->has_hu_clip) {
        scale(values, count, clip[0], clip[1] - clip[0]);
    } else {
        if (!(high > low))
            return err_decline(err, "constant_volume", "every voxel has the same value");
        scale(values, count, (double)low, (double)high - (double)low);
    }
    return true;
}
