#include "pipeline/exam.h"

#include "pipeline/chosen.h"

#include <stdio.h>
#include <string.h>

static const int64_t max_voxels = (int64_t)1 << 28; /* of a view's frames, as acquired */
static const char not_sampled[] = "not_sampled";

static bool no_memory(struct err *err)
{
    return err_fail(err, ERR_NOMEM, "no memory for the views of an examination");
}

/* ---- the frames of one view ---- */

/* Item i of `count` that stand for `all`: the middle one of each of as many equal parts. */
static int middle_of(int i, int count, int all)
{
    return (int)((2 * (int64_t)i + 1) * all / (2 * (int64_t)count));
}

static int clamp(int value, int least, int most)
{
    return value < least ? least : value > most ? most : value;
}

/* Slice z counted from base to apex where slices lie across the axis; else as planned. */
static int place_of(const struct exam_view *view, enum study_plane plane, int z)
{
    const struct volume_geometry *geometry = &view->plan->geometry;
    bool down = plane == STUDY_PLANE_SA && !study_views_to_apex(geometry->step_z_lps);
    return down ? geometry->zyx[0] - 1 - z : z;
}

/* How many different frames the view has, or why it has none. */
static const char *count_frames(const struct exam_view *view, const struct frames *frames, int *ret)
{
    int slices = view->plan->geometry.zyx[0], phases = view->plan->geometry.phases;
    switch (view->wish->from) {
    case FRAMES_PHASES:
        *ret = frames->phases;
        return phases < 2 || (frames->phases_exact && phases != frames->phases) ? "phase_count" : NULL;
    case FRAMES_SLICES:
        *ret = clamp(slices, frames->slices[0], frames->slices[1]);
        return frames->slices_exact && *ret != slices ? "slice_count" : NULL;
    default:
        *ret = 1;
        return frames->slices_exact && slices != 1 ? "slice_count" : NULL;
    }
}

static struct volume_slice pick(const struct exam_view *view, enum study_plane plane, int i, int count)
{
    int depth = view->plan->geometry.zyx[0], phase = 0, z = depth / 2;
    if (view->wish->from == FRAMES_PHASES)
        phase = middle_of(i, count, view->plan->geometry.phases);
    else if (view->wish->from == FRAMES_SLICES)
        z = middle_of(i, count, depth);
    return view->plan->slices[(size_t)phase * (size_t)depth + (size_t)place_of(view, plane, z)];
}

/* The plan's digest, and which of its slices: all that a view's pixels depend on. */
static void sign(const struct exam_view *view, struct volume_plan *picked)
{
    char text[DIGEST_HEX_SIZE + 64];
    int length = snprintf(text, sizeof text, "%s %d %d %d", view->plan->manifest_sha256, view->wish->view,
                          (int)view->wish->from, picked->geometry.zyx[0]);
    digest_bytes(text, (size_t)length, picked->manifest_sha256);
}

static bool pick_frames(struct exam_view *view, enum study_plane plane, int count, struct arena *arena,
                        struct err *err)
{
    struct volume_plan *picked = ARENA_NEW(arena, struct volume_plan);
    struct volume_slice *slices = ARENA_ARRAY(arena, struct volume_slice, (size_t)count);
    if (!picked || !slices)
        return no_memory(err);
    for (int i = 0; i < count; i++)
        slices[i] = pick(view, plane, i, count);
    *picked = *view->plan;
    picked->slices = slices;
    picked->geometry.zyx[0] = count;
    picked->geometry.phases = 1;
    sign(view, picked);
    view->picked = picked;
    return true;
}

/* ---- which stack ---- */

struct search {
    const struct preprocess *preprocess;
    struct arena *arena;
    struct exam *exam;
};

