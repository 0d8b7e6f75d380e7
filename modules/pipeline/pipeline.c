#include "pipeline/pipeline.h"

#include "base/clock.h"
#include "base/turn.h"
#include "pipeline/chosen.h"
#include "pipeline/cube.h"
#include "pipeline/describe.h"
#include "pipeline/exam.h"
#include "pipeline/grounded.h"
#include "pipeline/pictures.h"
#include "pipeline/prepare.h"
#include "pipeline/source.h"

#include <string.h>

struct run {
    struct model *model;
    struct arena *arena;
    struct source source;
    struct volume_plan *plan;
    int phase;
    struct encoder_input input;
    struct grounded grounded; /* of an organ-grounded model */
    struct exam exam;         /* of a space-time tower */
    struct result *result;
};

static void *room(struct arena *arena, size_t count, size_t size, struct err *err)
{
    void *memory = arena_alloc(arena, count, size);
    if (!memory)
        err_fail(err, ERR_NOMEM, "no memory for %zu items of %zu bytes", count, size);
    return memory;
}

/* ---- reading and choosing ---- */

static bool one_study(const struct source *source, struct err *err)
{
    if (source->count == 0)
        return err_decline(err, "no_dicom_files", "none of %d files is a readable DICOM object",
                           source->given);
    for (int i = 1; i < source->count; i++) {
        if (strcmp(source->heads[i]->id.study_uid, source->heads[0]->id.study_uid) != 0)
            return err_decline(err, "several_studies", "the files belong to more than one study");
    }
    return true;
}

/* ---- the steps of a run, in order ---- */

static bool open_study(struct source *source, const struct pipeline_study *study, struct arena *arena,
                       struct err *err)
{
    source->rules = study->rules;
    return source_read(source, study->paths, study->count, arena, err);
}

static bool keep_series(struct source *source, const struct pipeline_study *study, struct err *err)
{
    return one_study(source, err) && (!study->series || source_keep_series(source, study->series, err));
}

static bool read_study(struct run *run, const struct pipeline_study *study, struct err *err)
{
    int64_t start_ms = clock_monotonic_ms();
    bool ok = open_study(&run->source, study, run->arena, err);
    run->result->load_s = (double)(clock_monotonic_ms() - start_ms) / 1000;
    return ok && describe_skipped(run->result, &run->source, run->arena, err) &&
           keep_series(&run->source, study, err);
}

static bool choose_stack(struct run *run, struct err *err)
{
    struct err why = ERR_INIT;
    struct chosen chosen = {0};
    bool ok = chosen_find(&run->source, model_preprocess(run->model), run->arena, &chosen, &why);
    if (chosen.choice && !describe_series(run->result, chosen.choice, run->arena, err))
        return false;
    double spread;
    run->plan = chosen.plan;
    if (chosen.plan && !describe_plan(run->result, run->plan, run->arena, err))
        return false;
    if (!ok) {
        *err = why;
        return false;
    }
    run->phase = prepare_choose_phase(run->plan, &spread);
    return describe_phase(run->result, run->plan, run->phase, spread, run->arena, err);
}

static bool takes_exams(const struct run *run)
{
    return model_vision(run->model)->arch == ENCODER_SPACETIME_VIT;
}

static bool make_exam(struct run *run, struct err *err)
{
    const struct preprocess *preprocess = model_preprocess(run->model);
    struct err why = ERR_INIT;
    if (preprocess->frames.n == 0 || model_vision(run->model)->channels > PREPROCESS_CHANNELS_MAX)
        return err_decline(err, "no_study_path", "frames are square, of up to %d channels",
                           PREPROCESS_CHANNELS_MAX);
    bool ok = exam_find(&run->source, preprocess, run->arena, &run->exam, &why) &&
              exam_prepare(&run->exam, run->model, &run->source, run->arena, &run->input, &why);
    bool about_study = ok || why.code == ERR_INPUT; /* only then every view is done with */
    if (about_study && run->exam.choice && !describe_series(run->result, run->exam.choice, run->arena, err))
        return false;
    if (about_study && run->exam.views &&
        !describe_exam(run->result, &run->exam, &preprocess->frames, ok, run->arena, err))
        return false;
    if (!ok)
        *err = why;
    return ok;
}

