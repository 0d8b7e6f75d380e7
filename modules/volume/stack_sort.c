/* Slice positions, duplicates and phases. */
#include "volume/stack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double cluster_mm = 0.01, cluster_share = 0.01; /* source: docs/volumes.md */

static int ascending(double a, double b)
{
    return (a > b) - (a < b);
}

static int by_uid(const struct stack_frame *a, const struct stack_frame *b)
{
    int order = strcmp(a->head->id.sop_uid, b->head->id.sop_uid);
    return order ? order : a->frame - b->frame;
}

static int by_along(const void *left, const void *right)
{
    const struct stack_frame *a = left, *b = right;
    int order = ascending(a->along, b->along);
    return order ? order : by_uid(a, b);
}

static int by_position_and_time(const void *left, const void *right)
{
    const struct stack_frame *a = left, *b = right;
    int order = a->position - b->position;
    if (!order)
        order = ascending(a->time, b->time);
    return order ? order : by_uid(a, b);
}

static int by_value(const void *left, const void *right)
{
    return ascending(*(const double *)left, *(const double *)right);
}

/* ---- positions ---- */

/* Number the positions of the sorted frames: a step above `tolerance_mm` begins a new one. */
static void cluster(struct stack *stack, double tolerance_mm)
{
    double start = stack->frames[0].along;
    stack->position_count = 1;
    for (int i = 0; i < stack->frame_count; i++) {
        if (stack->frames[i].along - start > tolerance_mm) {
            start = stack->frames[i].along;
            stack->position_count++;
        }
        stack->frames[i].position = stack->position_count - 1;
        if (stack->position_count == 1 || stack->frames[i].along == start)
            stack->positions[stack->position_count - 1] = start;
    }
}

static bool find_positions(struct stack *stack, struct err *err)
{
    qsort(stack->frames, (size_t)stack->frame_count, sizeof *stack->frames, by_along);
    stack->positions = ARENA_ARRAY(stack->arena, double, (size_t)stack->frame_count);
    double *steps = ARENA_ARRAY(stack->arena, double, (size_t)stack->frame_count);
    if (!stack->positions || !steps)
        return err_fail(err, ERR_NOMEM, "out of memory for %d slice positions", stack->frame_count);
    cluster(stack, cluster_mm);
    int count = stack->position_count - 1;
    for (int i = 0; i < count; i++)
        steps[i] = stack->positions[i + 1] - stack->positions[i];
    if (count > 0) {
        qsort(steps, (size_t)count, sizeof *steps, by_value);
        double tolerance_mm = cluster_share * steps[count / 2];
        if (tolerance_mm > cluster_mm)
            cluster(stack, tolerance_mm);
    }
    if (stack->position_count < stack->least_positions)
        return err_decline(err, "too_few_slices", "%d images at one slice position", stack->frame_count);
    if (stack->position_count > STACK_MAX_SLICES)
        return err_decline(err, "too_many_slices", "%d slice positions", stack->position_count);
    return true;
}

/* ---- duplicates ---- */

/* The same object listed twice. Frames are by position, then UID where positions are exactly equal. */
static bool drop_repeated(struct stack *stack, struct err *err)
{
    int kept = 1;
    for (int i = 1; i < stack->frame_count; i++) {
        const struct stack_frame *last = &stack->frames[kept - 1], *frame = &stack->frames[i];
        bool repeated = last->position == frame->position && !by_uid(last, frame) && *frame->head->id.sop_uid;
        if (!repeated)
            stack->frames[kept++] = *frame;
    }
    int dropped = stack->frame_count - kept;
    stack->frame_count = kept;
    return !dropped || stack_warn(stack, err, "repeated: %d images were given more than once", dropped);
}

/* Is `a` the later of two takes of one slice? */
static bool newer(const struct stack_frame *a, const struct stack_frame *b)
{
    if (a->head->acquisition_number != b->head->acquisition_number)
        return a->head->acquisition_number > b->head->acquisition_number;
    if (a->at->has_time && b->at->has_time && a->at->time_s != b->at->time_s)
        return a->at->time_s > b->at->time_s;
    if (a->head->instance_number != b->head->instance_number)
        return a->head->instance_number > b->head->instance_number;
    return by_uid(a, b) > 0;
}

/* A few positions have a second take: keep the newest of each. */
static bool drop_older(struct stack *stack, struct err *err)
{
    int kept = 0;
    for (int i = 0; i < stack->frame_count; i++) {
        struct stack_frame *frame = &stack->frames[i];
        if (kept && stack->frames[kept - 1].position == frame->position) {
            if (newer(frame, &stack->frames[kept - 1]))
                stack->frames[kept - 1] = *frame;
        } else {
            stack->frames[kept++] = *frame;
        }
    }
    int dropped = stack->frame_count - kept;
    stack->frame_count = kept;
    return stack_warn(stack, err, "duplicates: %d older images at the position of another were left out",
                      dropped);
}

