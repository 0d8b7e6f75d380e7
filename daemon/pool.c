/* Threads: one a slot; it starts, calls and stops its own worker process. Lock: `lock` guards each slot's
 * worker pointer, so that pool_stop can kill a worker that another thread is calling. Stop:
 * service->stopping, the jobs bell, and worker_process_kill for calls under way. */
#include "daemon/pool.h"

#include "base/clock.h"
#include "daemon/embeddings.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/reporter.h"
#include "daemon/shared.h"
#include "pipeline/worker_process.h"
#include "report/result_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 500, MAX_ATTEMPTS = 2, LEASE_MARGIN_MS = 60000, RETRY_MS = 5000 };

struct slot {
    struct pool *pool;
    pthread_t thread;
    struct pulse *pulse;
    struct worker_process *worker;
    int jobs;
    unsigned seen; /* of the jobs bell */
};

/* What a model says of itself before any study: a result with every label not assessed. */
struct known_model {
    const char *name;
    struct result *blank;
    const char *text_digest; /* what its text embeddings are kept under; "": none */
};

struct pool {
    struct service *service;
    pthread_mutex_t lock;
    struct slot *slots;
    int started;
    struct arena *arena;
    struct known_model models[CONFIG_MAX_MODELS];
    int model_count;
    struct shared shared;
};

/* It may read what was acknowledged, the models, what is packed of them, and the text embeddings that were
 * kept. */
static struct worker_process *start_worker(const struct pool *pool, struct err *err)
{
    const struct service *service = pool->service;
    char objects[PATH_MAX], texts[PATH_MAX];
    const char *roots[CONFIG_MAX_MODELS + 2] = {objects, texts};
    spool_path(service->spool, "objects", objects);
    embeddings_folder(service, texts);
    for (int i = 0; i < service->config->model_count; i++)
        roots[i + 2] = service->config->models[i].folder;
    struct worker_options options = {.threads = service->config->pool.threads,
                                     .read_roots = roots,
                                     .read_root_count = service->config->model_count + 2,
                                     .shelf_fds = pool->shared.fds,
                                     .shelf_count = service->config->model_count,
                                     .turn_fd = pool->shared.turn,
                                     .data_limit_bytes = (uint64_t)service->config->pool.memory_mb << 20};
    if (service->config->pool.worker_file[0])
        options.path = service->config->pool.worker_file;
    return worker_process_start(&options, err);
}

/* ---- one job ------------------------------------------------------------------------------------------ */

static void drop_worker(struct slot *slot)
{
    pthread_mutex_lock(&slot->pool->lock);
    struct worker_process *worker = slot->worker;
    slot->worker = NULL;
    pthread_mutex_unlock(&slot->pool->lock);
    if (worker)
        slot->pool->service->workers_ready--;
    worker_process_stop(worker);
    slot->jobs = 0;
}

/* What a model is, and its text embeddings, which are taken from a worker before its first study only: what a
 * hostile file may have made of it must not outlive it. */
static bool ask_model(struct pool *pool, struct worker_process *worker, const struct config_model *model,
                      json_t **ret_answer, struct err *err)
{
    const struct service *service = pool->service;
    json_t *job =
        json_pack("{s:s,s:s,s:s}", "job", "model", "model", model->folder, "precision", model->precision);
    if (!job)
        return err_fail(err, ERR_NOMEM, "no memory for a job");
    embeddings_offer(service, job);
    shared_offer(&pool->shared, service->config, model, job);
    bool ok = worker_process_call(worker, job, service->config->pool.job_timeout_s * 1000, ret_answer, err);
    json_decref(job);
    if (!ok)
        return false;
    embeddings_take(service, model->name, *ret_answer);
    shared_note(&pool->shared, service->config, model, *ret_answer);
    return true;
}

/* A worker is ready when it has answered, not when it was started: one that cannot load its dictionary or
 * close its sandbox must not take a study's attempt. A refusal is an answer: a model folder damaged since the
 * start is the concern of that model's jobs. */
