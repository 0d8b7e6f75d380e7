#include "pipeline/chosen.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Voxels of one phase, at most: 2 GiB at 16 bits; they are never held. source: docs/volumes.md. */
static const int64_t max_voxels = (int64_t)1 << 30;

/* What a study's most telling reason means, as the end of a sentence. */
static const char *reason_sentence(const char *reason)
{
    static const struct {
        const char *reason, *sentence;
    } known[] = {{"other_modality", "none is of the modality that is wanted"},
                 {"other_object", "none holds images"},
                 {"localizer", "they are localizers"},
                 {"derived", "they are derived images"},
                 {"bolus_tracking", "they follow a contrast bolus at one position"},
                 {"map", "they are maps"},
                 {"other_body_part", "they show another part of the body"},
                 {"no_rule", "no series rule fits them"},
                 {"no_pixels", "they hold no pixels"},
                 {"single_image", "they hold a single image"},
                 {"no_geometry", "they do not say where their images lie"},
                 {"incomplete_concatenation", "parts of a multi-frame image are missing"},
                 {"colour_image", "they are in colour"},
                 {"no_uid", "their images have no Series or SOP Instance UID"},
                 {"no_series", "there is none"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].reason, reason) == 0)
            return known[i].sentence;
    }
    return reason;
}

/* ---- the gate ---- */

static bool is_taken_role(const struct preprocess *limits, const char *role)
{
    for (int i = 0; i < limits->role_count; i++) {
        if (strcmp(limits->roles[i], role) == 0)
            return true;
    }
    return limits->role_count == 0;
}

/* What can be said before the stack is laid out. */
bool chosen_gate_stack(const struct study_stack *stack, const struct preprocess *limits, struct err *err)
{
    if (!limits)
        return true;
    if (!is_taken_role(limits, stack->role))
        return err_decline(err, "other_role", "the model does not take a series of the role \"%s\"",
                           stack->role);
    if (limits->gated && !(stack->shape.gated > 0))
        return err_decline(err, "not_gated", "the model takes ECG-gated images only");
    if (limits->complete && stack->images_said)
        return err_decline(err, "incomplete_series",
                           "%d of %d images, as they say; the model takes all or none", stack->images_there,
                           stack->images_said);
    if (limits->refuse_lossy && stack->shape.lossy > 0)
        return err_decline(err, "lossy_images", "the images were compressed with loss; the model takes none");
    return true;
}

bool chosen_gate_volume(const struct volume_geometry *geometry, const struct preprocess *limits,
                        struct err *err)
{
    const int *zyx = geometry->zyx;
    const double *spacing = geometry->spacing_zyx_mm;
    double field_mm = fmin(zyx[1] * spacing[1], zyx[2] * spacing[2]), length_mm = zyx[0] * spacing[0];
    if ((int64_t)zyx[0] * zyx[1] > max_voxels / zyx[2])
        return err_decline(err, "volume_too_large", "a volume of %d x %d x %d voxels is too large", zyx[0],
                           zyx[1], zyx[2]);
    if (!limits)
        return true;
    if (zyx[0] < limits->min_slices)
        return err_decline(err, "too_few_slices", "%d slices; the model needs %d", zyx[0],
                           limits->min_slices);
    if (limits->max_spacing_z_mm > 0 && spacing[0] > limits->max_spacing_z_mm)
        return err_decline(err, "spacing_too_coarse", "slices %.2f mm apart; the model takes at most %.2f mm",
                           spacing[0], limits->max_spacing_z_mm);
    if (field_mm < limits->min_field_mm)
        return err_decline(err, "field_too_small", "a field of view of %.0f mm; the model needs %.0f mm",
                           field_mm, limits->min_field_mm);
    if (length_mm < limits->min_length_mm)
        return err_decline(err, "stack_too_short", "slices over %.0f mm; the model needs %.0f mm", length_mm,
                           limits->min_length_mm);
    return true;
}

/* ---- warnings ---- */

