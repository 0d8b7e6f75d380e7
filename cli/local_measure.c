#include "base/digest.h"
#include "base/file.h"
#include "local.h"
#include "pipeline/model_precision.h"
#include "pipeline/worker_process.h"
#include "show.h"

#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What is found of one study and of all. */
struct apart {
    double cosine_least, probability_most;
    int corrected_by, studies, findings, states_changed, probabilities;
    char weights_sha256[DIGEST_HEX_SIZE]; /* "": none yet */
};

/* ---- two results of one study ---- */

static void compare_vectors(const json_t *a, const json_t *b, struct apart *apart)
{
    double dot = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < json_array_size(a); i++) {
        double x = json_number_value(json_array_get(a, i)), y = json_number_value(json_array_get(b, i));
        dot += x * y;
        aa += x * x;
        bb += y * y;
    }
    double cosine = json_array_size(a) == json_array_size(b) && aa > 0 && bb > 0 ? dot / sqrt(aa * bb) : -1;
    apart->cosine_least = fmin(apart->cosine_least, cosine);
}

static void compare_findings(const json_t *a, const json_t *b, struct apart *apart)
{
    for (size_t i = 0; i < json_array_size(a); i++) {
        const json_t *one = json_array_get(a, i), *other = json_array_get(b, i);
        apart->findings++;
        apart->states_changed += strcmp(show_text(one, "state"), show_text(other, "state")) != 0;
        if (!json_is_number(json_object_get(one, "probability")))
            continue;
        apart->probabilities++;
        apart->probability_most = fmax(apart->probability_most, fabs(show_number(one, "probability") -
                                                                     show_number(other, "probability")));
    }
}

/* Of an organ-grounded model every organ has a vector. */
static bool has_vector(const json_t *result)
{
    bool found = json_is_array(json_object_get(result, "embedding"));
    const json_t *organs = json_object_get(result, "organs");
    for (size_t i = 0; i < json_array_size(organs); i++)
        found = found || json_object_get(json_array_get(organs, i), "embedding");
    return json_is_true(json_object_get(result, "analysed")) && found;
}

static void compare(const json_t *a, const json_t *b, struct apart *apart)
{
    const json_t *organs = json_object_get(a, "organs"), *others = json_object_get(b, "organs");
    if (json_is_array(json_object_get(a, "embedding")))
        compare_vectors(json_object_get(a, "embedding"), json_object_get(b, "embedding"), apart);
    for (size_t i = 0; i < json_array_size(organs); i++) {
        const json_t *vector = json_object_get(json_array_get(organs, i), "embedding");
        if (vector)
            compare_vectors(vector, json_object_get(json_array_get(others, i), "embedding"), apart);
    }
    compare_findings(json_object_get(a, "findings"), json_object_get(b, "findings"), apart);
}

/* ---- the studies ---- */

static bool is_tensor(const char *path)
{
    const char *end = strrchr(path, '.');
    return end && strcmp(end, ".safetensors") == 0;
}

/* A worker and the model as it opens it. */
struct opened {
    struct worker_process *worker;
    const char *precision;
    bool watch;                /* gather what it may be corrected by */
    const json_t *input_means; /* it is corrected by; NULL: by none */
};

static json_t *job_for(const struct local_settings *settings, const struct opened *opened, json_t *job,
                       struct err *err)
{
    bool ok = json_object_set_new(job, "model", json_string(settings->model)) == 0 &&
              json_object_set_new(job, "precision", json_string(opened->precision)) == 0 &&
              json_object_set_new(job, "unvouched", json_true()) == 0;
    if (ok && opened->input_means)
        ok = json_object_set(job, "input_means", (json_t *)opened->input_means) == 0;
    else if (ok && opened->watch)
        ok = json_object_set_new(job, "watch_inputs", json_true()) == 0;
    if (ok)
        return job;
    json_decref(job);
    err_fail(err, ERR_INPUT, "an argument is not UTF-8");
    return NULL;
}

static json_t *job_on(const struct local_settings *settings, char *const *path, const struct opened *opened,
                      struct err *err)
{
    struct local_settings one = *settings;
    one.paths = path;
    one.path_count = 1;
    json_t *job = is_tensor(*path) ? json_pack("{s:s,s:s}", "job", "tensor", "file", *path)
                                   : local_study_job(&one, "study", err);
    if (job)
        return job_for(settings, opened, job, err);
    if (err->code == ERR_NONE)
        err_fail(err, ERR_INPUT, "an argument is not UTF-8");
    return NULL;
}

