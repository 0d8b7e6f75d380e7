/* Threads: one, which alone moves a study out of `receiving`. It looks at the database twice a second and
 * when woken. Stop: service->stopping and the bell. */
#include "daemon/assembler.h"

#include "base/clock.h"
#include "daemon/completeness.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/router.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 500, BATCH = 64, REMEMBERED = 256, SETTLED_MS = 1000, COUNTED_AGAIN_MS = 30000 };

/* A study that waits for what has not come: it need not be counted again until something comes, or the
 * configuration changes; and now and then, because a clock that was set back hides what comes. */
struct wait {
    int64_t study, newest_ms, counted_ms;
    const struct config *config;
};

struct assembler {
    struct service *service;
    struct receiver *receiver;
    struct pulse *pulse;
    pthread_t thread;
    struct wait waits[REMEMBERED]; /* by row number; another study may take its place */
};

static bool model_takes(const struct config_model *model, const struct store_series *series, int count)
{
    for (int i = 0; i < count; i++)
        if (model->modality[0] && strcmp(series[i].modality, model->modality) == 0 &&
            (!model->description_match[0] || study_has_word(series[i].description, model->description_match)))
            return true;
    return false;
}

/* Every model that takes the study, or one job without a model that says why there is none. */
static int choose_jobs(const struct config *config, const struct store_series *series, int series_count,
                       struct store_new_job jobs[CONFIG_MAX_MODELS])
{
    int count = 0;
    bool modality_known = false, unavailable = false;
    for (int i = 0; i < series_count; i++) {
        if (series[i].dropped_count > 0) { /* an answer from the rest alone would be another study's */
            jobs[0] = (struct store_new_job){.model = "", .live = true, .reason = "pixels_dropped"};
            return 1;
        }
    }
    for (int i = 0; i < config->model_count; i++) {
        const struct config_model *model = &config->models[i];
        unavailable |= !model->modality[0];
        for (int j = 0; j < series_count; j++)
            modality_known |= strcmp(series[j].modality, model->modality) == 0;
        if (model_takes(model, series, series_count))
            jobs[count++] = (struct store_new_job){model->name, model->live, ""};
    }
    const char *why = unavailable      ? "model_unavailable"
                      : modality_known ? "no_model_matches"
                                       : "no_model_for_modality";
    if (count == 0)
        jobs[count++] = (struct store_new_job){"", true, why};
    return count;
}

/* Masks alone are nothing to analyse. */
static bool has_images(const struct store_series *series, int count)
{
    bool images = false;
    for (int i = 0; i < count; i++)
        images |= strcmp(series[i].modality, "SEG") != 0;
    return images;
}

/* What is kept out without a report: prefetched priors, and studies of other modalities that an auto-routing
 * rule sends along; a report in each of those would be noise in the archive. */
static const char *decline_reason(const struct config *config, const struct store_receiving *study,
                                  const struct store_series *series, int count, int64_t now_ms)
{
    int limit = config->assembly.max_study_age_days;
    if (!has_images(series, count))
        return "no_ct_or_mr_image";
    if (limit > 0 && !study->forced && clock_age_days(study->study_date, now_ms) > limit)
        return "study_too_old";
    return NULL;
}

struct found {
    struct store_series *series;
    int series_count;
    struct study_came came;
};

/* What of a study has come. Its objects of every kind are counted only where somebody says how many there
 * are. */
static bool find_series(struct store *store, const struct store_receiving *study,
                        const struct completeness *completeness, struct arena *arena, struct found *ret,
                        struct err *err)
{
    struct study_came *came = &ret->came;
    *ret = (struct found){0};
    if (!store_input_series(store, study->study, arena, &ret->series, &ret->series_count, err))
        return false;
    const char **descriptions = ARENA_ARRAY(arena, const char *, (size_t)ret->series_count + 1);
    if (!descriptions)
        return err_fail(err, ERR_NOMEM, "no memory for a list of series");
    for (int i = 0; i < ret->series_count; i++) {
        if (strcmp(ret->series[i].modality, "SEG") == 0)
            continue;
        descriptions[came->series++] = ret->series[i].description;
        came->images += ret->series[i].input_count;
    }
    came->descriptions = descriptions;
    bool count = completeness->expected.all_series > 0 || completeness->expected.all_objects > 0;
    return !count || store_count_objects(store, study->study, &came->all_series, &came->all_objects, err);
}

static bool queue_study(struct service *service, const struct store_start *start, const struct found *found,
                        int priority, struct err *err)
{
    struct store_new_job jobs[CONFIG_MAX_MODELS];
    bool started;
    int count = choose_jobs(service->config, found->series, found->series_count, jobs);
    for (int i = 0; i < count; i++)
        jobs[i].priority = priority;
    if (!store_queue_study(service->store, start, jobs, count, clock_unix_ms(), &started, err))
        return false;
    if (!started)
        return true;
    log_event(LOG_INFO, "study_complete", "study=%lld revision=%d cause=%s expected=%s jobs=%d",
              (long long)start->study, start->revision, start->cause,
              start->expected_missing ? "missing"
              : *start->expected      ? "came"
                                      : "nothing",
              *jobs[0].model ? count : 0);
    bell_ring(&service->jobs);
    return true;
}

static bool decline_study(struct service *service, const struct store_start *start, const char *reason,
                          struct err *err)
{
    bool started;
    if (!store_decline_study(service->store, start, reason, clock_unix_ms(), &started, err))
        return false;
    if (!started)
        return true;
    log_event(LOG_INFO, "study_declined", "study=%lld reason=%s", (long long)start->study, reason);
    metrics_not_analysed(reason);
    return true;
}