static bool warn(struct chosen *chosen, struct arena *arena, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Before those of the plan, which is its own: it was told first. */
static bool warn(struct chosen *chosen, struct arena *arena, struct err *err, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct volume_plan *plan = chosen->plan;
    const char **list = ARENA_ARRAY(arena, const char *, (size_t)plan->warning_count + 1);
    const char *copy = arena_strdup(arena, text);
    if (!list || !copy)
        return err_fail(err, ERR_NOMEM, "no memory for a warning");
    for (int i = 0; i < plan->warning_count; i++)
        list[i] = plan->warnings[i];
    list[plan->warning_count++] = copy;
    plan->warnings = list;
    return true;
}

static int series_number(const struct chosen *chosen, const struct study_stack *stack)
{
    return chosen->choice->series[stack->series[0]].heads[0]->id.series_number;
}

int chosen_notes(const struct study_stack *stack, char notes[CHOSEN_NOTES][CHOSEN_NOTE_SIZE])
{
    int count = 0;
    if (stack->images_said)
        snprintf(notes[count++], CHOSEN_NOTE_SIZE, "incomplete: %d of %d images, as they say",
                 stack->images_there, stack->images_said);
    if (stack->left_out)
        snprintf(notes[count++], CHOSEN_NOTE_SIZE,
                 "left_out: %d parallel series of the same name are not in the stack", stack->left_out);
    if (stack->split_by)
        snprintf(notes[count++], CHOSEN_NOTE_SIZE, "split: %d of %d images of the series were taken (%s)",
                 stack->frame_count, stack->series_images, stack->split_by);
    return count;
}

/* What a reader of the result should know of how this stack came to be. `first`: why not the best. */
static bool explain(struct chosen *chosen, const struct err *first, struct arena *arena, struct err *err)
{
    const struct study_stack *stack = chosen->stack, *best = &chosen->choice->stacks[0];
    if (stack != best && !warn(chosen, arena, err, "passed_over: series %d would have come first: %s",
                               series_number(chosen, best), first->reason))
        return false;
    char notes[CHOSEN_NOTES][CHOSEN_NOTE_SIZE];
    for (int i = 0, count = chosen_notes(stack, notes); i < count; i++) {
        if (!warn(chosen, arena, err, "%s", notes[i]))
            return false;
    }
    return true;
}

/* ---- the search ---- */

/* Lay out the stack, or leave it with the reason. */
static bool try_stack(struct chosen *chosen, const struct study_stack *stack, const struct preprocess *limits,
                      struct arena *arena, struct err *err)
{
    struct volume_plan *plan;
    int least_positions = limits ? 2 : 1; /* a single view may be looked at */
    bool laid_out = chosen_gate_stack(stack, limits, err) &&
                    volume_plan(stack->frames, stack->frame_count, least_positions, arena, &plan, err);
    if (laid_out && stack == &chosen->choice->stacks[0])
        chosen->plan = plan;
    if (laid_out && chosen_gate_volume(&plan->geometry, limits, err)) {
        chosen->plan = plan;
        chosen->stack = stack;
        study_take(chosen->choice, stack);
        return true;
    }
    const char *reason = arena_strdup(arena, err->reason);
    if (!reason)
        return err_fail(err, ERR_NOMEM, "no memory for a reason");
    study_leave(chosen->choice, stack, reason);
    return false;
}

/* The first that fits; *ret_first is why the best does not. */
static bool try_stacks(struct chosen *chosen, const struct preprocess *limits, struct arena *arena,
                       struct err *ret_first)
{
    for (int i = 0; i < chosen->choice->stack_count; i++) {
        struct err why = ERR_INIT;
        if (try_stack(chosen, &chosen->choice->stacks[i], limits, arena, &why))
            return true;
        if (i == 0 || why.code != ERR_INPUT)
            *ret_first = why;
        if (why.code != ERR_INPUT)
            return false;
    }
    return false;
}

bool chosen_none(const struct study_choice *choice, const char *modality, struct err *err)
{
    return err_decline(err, choice->reason, "no series of the study can be analysed%s%s: %s",
                       modality ? " as " : "", modality ? modality : "", reason_sentence(choice->reason));
}

bool chosen_find(const struct source *source, const struct preprocess *limits, struct arena *arena,
                 struct chosen *ret, struct err *err)
{
    const char *modality = limits ? limits->modality : NULL;
    struct err first = ERR_INIT;
    if (!study_choose(source->heads, source->count, modality, source->rules, arena, &ret->choice, err))
        return false;
    if (try_stacks(ret, limits, arena, &first))
        return explain(ret, &first, arena, err);
    if (ret->choice->stack_count > 0) {
        *err = first;
        return false;
    }
    return chosen_none(ret->choice, modality, err);
}
