#include "volume/stack.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool warn_of_heads(struct stack *stack, struct err *err)
{
    bool lossy = false, raw = false, turned = false, looked_up = false, odd = false;
    for (int i = 0; i < stack->frame_count; i++) {
        const struct stack_frame *frame = &stack->frames[i];
        lossy |= !strcmp(frame->head->lossy, "01");
        raw |=
            frame->head->kind == DICOM_KIND_CT && !frame->at->has_rescale && !frame->head->has_modality_lut;
        looked_up |= frame->head->has_modality_lut;
        odd |= frame->head->odd_number;
        turned |= !strcmp(frame->head->photometric, "MONOCHROME1");
    }
    return (!lossy || stack_warn(stack, err, "lossy: pixels were compressed with loss")) &&
           (!raw ||
            stack_warn(stack, err,
                       "no_rescale: CT without rescale; unsigned values are taken to begin at -1024")) &&
           (!odd || stack_warn(stack, err, "odd_numbers: numbers were not written as DICOM wants them")) &&
           (!looked_up || stack_warn(stack, err, "modality_lut: values are those of a Modality LUT")) &&
           (!turned || stack_warn(stack, err, "monochrome1: display is inverted; MR values are turned over"));
}

double stack_rounded(double spacing_mm)
{
    double rounded = round(spacing_mm * 1e4) / 1e4;
    return fabs(spacing_mm - rounded) < 1e-6 && rounded > 0 ? rounded : spacing_mm;
}

static void set_geometry(const struct stack *stack, struct volume_geometry *geometry)
{
    const struct stack_frame *first = &stack->frames[0];
    const struct dicom_frame *axes = stack->axes;
    geometry->zyx[0] = stack->depth;
    geometry->zyx[1] = first->head->rows + stack->grown_yx[0];
    geometry->zyx[2] = first->head->columns + stack->grown_yx[1];
    geometry->phases = stack->phases;
    geometry->spacing_zyx_mm[0] = stack->spacing_mm;
    geometry->spacing_zyx_mm[1] = stack_rounded(axes->spacing_y_mm);
    geometry->spacing_zyx_mm[2] = stack_rounded(axes->spacing_x_mm);
    for (int i = 0; i < 3; i++) {
        geometry->origin_lps[i] = first->at->position_lps[i] +
                                  (stack->low_yx_mm[0] - first->aside_yx_mm[0]) * axes->column_lps[i] +
                                  (stack->low_yx_mm[1] - first->aside_yx_mm[1]) * axes->row_lps[i];
        geometry->step_z_lps[i] = stack->normal[i] * stack->spacing_mm;
        geometry->step_y_lps[i] = axes->column_lps[i] * geometry->spacing_zyx_mm[1];
        geometry->step_x_lps[i] = axes->row_lps[i] * geometry->spacing_zyx_mm[2];
    }
}

static void digest_vector(struct digest *digest, const char *name, const double vector[3])
{
    char line[120];
    int length = snprintf(line, sizeof line, "%s %.4f %.4f %.4f\n", name, vector[0] + 0.0, vector[1] + 0.0,
                          vector[2] + 0.0);
    digest_update(digest, line, (size_t)length);
}

static void digest_slice(struct digest *digest, const struct volume_slice *slice, bool tilted)
{
    char line[320];
    const double *shift = slice->shift_yx_px, *next_shift = slice->next_shift_yx_px;
    int length = snprintf(line, sizeof line, "slice %s %d %s %d %.4f", slice->at.head->id.sop_uid,
                          slice->at.frame, slice->next.head ? slice->next.head->id.sop_uid : "-",
                          slice->next.frame, slice->next_weight);
    digest_update(digest, line, (size_t)length);
    length = snprintf(line, sizeof line, " %.4f %.4f %.4f %.4f", shift[0] + 0.0, shift[1] + 0.0,
                      next_shift[0] + 0.0, next_shift[1] + 0.0);
    digest_update(digest, line, tilted ? (size_t)length : 0);
    digest_update(digest, "\n", 1);
}

/* Text, line by line, so that anybody can compute it again; see docs/volumes.md. */
static bool set_manifest(const struct stack *stack, struct volume_plan *plan, struct err *err)
{
    struct digest *digest = digest_new();
    if (!digest)
        return err_fail(err, ERR_NOMEM, "out of memory for the manifest");
    const struct volume_geometry *geometry = &plan->geometry;
    char line[120];
    int length = snprintf(line, sizeof line, "volume 1\nsize %d %d %d %d\n", geometry->phases,
                          geometry->zyx[0], geometry->zyx[1], geometry->zyx[2]);
    digest_update(digest, line, (size_t)length);
    digest_vector(digest, "origin", geometry->origin_lps);
    digest_vector(digest, "z", geometry->step_z_lps);
    digest_vector(digest, "y", geometry->step_y_lps);
    digest_vector(digest, "x", geometry->step_x_lps);
    for (int i = 0; i < stack->phases * stack->depth; i++)
        digest_slice(digest, &plan->slices[i], stack->tilted);
    digest_finish(digest, plan->manifest_sha256);
    return true;
}

bool volume_plan(const struct dicom_frame_ref *frames, int frame_count, int least_positions,
                 struct arena *arena, struct volume_plan **ret, struct err *err)
{
    struct stack stack = {.arena = arena, .least_positions = least_positions};
    struct volume_plan *plan = ARENA_NEW(arena, struct volume_plan);
    stack.warnings = ARENA_ARRAY(arena, const char *, STACK_MAX_WARNINGS);
    if (!plan || !stack.warnings)
        return err_fail(err, ERR_NOMEM, "out of memory for a volume plan");
    if (!stack_collect(&stack, frames, frame_count, err) || !stack_sort(&stack, err) ||
        !stack_check_kinds(&stack, err) || !stack_tilt(&stack, err) || !stack_grid(&stack, err) ||
        !warn_of_heads(&stack, err))
        return false;
    set_geometry(&stack, &plan->geometry);
    plan->slices = stack.slices;
    plan->warnings = stack.warnings;
    plan->warning_count = stack.warning_count;
    if (!set_manifest(&stack, plan, err))
        return false;
    *ret = plan;
    return true;
}