/* ---- phases ---- */

typedef bool (*time_key)(const struct stack_frame *frame, double *time);

/* Philips writes other times into Trigger Time of ungated series: only what fits one heartbeat counts. */
static bool key_trigger(const struct stack_frame *frame, double *time)
{
    double rate = frame->head->heart_rate;
    double longest_ms = rate > 20 && rate < 300 ? 1.25 * 60000 / rate : 3000;
    *time = frame->at->trigger_ms;
    return frame->at->has_trigger && *time >= 0 && *time <= longest_ms;
}

static bool key_percent(const struct stack_frame *frame, double *time)
{
    *time = frame->at->phase_percent;
    return frame->at->has_phase_percent;
}

static bool key_index(const struct stack_frame *frame, double *time)
{
    *time = frame->at->temporal_index;
    return frame->at->has_temporal_index;
}

static bool key_time(const struct stack_frame *frame, double *time)
{
    *time = frame->at->time_s;
    return frame->at->has_time;
}

static bool key_number(const struct stack_frame *frame, double *time)
{
    *time = (double)frame->head->instance_number * (1 << 20) + frame->frame;
    return true;
}

/* Sort by position and `key`; false when a frame lacks it or two frames of one position share it. */
static bool sort_by(struct stack *stack, time_key key)
{
    for (int i = 0; i < stack->frame_count; i++) {
        if (!key(&stack->frames[i], &stack->frames[i].time))
            return false;
    }
    qsort(stack->frames, (size_t)stack->frame_count, sizeof *stack->frames, by_position_and_time);
    for (int i = 1; i < stack->frame_count; i++) {
        const struct stack_frame *last = &stack->frames[i - 1], *frame = &stack->frames[i];
        if (last->position == frame->position && last->time == frame->time)
            return false;
    }
    return true;
}

/* Frames at one place that differ in anything but time: two kernels, echoes, magnitude and phase. */
static bool check_alike(const struct stack *stack, struct err *err)
{
    for (int i = 1; i < stack->frame_count; i++) {
        const struct dicom_head *a = stack->frames[i - 1].head, *b = stack->frames[i].head;
        if (stack->frames[i - 1].position != stack->frames[i].position)
            continue;
        bool alike = stack->frames[i - 1].at->kind_hash == stack->frames[i].at->kind_hash;
        if (a == b && alike)
            continue;
        if (!alike || strcmp(a->kernel, b->kernel) != 0 || strcmp(a->image_type, b->image_type) != 0 ||
            strcmp(a->contrast_agent, b->contrast_agent) != 0 || fabs(a->echo_ms - b->echo_ms) > 0.01 ||
            fabs(a->inversion_ms - b->inversion_ms) > 0.01)
            return err_decline(
                err, "mixed_phases",
                "images at one position differ in image type, kernel, contrast, echo or inversion time");
    }
    return true;
}

static bool rank_phases(struct stack *stack, struct err *err)
{
    static const time_key keys[] = {key_trigger, key_percent, key_index, key_time};
    if (!check_alike(stack, err))
        return false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (sort_by(stack, keys[i]))
            return true;
    }
    if (!sort_by(stack, key_number))
        return err_decline(err, "mixed_phases", "%d images at each position and nothing tells them apart",
                           stack->phases);
    return stack_warn(stack, err,
                      "phase_order: phases are in the order of instance numbers, no time tells them apart");
}

/* Fewest and most images at one position, and how many positions have exactly one. */
static void count_images(const struct stack *stack, int *ret_fewest, int *ret_most, int *ret_single)
{
    *ret_fewest = stack->frame_count;
    *ret_most = *ret_single = 0;
    for (int i = 0, run; i < stack->frame_count; i += run) {
        for (run = 1; i + run < stack->frame_count; run++) {
            if (stack->frames[i + run].position != stack->frames[i].position)
                break;
        }
        *ret_fewest = run < *ret_fewest ? run : *ret_fewest;
        *ret_most = run > *ret_most ? run : *ret_most;
        *ret_single += run == 1;
    }
}

bool stack_sort(struct stack *stack, struct err *err)
{
    if (!find_positions(stack, err) || !drop_repeated(stack, err))
        return false;
    int fewest, most, single, extra = stack->frame_count - stack->position_count;
    count_images(stack, &fewest, &most, &single);
    stack->phases = fewest;
    if (most == 1)
        return true;
    if (fewest == most)
        return rank_phases(stack, err);
    stack->phases = 1;
    if (fewest == 1 && 2 * single > stack->position_count &&
        (extra <= 2 || 50 * extra <= stack->position_count))
        return check_alike(stack, err) && drop_older(stack, err);
    return err_decline(err, "mixed_phases", "%d to %d images at each of %d positions", fewest, most,
                       stack->position_count);
}
