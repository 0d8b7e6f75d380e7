#include "pipeline/exam.h"

#include "pipeline/chosen.h"

#include <stdio.h>
#include <string.h>

static const int64_t max_voxels = (int64_t)1 << 28; /* of a view's frames, as acquired */

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
    struct study_look *looks;
    bool *taken; /* [stacks] */
};

/* *ret_reason NULL: the stack serves. False only when something of ours failed. */
static bool try_stack(struct search *search, struct exam_view *view, int stack, const char **ret_reason,
                      struct err *err)
{
    struct volume_plan *plan;
    struct err why = ERR_INIT;
    int count;
    view->stack = &search->exam->choice->stacks[stack];
    view->how = search->looks[stack].how;
    if (!chosen_gate_stack(view->stack, search->preprocess, &why) ||
        !volume_plan(view->stack->frames, view->stack->frame_count, 1, search->arena, &plan, &why) ||
        !chosen_gate_volume(&plan->geometry, search->preprocess, &why)) {
        *ret_reason = arena_strdup(search->arena, why.reason);
        *err = why;
        return why.code == ERR_INPUT && (*ret_reason || no_memory(err));
    }
    view->plan = plan;
    *ret_reason = count_frames(view, &search->preprocess->frames, &count);
    const int *zyx = plan->geometry.zyx;
    if (!*ret_reason && (int64_t)zyx[1] * zyx[2] > max_voxels / count)
        *ret_reason = "volume_too_large";
    return *ret_reason || pick_frames(view, search->looks[stack].plane, count, search->arena, err);
}

static bool find_view(struct search *search, struct exam_view *view, struct err *err)
{
    struct study_choice *choice = search->exam->choice;
    int *order, count = study_views_candidates(choice, search->looks, view->wish->view,
                                               search->preprocess->frames.phase_sensitive, search->taken,
                                               search->arena, &order);
    const char *first = "not_found";
    if (count < 0)
        return no_memory(err);
    for (int i = 0; i < count; i++) {
        const char *reason;
        if (!try_stack(search, view, order[i], &reason, err))
            return false;
        if (!reason) {
            search->taken[order[i]] = true;
            study_take(choice, view->stack);
            return true;
        }
        study_leave(choice, view->stack, reason);
        first = i == 0 ? reason : first;
    }
    *view = (struct exam_view){.wish = view->wish, .reason = first};
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
            view->frames = slices;
        exam->frames += view->frames;
    }
}

static bool check_missing(const struct exam *exam, const struct frames *frames, struct err *err)
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
    if (missing == 0 || (frames->missing != FRAMES_REJECT && missing < exam->view_count))
        return true;
    return err_decline(err, "missing_view", "%s: %s", missing > 1 ? "views are missing" : "a view is missing",
                       text);
}

bool exam_find(const struct source *source, const struct preprocess *preprocess, struct arena *arena,
               struct exam *ret, struct err *err)
{
    const struct frames *frames = &preprocess->frames;
    struct search search = {.preprocess = preprocess, .arena = arena, .exam = ret};
    if (!study_choose(source->heads, source->count, preprocess->modality, source->rules, arena, &ret->choice,
                      err))
        return false;
    if (ret->choice->stack_count == 0)
        return chosen_none(ret->choice, preprocess->modality, err);
    struct exam_view *views = ARENA_ARRAY(arena, struct exam_view, (size_t)frames->view_count);
    search.taken = ARENA_ARRAY(arena, bool, (size_t)ret->choice->stack_count);
    if (!views || !search.taken)
        return no_memory(err);
    for (int i = 0; i < frames->view_count; i++)
        views[i].wish = &frames->views[i];
    ret->views = views;
    ret->view_count = frames->view_count;
    if (!study_views_look(ret->choice, arena, &search.looks, err) || !find_views(&search, err))
        return false;
    count_video(ret, frames);
    return check_missing(ret, frames, err);
}
