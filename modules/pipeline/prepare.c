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

static bool has_padding(const struct volume_plan *plan, int phase)
{
    int depth = plan->geometry.zyx[0];
    for (int z = 0; z < depth; z++) {
        const struct volume_slice *slice = &plan->slices[phase * depth + z];
        if (slice->at.head->has_padding || (slice->next_weight > 0 && slice->next.head->has_padding))
            return true;
    }
    return false;
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

bool prepare_voxels(const struct volume_plan *plan, int phase, struct source *source, float *voxels,
                    struct err *err)
{
    struct volume_reader reader = source_reader(source);
    if (!has_padding(plan, phase))
        return volume_fill(plan, phase, &reader, voxels, err);
    if (!volume_fill_padded(plan, phase, &reader, NAN, voxels, err))
        return false;
    const int *zyx = plan->geometry.zyx;
    size_t count = (size_t)zyx[0] * (size_t)zyx[1] * (size_t)zyx[2];
    float low, high;
    if (!range(voxels, count, &low, &high))
        return err_decline(err, "constant_volume", "every voxel is padding");
    for (size_t i = 0; i < count; i++)
        voxels[i] = isnan(voxels[i]) ? low : voxels[i];
    return true;
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
