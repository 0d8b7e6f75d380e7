#include "pipeline/job.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/digest.h"
#include "findings/domain.h"
#include "pipeline/describe.h"
#include "pipeline/job_read.h"
#include "pipeline/job_stats.h"
#include "pipeline/job_tensor.h"
#include "pipeline/model.h"
#include "pipeline/nifti.h"
#include "pipeline/pipeline.h"
#include "pipeline/pixels.h"
#include "report/plain_text.h"
#include "report/result_json.h"
#include "tensor/safetensors.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct job_bench {
    const struct crew *crew;
    struct model *model;
    char *folder;
    struct model_options opened; /* how; of its pointers only input_means, owned */
    double open_s;               /* what opening a model took in this job */
};

enum { MAX_TEXTS = 1 << 16 };

struct job_bench *job_bench_open(const struct crew *crew)
{
    struct job_bench *bench = calloc(1, sizeof *bench);
    if (bench)
        bench->crew = crew;
    return bench;
}

static void drop_model(struct job_bench *bench)
{
    model_close(bench->model);
    free(bench->folder);
    json_decref((json_t *)bench->opened.input_means);
    *bench = (struct job_bench){.crew = bench->crew};
}

void job_bench_close(struct job_bench *bench)
{
    if (bench)
        drop_model(bench);
    free(bench);
}

/* ---- the model ---- */

static bool opened_so(const struct job_bench *bench, const struct model_options *options)
{
    const struct model_options *opened = &bench->opened;
    const json_t *means = options->input_means;
    return opened->precision == options->precision && opened->unvouched == options->unvouched &&
           opened->watch_inputs == options->watch_inputs &&
           (means ? json_equal(opened->input_means, means) : !opened->input_means);
}

static struct model *job_model(struct job_bench *bench, const json_t *job, struct err *err)
{
    struct model_options options;
    const char *folder = job_text(job, "model", err);
    if (!folder || !job_options(job, bench->crew, &options, err))
        return NULL;
    if (bench->folder && strcmp(bench->folder, folder) == 0 && opened_so(bench, &options) &&
        !model_changed(bench->model))
        return bench->model;
    drop_model(bench);
    char *copy = strdup(folder);
    if (!copy)
        err_fail(err, ERR_NOMEM, "no memory for a path");
    int64_t start_ms = clock_monotonic_ms();
    struct model *model = copy ? model_open(folder, &options, err) : NULL;
    if (!model) {
        free(copy);
        return NULL;
    }
    *bench = (struct job_bench){bench->crew,
                                model,
                                copy,
                                {.precision = options.precision,
                                 .unvouched = options.unvouched,
                                 .watch_inputs = options.watch_inputs,
                                 .input_means = json_incref((json_t *)options.input_means)},
                                (double)(clock_monotonic_ms() - start_ms) / 1000};
    return model;
}

/* ---- answering ---- */

static bool answered(json_t *value, json_t **ret, struct err *err)
{
    if (!value)
        return err_fail(err, ERR_BUG, "an answer cannot be written: no memory, or a value that is no number");
    *ret = value;
    return true;
}

static json_t *identity_json(const struct model *model)
{
    struct result empty = {.has_model = true, .model = *model_identity(model), .key_instance = -1};
    json_t *whole = result_to_json(&empty);
    json_t *identity = json_incref(json_object_get(whole, "model"));
    json_decref(whole);
    return identity;
}

/* What the model says before any study: every label by name, not assessed. */
static json_t *blank_json(struct model *model, struct err *err)
{
    struct result blank = {.has_model = true,
                           .model = *model_identity(model),
                           .modality = model_modality(model),
                           .reason = "not_run",
                           .reason_text = "No study has been analysed.",
                           .key_instance = -1};
    struct arena *arena = arena_new();
    json_t *json = NULL;
    if (!arena)
        err_fail(err, ERR_NOMEM, "no memory for a list of labels");
    else if (model_not_assessed(model, blank.reason, arena, &blank.findings, &blank.finding_count, err))
        json = result_to_json(&blank);
    arena_free(arena);
    return json;
}

