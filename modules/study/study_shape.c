#include "study/study_shape.h"

#include "study/study_text.h"

#include <stdlib.h>
#include <string.h>

static const double cluster_mm = 0.01, cluster_share = 0.01; /* source: docs/volumes.md */
static const double phase_percent = 5;                       /* two percentages as far apart are two phases */

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* ---- places ---- */

/* Cut sorted places where a step is above `tolerance_mm`; the first of each cluster goes to `at`. */
static void cluster(const double *sorted, int count, double tolerance_mm, struct study_places *ret)
{
    int run = 0;
    ret->positions = ret->most = 0;
    ret->fewest = count;
    for (int i = 0; i < count; i++) {
        if (i == 0 || sorted[i] - ret->along[ret->positions - 1] > tolerance_mm) {
            ret->fewest = i > 0 && run < ret->fewest ? run : ret->fewest;
            ret->along[ret->positions++] = sorted[i];
            run = 0;
        }
        run++;
        ret->most = run > ret->most ? run : ret->most;
    }
    ret->fewest = run < ret->fewest ? run : ret->fewest;
}

bool study_shape_places(const struct dicom_frame_ref *frames, int count, const double normal[3],
                        struct arena *arena, struct study_places *ret)
{
    double *sorted = ARENA_ARRAY(arena, double, (size_t)count + 1);
    double *steps = ARENA_ARRAY(arena, double, (size_t)count + 1);
    *ret = (struct study_places){.along = ARENA_ARRAY(arena, double, (size_t)count + 1)};
    if (!sorted || !steps || !ret->along)
        return false;
    for (int i = 0; i < count; i++) {
        const struct dicom_frame *at = study_frame(&frames[i]);
        sorted[i] = study_along(at, normal);
        if (!at->has_position || !at->has_orientation || !isfinite(sorted[i]))
            return true;
    }
    qsort(sorted, (size_t)count, sizeof *sorted, by_value);
    cluster(sorted, count, cluster_mm, ret);
    for (int i = 1; i < ret->positions; i++)
        steps[i - 1] = ret->along[i] - ret->along[i - 1];
    if (ret->positions > 1) {
        qsort(steps, (size_t)ret->positions - 1, sizeof *steps, by_value);
        double tolerance_mm = cluster_share * steps[(ret->positions - 1) / 2];
        if (tolerance_mm > cluster_mm)
            cluster(sorted, count, tolerance_mm, ret);
    }
    ret->first = count ? sorted[0] : 0;
    ret->last = count ? sorted[count - 1] : 0;
    return true;
}

/* ---- what heads say ---- */

static const char no_contrast[] = "no|none|n|n/a|native|without|w/o|0"; /* as technologists enter it */

/* Siemens' kernels are a letter or two and a number; other vendors' numbers mean something else. */
static double kernel_number(const char *kernel)
{
    const char *digits = kernel + strcspn(kernel, "0123456789");
    return *kernel && strchr("BbHQ", *kernel) && *digits ? (double)strtol(digits, NULL, 10) : NAN;
}

/* Of a number that means nothing at 0. */
static double known(double number)
{
    return number > 0 ? number : NAN;
}

static bool is_gated(const struct dicom_head *head, const struct dicom_frame *at)
{
    const char *sync = head->cardiac_sync;
    return (*sync && strcmp(sync, "NONE") != 0) || at->has_phase_percent ||
           (at->has_trigger && head->interval_ms > 0) ||
           study_text_has(head->scan_options, 0, "cg|ppg|ecg") ||
           study_text_mentions(head->id.series_description, "gated|ecg");
}

static double shared_percent(const struct study_stack *stack)
{
    double least = INFINITY, most = -INFINITY;
    for (int i = 0; i < stack->frame_count; i++) {
        const struct dicom_frame *at = study_frame(&stack->frames[i]);
        if (!at->has_phase_percent)
            return NAN;
        least = fmin(least, at->phase_percent);
        most = fmax(most, at->phase_percent);
    }
    return most - least <= phase_percent ? (least + most) / 2 : NAN;
}

static double trigger_times(const struct study_stack *stack, const struct study_places *places,
                            struct arena *arena)
{
    double *times = ARENA_ARRAY(arena, double, (size_t)stack->frame_count);
    int count = 0, different = 0;
    for (int i = 0; times && places->positions > 0 && i < stack->frame_count; i++) {
        const struct dicom_frame *at = study_frame(&stack->frames[i]);
        if (at->has_trigger && study_along(at, stack->shape.normal_lps) - places->first <= 0.05)
            times[count++] = round(at->trigger_ms);
    }
    if (count == 0)
        return NAN;
    qsort(times, (size_t)count, sizeof *times, by_value);
    for (int i = 0; i < count; i++)
        different += i == 0 || times[i] > times[i - 1];
    return different;
}

static void measure_head(struct study_shape *shape, const struct dicom_head *head)
{
    const struct dicom_frame *at = &head->frames[0];
    shape->thickness_mm = known(head->slice_thickness_mm);
    shape->field_mm = known(fmin(head->columns * at->spacing_x_mm, head->rows * at->spacing_y_mm));
    shape->echo_ms = known(head->echo_ms);
    shape->inversion_ms = known(head->inversion_ms);
    shape->velocity_cm_s = known(head->velocity_cm_s);
    shape->kv = known(head->tube_kv);
    shape->kernel_number = kernel_number(head->kernel);
    shape->contrast = *head->contrast_agent && !study_text_has(head->contrast_agent, 0, no_contrast);
    shape->gated = is_gated(head, at);
    shape->timed = at->has_trigger || at->has_temporal_index;
    shape->burnt_in = head->burnt_in;
    shape->lossy = strcmp(head->lossy, "01") == 0;
}

bool study_shape_measure(struct study_stack *stack, struct arena *arena)
{
    struct study_shape *shape = &stack->shape;
    struct study_places places;
    bool oriented = study_normal(study_frame(&stack->frames[0]), shape->normal_lps);
    if (!study_shape_places(stack->frames, stack->frame_count, shape->normal_lps, arena, &places))
        return false;
    shape->images = stack->frame_count;
    shape->positions = places.positions;
    shape->images_per_position = places.positions ? shape->images / shape->positions : NAN;
    shape->length_mm = places.positions ? places.last - places.first : NAN;
    shape->spacing_mm = places.positions > 1 ? shape->length_mm / (places.positions - 1) : NAN;
    measure_head(shape, stack->frames[0].head);
    shape->percent = shared_percent(stack);
    shape->trigger_times = trigger_times(stack, &places, arena);
    if (shape->trigger_times > 1)
        shape->gated = 1;
    for (int i = 0; !oriented && i < 3; i++)
        shape->normal_lps[i] = NAN;
    return true;
}