static bool first_answer(struct slot *slot, struct err *err)
{
    const struct config *config = slot->pool->service->config;
    const struct config_model *model = NULL;
    json_t *answer = NULL;
    for (int i = 0; i < config->model_count && !model; i++)
        if (config->models[i].modality[0])
            model = &config->models[i];
    pulse_beat(slot->pulse, config->pool.job_timeout_s * 1000LL);
    bool ok = !model || ask_model(slot->pool, slot->worker, model, &answer, err);
    pulse_beat(slot->pulse, 0);
    json_decref(answer);
    return ok || strncmp(err->reason, "worker_", 7) != 0;
}

/* NULL: it can go on. One that has done no job yet holds what its model needs, as another would. */
static const char *why_replace(const struct slot *slot, int memory_mb)
{
    const struct config *config = slot->pool->service->config;
    if (!worker_process_alive(slot->worker))
        return "ended";
    if (slot->jobs >= config->pool.max_jobs)
        return "max_jobs";
    bool marked = config->pool.replace_above_mb > 0 && slot->jobs > 0;
    return marked && memory_mb > config->pool.replace_above_mb ? "replace_above_mb" : NULL;
}

static void drop_worn(struct slot *slot)
{
    int memory_mb = (int)(worker_process_memory_bytes(slot->worker) >> 20);
    const char *reason = why_replace(slot, memory_mb);
    if (!reason)
        return;
    log_event(LOG_INFO, "worker_replaced", "reason=%s jobs=%d memory_mb=%d", reason, slot->jobs, memory_mb);
    drop_worker(slot);
}

static bool ensure_worker(struct slot *slot, struct err *err)
{
    struct service *service = slot->pool->service;
    if (slot->worker)
        drop_worn(slot);
    if (slot->worker)
        return true;
    struct worker_process *worker = start_worker(slot->pool, err);
    if (!worker)
        return false;
    pthread_mutex_lock(&slot->pool->lock);
    slot->worker = worker;
    if (service->stopping) /* pool_stop may have looked before */
        worker_process_kill(worker);
    pthread_mutex_unlock(&slot->pool->lock);
    service->workers_ready++;
    if (first_answer(slot, err))
        return true;
    drop_worker(slot);
    return false;
}

static const struct config_model *model_of(const struct config *config, const char *name)
{
    for (int i = 0; i < config->model_count; i++)
        if (strcmp(config->models[i].name, name) == 0)
            return &config->models[i];
    return NULL;
}

static const struct result *blank_of(const struct pool *pool, const char *name)
{
    for (int i = 0; i < pool->model_count; i++)
        if (strcmp(pool->models[i].name, name) == 0)
            return pool->models[i].blank;
    return NULL;
}

static json_t *study_job(const struct pool *pool, const struct config_model *model,
                         const struct store_inputs *inputs)
{
    json_t *files = json_array();
    for (int i = 0; i < inputs->count; i++) {
        char path[PATH_MAX];
        spool_path(pool->service->spool, inputs->items[i].path, path);
        json_array_append_new(files, json_string(path));
    }
    json_t *job = json_pack("{s:s,s:s,s:s,s:o}", "job", "study", "model", model->folder, "precision",
                            model->precision, "files", files);
    if (job) {
        embeddings_offer(pool->service, job);
        rulebook_offer(pool->service->rulebook, job);
        shared_offer(&pool->shared, pool->service->config, model, job);
    }
    return job;
}