static json_t *domain_json(const struct domain *domain)
{
    return domain->id
               ? json_pack("{s:s,s:s,s:f}", "of", domain_of(domain), "id", domain->id, "limit", domain->limit)
               : json_null();
}

static json_t *model_json(struct model *model, struct err *err)
{
    int zyx[3];
    enum precision precision = PRECISION_FP32;
    precision_read(model_identity(model)->precision, &precision);
    json_t *blank = blank_json(model, err);
    model_input_zyx(model, zyx);
    return blank ? json_pack("{s:b,s:O,s:s,s:s,s:b,s:b,s:[i,i,i],s:i,s:o,s:s,s:o}", "ok", 1, "model",
                             json_object_get(blank, "model"), "modality", model_modality(model), "products",
                             tile_products(precision), "needs_mask", model_needs_mask(model),
                             "crops_to_heart", model_preprocess(model)->crop == PREPROCESS_CROP_HEART,
                             "input_zyx", zyx[0], zyx[1], zyx[2], "dim", model_dim(model), "domain",
                             domain_json(model_domain(model)), "text_digest", model_text_digest(model),
                             "blank", blank)
                 : NULL;
}

static json_t *vector_json(const float *vector, int dim)
{
    json_t *array = json_array();
    for (int i = 0; array && i < dim; i++) {
        if (json_array_append_new(array, json_real((double)vector[i])) == 0)
            continue;
        json_decref(array);
        array = NULL;
    }
    return array;
}

/* ---- the jobs ---- */

static bool do_model(struct job_bench *bench, const json_t *job, struct arena *arena, json_t **ret,
                     struct err *err)
{
    struct model *model = job_model(bench, job, err);
    if (!model || !answered(model_json(model, err), ret, err))
        return false;
    json_t *told = model_text_told(model);
    return !told || json_object_set_new(*ret, "text_vectors", told) == 0 ||
           err_fail(err, ERR_NOMEM, "no memory for text embeddings");
}

/* The digests in the result are those of the files as they were opened. */
static bool still_the_same(const struct model *model, struct err *err)
{
    if (!model_changed(model))
        return true;
    err_decline(err, "model_changed", "a file of the model folder changed while the study was analysed");
    err->code = ERR_BUSY;
    return false;
}

/* Where a study's input, or a picture of it, is written. */
struct study_file {
    const struct model *model;
    int fd;
};

static bool write_input(void *to, const struct encoder_input *input, struct err *err)
{
    const struct study_file *file = to;
    return job_tensor_write(file->model, input, file->fd, err);
}

static bool write_picture(void *to, const struct preview *seen, struct arena *arena, struct err *err)
{
    const struct study_file *file = to;
    return preview_write(seen, file->fd, arena, err);
}

static bool job_watch(const json_t *job, struct study_file *file, struct pipeline_watch *ret, struct err *err)
{
    bool input = json_object_get(job, "input_fd"), picture = json_object_get(job, "picture_fd");
    *ret = (struct pipeline_watch){input ? write_input : NULL, picture ? write_picture : NULL, file};
    if (input && picture)
        return err_fail(err, ERR_INPUT, "a job writes to one descriptor, \"input_fd\" or \"picture_fd\"");
    return (!input || job_number(job, "input_fd", 3, 1023, &file->fd, err)) &&
           (!picture || job_number(job, "picture_fd", 3, 1023, &file->fd, err));
}

