#include "volume/stack.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double orientation_tolerance = 1e-3; /* of a direction cosine; source: docs/volumes.md */
static const double orthogonal_tolerance = 1e-4;
static const double spacing_tolerance_mm = 1e-3;
static const double farthest_mm = 1e5, day_s = 86400;
enum { MOST_CHANGES = 2 };
enum { TYPE_VALUES = 4 }; /* of Image Type; the later ones differ between slices of one take */

bool stack_warn(struct stack *stack, struct err *err, const char *fmt, ...)
{
    char text[200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (stack->warning_count == STACK_MAX_WARNINGS)
        return true;
    stack->warnings[stack->warning_count] = arena_strdup(stack->arena, text);
    if (!stack->warnings[stack->warning_count])
        return err_fail(err, ERR_NOMEM, "out of memory for a warning");
    stack->warning_count++;
    return true;
}

static bool check_pixels(const struct dicom_head *head, const struct dicom_head *first, struct err *err)
{
    if (head->samples_per_pixel != 1 || strncmp(head->photometric, "MONOCHROME", 10) != 0)
        return err_decline(err, "colour_image", "an image is not grey");
    if (head->rows != first->rows || head->columns != first->columns)
        return err_decline(err, "mixed_sizes", "images of %d x %d and %d x %d pixels", first->rows,
                           first->columns, head->rows, head->columns);
    if (strcmp(head->photometric, first->photometric) != 0 || head->is_signed != first->is_signed)
        return err_decline(err, "mixed_sizes", "images with different pixel formats");
    if (head->has_modality_lut != first->has_modality_lut)
        return err_decline(err, "mixed_rescale", "only some images of the series have a Modality LUT");
    return true;
}

/* Hounsfield units need a rescale that can be read, of every slice or of none. */
static bool check_rescale(const struct dicom_head *head, const struct dicom_frame *at,
                          const struct dicom_frame *first, struct err *err)
{
    if (head->kind != DICOM_KIND_CT || head->has_modality_lut)
        return true;
    if (at->bad_rescale)
        return err_decline(err, "bad_rescale", "rescale slope or intercept of an image cannot be read");
    if (at->has_rescale != first->has_rescale)
        return err_decline(err, "mixed_rescale", "only some images of the series have a rescale");
    return true;
}

/* Also false of what is no number. */
static bool is_near(const double *lengths_mm, int count)
{
    for (int i = 0; i < count; i++) {
        if (!(fabs(lengths_mm[i]) <= farthest_mm))
            return false;
    }
    return true;
}

static bool same_direction(const double a[3], const double b[3])
{
    for (int i = 0; i < 3; i++) {
        if (fabs(a[i] - b[i]) > orientation_tolerance)
            return false;
    }
    return true;
}

static bool check_place(const struct dicom_frame *at, const struct dicom_frame *first, struct err *err)
{
    if (!at->has_position || !at->has_orientation)
        return err_decline(err, "no_geometry", "an image has no position or orientation");
    if (!at->has_spacing)
        return err_decline(err, "no_pixel_spacing", "an image has no pixel spacing");
    if (!is_near(at->position_lps, 3) || !is_near(&at->spacing_y_mm, 1) || !is_near(&at->spacing_x_mm, 1))
        return err_decline(err, "absurd_geometry", "an image lies or reaches more than %.0f m away",
                           farthest_mm / 1000);
    if (fabs(stack_dot(at->row_lps, at->column_lps)) > orthogonal_tolerance)
        return err_decline(err, "oblique_axes", "rows and columns of an image are not at right angles");
    if (!same_direction(at->row_lps, first->row_lps) || !same_direction(at->column_lps, first->column_lps))
        return err_decline(err, "mixed_orientation", "images of one series lie in different directions");
    if (fabs(at->spacing_y_mm - first->spacing_y_mm) > spacing_tolerance_mm ||
        fabs(at->spacing_x_mm - first->spacing_x_mm) > spacing_tolerance_mm)
        return err_decline(err, "mixed_sizes", "images of one series have different pixel spacing");
    return true;
}

static bool add_frame(struct stack *stack, const struct dicom_frame_ref *ref, struct err *err)
{
    const struct dicom_head *head = ref->head;
    const struct dicom_frame *at = &head->frames[ref->frame];
    const struct dicom_head *first = stack->frame_count ? stack->frames[0].head : head;
    const struct dicom_frame *first_at = stack->frame_count ? stack->frames[0].at : at;
    stack->frames[stack->frame_count++] = (struct stack_frame){
        .head = head, .at = at, .frame = ref->frame, .clock_s = {at->acquisition_s, at->time_s}};
    return check_pixels(head, first, err) && check_place(at, first_at, err) &&
           check_rescale(head, at, first_at, err);
}

/* Length of the leading values of an Image Type that name the kind. */
static size_t type_length(const char *type)
{
    size_t length = strcspn(type, "\\");
    for (int i = 1; i < TYPE_VALUES && type[length]; i++)
        length += 1 + strcspn(type + length + 1, "\\");
    return length;
}

/* What tells the kinds of two frames apart; NULL when nothing does. */
static const char *difference(const struct stack_frame *left, const struct stack_frame *right)
{
    const struct dicom_head *a = left->head, *b = right->head;
    if (left->at->kind_hash != right->at->kind_hash)
        return "frame type";
    if (a == b)
        return NULL;
    size_t length = type_length(a->image_type);
    if (length != type_length(b->image_type) || strncmp(a->image_type, b->image_type, length) != 0)
        return "image type";
    if (strcmp(a->kernel, b->kernel) != 0)
        return "kernel";
    return fabs(a->echo_ms - b->echo_ms) > 0.01 ? "echo time" : NULL;
}

/* It is set anew for every slice of a late enhancement stack; at one position it must be one: check_alike. */
static bool check_inversion(struct stack *stack, struct err *err)
{
    double least = INFINITY, most = -INFINITY;
    for (int i = 0; i < stack->frame_count; i++) {
        least = fmin(least, stack->frames[i].at->inversion_ms);
        most = fmax(most, stack->frames[i].at->inversion_ms);
    }
    return most - least <= 0.01 ||
           stack_warn(stack, err, "inversion_times: slices differ in inversion time, %.0f to %.0f ms", least,
                      most);
}

/* The contrast agent is typed in, and sometimes forgotten: along the stack it may change, but not to and fro,
 * as where two scans fill each other's gaps. At one position it must be one: check_alike. */
static bool check_contrast(struct stack *stack, struct err *err)
{
    int changes = 0;
    for (int i = 1; i < stack->frame_count; i++) {
        const struct stack_frame *last = &stack->frames[i - 1], *frame = &stack->frames[i];
        changes += last->position != frame->position &&
                   strcmp(last->head->contrast_agent, frame->head->contrast_agent) != 0;
    }
    if (changes > MOST_CHANGES)
        return err_decline(err, "mixed_series", "images of one series differ in contrast agent");
    return changes == 0 || stack_warn(stack, err, "contrast_agents: slices differ in contrast agent");
}

static int by_reference(const void *left, const void *right)
{
    const struct dicom_head *a = *(const struct dicom_head *const *)left;
    const struct dicom_head *b = *(const struct dicom_head *const *)right;
    int order = strcmp(a->id.frame_of_reference, b->id.frame_of_reference);
    return order ? order : (a > b) - (a < b);
}

/* Some anonymisers give each object a frame of reference of its own (LIDC-IDRI, Sunnybrook); that says
 * nothing. Two that share one show that it means something. */
static bool check_references(struct stack *stack, struct err *err)
{
    const struct dicom_head **heads =
        ARENA_ARRAY(stack->arena, const struct dicom_head *, (size_t)stack->frame_count);
    if (!heads)
        return err_fail(err, ERR_NOMEM, "out of memory for %d frames", stack->frame_count);
    for (int i = 0; i < stack->frame_count; i++)
        heads[i] = stack->frames[i].head;
    qsort(heads, (size_t)stack->frame_count, sizeof *heads, by_reference);
    bool differ = false, shared = false;
    for (int i = 1; i < stack->frame_count; i++) {
        bool same = strcmp(heads[i - 1]->id.frame_of_reference, heads[i]->id.frame_of_reference) == 0;
        differ |= !same;
        shared |= same && heads[i - 1] != heads[i];
    }
    if (differ && shared)
        return err_decline(err, "mixed_series", "images of one series differ in frame of reference");
    return !differ ||
           stack_warn(stack, err, "own_references: every object has a frame of reference of its own");
}

bool stack_check_kinds(struct stack *stack, struct err *err)
{
    for (int i = 1; i < stack->frame_count; i++) {
        const char *word = difference(&stack->frames[0], &stack->frames[i]);
        if (word)
            return err_decline(err, "mixed_series", "images of one series differ in %s", word);
    }
    return check_inversion(stack, err) && check_contrast(stack, err) && check_references(stack, err);
}

/* The frame whose axes count, the same in any order. */
static const struct dicom_frame *choose_axes(const struct stack *stack)
{
    const struct stack_frame *least = &stack->frames[0];
    for (int i = 1; i < stack->frame_count; i++) {
        if (stack_by_uid(&stack->frames[i], least) < 0)
            least = &stack->frames[i];
    }
    return least->at;
}

static void set_places(struct stack *stack)
{
    const struct dicom_frame *axes = stack->axes = choose_axes(stack);
    const double *row = axes->row_lps, *column = axes->column_lps;
    double *normal = stack->normal;
    normal[0] = row[1] * column[2] - row[2] * column[1];
    normal[1] = row[2] * column[0] - row[0] * column[2];
    normal[2] = row[0] * column[1] - row[1] * column[0];
    double length = sqrt(stack_dot(normal, normal)); /* 1 within the tolerance above */
    for (int i = 0; i < 3; i++)
        normal[i] /= length;
    for (int i = 0; i < stack->frame_count; i++) {
        struct stack_frame *frame = &stack->frames[i];
        frame->along = stack_dot(frame->at->position_lps, normal);
        frame->aside_yx_mm[0] = stack_dot(frame->at->position_lps, column);
        frame->aside_yx_mm[1] = stack_dot(frame->at->position_lps, row);
    }
}

/* What is taken after midnight was taken later all the same. */
static void pass_midnight(struct stack *stack, int clock)
{
    double least = INFINITY, most = -INFINITY;
    for (int i = 0; i < stack->frame_count; i++) {
        const struct stack_frame *frame = &stack->frames[i];
        if (clock == STACK_ACQUIRED ? !frame->at->has_acquisition_time : !frame->at->has_time)
            continue;
        least = fmin(least, frame->clock_s[clock]);
        most = fmax(most, frame->clock_s[clock]);
    }
    for (int i = 0; most - least > day_s / 2 && i < stack->frame_count; i++)
        stack->frames[i].clock_s[clock] += stack->frames[i].clock_s[clock] < day_s / 2 ? day_s : 0;
}

bool stack_collect(struct stack *stack, const struct dicom_frame_ref *frames, int frame_count,
                   struct err *err)
{
    if (frame_count < 1)
        return err_decline(err, "no_pixels", "there is no image");
    if (frame_count > 1 << 20)
        return err_decline(err, "too_many_slices", "%d frames in one stack", frame_count);
    stack->frames = ARENA_ARRAY(stack->arena, struct stack_frame, (size_t)frame_count);
    if (!stack->frames)
        return err_fail(err, ERR_NOMEM, "out of memory for %d frames", frame_count);
    for (int i = 0; i < frame_count; i++) {
        if (!add_frame(stack, &frames[i], err))
            return false;
    }
    set_places(stack);
    pass_midnight(stack, STACK_ACQUIRED);
    pass_midnight(stack, STACK_SHOWN);
    return true;
}