static bool run_worker(struct slot *slot, const struct config_model *model, const struct store_inputs *inputs,
                       struct arena *arena, struct result **ret, struct err *err)
{
    const struct config *config = slot->pool->service->config;
    if (!ensure_worker(slot, err))
        return false;
    json_t *job = study_job(slot->pool, model, inputs), *answer = NULL;
    slot->jobs++;
    pulse_beat(slot->pulse, config->pool.job_timeout_s * 1000LL);
    bool ok = job ? worker_process_call(slot->worker, job, config->pool.job_timeout_s * 1000, &answer, err)
                  : err_fail(err, ERR_NOMEM, "no memory for a job");
    pulse_beat(slot->pulse, 0);
    json_decref(job);
    if (ok)
        shared_note(&slot->pool->shared, config, model, answer);
    ok = ok && result_from_json(json_object_get(answer, "result"), arena, ret, err);
    json_decref(answer);
    if (ok)
        return true;
    if (!err->reason[0]) /* refused by the worker, even for want of memory: the study's attempt, not ours */
        snprintf(err->reason, sizeof err->reason, "worker_%s", err_code_name(err->code));
    drop_worker(slot);
    return false;
}

/* Full, busy or failing storage passes or is put right; the result is worth waiting for. */
static bool may_pass(enum err_code code)
{
    return code == ERR_FULL || code == ERR_BUSY || code == ERR_IO || code == ERR_NOMEM;
}

static int64_t lease_ms(const struct pool *pool)
{
    return pool->service->config->pool.job_timeout_s * 1000LL + LEASE_MARGIN_MS;
}

static void pause_retry(struct slot *slot)
{
    int64_t until_ms = clock_monotonic_ms() + RETRY_MS;
    while (!slot->pool->service->stopping && clock_monotonic_ms() < until_ms) {
        pulse_beat(slot->pulse, LOOK_MS);
        bell_wait(&slot->pool->service->jobs, &slot->seen, LOOK_MS);
    }
}

static void park_without_report(struct pool *pool, const struct store_job *job, const struct err *cause)
{
    struct err err = ERR_INIT;
    log_event(LOG_ERROR, "study_parked", "study=%lld job=%lld reason=report_impossible cause=%s",
              (long long)job->study, (long long)job->id, log_text(cause->text));
    metrics_not_analysed("report_impossible");
    if (!store_fail_job(pool->service->store, job, "report_impossible", cause->text, clock_unix_ms(), &err))
        log_event(LOG_ERROR, "job_not_parked", "job=%lld cause=%s", (long long)job->id, log_text(err.text));
}

/* Its study was withdrawn, and its files with it: no retry brings them back. */
static bool unwanted(struct pool *pool, const struct store_job *job)
{
    struct err err = ERR_INIT;
    bool runs;
    if (!store_job_runs(pool->service->store, job, &runs, &err) || runs)
        return false;
    log_event(LOG_WARNING, "result_stale", "job=%lld study=%lld", (long long)job->id, (long long)job->study);
    return true;
}

static void finish(struct slot *slot, const struct store_job *job, const struct store_inputs *inputs,
                   const struct result *result, bool failed)
{
    struct pool *pool = slot->pool;
    struct err err = ERR_INIT;
    char sop_uid[UID_SIZE];
    uid_new(sop_uid);
    while (!reporter_finish(pool->service, job, inputs, result, sop_uid, failed, &err)) {
        if (unwanted(pool, job))
            return;
        if (!may_pass(err.code)) {
            park_without_report(pool, job, &err);
            return;
        }
        log_event(LOG_ERROR, "result_not_recorded", "study=%lld job=%lld cause=%s, will retry in %d s",
                  (long long)job->study, (long long)job->id, log_text(err.text), RETRY_MS / 1000);
        pause_retry(slot);
        if (pool->service->stopping)
            return;
        err = (struct err)ERR_INIT;
        store_renew_job(pool->service->store, job, clock_unix_ms() + lease_ms(pool), &err);
        err = (struct err)ERR_INIT;
    }
    log_event(failed ? LOG_ERROR : LOG_INFO, failed ? "study_parked" : "job_done",
              "study=%lld job=%lld revision=%d model=%s analysed=%s reason=%s encode_s=%.2f",
              (long long)job->study, (long long)job->id, job->revision, log_text(job->model),
              result->analysed ? "yes" : "no", log_text(result_outcome(result)), result->encode_s);
    metrics_count(result->analysed ? METRIC_RESULTS_ANALYSED : METRIC_RESULTS_NOT_ANALYSED);
    if (result_outside(result))
        metrics_count(METRIC_RESULTS_OUTSIDE_DOMAIN);
    if (result->analysed)
        metrics_observe(METRIC_ENCODE_SECONDS, result->encode_s);
    else
        metrics_not_analysed(result->reason);
    bell_ring(&pool->service->outbox);
}

