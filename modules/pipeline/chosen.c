#include "pipeline/chosen.h"

#include <string.h>

/* Voxels of one phase, at most: 4 GiB of float. */
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
                 {"no_pixels", "they hold no pixels"},
                 {"single_image", "they hold a single image"},
                 {"no_geometry", "they do not say where their images lie"},
                 {"colour_image", "they are in colour"},
                 {"no_uid", "their images have no Series or SOP Instance UID"},
                 {"no_series", "there is none"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].reason, reason) == 0)
            return known[i].sentence;
    }
    return reason;
}

static bool pass_gate(const struct volume_geometry *geometry, const struct preprocess *limits,
                      struct err *err)
{
    const int *zyx = geometry->zyx;
    if ((int64_t)zyx[0] * zyx[1] > max_voxels / zyx[2])
        return err_decline(err, "volume_too_large", "a volume of %d x %d x %d voxels is too large", zyx[0],
                           zyx[1], zyx[2]);
    if (!limits)
        return true;
    if (zyx[0] < limits->min_slices)
        return err_decline(err, "too_few_slices", "%d slices; the model needs %d", zyx[0],
                           limits->min_slices);
    if (limits->max_spacing_z_mm > 0 && geometry->spacing_zyx_mm[0] > limits->max_spacing_z_mm)
        return err_decline(err, "spacing_too_coarse", "slices %.2f mm apart; the model takes at most %.2f mm",
                           geometry->spacing_zyx_mm[0], limits->max_spacing_z_mm);
    return true;
}

/* Lay out the stack, or leave it with the reason. */
static bool try_stack(struct chosen *chosen, const struct study_stack *stack, const struct preprocess *limits,
                      struct arena *arena, struct err *err)
{
    struct volume_plan *plan;
    int least_positions = limits ? 2 : 1; /* a single view may be looked at */
    if (volume_plan(stack->frames, stack->frame_count, least_positions, arena, &plan, err) &&
        pass_gate(&plan->geometry, limits, err)) {
        chosen->plan = plan;
        study_take(chosen->choice, stack);
        return true;
    }
    const char *reason = arena_strdup(arena, err->reason);
    if (!reason)
        return err_fail(err, ERR_NOMEM, "no memory for a reason");
    study_leave(chosen->choice, stack, reason);
    return false;
}

bool chosen_find(const struct source *source, const struct preprocess *limits, struct arena *arena,
                 struct chosen *ret, struct err *err)
{
    const char *modality = limits ? limits->modality : NULL;
    if (!study_choose(source->heads, source->count, modality, arena, &ret->choice, err))
        return false;
    struct err first = ERR_INIT;
    for (int i = 0; i < ret->choice->stack_count; i++) {
        struct err why = ERR_INIT;
        if (try_stack(ret, &ret->choice->stacks[i], limits, arena, &why))
            return true;
        if (i == 0)
            first = why;
        if (why.code != ERR_INPUT) {
            first = why;
            break;
        }
    }
    if (ret->choice->stack_count > 0) {
        *err = first;
        return false;
    }
    const char *reason = ret->choice->reason;
    return err_decline(err, reason, "no series of the study can be analysed%s%s: %s", modality ? " as " : "",
                       modality ? modality : "", reason_sentence(reason));
}