static bool do_study(struct job_bench *bench, const json_t *job, struct arena *arena, json_t **ret,
                     struct err *err)
{
    struct result *result;
    struct pipeline_study study = {0};
    struct study_file file = {0};
    struct pipeline_watch watch;
    struct model *model = job_watch(job, &file, &watch, err) ? job_model(bench, job, err) : NULL;
    if (!model || !job_study(job, arena, &study, err))
        return false;
    file.model = model;
    study.watch = &watch;
    if (!pipeline_run(model, bench->crew, &study, arena, &result, err))
        return false;
    if (file.fd > 0 && !result->analysed)
        return err_decline(err, result->reason, "%s", result->reason_text);
    return still_the_same(model, err) &&
           answered(json_pack("{s:b,s:o}", "ok", 1, "result", result_to_json(result)), ret, err);
}

static bool do_tensor(struct job_bench *bench, const json_t *job, struct arena *arena, json_t **ret,
                      struct err *err)
{
    struct result *result;
    struct encoder_input input;
    struct model *model = job_model(bench, job, err);
    const char *path = model ? job_text(job, "file", err) : NULL;
    return path && job_tensor_read(model, path, arena, &input, err) &&
           pipeline_run_tensor(model, &input, arena, &result, err) &&
           answered(json_pack("{s:b,s:o}", "ok", 1, "result", result_to_json(result)), ret, err);
}

static bool do_input_means(struct job_bench *bench, const json_t *job, struct arena *arena, json_t **ret,
                           struct err *err)
{
    json_t *means = bench->model ? model_input_means(bench->model, err) : NULL;
    if (!means)
        return bench->model ? false : err_fail(err, ERR_INPUT, "no model is open");
    return answered(json_pack("{s:b,s:o}", "ok", 1, "input_means", means), ret, err);
}

static bool embed_all(struct model *model, const char *const *texts, int count, struct arena *arena,
                      json_t *list, struct err *err)
{
    int dim = model_dim(model);
    float *vector = ARENA_ARRAY(arena, float, (size_t)dim);
    if (!vector || !list)
        return err_fail(err, ERR_NOMEM, "no memory for text embeddings");
    for (int i = 0; i < count; i++) {
        if (!model_embed_text(model, texts[i], vector, err))
            return false;
        if (json_array_append_new(
                list, json_pack("{s:s,s:o}", "text", texts[i], "embedding", vector_json(vector, dim))) != 0)
            return err_fail(err, ERR_NOMEM, "no memory for text embeddings");
    }
    return true;
}

static bool do_text(struct job_bench *bench, const json_t *job, struct arena *arena, json_t **ret,
                    struct err *err)
{
    int count;
    struct model *model = job_model(bench, job, err);
    const char **texts = model ? job_texts(job, "texts", MAX_TEXTS, arena, &count, err) : NULL;
    if (!texts)
        return false;
    json_t *list = json_array();
    if (!embed_all(model, texts, count, arena, list, err)) {
        json_decref(list);
        return false;
    }
    return answered(json_pack("{s:b,s:o,s:o}", "ok", 1, "model", identity_json(model), "embeddings", list),
                    ret, err);
}

static bool do_tokenize(struct job_bench *bench, const json_t *job, struct arena *arena, json_t **ret,
                        struct err *err)
{
    int *ids, count;
    struct model *model = job_model(bench, job, err);
    const char *text = model ? job_text(job, "text", err) : NULL;
    if (!text || !model_tokenize(model, text, arena, &ids, &count, err))
        return false;
    json_t *list = json_array();
    for (int i = 0; list && i < count; i++)
        json_array_append_new(list, json_integer(ids[i]));
    return answered(json_pack("{s:b,s:o}", "ok", 1, "ids", list), ret, err);
}

static json_t *safetensors_json(const struct safetensors *file)
{
    char hex[DIGEST_HEX_SIZE];
    json_int_t bytes = 0;
    safetensors_digest(file, hex);
    for (int i = 0; i < safetensors_count(file); i++)
        bytes += (json_int_t)safetensors_at(file, i)->bytes;
    return json_pack("{s:b,s:s,s:i,s:I,s:s}", "ok", 1, "kind", "safetensors", "tensors",
                     safetensors_count(file), "bytes", bytes, "sha256", hex);
}