/* A worker that crashed, hung or refused costs an attempt; storage, memory or processes that fail us do not.
 */
static bool costs_attempt(const struct err *cause)
{
    return strncmp(cause->reason, "worker_", 7) == 0 || !may_pass(cause->code);
}

static void give_back(struct slot *slot, const struct store_job *job, const struct err *cause)
{
    struct store *store = slot->pool->service->store;
    struct err err = ERR_INIT;
    log_event(LOG_ERROR, "job_given_back", "study=%lld job=%lld cause=%s, will retry in %d s",
              (long long)job->study, (long long)job->id, log_text(cause->text), RETRY_MS / 1000);
    if (!store_release_job(store, job, clock_unix_ms(), &err))
        log_event(LOG_ERROR, "job_not_returned", "job=%lld cause=%s, its lease runs out", (long long)job->id,
                  log_text(err.text));
    pause_retry(slot);
}

static void count_attempt(struct slot *slot, const struct store_job *job, const struct store_inputs *inputs,
                          const struct err *cause, struct arena *arena)
{
    struct pool *pool = slot->pool;
    struct err err = ERR_INIT;
    const char *reason = cause->reason[0] ? cause->reason : err_code_name(cause->code);
    metrics_count(METRIC_ATTEMPTS_FAILED);
    log_event(LOG_WARNING, "attempt_failed", "study=%lld job=%lld attempt=%d of=%d reason=%s cause=%s",
              (long long)job->study, (long long)job->id, job->attempts + 1, MAX_ATTEMPTS, reason,
              log_text(cause->text));
    if (job->attempts + 1 < MAX_ATTEMPTS) {
        if (!store_return_job(pool->service->store, job, reason, cause->text, clock_unix_ms(), &err))
            log_event(LOG_ERROR, "job_not_returned", "job=%lld cause=%s, its lease runs out",
                      (long long)job->id, log_text(err.text));
        return;
    }
    const char *text = arena_printf(arena, "The analysis failed %d times: %s.", MAX_ATTEMPTS, cause->text);
    struct result *result =
        text ? reporter_not_analysed(pool->service, job, blank_of(pool, job->model), reason, text, arena)
             : NULL;
    if (result) {
        finish(slot, job, inputs, result, true);
        return;
    }
    err_fail(&err, ERR_NOMEM, "no memory for a result");
    give_back(slot, job, &err);
}

static void attempt_failed(struct slot *slot, const struct store_job *job, const struct store_inputs *inputs,
                           const struct err *cause, struct arena *arena)
{
    if (cause->code == ERR_CANCELLED) /* shutting down: queued again at the next start */
        return;
    if (costs_attempt(cause))
        count_attempt(slot, job, inputs, cause, arena);
    else
        give_back(slot, job, cause);
}

static const char *no_model_text(const char *reason)
{
    if (strcmp(reason, "no_model_matches") == 0)
        return "Models for this modality are configured, but none takes a study with these descriptions.";
    if (strcmp(reason, "model_unavailable") == 0)
        return "No model that could be opened takes this study; a configured one could not be opened.";
    if (strcmp(reason, "pixels_dropped") == 0)
        return "Earlier images of this study have been removed here, as configured, after it had its answer;"
               " to have it analysed with the new ones, send the whole study again.";
    return "No model for this modality is configured.";
}

/* The result of a job, by the worker or by what is known without one. */
static bool result_of_job(struct slot *slot, const struct store_job *job, const struct store_inputs *inputs,
                          struct arena *arena, struct result **ret, struct err *err)
{
    struct service *service = slot->pool->service;
    const struct config_model *model = model_of(service->config, job->model);
    if (model)
        return run_worker(slot, model, inputs, arena, ret, err);
    const char *reason = *job->model ? "model_not_configured" : job->reason;
    const char *text = *job->model ? "The model is not configured any more." : no_model_text(reason);
    *ret = reporter_not_analysed(service, job, NULL, reason, text, arena);
    return *ret || err_fail(err, ERR_NOMEM, "no memory for a result");
}

