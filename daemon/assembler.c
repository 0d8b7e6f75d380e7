/* Threads: one, which alone moves a study out of `receiving`. It looks at the database twice a second and
 * when woken. Stop: service->stopping and the bell. */
#include "daemon/assembler.h"

#include "base/clock.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/router.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LOOK_MS = 500, BATCH = 64 };

struct assembler {
    struct service *service;
    struct receiver *receiver;
    struct pulse *pulse;
    pthread_t thread;
};

static bool has_word(const char *text, const char *words)
{
    while (*words) {
        size_t length = strcspn(words, "|");
        for (const char *at = text; length && *at; at++)
            if (strncasecmp(at, words, length) == 0)
                return true;
        words += length + (words[length] == '|');
    }
    return false;
}

static bool model_takes(const struct config_model *model, const struct store_series *series, int count)
{
    for (int i = 0; i < count; i++)
        if (model->modality[0] && strcmp(series[i].modality, model->modality) == 0 &&
            (!model->description_match[0] || has_word(series[i].description, model->description_match)))
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
static const char *decline_reason(const struct config *config, const struct store_candidate *candidate,
                                  const struct store_series *series, int count, int64_t now_ms)
{
    int limit = config->assembly.max_study_age_days;
    if (!has_images(series, count))
        return "no_ct_or_mr_image";
    if (limit > 0 && strcmp(candidate->cause, "forced") != 0 &&
        clock_age_days(candidate->study_date, now_ms) > limit)
        return "study_too_old";
    return NULL;
}

/* What need not wait for a result is decided now; a row that is there already stays as it is. */
static bool route_study(struct service *service, const struct store_candidate *candidate, int64_t now_ms,
                        struct arena *arena, int *ret_priority, struct err *err)
{
    const struct routing_decision *decision;
    if (!router_at_end(service, candidate->study, arena, &decision, err))
        return false;
    *ret_priority = decision->priority;
    if (decision->forward.count == 0)
        return true;
    if (!store_forward_objects(service->store, candidate->study, candidate->revision, decision->forward.list,
                               decision->forward.count, now_ms, err))
        return false;
    bell_ring(&service->outbox);
    return true;
}

static bool complete_study(struct assembler *assembler, const struct store_candidate *candidate,
                           struct arena *arena, struct err *err)
{
    struct service *service = assembler->service;
    const struct config *config = service->config;
    struct store_series *series;
    struct store_new_job jobs[CONFIG_MAX_MODELS];
    int series_count, priority;
    int64_t now_ms = clock_unix_ms();
    if (!store_input_series(service->store, candidate->study, arena, &series, &series_count, err) ||
        !route_study(service, candidate, now_ms, arena, &priority, err))
        return false;
    const char *decline = decline_reason(config, candidate, series, series_count, now_ms);
    if (decline) {
        log_event(LOG_INFO, "study_declined", "study=%lld reason=%s", (long long)candidate->study, decline);
        if (!store_decline_study(service->store, candidate->study, candidate->revision, decline, now_ms, err))
            return false;
        metrics_not_analysed(decline);
        return true;
    }
    int count = choose_jobs(config, series, series_count, jobs);
    for (int i = 0; i < count; i++)
        jobs[i].priority = priority;
    if (!store_queue_study(service->store, candidate->study, candidate->revision, candidate->cause, jobs,
                           count, now_ms, err))
        return false;
    log_event(LOG_INFO, "study_complete", "study=%lld revision=%d cause=%s jobs=%d",
              (long long)candidate->study, candidate->revision, candidate->cause, *jobs[0].model ? count : 0);
    return true;
}

static bool held(void *context, const char *study_uid)
{
    return receiver_holds(context, study_uid);
}

static void look(struct assembler *assembler)
{
    struct service *service = assembler->service;
    const struct config *config = service->config;
    struct store_timers timers = {config->assembly.series_quiet_s * 1000LL,
                                  config->assembly.study_quiet_s * 1000LL,
                                  config->assembly.study_force_s * 1000LL};
    struct store_candidate candidates[BATCH];
    struct err err = ERR_INIT;
    int count = store_complete_candidates(service->store, &timers, clock_unix_ms(), held, assembler->receiver,
                                          candidates, BATCH, &err);
    bool ok = count >= 0;
    for (int i = 0; i < count && ok; i++) {
        pulse_beat(assembler->pulse, 0);
        struct arena *arena = arena_new();
        ok = arena ? complete_study(assembler, &candidates[i], arena, &err)
                   : err_fail(&err, ERR_NOMEM, "no memory");
        arena_free(arena);
    }
    if (!ok)
        log_event(LOG_ERROR, "assembly_failed", "cause=%s", log_text(err.text));
    if (count > 0)
        bell_ring(&service->jobs);
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