static bool make_pictures(struct run *run, struct err *err)
{
    const struct preprocess *preprocess = model_preprocess(run->model);
    const struct vision_config *vision = model_vision(run->model);
    float *values;
    if (vision->channels > PREPROCESS_CHANNELS_MAX)
        return err_decline(err, "no_study_path",
                           "a grey picture becomes up to %d channels, the model takes %d",
                           PREPROCESS_CHANNELS_MAX, vision->channels);
    if (!pictures_choose(run->plan, run->phase, preprocess->max_slices, run->arena, &run->plan, err))
        return false;
    run->phase = 0;
    const int *zyx = run->plan->geometry.zyx;
    const float *voxels = prepare_voxels(run->plan, run->phase, &run->source, run->arena, err);
    if (!voxels || !pictures_prepare(preprocess, vision, zyx, voxels, run->arena, &values, err))
        return false;
    run->input = (struct encoder_input){
        .values = values, .items = zyx[0], .zyx = {1, vision->input_zyx[1], vision->input_zyx[2]}};
    return true;
}

static bool make_grounded(struct run *run, struct err *err)
{
    if (model_vision(run->model)->channels != 1)
        return err_decline(err, "no_study_path", "studies have one channel, the model takes %d",
                           model_vision(run->model)->channels);
    if (!grounded_prepare(run->model, &run->source, run->plan, run->phase, run->arena, &run->grounded, err))
        return false;
    run->input = run->grounded.input;
    return describe_grounded(run->result, &run->grounded, run->arena, err);
}

static bool make_cube(struct run *run, struct err *err)
{
    struct grounded *heart = &run->grounded;
    if (!cube_prepare(run->model, &run->source, run->plan, run->phase, run->arena, &run->input,
                      &run->result->box, heart, err))
        return false;
    const char *const *unused = heart->reasons;
    heart->reasons = NULL; /* they are no organs' */
    return !unused || describe_unused_heart(run->result, unused[0], run->arena, err);
}

static bool make_input(struct run *run, struct err *err)
{
    const struct vision_config *vision = model_vision(run->model);
    if (model_organs(run->model)->count > 0)
        return make_grounded(run, err);
    if (vision->arch == ENCODER_VIT && vision->pool != ENCODER_POOL_TOKENS) {
        if (vision->input_zyx[0] == 1)
            return make_pictures(run, err);
        if (vision->channels == 1 || model_preprocess(run->model)->window_count > 0)
            return make_cube(run, err);
    }
    return err_decline(err, "no_study_path", "studies cannot be prepared for a model of this kind");
}

/* grounded NULL: the input came as a tensor. */
static bool encode(struct model *model, const struct encoder_input *input, const struct grounded *grounded,
                   struct arena *arena, struct result *result, struct err *err)
{
    int64_t start_ms = clock_monotonic_ms();
    struct encoder_output output;
    if (!model_encode(model, input, &output, err) ||
        (grounded && !grounded_explain(grounded, &output, arena, err)) ||
        !model_score(model, &output, arena, result, err))
        return false;
    result->encode_s = (double)(clock_monotonic_ms() - start_ms) / 1000;
    result->analysed = true;
    return true;
}

/* While one study is encoded the next is read, by another process. */
static bool encode_in_turn(struct run *run, const struct pipeline_study *study, struct err *err)
{
    bool taken = turn_take(study->turn, study->turn_wait_s);
    bool ok = encode(run->model, &run->input, &run->grounded, run->arena, run->result, err);
    if (taken)
        turn_give(study->turn);
    return ok;
}

static bool describe_what_was_used(struct run *run, struct err *err)
{
    const struct preprocess *preprocess = model_preprocess(run->model);
    if (takes_exams(run))
        return describe_exam_used(run->result, &run->exam, preprocess, run->arena, err);
    return describe_used(run->result, run->plan, run->phase, preprocess, run->arena, err) &&
           describe_segmentations(run->result, &run->grounded, run->arena, err);
}

static bool show_input(struct run *run, const struct pipeline_watch *watch, struct err *err)
{
    return !watch || !watch->input || watch->input(watch->to, &run->input, err);
}

static bool show_seen(struct run *run, const struct pipeline_watch *watch, struct err *err)
{
    if (!watch || !watch->seen)
        return true;
    const struct preview seen = {.model = run->model,
                                 .result = run->result,
                                 .input = &run->input,
                                 .source = &run->source,
                                 .plan = run->plan,
                                 .phase = run->phase,
                                 .exam = takes_exams(run) ? &run->exam : NULL};
    return watch->seen(watch->to, &seen, run->arena, err);
}

