/* Threads: one, that looks once a minute. Stop: service->stopping and the bell. */
#include "daemon/janitor.h"

#include "base/clock.h"
#include "daemon/bell.h"
#include "daemon/intake.h"
#include "daemon/keeper.h"
#include "daemon/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LOOK_MS = 60000 };

struct janitor {
    struct service *service;
    struct pulse *pulse;
    struct bell bell;
    pthread_t thread;
    bool low;
};

static bool file_there(void *context, const char *relative)
{
    const struct service *service = context;
    char path[PATH_MAX];
    struct stat status;
    spool_path(service->spool, relative, path);
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

struct orphans {
    struct service *service;
    int adopted, removed, foreign;
};

/* A file without a row: an object is adopted (its sender was not told Success and will send it again, or its
 * row was lost); a report that no row names was never to be sent. */
static bool visit_file(void *context, const char *relative, struct err *err)
{
    struct orphans *orphans = context;
    struct err cause = ERR_INIT;
    char path[PATH_MAX];
    bool known;
    if (!store_path_known(orphans->service->store, relative, &known, err))
        return false;
    if (known)
        return true;
    if (strncmp(relative, "reports/", 8) == 0) {
        spool_path(orphans->service->spool, relative, path);
        spool_discard(path);
        orphans->removed++;
    } else if (intake_adopt(orphans->service, relative, &cause)) {
        orphans->adopted++;
    } else {
        orphans->foreign++;
        log_event(LOG_WARNING, "orphan_left", "cause=%s, left where it is", log_text(cause.text));
    }
    return true;
}

static bool visit_any(void *context, const char *relative, struct err *err)
{
    return err_fail(err, ERR_CORRUPT,
                    "%s is empty, but there are objects: restore it, or remove it to have it made from them",
                    (const char *)context);
}

bool janitor_index_sane(const struct service *service, char *path, struct err *err)
{
    struct stat status;
    bool emptied = stat(path, &status) == 0 && status.st_size == 0;
    return !emptied || spool_walk(service->spool, visit_any, path, err);
}

bool janitor_reconcile(struct service *service, struct err *err)
{
    struct orphans orphans = {.service = service};
    int swept, lost, requeued;
    if (!spool_sweep(service->spool, &swept, err) || !keeper_clear(service, err) ||
        !store_check_files(service->store, file_there, service, &lost, err) ||
        !spool_walk(service->spool, visit_file, &orphans, err) ||
        !store_requeue_running(service->store, &requeued, err))
        return false;
    log_event(lost || orphans.foreign ? LOG_ERROR : LOG_INFO, "reconciled",
              "swept=%d objects_lost=%d adopted=%d reports_removed=%d foreign=%d jobs_requeued=%d", swept,
              lost, orphans.adopted, orphans.removed, orphans.foreign, requeued);
    return true;
}

static void watch_space(struct janitor *janitor)
{
    uint64_t free_bytes;
    struct err err = ERR_INIT;
    if (!spool_free_bytes(janitor->service->spool, &free_bytes, &err))
        return;
    bool low = free_bytes < (uint64_t)janitor->service->config->storage.reserve_mb << 20;
    if (low != janitor->low)
        log_event(low ? LOG_ERROR : LOG_INFO, low ? "space_low" : "space_back", "free_mb=%llu reserve_mb=%d",
                  (unsigned long long)(free_bytes >> 20), janitor->service->config->storage.reserve_mb);
    janitor->low = low;
}

static void forget_refusals(struct janitor *janitor)
{
    struct err err = ERR_INIT;
    int64_t before_ms = clock_unix_ms() - janitor->service->config->storage.refusal_days * 86400000LL;
    if (!store_forget_refusals(janitor->service->store, before_ms, &err))
        log_event(LOG_ERROR, "refusals_not_forgotten", "cause=%s", log_text(err.text));
}

static void *janitor_main(void *argument)
{
    struct janitor *janitor = argument;
    unsigned seen = 0;
    while (!janitor->service->stopping) {
        pulse_beat(janitor->pulse, LOOK_MS);
        watch_space(janitor);
        forget_refusals(janitor);
        bell_wait(&janitor->bell, &seen, LOOK_MS);
    }
    return NULL;
}

struct janitor *janitor_start(struct service *service, struct err *err)
{
    struct janitor *janitor = calloc(1, sizeof *janitor);
    if (janitor) {
        janitor->service = service;
        janitor->pulse = pulse_new(&service->pulses, "janitor", "");
        bell_init(&janitor->bell);
        if (pthread_create(&janitor->thread, NULL, janitor_main, janitor) == 0)
            return janitor;
        bell_done(&janitor->bell);
    }
    free(janitor);
    err_fail(err, ERR_NOMEM, "no memory or thread for the janitor");
    return NULL;
}

void janitor_stop(struct janitor *janitor)
{
    if (!janitor)
        return;
    bell_ring(&janitor->bell);
    pthread_join(janitor->thread, NULL);
    bell_done(&janitor->bell);
    free(janitor);
}
