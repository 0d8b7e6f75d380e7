/* Several images at each position: phases, second takes, or a mixture. */
#include "dicom/dicom_gating.h"
#include "volume/stack.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* source of every number here: docs/volumes.md */
enum { EVEN_LEAST = 8, EVEN_SPREAD = 2 }; /* phases that may be evened out: at least, and by how many */

static int ascending(double a, double b)
{
    return (a > b) - (a < b);
}

static int by_position_and_time(const void *left, const void *right)
{
    const struct stack_frame *a = left, *b = right;
    int order = a->position - b->position;
    if (!order)
        order = ascending(a->time, b->time);
    return order ? order : stack_by_uid(a, b);
}

/* ---- keys ---- */

typedef bool (*time_key)(const struct stack_frame *frame, double *time);

static bool key_trigger(const struct stack_frame *frame, double *time)
{
    *time = frame->at->trigger_ms;
    return dicom_trigger_counts(frame->head, frame->at);
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

/* The first number in a text of a CT; Siemens tells phases in milliseconds apart by nothing else. */
static bool number_in(const struct stack_frame *frame, const char *text, double *time)
{
    while (*text && !isdigit((unsigned char)*text))
        text++;
    *time = strtod(text, NULL);
    return frame->head->kind == DICOM_KIND_CT && *text;
}

static bool key_comments(const struct stack_frame *frame, double *time)
{
    return number_in(frame, frame->head->image_comments, time);
}

static bool key_options(const struct stack_frame *frame, double *time)
{
    return number_in(frame, frame->head->scan_options, time);
}

static bool key_acquired(const struct stack_frame *frame, double *time)
{
    *time = frame->clock_s[STACK_ACQUIRED];
    return frame->at->has_acquisition_time;
}

static bool key_time(const struct stack_frame *frame, double *time)
{
    *time = frame->clock_s[STACK_SHOWN];
    return frame->at->has_time;
}

static bool key_acquisition(const struct stack_frame *frame, double *time)
{
    *time = frame->head->acquisition_number;
    return true;
}

static bool key_number(const struct stack_frame *frame, double *time)
{
    *time = (double)frame->head->instance_number * (1 << 20) + frame->frame;
    return true;
}

static const time_key keys[] = {key_trigger, key_percent,  key_index, key_comments,
                                key_options, key_acquired, key_time,  key_acquisition};
enum { KEYS = sizeof keys / sizeof *keys, FIRST_OF_SCAN = KEYS - 3 }; /* from there: when it was taken */

/* ---- phases ---- */

/* Sort by position and `key`; false when a frame lacks it. */
static bool sort_by(struct stack *stack, time_key key)
{
    for (int i = 0; i < stack->frame_count; i++) {
        if (!key(&stack->frames[i], &stack->frames[i].time))
            return false;
    }
    qsort(stack->frames, (size_t)stack->frame_count, sizeof *stack->frames, by_position_and_time);
    return true;
}

static bool same_moment(const struct stack_frame *a, const struct stack_frame *b)
{
    return a->position == b->position && a->time == b->time;
}

/* Does the key tell the frames of every position apart? */
static bool ranks(struct stack *stack, time_key key)
{
    if (!sort_by(stack, key))
        return false;
    for (int i = 1; i < stack->frame_count; i++) {
        if (same_moment(&stack->frames[i - 1], &stack->frames[i]))
            return false;
    }
    return true;
}

/* Frames at one place that differ in anything but time: two kernels, echoes, magnitude and phase. */
static bool check_alike(const struct stack *stack, bool any_inversion, struct err *err)
{
    for (int i = 1; i < stack->frame_count; i++) {
        const struct dicom_head *a = stack->frames[i - 1].head, *b = stack->frames[i].head;
        if (stack->frames[i - 1].position != stack->frames[i].position)
            continue;
        const struct dicom_frame *at = stack->frames[i - 1].at, *next = stack->frames[i].at;
        bool alike = at->kind_hash == next->kind_hash &&
                     (any_inversion || fabs(at->inversion_ms - next->inversion_ms) <= 0.01);
        if (a == b && alike)
            continue;
        if (!alike || strcmp(a->kernel, b->kernel) != 0 || strcmp(a->image_type, b->image_type) != 0 ||
            strcmp(a->contrast_agent, b->contrast_agent) != 0 || fabs(a->echo_ms - b->echo_ms) > 0.01)
            return err_decline(
                err, "mixed_phases",
                "images at one position differ in image type, kernel, contrast, echo or inversion time");
    }
    return true;
}

static bool decline_mixed(int fewest, int most, const struct stack *stack, struct err *err)
{
    return err_decline(err, "mixed_phases", "%d to %d images at each of %d positions", fewest, most,
                       stack->position_count);
}

/* CT whose positions all have the same acquisitions, one image of each, and that says no phase: the whole
 * scan was taken several times. The last is kept. */
static bool drop_scans(struct stack *stack, struct err *err)
{
    int scans = stack->phases;
    if (stack->frames[0].head->kind != DICOM_KIND_CT || stack->frame_count != scans * stack->position_count ||
        !ranks(stack, key_acquisition))
        return true;
    for (int i = 0; i < stack->frame_count; i++) {
        if (stack->frames[i].time != stack->frames[i % scans].time)
            return true;
    }
    for (int z = 0; z < stack->position_count; z++)
        stack->frames[z] = stack->frames[(z + 1) * scans - 1];
    stack->frame_count = stack->position_count;
    stack->phases = 1;
    return stack_warn(stack, err, "scan_repeated: the scan was taken %d times; the last is used", scans);
}

bool stack_phases(struct stack *stack, struct err *err)
{
    if (!check_alike(stack, false, err))
        return false;
    for (int i = 0; i < KEYS; i++) {
        if (ranks(stack, keys[i])) {
            if (i < FIRST_OF_SCAN)
                return true;
            return drop_scans(stack, err) && (stack->phases == 1 || ranks(stack, keys[i]));
        }
    }
    if (!ranks(stack, key_number))
        return err_decline(err, "mixed_phases", "several images at a position and nothing tells them apart");
    return stack_warn(stack, err,
                      "phase_order: phases are in the order of instance numbers, no time tells them apart");
}

/* ---- as many images as there should be ---- */

bool stack_newer(const struct stack_frame *a, const struct stack_frame *b)
{
    if (a->head->acquisition_number != b->head->acquisition_number)
        return a->head->acquisition_number > b->head->acquisition_number;
    if (a->at->has_time && b->at->has_time && a->clock_s[STACK_SHOWN] != b->clock_s[STACK_SHOWN])
        return a->clock_s[STACK_SHOWN] > b->clock_s[STACK_SHOWN];
    if (a->head->instance_number != b->head->instance_number)
        return a->head->instance_number > b->head->instance_number;
    return stack_by_uid(a, b) > 0;
}

static bool is_even(const struct stack *stack, const struct stack_frame *frames, int count)
{
    int each = count / stack->position_count;
    for (int i = 0; i < count; i++) {
        if (frames[i].position != i / each)
            return false;
    }
    return count % stack->position_count == 0;
}

/* The newest of the frames at each moment. Returns how many there are. */
static int newest(const struct stack *stack, struct stack_frame *kept)
{
    int count = 0;
    for (int i = 0; i < stack->frame_count; i++) {
        const struct stack_frame *frame = &stack->frames[i];
        if (!count || !same_moment(&kept[count - 1], frame))
            kept[count++] = *frame;
        else if (stack_newer(frame, &kept[count - 1]))
            kept[count - 1] = *frame;
    }
    return count;
}

static bool key_none(const struct stack_frame *frame, double *time)
{
    (void)frame;
    *time = 0;
    return true;
}

/* A new inversion time is a new take, of as many slices as it may be of fewer than half. */
static bool differ_in_inversion(const struct stack *stack)
{
    for (int i = 1; i < stack->frame_count; i++) {
        if (fabs(stack->frames[i].at->inversion_ms - stack->frames[0].at->inversion_ms) > 0.01)
            return true;
    }
    return false;
}

/* A few moments have a second take: keep the newest of each. Without phases every position is one moment. */
static bool drop_older(struct stack *stack, bool *ret_done, struct err *err)
{
    struct stack_frame *kept = ARENA_ARRAY(stack->arena, struct stack_frame, (size_t)stack->frame_count);
    if (!kept)
        return err_fail(err, ERR_NOMEM, "out of memory for %d frames", stack->frame_count);
    for (int i = -1; i < KEYS && !*ret_done; i++) {
        if (!sort_by(stack, i < 0 ? key_none : keys[i]))
            continue;
        int count = newest(stack, kept), dropped = stack->frame_count - count;
        bool new_times = i < 0 && differ_in_inversion(stack);
        bool few = dropped <= 2 || 50 * dropped <= count || new_times;
        if (!few || 2 * dropped >= count || !is_even(stack, kept, count))
            continue;
        *ret_done = true;
        if (!check_alike(stack, new_times, err) ||
            !stack_warn(stack, err, "duplicates: %d older images of a place and time were left out", dropped))
            return false;
        memcpy(stack->frames, kept, (size_t)count * sizeof *kept);
        stack->frame_count = count;
    }
    return true;
}

/* Frames of the position that begins at `start`. */
static int run_length(const struct stack *stack, int start)
{
    int end = start;
    while (end < stack->frame_count && stack->frames[end].position == stack->frames[start].position)
        end++;
    return end - start;
}

/* How many phases most positions have; of equals the most. */
static int usual_phases(const struct stack *stack, int fewest)
{
    int tally[EVEN_SPREAD + 1] = {0}, usual = 0;
    for (int i = 0, run; i < stack->frame_count; i += run) {
        run = run_length(stack, i);
        tally[run - fewest]++;
    }
    for (int i = 1; i <= EVEN_SPREAD; i++)
        usual = tally[i] >= tally[usual] ? i : usual;
    return fewest + usual;
}

/* Slices of a cine that were taken one after the other have a phase more or less each: every one gets as many
 * as most have, by the nearest place in the heartbeat. */
static bool even_out(struct stack *stack, int fewest, struct err *err)
{
    int phases = usual_phases(stack, fewest);
    size_t count = (size_t)phases * (size_t)stack->position_count;
    struct stack_frame *frames = ARENA_ARRAY(stack->arena, struct stack_frame, count);
    if (!frames)
        return err_fail(err, ERR_NOMEM, "out of memory for %zu frames", count);
    for (int i = 0, run; i < stack->frame_count; i += run) {
        run = run_length(stack, i);
        for (int phase = 0; phase < phases; phase++) {
            int from = (int)lround((double)phase * run / phases);
            frames[stack->frames[i].position * phases + phase] =
                stack->frames[i + (from < run ? from : run - 1)];
        }
    }
    stack->frames = frames;
    stack->frame_count = (int)count;
    stack->phases = phases;
    return true;
}

bool stack_spare(struct stack *stack, int fewest, int most, struct err *err)
{
    bool done = false;
    if (!drop_older(stack, &done, err))
        return false;
    if (done) { /* in the order of the key that told the takes apart */
        stack->phases = stack->frame_count / stack->position_count;
        return true;
    }
    if (stack->frames[0].head->kind != DICOM_KIND_MR || fewest < EVEN_LEAST || most - fewest > EVEN_SPREAD)
        return decline_mixed(fewest, most, stack, err);
    return stack_phases(stack, err) && even_out(stack, fewest, err) &&
           stack_warn(stack, err, "phases_equalised: %d to %d images at a position, taken as %d phases",
                      fewest, most, stack->phases);
}