/* A text that was cut inside a character would make the whole answer unwritable. */
static json_t *faults_json(const struct faults *faults, struct arena *arena)
{
    json_t *list = json_array();
    for (const struct fault *fault = faults->first; list && fault; fault = fault->next) {
        const char *text = plain_text(arena, fault->err.text, sizeof fault->err.text);
        if (text &&
            json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "code", err_code_name(fault->err.code),
                                                  "reason", fault->err.reason, "text", text)) == 0)
            continue;
        json_decref(list);
        list = NULL;
    }
    return list;
}

/* What the model is, or everything that is wrong with it. */
static json_t *checked_json(const char *folder, struct arena *arena, struct err *err)
{
    struct faults faults;
    faults_init(&faults, arena);
    struct model *model = model_check(folder, &faults, err);
    json_t *answer = NULL;
    if (model)
        answer = model_json(model, err);
    else if (faults.count > 0)
        answer = json_pack("{s:b}", "ok", 1);
    if (answer) {
        json_object_set_new(answer, "kind", json_string("model"));
        json_object_set_new(answer, "faults", faults_json(&faults, arena));
        json_object_set_new(answer, "fault_count", json_integer(faults.count));
    } else if (err->code == ERR_NONE) {
        err_fail(err, ERR_NOMEM, "no memory for an answer");
    }
    model_close(model);
    return answer;
}

static bool do_check(struct job_bench *bench, const json_t *job, struct arena *arena, json_t **ret,
                     struct err *err)
{
    struct stat status;
    json_t *answer = NULL;
    const char *path = job_text(job, "path", err);
    if (!path)
        return false;
    if (stat(path, &status) < 0)
        return err_errno(err, "%s", path);
    if (S_ISDIR(status.st_mode)) {
        answer = checked_json(path, arena, err);
        if (!answer)
            return false;
    } else {
        struct safetensors *file = safetensors_open(path, err);
        if (!file)
            return false;
        answer = safetensors_json(file);
        safetensors_close(file);
    }
    return answered(answer, ret, err);
}

static json_t *warnings_json(const struct chosen *chosen)
{
    json_t *list = json_array();
    for (int i = 0; i < chosen->plan->warning_count; i++)
        json_array_append_new(list, json_string(chosen->plan->warnings[i]));
    return list;
}

/* Every series of the study, as in a result. */
static json_t *series_json(const struct study_choice *choice, struct arena *arena, struct err *err)
{
    struct result described = {.key_instance = -1};
    if (!describe_series(&described, choice, arena, err))
        return NULL;
    json_t *whole = result_to_json(&described);
    json_t *series = json_incref(json_object_get(json_object_get(whole, "input"), "series"));
    json_decref(whole);
    return series;
}

static json_t *volume_json(const struct chosen *chosen, json_t *series, int read, int given)
{
    const struct volume_plan *plan = chosen->plan;
    const int *zyx = plan->geometry.zyx;
    const double *spacing = plan->geometry.spacing_zyx_mm;
    return json_pack("{s:b,s:o,s:[i,i,i],s:i,s:[f,f,f],s:o,s:i,s:i}", "ok", 1, "series", series, "zyx",
                     zyx[0], zyx[1], zyx[2], "phases", plan->geometry.phases, "spacing_zyx_mm", spacing[0],
                     spacing[1], spacing[2], "warnings", warnings_json(chosen), "files", read, "skipped",
                     given - read);
}

static bool do_volume(struct job_bench *bench, const json_t *job, struct arena *arena, json_t **ret,
                      struct err *err)
{
    int read = 0;
    struct nifti nifti;
    struct chosen chosen;
    struct pipeline_study study = {0};
    if (!job_study(job, arena, &study, err) || !job_number(job, "fd", 3, 1023, &nifti.fd, err) ||
        !pipeline_volume(bench->crew, &study, arena, nifti_write, &nifti, &chosen, &read, err))
        return false;
    json_t *series = series_json(chosen.choice, arena, err);
    return series && answered(volume_json(&chosen, series, read, study.count), ret, err);
}