static void do_job(struct slot *slot, const struct store_job *job, struct arena *arena)
{
    struct store_inputs inputs = {0};
    struct result *result;
    struct err err = ERR_INIT;
    int64_t begin_ms = clock_monotonic_ms();
    if (!store_job_inputs(slot->pool->service->store, job->study, arena, &inputs, &err) ||
        !result_of_job(slot, job, &inputs, arena, &result, &err)) {
        attempt_failed(slot, job, &inputs, &err, arena);
        return;
    }
    finish(slot, job, &inputs, result, false);
    metrics_observe(METRIC_JOB_SECONDS, (double)(clock_monotonic_ms() - begin_ms) / 1000);
}

static bool claim_and_do(struct slot *slot)
{
    struct service *service = slot->pool->service;
    struct store_job *job = NULL;
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    if (!arena)
        return false;
    if (!store_claim_job(service->store, clock_unix_ms(), lease_ms(slot->pool), arena, &job, &err))
        log_event(LOG_ERROR, "claim_failed", "cause=%s", log_text(err.text));
    if (job) {
        log_event(LOG_INFO, "job_started", "study=%lld job=%lld revision=%d model=%s", (long long)job->study,
                  (long long)job->id, job->revision, log_text(job->model));
        do_job(slot, job, arena);
    }
    arena_free(arena);
    return job != NULL;
}

static bool look(struct slot *slot, bool *complained)
{
    struct err err = ERR_INIT;
    bool ok = ensure_worker(slot, &err);
    if (!ok && !*complained && err.code != ERR_CANCELLED) /* that is pool_stop */
        log_event(LOG_ERROR, "worker_not_started", "cause=%s, will retry", log_text(err.text));
    *complained = !ok;
    return ok && claim_and_do(slot);
}

static void *slot_main(void *argument)
{
    struct slot *slot = argument;
    bool complained = false;
    while (!slot->pool->service->stopping) {
        pulse_beat(slot->pulse, LOOK_MS);
        if (!look(slot, &complained))
            bell_wait(&slot->pool->service->jobs, &slot->seen, LOOK_MS);
    }
    drop_worker(slot);
    return NULL;
}

/* ---- start and stop ----------------------------------------------------------------------------------- */

static bool learn_model(struct pool *pool, struct worker_process *worker, struct config_model *model,
                        struct err *err)
{
    struct known_model *known = &pool->models[pool->model_count];
    json_t *answer = NULL;
    bool ok = ask_model(pool, worker, model, &answer, err) &&
              result_from_json(json_object_get(answer, "blank"), pool->arena, &known->blank, err);
    const char *modality = json_string_value(json_object_get(answer, "modality"));
    if (ok && modality) {
        snprintf(model->modality, sizeof model->modality, "%s", modality);
        const char *products = json_string_value(json_object_get(answer, "products"));
        snprintf(model->products, sizeof model->products, "%s", products ? products : "?");
        model->needs_mask = json_is_true(json_object_get(answer, "needs_mask"));
        model->crops_to_heart = json_is_true(json_object_get(answer, "crops_to_heart"));
        known->name = model->name;
        const char *digest = json_string_value(json_object_get(answer, "text_digest"));
        known->text_digest = arena_strdup(pool->arena, digest ? digest : "");
        pool->model_count++;
        pool->service->models_ready++;
        log_event(LOG_INFO, "model_ready",
                  "model=%s modality=%s version=%s trained=%s precision=%s products=%s weights_sha256=%.12s",
                  log_text(model->name), modality, log_text(known->blank->model.version),
                  known->blank->model.trained ? "yes" : "no", known->blank->model.precision, model->products,
                  known->blank->model.weights_sha256);
    }
    json_decref(answer);
    return ok || err_prefix(err, "model \"%s\"", model->name);
}