static bool analyse(struct run *run, const struct pipeline_study *study, struct err *err)
{
    if (!read_study(run, study, err))
        return false;
    int64_t start_ms = clock_monotonic_ms();
    bool ok = takes_exams(run) ? make_exam(run, err) : choose_stack(run, err) && make_input(run, err);
    run->result->volume_s = (double)(clock_monotonic_ms() - start_ms) / 1000;
    return ok && show_input(run, study->watch, err) && encode_in_turn(run, study, err) &&
           describe_what_was_used(run, err) && show_seen(run, study->watch, err);
}

/* Make a result of what went wrong, when it is about the study; false with err kept when it is about us. */
static bool decline(struct run *run, struct err *err)
{
    if (err->code != ERR_INPUT && err->code != ERR_UNSUPPORTED)
        return false;
    struct err why = *err;
    return describe_declined(run->result, &why, run->arena, err) &&
           model_not_assessed(run->model, run->result->reason, run->arena, &run->result->findings,
                              &run->result->finding_count, err);
}

static struct result *begin(struct model *model, struct arena *arena, struct err *err)
{
    struct result *result = room(arena, 1, sizeof *result, err);
    if (!result)
        return NULL;
    result->started_unix_ms = clock_unix_ms();
    result->has_model = true;
    result->model = *model_identity(model);
    result->modality = model_modality(model);
    result->key_instance = -1;
    model_input_zyx(model, result->input_zyx);
    return result;
}

bool pipeline_run(struct model *model, const struct crew *crew, const struct pipeline_study *study,
                  struct arena *arena, struct result **ret, struct err *err)
{
    struct run run = {
        .model = model, .source = {.crew = crew}, .arena = arena, .result = begin(model, arena, err)};
    struct err why = ERR_INIT;
    if (!run.result)
        return false;
    memcpy(run.result->series_rules_sha256, study->rules->sha256, DIGEST_HEX_SIZE);
    bool done = analyse(&run, study, &why) || decline(&run, &why);
    source_done(&run.source);
    if (!done) {
        *err = why;
        return false;
    }
    *ret = run.result;
    return true;
}

bool pipeline_run_tensor(struct model *model, const struct encoder_input *input, struct arena *arena,
                         struct result **ret, struct err *err)
{
    struct result *result = begin(model, arena, err);
    if (!result || !encode(model, input, NULL, arena, result, err))
        return false;
    memcpy(result->input_zyx, input->zyx, sizeof result->input_zyx);
    if (model_vision(model)->arch == ENCODER_SPACETIME_VIT)
        result->input_zyx[0] = input->items;
    *ret = result;
    return true;
}

/* ---- the volume alone ---- */

static bool give_slabs(struct source *source, const struct volume_plan *plan, struct arena *arena,
                       pipeline_slabs slabs, void *to, struct err *err)
{
    const int *zyx = plan->geometry.zyx;
    size_t slice = (size_t)zyx[1] * (size_t)zyx[2], seats = (size_t)crew_seats(source->crew);
    size_t most = PIPELINE_SLAB_BYTES / (slice * sizeof(float));
    int depth = most < seats ? (int)seats : (int)most;
    depth = depth < zyx[0] ? depth : zyx[0];
    float *voxels = room(arena, (size_t)depth * slice, sizeof *voxels, err);
    struct volume_reader reader = source_reader(source);
    bool ok = voxels != NULL;
    for (int phase = 0; ok && phase < plan->geometry.phases; phase++) {
        for (int first = 0; ok && first < zyx[0]; first += depth) {
            int count = zyx[0] - first < depth ? zyx[0] - first : depth;
            struct volume_plan part = volume_part(plan, phase, first, count);
            struct pipeline_slab slab = {phase, first, count, voxels};
            ok = volume_fill(&part, 0, &reader, voxels, err) && slabs(to, &plan->geometry, &slab, err);
        }
    }
    return ok;
}

bool pipeline_volume(const struct crew *crew, const struct pipeline_study *study, struct arena *arena,
                     pipeline_slabs slabs, void *to, struct chosen *ret, int *ret_heads_read, struct err *err)
{
    struct source source = {.crew = crew};
    *ret = (struct chosen){0};
    bool ok = open_study(&source, study, arena, err) && keep_series(&source, study, err) &&
              chosen_find(&source, NULL, arena, ret, err) &&
              give_slabs(&source, ret->plan, arena, slabs, to, err);
    source_done(&source);
    *ret_heads_read = source.given - source.skipped;
    return ok;
}