static bool do_pixels(struct job_bench *bench, const json_t *job, struct arena *arena, json_t **ret,
                      struct err *err)
{
    int fd = -1, frame = 0;
    struct dicom_pixels_shape shape;
    const char *file = job_text(job, "file", err);
    if (!file || !job_number(job, "fd", 3, 1023, &fd, err) ||
        (json_object_get(job, "frame") && !job_number(job, "frame", 1, INT_MAX, &frame, err)))
        return false;
    int64_t start_ms = clock_monotonic_ms();
    return pixels_write(file, frame, bench->crew, fd, &shape, err) &&
           answered(json_pack("{s:b,s:i,s:i,s:i,s:i,s:i,s:b,s:f}", "ok", 1, "frames", shape.frames, "rows",
                              shape.rows, "columns", shape.columns, "bits_allocated", shape.bits_allocated,
                              "bits_stored", shape.bits_stored, "signed", shape.is_signed, "decode_s",
                              (double)(clock_monotonic_ms() - start_ms) / 1000),
                    ret, err);
}

static const struct {
    const char *name;
    bool (*run)(struct job_bench *, const json_t *, struct arena *, json_t **, struct err *);
} kinds[] = {{"model", do_model},   {"study", do_study},       {"tensor", do_tensor},
             {"text", do_text},     {"tokenize", do_tokenize}, {"check", do_check},
             {"volume", do_volume}, {"pixels", do_pixels},     {"input_means", do_input_means}};

static bool do_job(struct job_bench *bench, const json_t *job, struct arena *arena, json_t **ret,
                   struct err *err)
{
    const char *name = job_text(job, "job", err);
    if (!name)
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, name) == 0)
            return kinds[i].run(bench, job, arena, ret, err);
    }
    return err_fail(err, ERR_INPUT, "there is no job of that name");
}

/* A text cut inside a character would make the whole answer unwritable. */
static json_t *refusal(const struct err *err)
{
    struct arena *arena = arena_new();
    const char *text = arena ? plain_text(arena, err->text, sizeof err->text) : NULL;
    json_t *answer = json_pack("{s:b,s:{s:s,s:s,s:s}}", "ok", 0, "error", "code", err_code_name(err->code),
                               "reason", err->reason, "text", text ? text : "out of memory");
    arena_free(arena);
    return answer;
}

static void tell_packed(const struct job_bench *bench, const json_t *job, json_t *answer)
{
    bool offered = json_object_get(job, "packed_fd") || json_object_get(job, "pack_fd");
    if (offered && bench->model)
        json_object_set_new(answer, "packed_bytes",
                            json_integer((json_int_t)model_packed_bytes(bench->model)));
}

json_t *job_answer(struct job_bench *bench, const char *line)
{
    struct err err = ERR_INIT;
    json_t *answer = NULL;
    struct arena *arena = arena_new();
    json_t *job = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    bool done = false;
    int64_t start_ms = clock_monotonic_ms();
    bench->open_s = 0;
    if (!arena)
        err_fail(&err, ERR_NOMEM, "no memory for a job");
    else if (!json_is_object(job))
        err_fail(&err, ERR_INPUT, "the line is no JSON object");
    else
        done = do_job(bench, job, arena, &answer, &err);
    if (done)
        tell_packed(bench, job, answer);
    if (done && json_is_true(json_object_get(job, "stats")))
        json_object_set_new(
            answer, "stats",
            job_stats_json(bench->model, bench->open_s, (double)(clock_monotonic_ms() - start_ms) / 1000));
    json_decref(job);
    arena_free(arena);
    return done ? answer : refusal(&err);
}

void job_kind(const char *line, char word[16])
{
    json_t *job = json_loads(line, 0, NULL);
    const char *name = json_string_value(json_object_get(job, "job"));
    snprintf(word, 16, "%s", name ? name : "");
    json_decref(job);
}