static json_t *result_of(const struct local_settings *settings, const struct opened *opened,
                         char *const *path, struct err *err)
{
    json_t *answer = NULL, *job = job_on(settings, path, opened, err);
    bool ok = job && worker_process_call(opened->worker, job, settings->timeout_s * 1000, &answer, err);
    json_decref(job);
    json_t *result = ok ? json_incref(json_object_get(answer, "result")) : NULL;
    json_decref(answer);
    return result;
}

static bool same_weights(const json_t *result, struct apart *apart, struct err *err)
{
    const char *digest = show_text(json_object_get(result, "model"), "weights_sha256");
    if (!apart->weights_sha256[0])
        snprintf(apart->weights_sha256, sizeof apart->weights_sha256, "%s", digest);
    return strcmp(apart->weights_sha256, digest) == 0 ||
           err_fail(err, ERR_INPUT, "the weights were replaced while they were measured");
}

/* Of a study in fp32. out: NULL without err: it gives no vector, which is told. */
static json_t *exact_result(const struct local_settings *settings, const struct opened *exact,
                            char *const *path, struct apart *apart, struct err *err)
{
    json_t *result = result_of(settings, exact, path, err);
    if (result && has_vector(result) && same_weights(result, apart, err))
        return result;
    if (result && !has_vector(result))
        fprintf(stderr, "cardioscribe: %s: no embedding (%s), not counted\n", *path,
                show_text(result, "reason"));
    json_decref(result);
    return NULL;
}

/* What gives no vector in fewer bits alone is as far apart as can be. */
static bool measure_one(const struct local_settings *settings, const struct opened *exact,
                        const struct opened *narrow, char *const *path, struct apart *apart, struct err *err)
{
    struct err cause = ERR_INIT;
    json_t *result = exact_result(settings, exact, path, apart, err);
    if (!result)
        return err->code == ERR_NONE;
    json_t *other = result_of(settings, narrow, path, &cause);
    bool ok = !other || same_weights(other, apart, err);
    if (ok && other)
        compare(result, other, apart);
    if (ok && !other) {
        fprintf(stderr, "cardioscribe: %s: in %s: %s\n", *path, narrow->precision, cause.text);
        apart->cosine_least = -1;
    }
    apart->studies += ok;
    json_decref(result);
    json_decref(other);
    return ok;
}

/* Whether there is anything to measure: said before an hour of studies, not after. */
static bool opens(const struct local_settings *settings, struct err *err)
{
    struct opened narrow = {local_worker(settings, NULL, 0, err), settings->precision, false, NULL};
    json_t *answer = NULL, *job = narrow.worker ? json_pack("{s:s}", "job", "model") : NULL;
    job = job ? job_for(settings, &narrow, job, err) : NULL;
    bool ok = job && worker_process_call(narrow.worker, job, settings->timeout_s * 1000, &answer, err);
    json_decref(job);
    json_decref(answer);
    worker_process_stop(narrow.worker);
    return ok;
}

/* Studies 1, 3, 5 ... say what layers are corrected by, the others how far apart the results are: what is
 * measured was not fitted. owns: the caller drops the reference. */
static json_t *find_means(const struct local_settings *settings, const struct opened *exact,
                          struct apart *apart, struct err *err)
{
    json_t *answer = NULL, *job;
    for (int i = 0; i < settings->path_count; i += 2) {
        json_t *result = exact_result(settings, exact, settings->paths + i, apart, err);
        apart->corrected_by += result != NULL;
        json_decref(result);
        if (err->code != ERR_NONE) {
            err_prefix(err, "%s", settings->paths[i]);
            return NULL;
        }
    }
    if (apart->corrected_by == 0) {
        err_fail(err, ERR_INPUT, "none of studies 1, 3, 5 ... gave an embedding");
        return NULL;
    }
    job = json_pack("{s:s}", "job", "input_means");
    bool ok = job && worker_process_call(exact->worker, job, settings->timeout_s * 1000, &answer, err);
    json_decref(job);
    json_t *means = ok ? json_incref(json_object_get(answer, "input_means")) : NULL;
    json_decref(answer);
    if (ok && !means)
        err_fail(err, ERR_BUG, "the worker told no mean inputs");
    return means;
}

static json_t *measure(const struct local_settings *settings, struct apart *apart, struct err *err)
{
    struct opened exact = {NULL, "fp32", true, NULL}, narrow = {NULL, settings->precision, false, NULL};
    if (!opens(settings, err) || !(exact.worker = local_worker(settings, NULL, 0, err)))
        return NULL;
    json_t *means = find_means(settings, &exact, apart, err);
    exact.watch = false;
    narrow.input_means = means;
    narrow.worker = means ? local_worker(settings, NULL, 0, err) : NULL;
    bool ok = narrow.worker;
    for (int i = 1; ok && i < settings->path_count && worker_process_alive(narrow.worker); i += 2)
        ok = measure_one(settings, &exact, &narrow, settings->paths + i, apart, err) ||
             err_prefix(err, "%s", settings->paths[i]);
    worker_process_stop(exact.worker);
    worker_process_stop(narrow.worker);
    if (ok &&
        (apart->studies > 0 || err_fail(err, ERR_INPUT, "none of studies 2, 4, 6 ... gave an embedding")))
        return means;
    json_decref(means);
    return NULL;
}

