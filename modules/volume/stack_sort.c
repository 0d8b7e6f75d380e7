/* Slice positions and the same object given twice. */
#include "volume/stack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double cluster_mm = 0.01, cluster_share = 0.01; /* source: docs/volumes.md */

static int ascending(double a, double b)
{
    return (a > b) - (a < b);
}

int stack_by_uid(const struct stack_frame *a, const struct stack_frame *b)
{
    int order = strcmp(a->head->id.sop_uid, b->head->id.sop_uid);
    return order ? order : a->frame - b->frame;
}

static int by_along(const void *left, const void *right)
{
    const struct stack_frame *a = left, *b = right;
    int order = ascending(a->along, b->along);
    return order ? order : stack_by_uid(a, b);
}

static int by_value(const void *left, const void *right)
{
    return ascending(*(const double *)left, *(const double *)right);
}

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

/* The same object listed twice. Frames are by position, then UID where positions are exactly equal. */
static bool drop_repeated(struct stack *stack, struct err *err)
{
    int kept = 1;
    for (int i = 1; i < stack->frame_count; i++) {
        const struct stack_frame *last = &stack->frames[kept - 1], *frame = &stack->frames[i];
        bool repeated =
            last->position == frame->position && !stack_by_uid(last, frame) && *frame->head->id.sop_uid;
        if (!repeated)
            stack->frames[kept++] = *frame;
    }
    int dropped = stack->frame_count - kept;
    stack->frame_count = kept;
    return !dropped || stack_warn(stack, err, "repeated: %d images were given more than once", dropped);
}

/* Fewest and most images at one position. */
static void count_images(const struct stack *stack, int *ret_fewest, int *ret_most)
{
    *ret_fewest = stack->frame_count;
    *ret_most = 0;
    for (int i = 0, run; i < stack->frame_count; i += run) {
        for (run = 1; i + run < stack->frame_count; run++) {
            if (stack->frames[i + run].position != stack->frames[i].position)
                break;
        }
        *ret_fewest = run < *ret_fewest ? run : *ret_fewest;
        *ret_most = run > *ret_most ? run : *ret_most;
    }
}

bool stack_sort(struct stack *stack, struct err *err)
{
    int fewest, most;
    if (!find_positions(stack, err) || !drop_repeated(stack, err))
        return false;
    count_images(stack, &fewest, &most);
    stack->phases = most;
    if (fewest < most)
        return stack_spare(stack, fewest, most, err);
    return most == 1 || stack_phases(stack, err);
}