/* What need not wait for a result is decided now: what goes first, and who gets the originals. */
static bool begin_study(struct service *service, const struct store_receiving *study,
                        struct store_start *start, const struct found *found, struct arena *arena,
                        struct err *err)
{
    const struct routing_decision *decision;
    if (!router_at_end(service, study->study, arena, &decision, err))
        return false;
    start->forward = decision->forward.list;
    start->forward_count = decision->forward.count;
    const char *reason =
        decline_reason(service->config, study, found->series, found->series_count, clock_unix_ms());
    bool ok = reason ? decline_study(service, start, reason, err)
                     : queue_study(service, start, found, decision->priority, err);
    if (ok && start->forward_count > 0)
        bell_ring(&service->outbox);
    return ok;
}

static struct wait *place_of(struct assembler *assembler, const struct store_receiving *study)
{
    return &assembler->waits[study->study % REMEMBERED];
}

static bool still_waits(struct assembler *assembler, const struct store_receiving *study)
{
    const struct wait *wait = place_of(assembler, study);
    return wait->study == study->study && wait->newest_ms == study->newest_series_ms &&
           wait->config == assembler->service->config &&
           clock_monotonic_ms() - wait->counted_ms < COUNTED_AGAIN_MS;
}

/* Two objects may come in one millisecond, so what came just now is counted again. */
static void remember_wait(struct assembler *assembler, const struct store_receiving *study,
                          const struct config *config, int64_t now_ms)
{
    if (now_ms - study->newest_series_ms > SETTLED_MS)
        *place_of(assembler, study) =
            (struct wait){study->study, study->newest_series_ms, clock_monotonic_ms(), config};
}

/* Begin a study, unless it waits for what has not come. */
static bool try_study(struct assembler *assembler, const struct store_receiving *study,
                      const struct completeness *completeness, struct arena *arena, struct err *err)
{
    const struct config *config = assembler->service->config;
    int64_t now_ms = clock_unix_ms();
    struct found found;
    if (!completeness_overdue(completeness, study, now_ms) && still_waits(assembler, study))
        return true;
    if (!find_series(assembler->service->store, study, completeness, arena, &found, err))
        return false;
    bool all_came = study_expected_came(&completeness->expected, &found.came);
    const char *expected = study_expected_words(&completeness->expected, &found.came, arena);
    struct store_start start = {.study = study->study,
                                .revision = study->revision,
                                .last_object_ms = study->last_object_ms,
                                .cause = completeness_cause(completeness, study, all_came, now_ms),
                                .expected = expected,
                                .expected_missing = !all_came};
    if (!expected)
        return err_fail(err, ERR_NOMEM, "no memory for what a study waits for");
    if (!start.cause)
        remember_wait(assembler, study, config, now_ms);
    if (!start.cause || receiver_holds(assembler->receiver, study->study_uid))
        return true;
    return begin_study(assembler->service, study, &start, &found, arena, err);
}

static bool look_at(struct assembler *assembler, const struct store_receiving *study, struct arena *arena,
                    struct err *err)
{
    const struct config *config = assembler->service->config;
    const struct completeness_source source = {study->sources, study->source_count, study->stated_series,
                                               study->stated_objects};
    struct completeness completeness;
    return completeness_of(config, &source, arena, &completeness, err) &&
           (!completeness_ripe(&completeness, study, clock_unix_ms()) ||
            try_study(assembler, study, &completeness, arena, err));
}

/* Returns how many were looked at, at most BATCH. One that fails keeps no other waiting; *err is the first's.
 */
static int look_behind(struct assembler *assembler, int64_t *after, struct err *err)
{
    struct store_receiving studies[BATCH];
    struct arena *arena = arena_new();
    int count = arena ? store_receiving(assembler->service->store, *after, clock_unix_ms(), arena, studies,
                                        BATCH, err)
                      : (err_fail(err, ERR_NOMEM, "no memory for studies"), -1);
    for (int i = 0; i < count; i++) {
        struct err cause = ERR_INIT;
        *after = studies[i].study;
        pulse_beat(assembler->pulse, 0);
        if (!look_at(assembler, &studies[i], arena, &cause) && err->code == ERR_NONE)
            *err = cause;
    }
    arena_free(arena);
    return count;
}

static void look(struct assembler *assembler)
{
    struct err err = ERR_INIT;
    int64_t after = 0;
    while (look_behind(assembler, &after, &err) == BATCH && !assembler->service->stopping)
        ;
    if (err.code != ERR_NONE)
        log_event(LOG_ERROR, "assembly_failed", "cause=%s", log_text(err.text));
}

static void *assembler_main(void *argument)
{
    struct assembler *assembler = argument;
    unsigned seen = 0;
    while (!assembler->service->stopping) {
        pulse_beat(assembler->pulse, LOOK_MS);
        look(assembler);
        bell_wait(&assembler->service->arrivals, &seen, LOOK_MS);
    }
    return NULL;
}

struct assembler *assembler_start(struct service *service, struct receiver *receiver, struct err *err)
{
    struct assembler *assembler = calloc(1, sizeof *assembler);
    if (assembler) {
        assembler->service = service;
        assembler->receiver = receiver;
        assembler->pulse = pulse_new(&service->pulses, "assembler", "");
        if (pthread_create(&assembler->thread, NULL, assembler_main, assembler) == 0)
            return assembler;
    }
    free(assembler);
    err_fail(err, ERR_NOMEM, "no memory or thread for the assembler");
    return NULL;
}

void assembler_stop(struct assembler *assembler)
{
    if (!assembler)
        return;
    bell_ring(&assembler->service->arrivals);
    pthread_join(assembler->thread, NULL);
    free(assembler);
}