/* *ret_reason NULL: the stack serves. False only when something of ours failed. */
static bool try_stack(struct search *search, struct exam_view *view, int stack, const char **ret_reason,
                      struct err *err)
{
    struct volume_plan *plan;
    struct err why = ERR_INIT;
    int count;
    view->stack = &search->exam->choice->stacks[stack];
    view->look = &search->exam->looks[stack];
    if (!chosen_gate_stack(view->stack, search->preprocess, &why) ||
        !volume_plan(view->stack->frames, view->stack->frame_count, 1, search->arena, &plan, &why) ||
        !chosen_gate_volume(&plan->geometry, search->preprocess, &why)) {
        *ret_reason = arena_strdup(search->arena, why.reason);
        *err = why;
        return why.code == ERR_INPUT && (*ret_reason || no_memory(err));
    }
    view->plan = plan;
    if (search->preprocess->frames.anatomical)
        view->turn = volume_turn_anatomical(&plan->geometry);
    *ret_reason = count_frames(view, &search->preprocess->frames, &count);
    const int *zyx = plan->geometry.zyx;
    if (!*ret_reason && (int64_t)zyx[1] * zyx[2] > max_voxels / count)
        *ret_reason = "volume_too_large";
    return *ret_reason || pick_frames(view, view->look->plane, count, search->arena, err);
}

static void pass_over(struct exam_view *view, const struct study_stack *stack, const char *reason)
{
    if (view->passed)
        return;
    view->passed = stack;
    view->passed_why = reason;
}

static bool find_view(struct search *search, struct exam_view *view, struct err *err)
{
    struct exam *exam = search->exam;
    int *order, count = study_views_candidates(exam->choice, exam->looks, view->wish->view,
                                               search->preprocess->frames.phase_sensitive, exam->taken,
                                               search->arena, &order);
    if (count < 0)
        return no_memory(err);
    for (int i = 0; i < count; i++) {
        const char *reason;
        if (!try_stack(search, view, order[i], &reason, err))
            return false;
        if (!reason) {
            exam->taken[order[i]] = true;
            return true;
        }
        study_leave(exam->choice, view->stack, reason);
        pass_over(view, view->stack, reason);
    }
    *view = (struct exam_view){.wish = view->wish, .reason = view->passed ? view->passed_why : "not_found"};
    return true;
}

/* A view of one plane comes before one that takes what there is ("lax"). */
static bool is_open(const struct exam_view *view)
{
    const char *name = study_view_names[view->wish->view];
    return strcmp(name + strlen(name) - 3, "lax") == 0;
}

static bool find_views(struct search *search, struct err *err)
{
    struct exam *exam = search->exam;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < exam->view_count; i++) {
            if (is_open(&exam->views[i]) == (round == 1) && !find_view(search, &exam->views[i], err))
                return false;
        }
    }
    return true;
}

/* ---- the whole ---- */

static void count_video(struct exam *exam, const struct frames *frames)
{
    int slices = 0;
    for (int i = 0; i < exam->view_count && !slices; i++) {
        const struct exam_view *view = &exam->views[i];
        if (view->wish->from == FRAMES_SLICES)
            slices = view->picked ? view->picked->geometry.zyx[0] : frames->slices[0];
    }
    slices = slices ? slices : frames->slices[0];
    exam->frames = 0;
    for (int i = 0; i < exam->view_count; i++) {
        struct exam_view *view = &exam->views[i];
        if (view->reason && frames->missing == FRAMES_SKIP)
            view->frames = 0;
        else if (view->wish->from == FRAMES_PHASES)
            view->frames = frames->phases;
        else if (view->wish->from == FRAMES_SLICES)
            view->frames = view->picked ? view->picked->geometry.zyx[0] : frames->slices[0];
        else
            view->frames = frames->repeat ? frames->repeat : slices;
        exam->frames += view->frames;
    }
}

