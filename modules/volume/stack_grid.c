/* From positions to equidistant slices: gaps, irregular spacing. */
#include "volume/stack.h"

#include <math.h>
#include <stdlib.h>

/* source: docs/volumes.md */
static const double regular_share = 0.01, regular_mm = 0.05;
static const double irregular_share = 0.2;
static const double missing_share = 0.02;
static const double thickest_mm = 1000;
enum { MAX_MISSING_RUN = 2 };

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median_step(const struct stack *stack, double *steps)
{
    int count = stack->position_count - 1;
    for (int i = 0; i < count; i++)
        steps[i] = stack->positions[i + 1] - stack->positions[i];
    qsort(steps, (size_t)count, sizeof *steps, by_value);
    return steps[count / 2];
}

struct gaps {
    int missing, longest;
    double worst_mm; /* a step's distance from the nearest multiple of the median */
};

static struct gaps find_gaps(const struct stack *stack, double step_mm)
{
    struct gaps gaps = {0, 0, 0};
    for (int i = 0; i + 1 < stack->position_count; i++) {
        double gap = stack->positions[i + 1] - stack->positions[i];
        double steps = fmax(1, round(gap / step_mm));
        int lost = steps < STACK_MAX_SLICES ? (int)steps - 1 : STACK_MAX_SLICES;
        gaps.missing += lost;
        gaps.longest = lost > gaps.longest ? lost : gaps.longest;
        gaps.worst_mm = fmax(gaps.worst_mm, fabs(gap - steps * step_mm) / steps);
        if (gaps.missing > STACK_MAX_SLICES)
            break;
    }
    return gaps;
}

static bool check_gaps(struct stack *stack, const struct gaps *gaps, double step_mm, struct err *err)
{
    int all = stack->position_count + gaps->missing;
    if (gaps->missing && (gaps->longest > MAX_MISSING_RUN || gaps->missing > missing_share * all))
        return err_decline(err, "missing_slices", "%d of %d slices are missing, up to %d in a row",
                           gaps->missing, all, gaps->longest);
    if (gaps->worst_mm > irregular_share * step_mm)
        return err_decline(err, "irregular_spacing", "slice spacing of %.3f mm varies by up to %.3f mm",
                           step_mm, gaps->worst_mm);
    if (all > STACK_MAX_SLICES)
        return err_decline(err, "too_many_slices", "%d slices", all);
    return !gaps->missing ||
           stack_warn(stack, err, "interpolated: %d of %d slices were missing", gaps->missing, all);
}

/* Largest distance of a position from the grid of `depth` slices between the first and the last. */
static double off_grid(const struct stack *stack)
{
    double worst = 0;
    for (int i = 0; i < stack->position_count; i++) {
        double z = (stack->positions[i] - stack->positions[0]) / stack->spacing_mm;
        worst = fmax(worst, fabs(z - round(z)) * stack->spacing_mm);
    }
    return worst;
}

static void set_shift(const struct stack *stack, const struct stack_frame *frame, double shift_yx_px[2])
{
    const double spacing_yx_mm[2] = {stack->axes->spacing_y_mm, stack->axes->spacing_x_mm};
    for (int a = 0; a < 2; a++)
        shift_yx_px[a] = stack->tilted ? (frame->aside_yx_mm[a] - stack->low_yx_mm[a]) / spacing_yx_mm[a] : 0;
}

static void set_slice(const struct stack *stack, int phase, int z, int position, double weight)
{
    struct volume_slice *slice = &stack->slices[(size_t)phase * (size_t)stack->depth + (size_t)z];
    const struct stack_frame *below =
        &stack->frames[(size_t)position * (size_t)stack->phases + (size_t)phase];
    *slice = (struct volume_slice){.at = {below->head, below->frame}};
    set_shift(stack, below, slice->shift_yx_px);
    if (weight > 0) {
        const struct stack_frame *above = below + stack->phases;
        slice->next = (struct dicom_frame_ref){above->head, above->frame};
        slice->next_weight = weight;
        set_shift(stack, above, slice->next_shift_yx_px);
    }
}

/* Lay every slice z on the position at its place, or between the two round it. */
static void set_slices(const struct stack *stack, double tolerance_mm)
{
    int position = 0;
    for (int z = 0; z < stack->depth; z++) {
        double place = stack->positions[0] + z * stack->spacing_mm;
        while (position + 1 < stack->position_count && stack->positions[position + 1] <= place + tolerance_mm)
            position++;
        double weight = 0;
        if (place - stack->positions[position] > tolerance_mm && position + 1 < stack->position_count)
            weight = (place - stack->positions[position]) /
                     (stack->positions[position + 1] - stack->positions[position]);
        for (int phase = 0; phase < stack->phases; phase++)
            set_slice(stack, phase, z, position, weight);
    }
}

static bool set_depth(struct stack *stack, int depth, double spacing_mm, struct err *err)
{
    stack->depth = depth;
    stack->spacing_mm = stack_rounded(spacing_mm);
    stack->slices = ARENA_ARRAY(stack->arena, struct volume_slice, (size_t)depth * (size_t)stack->phases);
    return stack->slices || err_fail(err, ERR_NOMEM, "out of memory for %d slices", depth);
}

/* One position: as thick as it says. */
static bool lay_single(struct stack *stack, struct err *err)
{
    double thickness_mm = stack->frames[0].head->slice_thickness_mm;
    if (!set_depth(stack, 1, thickness_mm > 0 && thickness_mm < thickest_mm ? thickness_mm : 1, err))
        return false;
    set_slices(stack, 0);
    return true;
}

bool stack_grid(struct stack *stack, struct err *err)
{
    if (stack->position_count == 1)
        return lay_single(stack, err);
    double *steps = ARENA_ARRAY(stack->arena, double, (size_t)stack->position_count);
    if (!steps)
        return err_fail(err, ERR_NOMEM, "out of memory for %d positions", stack->position_count);
    double step_mm = median_step(stack, steps);
    struct gaps gaps = find_gaps(stack, step_mm);
    if (!check_gaps(stack, &gaps, step_mm, err))
        return false;
    int depth = stack->position_count + gaps.missing;
    double whole_mm = stack->positions[stack->position_count - 1] - stack->positions[0];
    if (!set_depth(stack, depth, whole_mm / (depth - 1), err))
        return false;
    double tolerance_mm = fmin(fmax(regular_share * step_mm, regular_mm), step_mm / 4);
    if (fmax(gaps.worst_mm, off_grid(stack)) <= tolerance_mm) {
        set_slices(stack, 1.01 * tolerance_mm);
        return true;
    }
    set_slices(stack, 1e-6);
    return stack_warn(stack, err, "resampled: slice spacing of %.3f mm varies by up to %.3f mm", step_mm,
                      gaps.worst_mm);
}