/* ---- what is written ---- */

static json_t *entry_of(const struct apart *apart, enum precision precision)
{
    return json_pack("{s:s,s:s,s:s,s:i,s:i,s:f,s:f,s:i,s:i,s:o}", "weights_sha256", apart->weights_sha256,
                     "version", CARDIOSCRIBE_VERSION, "products", tile_products(precision), "corrected_by",
                     apart->corrected_by, "studies", apart->studies, "cosine_least", apart->cosine_least,
                     "cosine_bound", model_precision_bound(precision), "findings", apart->findings,
                     "states_changed", apart->states_changed, "probability_most",
                     apart->probabilities ? json_real(apart->probability_most) : json_null());
}

static bool write_file(const char *path, const json_t *file, struct err *err)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part)
        return err_fail(err, ERR_INPUT, "the model folder's name is too long");
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_errno(err, "create %s", part);
    char *text = json_dumps(file, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    bool fits = !text || strlen(text) < MODEL_PRECISION_MAX_BYTES;
    if (!fits)
        err_fail(err, ERR_INPUT, "%s would be larger than can be read again", path);
    bool ok = fits && text ? file_write(fd, text, strlen(text), err) && file_write(fd, "\n", 1, err)
                           : err_fail(err, ERR_NOMEM, "no memory for %s", path);
    free(text);
    close(fd);
    return ok && file_commit(part, path, err);
}

/* What the file says so far, to be written again: asked before measuring. owns: the caller drops it. */
static json_t *open_record(const struct local_settings *settings, char path[PATH_MAX], struct err *err)
{
    if (snprintf(path, PATH_MAX, "%s/" MODEL_PRECISION_FILE, settings->model) >= PATH_MAX) {
        err_fail(err, ERR_INPUT, "the model folder's name is too long");
        return NULL;
    }
    if (access(settings->model, W_OK) < 0) {
        err_errno(err, "write to %s", settings->model);
        return NULL;
    }
    json_t *file = model_precision_read(path, err);
    if (!file || json_is_object(file))
        return file;
    err_fail(err, ERR_INPUT, "%s is no JSON object", path);
    json_decref(file);
    return NULL;
}

static void show(const struct local_settings *settings, const json_t *entry)
{
    printf("precision  %s (%s) against fp32, %d studies, corrected by %d others\n", settings->precision,
           show_text(entry, "products"), (int)show_number(entry, "studies"),
           (int)show_number(entry, "corrected_by"));
    printf("embedding  cosine at least %.6f, wanted %.6f: %s\n", show_number(entry, "cosine_least"),
           show_number(entry, "cosine_bound"),
           show_number(entry, "cosine_least") >= show_number(entry, "cosine_bound") ? "may be used"
                                                                                    : "REFUSED");
    printf("findings   %d, of which %d change their state", (int)show_number(entry, "findings"),
           (int)show_number(entry, "states_changed"));
    if (json_is_number(json_object_get(entry, "probability_most")))
        printf("; probabilities at most %.4f apart", show_number(entry, "probability_most"));
    putchar('\n');
}

enum cli_exit local_measure(struct local_settings *settings)
{
    struct err err = ERR_INIT;
    struct apart apart = {.cosine_least = 1};
    enum precision precision = PRECISION_FP32;
    if (!settings->precision || !precision_read(settings->precision, &precision) ||
        precision == PRECISION_FP32)
        return cli_usage("model", "--precision bf16 or int8 is missing");
    char path[PATH_MAX];
    settings->model = settings->rest[1];
    settings->paths = settings->rest + 2;
    settings->path_count = settings->rest_count - 2;
    json_t *file = open_record(settings, path, &err);
    json_t *means = file ? measure(settings, &apart, &err) : NULL;
    json_t *entry = means ? entry_of(&apart, precision) : NULL;
    bool within = entry && apart.cosine_least >= model_precision_bound(precision);
    bool kept = entry && json_object_set(entry, "input_means", means) == 0 &&
                json_object_set(file, settings->precision, entry) == 0 && write_file(path, file, &err);
    json_object_del(entry, "input_means"); /* thousands of numbers that nobody reads */
    json_decref(means);
    json_decref(file);
    if (entry && !kept)
        cli_failed(&err);
    enum cli_exit ended = local_end(settings, entry, show, &err);
    return ended != CLI_OK || (within && kept) ? ended : CLI_REFUSED;
}