static bool check_missing(const struct exam *exam, bool reject, struct err *err)
{
    char text[256] = "";
    int length = 0, missing = 0;
    for (int i = 0; i < exam->view_count; i++) {
        const struct exam_view *view = &exam->views[i];
        if (!view->reason || length >= (int)sizeof text)
            continue;
        length += snprintf(text + length, sizeof text - (size_t)length, "%s%s (%s)", missing ? ", " : "",
                           study_view_names[view->wish->view], view->reason);
        missing++;
    }
    if (missing == 0 || (!reject && missing < exam->view_count))
        return true;
    return err_decline(err, "missing_view", "%s: %s", missing > 1 ? "views are missing" : "a view is missing",
                       text);
}

/* How many frames of each view the encoder gets; of which none, that view is not seen. */
static bool count_sampled(struct exam *exam, int n, struct arena *arena, struct err *err)
{
    int *places = ARENA_ARRAY(arena, int, (size_t)n), frame;
    if (!places)
        return no_memory(err);
    for (int i = 0; i < exam->view_count; i++)
        exam->views[i].sampled = 0;
    for (int k = 0, count = exam_sample(exam->frames, n, places); k < count; k++)
        exam->views[exam_at(exam, places[k], &frame) - exam->views].sampled++;
    for (int i = 0; i < exam->view_count; i++)
        if (!exam->views[i].reason && exam->views[i].sampled == 0)
            exam->views[i].reason = not_sampled;
    return true;
}

static void leave(struct exam *exam, const struct study_stack *stack, const char *reason)
{
    for (int i = 0; i < stack->series_count; i++) {
        exam->choice->series[stack->series[i]].taken = false;
        exam->choice->series[stack->series[i]].reason = reason;
    }
}

/* Of a series of several stacks one may serve and another not. */
static void take_series(struct exam *exam)
{
    for (int i = 0; i < exam->view_count; i++)
        if (exam->views[i].reason == not_sampled)
            leave(exam, exam->views[i].stack, not_sampled);
    for (int i = 0; i < exam->view_count; i++)
        if (!exam->views[i].reason)
            study_take(exam->choice, exam->views[i].stack);
}

/* With the views that there are: the video, and whether it will do. */
static bool settle(struct exam *exam, const struct frames *frames, struct arena *arena, struct err *err)
{
    for (int i = 0; i < exam->view_count; i++)
        if (exam->views[i].reason == not_sampled)
            exam->views[i].reason = NULL;
    count_video(exam, frames);
    bool ok = check_missing(exam, frames->missing == FRAMES_REJECT, err) &&
              count_sampled(exam, frames->n, arena, err) && check_missing(exam, false, err);
    take_series(exam);
    return ok;
}

bool exam_find(const struct source *source, const struct preprocess *preprocess, struct arena *arena,
               struct exam *ret, struct err *err)
{
    const struct frames *frames = &preprocess->frames;
    struct search search = {preprocess, arena, ret};
    if (!study_choose(source->heads, source->count, preprocess->modality, source->rules, arena, &ret->choice,
                      err))
        return false;
    if (ret->choice->stack_count == 0)
        return chosen_none(ret->choice, preprocess->modality, err);
    ret->taken = ARENA_ARRAY(arena, bool, (size_t)ret->choice->stack_count);
    ret->views = ARENA_ARRAY(arena, struct exam_view, (size_t)frames->view_count);
    if (!ret->views || !ret->taken)
        return no_memory(err);
    ret->view_count = frames->view_count;
    for (int i = 0; i < frames->view_count; i++)
        ret->views[i].wish = &frames->views[i];
    return study_views_look(ret->choice, arena, &ret->looks, err) && find_views(&search, err) &&
           settle(ret, frames, arena, err);
}

bool exam_replace(struct exam *exam, struct exam_view *view, const char *reason,
                  const struct preprocess *preprocess, struct arena *arena, struct err *err)
{
    struct search search = {preprocess, arena, exam};
    leave(exam, view->stack, reason);
    pass_over(view, view->stack, reason);
    return find_view(&search, view, err) && settle(exam, &preprocess->frames, arena, err);
}

int exam_slice(const struct exam_view *view)
{
    return view->wish->from == FRAMES_SLICES ? 0 : view->plan->geometry.zyx[0] / 2 + 1;
}
