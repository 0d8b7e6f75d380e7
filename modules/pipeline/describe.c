#include "pipeline/describe.h"

#include "pipeline/chosen.h"
#include "pipeline/prepare.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool no_memory(struct err *err)
{
    return err_fail(err, ERR_NOMEM, "no memory to describe a study");
}

/* ---- warnings ---- */

/* Room for `count` more; the old list stays where it is. */
static bool more_warnings(struct result *result, int count, struct arena *arena, struct err *err)
{
    const char **list = ARENA_ARRAY(arena, const char *, (size_t)(result->warning_count + count));
    if (!list)
        return no_memory(err);
    for (int i = 0; i < result->warning_count; i++)
        list[i] = result->warnings[i];
    result->warnings = list;
    return true;
}

static bool warn(struct result *result, struct arena *arena, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static bool warn(struct result *result, struct arena *arena, struct err *err, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *copy = arena_strdup(arena, text);
    if (!copy || !more_warnings(result, 1, arena, err))
        return no_memory(err);
    result->warnings[result->warning_count++] = copy;
    return true;
}

bool describe_skipped(struct result *result, const struct source *source, struct arena *arena,
                      struct err *err)
{
    if (source->skipped == 0)
        return true;
    return warn(result, arena, err, "skipped: %d of %d files are not readable DICOM objects", source->skipped,
                source->given);
}

/* ---- series ---- */

/* A damaged UID is shown as far as it is one. */
static void copy_uid(char to[UID_SIZE], const char *from)
{
    size_t used = 0;
    for (; *from && used < UID_SIZE - 1; from++) {
        if (strchr("0123456789.", *from))
            to[used++] = *from;
    }
    to[used] = '\0';
}

static void describe_one(struct result_series *to, const struct study_series *from)
{
    const struct dicom_identity *id = &from->heads[0]->id;
    copy_uid(to->series_uid, id->series_uid);
    to->modality = id->modality;
    to->description = id->series_description;
    to->series_number = id->series_number;
    to->instance_count = from->head_count;
    to->taken = from->taken;
    to->reason = from->reason;
    to->role = from->role;
    to->why = from->why;
}

static const char *study_modality(const struct study_choice *choice, const char *otherwise)
{
    for (int i = 0; i < choice->series_count; i++) {
        if (choice->series[i].taken)
            return choice->series[i].heads[0]->kind == DICOM_KIND_MR ? "MR" : "CT";
    }
    for (int i = 0; i < choice->series_count; i++) {
        enum dicom_kind kind = choice->series[i].heads[0]->kind;
        if (kind == DICOM_KIND_CT || kind == DICOM_KIND_MR)
            return kind == DICOM_KIND_CT ? "CT" : "MR";
    }
    return choice->series_count > 0 ? choice->series[0].heads[0]->id.modality : otherwise;
}

bool describe_series(struct result *result, const struct study_choice *choice, struct arena *arena,
                     struct err *err)
{
    result->series = ARENA_ARRAY(arena, struct result_series, (size_t)choice->series_count + 1);
    if (!result->series)
        return no_memory(err);
    for (int i = 0; i < choice->series_count; i++)
        describe_one(&result->series[i], &choice->series[i]);
    result->series_count = choice->series_count;
    result->modality = study_modality(choice, result->modality);
    return true;
}

/* ---- volume ---- */

bool describe_plan(struct result *result, const struct volume_plan *plan, struct arena *arena,
                   struct err *err)
{
    const struct volume_geometry *geometry = &plan->geometry;
    for (int axis = 0; axis < 3; axis++) {
        result->source_zyx[axis] = geometry->zyx[axis];
        result->source_spacing_zyx_mm[axis] = geometry->spacing_zyx_mm[axis];
    }
    if (!more_warnings(result, plan->warning_count, arena, err))
        return false;
    for (int i = 0; i < plan->warning_count; i++)
        result->warnings[result->warning_count++] = plan->warnings[i];
    return true;
}

bool describe_phase(struct result *result, const struct volume_plan *plan, int phase, double spread,
                    struct arena *arena, struct err *err)
{
    int phases = plan->geometry.phases;
    if (spread > PREPARE_MAX_PHASE_SPREAD &&
        !warn(result, arena, err, "phase_spread: slices of one phase are %.0f %% of the RR interval apart",
              spread))
        return false;
    return phases == 1 || warn(result, arena, err, "one_phase: phase %d of %d was taken", phase + 1, phases);
}

bool describe_unused_heart(struct result *result, const char *reason, struct arena *arena, struct err *err)
{
    static const char *const none[] = {"no_segmentation", "organ_not_segmented", "segment_code_unknown"};
    for (size_t i = 0; reason && i < sizeof none / sizeof *none; i++)
        if (strcmp(reason, none[i]) == 0)
            return true;
    return warn(result, arena, err, "heart_segmentation: not used, %s", reason ? reason : "too small");
}

bool describe_grounded(struct result *result, const struct grounded *grounded, struct arena *arena,
                       struct err *err)
{
    for (int i = 0; i < 3; i++)
        result->input_zyx[i] = grounded->input.zyx[i];
    return grounded->overlaps == 0 ||
           warn(result, arena, err, "segmentations_joined: %d organs are in more than one segmentation",
                grounded->overlaps);
}

/* ---- what was used ---- */

struct used {
    const struct dicom_head *head;
    int place; /* twice its slice; one more when it is the far side of an interpolated slice */
};

static int by_head_then_place(const void *a, const void *b)
{
    const struct used *left = a, *right = b;
    if (left->head != right->head)
        return left->head > right->head ? 1 : -1;
    return left->place - right->place;
}

static int by_place(const void *a, const void *b)
{
    const struct used *left = a, *right = b;
    return left->place - right->place;
}

/* Each object once, in order of its first slice; `used` has room for two a slice. Returns how many. */
static int distinct_objects(const struct volume_slice *slices, int depth, struct used *used)
{
    int all = 0, kept = 0;
    for (int z = 0; z < depth; z++) {
        used[all++] = (struct used){slices[z].at.head, 2 * z};
        if (slices[z].next_weight > 0)
            used[all++] = (struct used){slices[z].next.head, 2 * z + 1};
    }
    qsort(used, (size_t)all, sizeof *used, by_head_then_place);
    for (int i = 0; i < all; i++) {
        if (i == 0 || used[i].head != used[i - 1].head)
            used[kept++] = used[i];
    }
    qsort(used, (size_t)kept, sizeof *used, by_place);
    return kept;
}

static void describe_instance(struct result_instance *to, const struct dicom_head *head)
{
    copy_uid(to->sop_class, head->id.sop_class);
    copy_uid(to->sop_uid, head->id.sop_uid);
    copy_uid(to->series_uid, head->id.series_uid);
    to->frame_count = head->frame_count;
}

static void describe_key(struct result *result, const struct volume_slice *middle, const struct used *used)
{
    for (int i = 0; i < result->instance_count; i++) {
        if (used[i].head == middle->at.head)
            result->key_instance = i;
    }
    result->key_frame = middle->at.head->frame_count > 1 ? middle->at.frame + 1 : 0;
}

/* A digest of what it was made from, then all numbers by which that became the input, in this order. */
static void describe_manifest(struct result *result, const char sources[DIGEST_HEX_SIZE], int phase,
                              const struct preprocess *p)
{
    const int *zyx = result->input_zyx, *margin = p->crop_margin_zyx, *pad = p->pad_size_zyx;
    const double *spacing = p->spacing_zyx_mm, *mean = p->mean, *std = p->std;
    const double *centre = result->box.centre_lps, *size = result->box.size_zyx_mm;
    const double(*window)[2] = p->windows;
    // clang-format off
    const double numbers[] = {phase, zyx[0], zyx[1], zyx[2], spacing[0], spacing[1], spacing[2],
        p->has_hu_clip, p->hu_clip[0], p->hu_clip[1], p->percentile[0], p->percentile[1],
        p->window_count, window[1][0], window[1][1], window[2][0], window[2][1],
        p->norm, mean[0], mean[1], mean[2], std[0], std[1], std[2],
        p->crop, margin[0], margin[1], margin[2], p->pad_both, p->pad_value, pad[0], pad[1], pad[2],
        centre[0], centre[1], centre[2], size[0], size[1], size[2]};
    // clang-format on
    enum { COUNT = sizeof numbers / sizeof *numbers, NUMBER_SIZE = 32 };
    char text[DIGEST_HEX_SIZE + COUNT * NUMBER_SIZE];
    int length = snprintf(text, sizeof text, "%s", sources);
    for (int i = 0; i < COUNT; i++)
        length += snprintf(text + length, NUMBER_SIZE, " %.17g", numbers[i]);
    digest_bytes(text, (size_t)length, result->manifest_sha256);
}

bool describe_used(struct result *result, const struct volume_plan *plan, int phase,
                   const struct preprocess *preprocess, struct arena *arena, struct err *err)
{
    int depth = plan->geometry.zyx[0];
    const struct volume_slice *slices = plan->slices + (size_t)phase * (size_t)depth;
    struct used *used = ARENA_ARRAY(arena, struct used, 2 * (size_t)depth);
    result->instances = ARENA_ARRAY(arena, struct result_instance, 2 * (size_t)depth);
    if (!used || !result->instances)
        return no_memory(err);
    result->instance_count = distinct_objects(slices, depth, used);
    for (int i = 0; i < result->instance_count; i++)
        describe_instance(&result->instances[i], used[i].head);
    describe_key(result, &slices[depth / 2], used);
    describe_manifest(result, plan->manifest_sha256, phase, preprocess);
    return true;
}

bool describe_segmentations(struct result *result, const struct grounded *grounded, struct arena *arena,
                            struct err *err)
{
    size_t count = (size_t)result->instance_count;
    struct result_instance *list =
        ARENA_ARRAY(arena, struct result_instance, count + (size_t)grounded->object_count);
    if (!list)
        return no_memory(err);
    memcpy(list, result->instances, count * sizeof *list);
    result->instances = list;
    for (int i = 0; i < grounded->object_count; i++) {
        char text[DIGEST_HEX_SIZE + UID_SIZE];
        const struct dicom_head *head = grounded->objects[i];
        int length = snprintf(text, sizeof text, "%s%s", result->manifest_sha256, head->id.sop_uid);
        describe_instance(&list[result->instance_count++], head);
        for (int s = 0; s < result->series_count; s++)
            if (strcmp(result->series[s].series_uid, head->id.series_uid) == 0)
                result->series[s].reason = "organ_masks";
        digest_bytes(text, (size_t)length, result->manifest_sha256);
    }
    return true;
}

/* ---- an examination in views ---- */

/* The view the report points at, of those that the encoder gets; NULL when there is none. */
static const struct exam_view *key_view(const struct exam *exam)
{
    const struct exam_view *key = NULL;
    for (int i = 0; i < exam->view_count; i++) {
        const struct exam_view *view = &exam->views[i];
        if (!view->reason && (!key || strcmp(study_view_names[view->wish->view], "cine_sa") == 0))
            key = view;
    }
    return key;
}

static const char *reconstruction_of(const struct exam_view *view)
{
    if (study_view_is_cine(view->wish->view))
        return NULL;
    return view->look->phase_sensitive > 0 ? "phase_sensitive" : "magnitude";
}

static void describe_view(struct result_view *to, const struct exam_view *from)
{
    static const char *const planes[] = {
        [STUDY_PLANE_NONE] = NULL, [STUDY_PLANE_SA] = "sa",   [STUDY_PLANE_LAX] = "lax",
        [STUDY_PLANE_2CH] = "2ch", [STUDY_PLANE_3CH] = "3ch", [STUDY_PLANE_4CH] = "4ch"};
    to->name = study_view_names[from->wish->view];
    to->reason = from->reason;
    to->frames = from->frames;
    if (from->reason)
        return;
    to->how = from->look->how;
    to->plane = planes[from->look->plane];
    to->reconstruction = reconstruction_of(from);
    to->slice = exam_slice(from);
    to->sampled = from->sampled;
    copy_uid(to->series_uid, from->stack->frames[0].head->id.series_uid);
    to->slices = from->plan->geometry.zyx[0];
    to->phases = from->plan->geometry.phases;
}

/* A volume's warning, "word: sentence", told of a view. */
static bool warn_of_view(struct result *result, const char *name, const char *text, struct arena *arena,
                         struct err *err)
{
    const char *colon = strchr(text, ':');
    int word = (int)(colon ? colon - text : (ptrdiff_t)strlen(text));
    return warn(result, arena, err, "%.*s: %s%s", word, text, name, text + word);
}

static bool warn_of_frames(struct result *result, const struct exam_view *view, const struct frames *frames,
                           struct arena *arena, struct err *err)
{
    const char *name = study_view_names[view->wish->view];
    int slices = view->plan->geometry.zyx[0], phases = view->plan->geometry.phases;
    if (view->wish->from != FRAMES_PHASES && phases > 1 &&
        !warn(result, arena, err, "one_phase: %s: the first of %d phases was taken", name, phases))
        return false;
    switch (view->wish->from) {
    case FRAMES_PHASES:
        return phases == frames->phases || warn(result, arena, err, "phases_resampled: %s: %d phases as %d",
                                                name, phases, frames->phases);
    case FRAMES_SLICES:
        return slices == view->frames ||
               warn(result, arena, err, "slices_resampled: %s: %d slices as %d", name, slices, view->frames);
    default:
        return slices == 1 || warn(result, arena, err, "one_slice: %s: slice %d of %d was taken", name,
                                   exam_slice(view), slices);
    }
}

/* What became of the examination without it. */
static const char *instead_of(const struct exam_view *view, bool made)
{
    if (!made)
        return "";
    if (strcmp(view->reason, "not_sampled") == 0)
        return ": its frames lie between those of the video that are sampled";
    return view->frames ? ": blank frames instead" : ": no frames of it";
}

/* A view of any long axis is a 4-chamber view where the model was trained. */
static bool warn_of_plane(struct result *result, const struct exam_view *view, struct arena *arena,
                          struct err *err)
{
    const char *name = study_view_names[view->wish->view];
    enum study_plane plane = view->look->plane;
    if (strcmp(strchr(name, '_'), "_lax") != 0 || plane == STUDY_PLANE_4CH)
        return true;
    return warn(result, arena, err, "other_plane: %s: %s instead of 4-chamber", name,
                plane == STUDY_PLANE_2CH   ? "2-chamber"
                : plane == STUDY_PLANE_3CH ? "3-chamber"
                                           : "an undecided long axis");
}

static bool warn_of_stack(struct result *result, const struct exam *exam, const struct exam_view *view,
                          struct arena *arena, struct err *err)
{
    const char *name = study_view_names[view->wish->view];
    const struct study_stack *stack = view->stack;
    char notes[CHOSEN_NOTES][CHOSEN_NOTE_SIZE];
    for (int i = 0, count = chosen_notes(stack, notes); i < count; i++) {
        if (!warn_of_view(result, name, notes[i], arena, err))
            return false;
    }
    if (view->passed &&
        !warn(result, arena, err, "passed_over: %s: series %d would have come first: %s", name,
              exam->choice->series[view->passed->series[0]].heads[0]->id.series_number, view->passed_why))
        return false;
    return stack->series_count == 1 ||
           warn(result, arena, err, "joined: %s: %d series of one slice each are one stack", name,
                stack->series_count);
}

/* made: the view became frames; else it is only told what it is. */
static bool describe_warnings(struct result *result, const struct exam *exam, const struct exam_view *view,
                              const struct frames *frames, bool made, struct arena *arena, struct err *err)
{
    const char *name = study_view_names[view->wish->view];
    if (view->reason)
        return warn(result, arena, err, "missing_view: %s (%s)%s", name, view->reason,
                    instead_of(view, made));
    for (int i = 0; i < view->plan->warning_count; i++)
        if (!warn_of_view(result, name, view->plan->warnings[i], arena, err))
            return false;
    return warn_of_stack(result, exam, view, arena, err) && warn_of_plane(result, view, arena, err) &&
           (!made || warn_of_frames(result, view, frames, arena, err));
}

/* The two show a scar alike, but not what is healthy. */
static bool warn_of_reconstructions(struct result *result, struct arena *arena, struct err *err)
{
    int magnitude = 0, phase_sensitive = 0;
    for (int i = 0; i < result->view_count; i++) {
        const char *word = result->views[i].reconstruction;
        magnitude += word && strcmp(word, "magnitude") == 0;
        phase_sensitive += word && strcmp(word, "phase_sensitive") == 0;
    }
    return magnitude == 0 || phase_sensitive == 0 ||
           warn(result, arena, err,
                "reconstructions_differ: %d late enhancement views are phase-sensitive, %d are not or do not "
                "say so",
                phase_sensitive, magnitude);
}

bool describe_exam(struct result *result, const struct exam *exam, const struct frames *frames, bool made,
                   struct arena *arena, struct err *err)
{
    const struct exam_view *key = key_view(exam);
    result->views = ARENA_ARRAY(arena, struct result_view, (size_t)exam->view_count + 1);
    if (!result->views)
        return no_memory(err);
    result->view_count = exam->view_count;
    result->input_zyx[0] = frames->n;
    for (int i = 0; i < exam->view_count; i++) {
        describe_view(&result->views[i], &exam->views[i]);
        if (!describe_warnings(result, exam, &exam->views[i], frames, made, arena, err))
            return false;
    }
    if (!warn_of_reconstructions(result, arena, err))
        return false;
    for (int axis = 0; key && axis < 3; axis++) {
        result->source_zyx[axis] = key->plan->geometry.zyx[axis];
        result->source_spacing_zyx_mm[axis] = key->plan->geometry.spacing_zyx_mm[axis];
    }
    return true;
}

/* Views in order, with digest or reason, and how they became frames. */
static bool sign_exam(const struct exam *exam, const struct frames *frames, char ret[DIGEST_HEX_SIZE],
                      struct err *err)
{
    char line[160];
    struct digest *digest = digest_new();
    if (!digest)
        return no_memory(err);
    int length = snprintf(line, sizeof line, "exam 1\nframes %d %d %d %d\n", frames->n, exam->frames,
                          frames->double_resize[0], frames->double_resize[1]);
    digest_update(digest, line, (size_t)length);
    if (frames->field_mm > 0) {
        length = snprintf(line, sizeof line, "field %.17g\n", frames->field_mm);
        digest_update(digest, line, (size_t)length);
    }
    if (frames->anatomical)
        digest_update(digest, "anatomical\n", strlen("anatomical\n"));
    for (int i = 0; i < exam->view_count; i++) {
        const struct exam_view *view = &exam->views[i];
        length = snprintf(line, sizeof line, "view %s %d %s\n", study_view_names[view->wish->view],
                          view->frames, view->reason ? view->reason : view->picked->manifest_sha256);
        digest_update(digest, line, (size_t)length);
    }
    digest_finish(digest, ret);
    return true;
}

/* The first frame of the key view that the encoder gets. NULL: no memory. */
static const struct volume_slice *key_frame(const struct exam *exam, int n, struct arena *arena)
{
    const struct exam_view *key = key_view(exam);
    int *places = ARENA_ARRAY(arena, int, (size_t)n), frame = 0, k = 0;
    if (!places)
        return NULL;
    exam_sample(exam->frames, n, places);
    while (exam_at(exam, places[k], &frame) != key)
        k++;
    return &key->picked->slices[frame];
}

bool describe_exam_used(struct result *result, const struct exam *exam, const struct preprocess *preprocess,
                        struct arena *arena, struct err *err)
{
    const struct volume_slice *key = key_frame(exam, preprocess->frames.n, arena);
    int count = 0, at = 0;
    for (int i = 0; i < exam->view_count; i++)
        count += exam->views[i].reason ? 0 : exam->views[i].picked->geometry.zyx[0];
    struct volume_slice *slices = ARENA_ARRAY(arena, struct volume_slice, (size_t)count);
    struct used *used = ARENA_ARRAY(arena, struct used, 2 * (size_t)count);
    result->instances = ARENA_ARRAY(arena, struct result_instance, 2 * (size_t)count);
    if (!key || !slices || !used || !result->instances)
        return no_memory(err);
    for (int i = 0; i < exam->view_count; i++)
        for (int f = 0; !exam->views[i].reason && f < exam->views[i].picked->geometry.zyx[0]; f++)
            slices[at++] = exam->views[i].picked->slices[f];
    result->instance_count = distinct_objects(slices, count, used);
    for (int i = 0; i < result->instance_count; i++)
        describe_instance(&result->instances[i], used[i].head);
    describe_key(result, key, used);
    char sources[DIGEST_HEX_SIZE];
    if (!sign_exam(exam, &preprocess->frames, sources, err))
        return false;
    describe_manifest(result, sources, 0, preprocess);
    return true;
}

bool describe_declined(struct result *result, const struct err *why, struct arena *arena, struct err *err)
{
    result->analysed = false;
    result->embedding = NULL;
    result->embedding_dim = 0;
    result->reason = arena_strdup(arena, *why->reason ? why->reason : err_code_name(why->code));
    result->reason_text = arena_strdup(arena, why->text);
    if (!result->reason || !result->reason_text)
        return no_memory(err);
    for (int i = 0; i < result->series_count; i++) {
        if (!result->series[i].taken)
            continue;
        result->series[i].taken = false;
        result->series[i].reason = result->reason;
    }
    return true;
}
