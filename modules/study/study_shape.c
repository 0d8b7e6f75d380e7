#include "study/study_shape.h"

#include "dicom/dicom_gating.h"
#include "study/study_words.h"

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
        ret->images[ret->positions - 1] = run;
        ret->most = run > ret->most ? run : ret->most;
    }
    ret->fewest = run < ret->fewest ? run : ret->fewest;
}

bool study_shape_places(const struct dicom_frame_ref *frames, int count, const double normal[3],
                        struct arena *arena, struct study_places *ret)
{
    double *sorted = ARENA_ARRAY(arena, double, (size_t)count + 1);
    double *steps = ARENA_ARRAY(arena, double, (size_t)count + 1);
    *ret = (struct study_places){.along = ARENA_ARRAY(arena, double, (size_t)count + 1),
                                 .images = ARENA_ARRAY(arena, double, (size_t)count + 1)};
    if (!sorted || !steps || !ret->along || !ret->images)
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

/* Of a number that means nothing at 0. */
static double known(double number)
{
    return number > 0 ? number : NAN;
}

static bool is_gated(const struct dicom_head *head, const struct dicom_frame *at)
{
    return dicom_gated(head) || (at->has_phase_percent && !at->percent_of_series) ||
           study_words_gated(head->id.series_description);
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

/* Trigger times at the first position: how many there are, and whether they fit one heartbeat; later ones are
 * those of a dynamic scan. */
static bool measure_triggers(const struct study_stack *stack, const struct study_places *places,
                             struct arena *arena, bool *ret_fit, double *ret_different)
{
    double *times = ARENA_ARRAY(arena, double, (size_t)stack->frame_count);
    int count = 0;
    *ret_fit = true;
    *ret_different = NAN;
    for (int i = 0; times && places->positions > 0 && i < stack->frame_count; i++) {
        const struct dicom_frame *at = study_frame(&stack->frames[i]);
        if (at->has_trigger && study_along(at, stack->shape.normal_lps) - places->first <= 0.05)
            times[count++] = round(at->trigger_ms);
    }
    if (!times || count == 0)
        return times;
    qsort(times, (size_t)count, sizeof *times, by_value);
    *ret_fit = times[count - 1] - times[0] <= dicom_beat_ms(stack->frames[0].head);
    *ret_different = 0;
    for (int i = 0; i < count; i++)
        *ret_different += i == 0 || times[i] > times[i - 1];
    return true;
}

/* ---- what most frames say ---- */

typedef double (*number_of)(const struct dicom_head *head, const struct dicom_frame *at);

static double thickness(const struct dicom_head *head, const struct dicom_frame *at)
{
    (void)at;
    return known(head->slice_thickness_mm);
}

static double field(const struct dicom_head *head, const struct dicom_frame *at)
{
    return known(fmin(head->columns * at->spacing_x_mm, head->rows * at->spacing_y_mm));
}

static double echo(const struct dicom_head *head, const struct dicom_frame *at)
{
    (void)at;
    return known(head->echo_ms);
}

static double inversion(const struct dicom_head *head, const struct dicom_frame *at)
{
    (void)head;
    return known(at->inversion_ms);
}

static double velocity(const struct dicom_head *head, const struct dicom_frame *at)
{
    (void)at;
    return known(head->velocity_cm_s);
}

static double voltage(const struct dicom_head *head, const struct dicom_frame *at)
{
    (void)at;
    return known(head->tube_kv);
}

static double kernel(const struct dicom_head *head, const struct dicom_frame *at)
{
    (void)at;
    return study_words_kernel_number(head->kernel);
}

static double contrast(const struct dicom_head *head, const struct dicom_frame *at)
{
    (void)at;
    return study_words_agent(head->contrast_agent);
}

static double gated(const struct dicom_head *head, const struct dicom_frame *at)
{
    return is_gated(head, at);
}

static double timed(const struct dicom_head *head, const struct dicom_frame *at)
{
    (void)head;
    return at->has_trigger || at->has_temporal_index;
}

static double indexed(const struct dicom_head *head, const struct dicom_frame *at)
{
    (void)head;
    return at->has_temporal_index;
}

static double burnt_in(const struct dicom_head *head, const struct dicom_frame *at)
{
    (void)at;
    return head->burnt_in;
}

static int known_first(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return isnan(a) || isnan(b) ? isnan(a) - isnan(b) : (a > b) - (a < b);
}

/* The middle one, which is that of most when most have one; NAN when most have none. */
static double usual(const struct study_stack *stack, number_of of, double *room)
{
    int count = stack->frame_count;
    bool same = true;
    for (int i = 0; i < count; i++) {
        room[i] = of(stack->frames[i].head, study_frame(&stack->frames[i]));
        same &= known_first(&room[0], &room[i]) == 0;
    }
    if (!same)
        qsort(room, (size_t)count, sizeof *room, known_first);
    return room[count / 2];
}

static void measure_heads(struct study_stack *stack, bool triggers_fit, double *room)
{
    struct study_shape *shape = &stack->shape;
    shape->thickness_mm = usual(stack, thickness, room);
    shape->field_mm = usual(stack, field, room);
    shape->echo_ms = usual(stack, echo, room);
    shape->inversion_ms = usual(stack, inversion, room);
    shape->velocity_cm_s = usual(stack, velocity, room);
    shape->kv = usual(stack, voltage, room);
    shape->kernel_number = usual(stack, kernel, room);
    shape->contrast = usual(stack, contrast, room);
    shape->burnt_in = usual(stack, burnt_in, room);
    shape->timed = usual(stack, triggers_fit ? timed : indexed, room);
    shape->gated = triggers_fit && (shape->trigger_times > 1 || usual(stack, gated, room) > 0);
    shape->lossy = 0;
    for (int i = 0; i < stack->frame_count && shape->lossy == 0; i++)
        shape->lossy = strcmp(stack->frames[i].head->lossy, "01") == 0;
}

bool study_shape_measure(struct study_stack *stack, struct arena *arena)
{
    struct study_shape *shape = &stack->shape;
    struct study_places places;
    double *room = ARENA_ARRAY(arena, double, (size_t)stack->frame_count);
    bool triggers_fit, oriented = study_normal(study_frame(&stack->frames[0]), shape->normal_lps);
    if (!room || !study_shape_places(stack->frames, stack->frame_count, shape->normal_lps, arena, &places) ||
        !measure_triggers(stack, &places, arena, &triggers_fit, &shape->trigger_times))
        return false;
    shape->images = stack->frame_count;
    shape->positions = places.positions;
    qsort(places.images, (size_t)places.positions, sizeof *places.images, by_value);
    shape->images_per_position = places.positions ? places.images[places.positions / 2] : NAN;
    shape->length_mm = places.positions ? places.last - places.first : NAN;
    shape->spacing_mm = places.positions > 1 ? shape->length_mm / (places.positions - 1) : NAN;
    shape->percent = shared_percent(stack);
    measure_heads(stack, triggers_fit, room);
    for (int i = 0; !oriented && i < 3; i++)
        shape->normal_lps[i] = NAN;
    return true;
}