/* -1: no model was asked for, so no worker has spoken. */
static void tell_sandbox(int landlock)
{
    if (landlock > 0)
        log_event(LOG_INFO, "worker_confined", "landlock=%d", landlock);
    else if (landlock == 0)
        log_event(
            LOG_WARNING, "worker_confined",
            "landlock=0 cause=\"the kernel has no Landlock\", workers can read every file this user can");
}

/* Not while a model is missing: its file may be needed again. */
static void sweep_embeddings(const struct pool *pool)
{
    const char *digests[CONFIG_MAX_MODELS];
    for (int i = 0; i < pool->model_count; i++)
        digests[i] = pool->models[i].text_digest ? pool->models[i].text_digest : "";
    if (pool->model_count == pool->service->config->model_count)
        embeddings_sweep(pool->service, digests, pool->model_count);
}

/* By a worker of its own, which packs the model's weights for all that follow. */
static bool learn_at(struct pool *pool, struct config *config, int place, int *landlock, struct err *err)
{
    struct err cause = ERR_INIT;
    shared_make(&pool->shared, config, place);
    struct worker_process *worker = start_worker(pool, err);
    bool open = worker && learn_model(pool, worker, &config->models[place], &cause);
    if (worker && !open)
        log_event(LOG_ERROR, "model_unavailable", "cause=%s", log_text(cause.text));
    if (worker && worker_process_landlock(worker) >= 0)
        *landlock = worker_process_landlock(worker);
    worker_process_stop(worker);
    pool->service->packed_bytes += shared_seal(&pool->shared, config, place, open);
    return worker != NULL;
}

/* A model that does not open makes the service not ready; what arrives is kept and reported as not analysed.
 */
static bool learn_models(struct pool *pool, struct config *config, struct err *err)
{
    char path[PATH_MAX];
    int landlock = -1;
    const char *named = config->pool.worker_file[0] ? config->pool.worker_file : NULL;
    bool ok = worker_process_find(named, path, err);
    for (int i = 0; ok && i < config->model_count; i++)
        ok = learn_at(pool, config, i, &landlock, err);
    sweep_embeddings(pool);
    tell_sandbox(landlock);
    return ok;
}

static void pool_free(struct pool *pool)
{
    shared_done(&pool->shared);
    arena_free(pool->arena);
    free(pool->slots);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

struct pool *pool_open(struct service *service, struct config *config, struct err *err)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool) {
        err_fail(err, ERR_NOMEM, "no memory for the pool");
        return NULL;
    }
    pool->service = service;
    pthread_mutex_init(&pool->lock, NULL);
    shared_turn(&pool->shared, config);
    pool->arena = arena_new();
    pool->slots = calloc((size_t)config->pool.workers, sizeof *pool->slots);
    if (!pool->arena || !pool->slots)
        err_fail(err, ERR_NOMEM, "no memory for the pool");
    else if (learn_models(pool, config, err))
        return pool;
    pool_stop(pool);
    return NULL;
}

bool pool_start(struct pool *pool, struct err *err)
{
    for (int i = 0; i < pool->service->config->pool.workers; i++) {
        char number[12];
        snprintf(number, sizeof number, "%d", i + 1);
        pool->slots[i].pool = pool;
        pool->slots[i].pulse = pulse_new(&pool->service->pulses, "pool slot", number);
        if (pthread_create(&pool->slots[i].thread, NULL, slot_main, &pool->slots[i]) != 0)
            return err_fail(err, ERR_NOMEM, "no thread for a worker");
        pool->started++;
    }
    return true;
}

void pool_stop(struct pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    for (int i = 0; i < pool->started; i++)
        if (pool->slots[i].worker)
            worker_process_kill(pool->slots[i].worker);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++) {
        bell_ring(&pool->service->jobs);
        pthread_join(pool->slots[i].thread, NULL);
    }
    pool_free(pool);
}
