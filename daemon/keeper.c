/* Threads: one, which looks every few seconds and when woken. It gives files up and removes them in small
 * batches with a pause between them: under the store's lock a file is only renamed, so that an object that
 * comes waits for no disk. A file is removed only after the row that gave it up is committed; a crash in
 * between leaves it in the list of removals or, set aside, in incoming/. Stop: service->stopping and the
 * bell. */
#include "daemon/keeper.h"

#include "base/clock.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "store/store_keep.h"

#include <stdlib.h>
#include <unistd.h>

enum { LOOK_MS = 5000, BATCH = 64, PAUSE_US = 10000 };

enum mark { FREE_SPACE, QUOTA, MARKS };

struct keeper {
    struct service *service;
    struct receiver *receiver;
    struct pulse *pulse;
    pthread_t thread;
    bool helpless[MARKS]; /* room is wanted and nothing may go: said once */
};

/* Files out of their places, to be removed when the lock is free again. */
struct batch {
    struct spool *spool;
    int count, failed;
    char paths[BATCH][PATH_MAX];
};

static bool set_aside(void *context, const char *path)
{
    struct batch *batch = context;
    struct err err = ERR_INIT;
    bool ok = spool_set_aside(batch->spool, path, batch->paths[batch->count], &err);
    batch->count += ok && *batch->paths[batch->count];
    batch->failed += !ok;
    return ok;
}

/* *ret_count: how many of the list are done with. */
static bool remove_batch(struct service *service, int *ret_count, struct err *err)
{
    struct batch *batch = malloc(sizeof *batch);
    if (!batch)
        return err_fail(err, ERR_NOMEM, "no memory to remove files");
    batch->spool = service->spool;
    batch->count = batch->failed = 0;
    bool ok = store_keep_remove(service->store, set_aside, batch, BATCH, ret_count, err);
    for (int i = 0; i < batch->count; i++)
        spool_discard(batch->paths[i]);
    if (batch->failed)
        log_event(LOG_ERROR, "files_not_removed", "files=%d, will be tried again", batch->failed);
    free(batch);
    return ok;
}

bool keeper_clear(struct service *service, struct err *err)
{
    int count = 1;
    while (count > 0)
        if (!remove_batch(service, &count, err))
            return false;
    return true;
}

static void rest(struct keeper *keeper)
{
    pulse_beat(keeper->pulse, LOOK_MS);
    usleep(PAUSE_US);
}

static bool remove_files(struct keeper *keeper, struct err *err)
{
    int count = BATCH;
    while (count == BATCH && !keeper->service->stopping) {
        if (!remove_batch(keeper->service, &count, err))
            return false;
        rest(keeper);
    }
    return true;
}

static bool drop_study(struct keeper *keeper, const struct store_keep *keep, const char *why, struct err *err)
{
    int count, total = 0;
    for (bool more = true; more && !keeper->service->stopping; total += count) {
        if (!store_keep_drop(keeper->service->store, keep, why, BATCH, clock_unix_ms(), &more, &count, err) ||
            !remove_files(keeper, err))
            return false;
        metrics_add(METRIC_OBJECTS_DROPPED, count);
    }
    if (total)
        log_event(LOG_INFO, "objects_dropped", "study=%lld objects=%d rule=%s", (long long)keep->study, total,
                  why);
    return true;
}

static bool held(void *context, const char *study_uid)
{
    return receiver_holds(context, study_uid);
}

/* *ret: a study was found. */
static bool drop_next(struct keeper *keeper, const struct store_keep_rule *rule, const char *why, bool *ret,
                      struct err *err)
{
    struct store_keep keep;
    *ret = false;
    if (!store_keep_next(keeper->service->store, rule, held, keeper->receiver, &keep, err))
        return false;
    *ret = keep.study != 0;
    return !*ret || drop_study(keeper, &keep, why, err);
}

/* A study that just fell quiet may get more: nothing goes before it would have been complete again. */
static int64_t before_ms(const struct config *config, int amount, int64_t unit_ms)
{
    int64_t quiet_ms = config->assembly.study_quiet_s * 1000LL, wait_ms = amount * unit_ms;
    if (amount < 0)
        return INT64_MIN;
    return clock_unix_ms() - (wait_ms > quiet_ms ? wait_ms : quiet_ms);
}

static bool drop_by_age(struct keeper *keeper, struct err *err)
{
    const struct config *config = keeper->service->config;
    const struct {
        struct store_keep_rule rule;
        const char *why;
    } rules[] = {
        {{before_ms(config, config->retention.finished_days, 86400000), INT64_MIN}, "finished_days"},
        {{INT64_MIN, before_ms(config, config->retention.delivered_hours, 3600000)}, "delivered_hours"},
    };
    for (int i = 0; i < 2; i++)
        for (bool found = true; found && !keeper->service->stopping;)
            if (!drop_next(keeper, &rules[i].rule, rules[i].why, &found, err))
                return false;
    return true;
}

/* begun: until the other end of the mark is reached. */
static bool wants_room(struct keeper *keeper, enum mark mark, bool begun, bool *ret, struct err *err)
{
    const struct config *config = keeper->service->config;
    uint64_t free_bytes;
    int64_t used_bytes;
    if (!spool_free_bytes(keeper->service->spool, &free_bytes, err) ||
        !store_keep_used(keeper->service->store, &used_bytes, err))
        return false;
    int free_mb = begun ? config->retention.free_high_mb : config->retention.free_low_mb;
    int used_mb = begun ? config->retention.used_low_mb : config->retention.used_high_mb;
    *ret = mark == FREE_SPACE ? config->retention.free_low_mb > 0 && free_bytes < (uint64_t)free_mb << 20
                              : config->retention.used_high_mb > 0 && used_bytes > (int64_t)used_mb << 20;
    return true;
}

static bool make_room(struct keeper *keeper, enum mark mark, struct err *err)
{
    const char *why = mark == FREE_SPACE ? "free_low_mb" : "used_high_mb";
    struct store_keep_rule rule = {before_ms(keeper->service->config, 0, 1), INT64_MIN};
    bool wants, found = true;
    if (!wants_room(keeper, mark, false, &wants, err))
        return false;
    while (wants && found && !keeper->service->stopping)
        if (!drop_next(keeper, &rule, why, &found, err) || !wants_room(keeper, mark, true, &wants, err))
            return false;
    bool helpless = wants && !found;
    if (helpless && !keeper->helpless[mark])
        log_event(LOG_WARNING, "nothing_to_drop",
                  "rule=%s cause=\"no finished study has objects left\", will look again", why);
    keeper->helpless[mark] = helpless;
    return true;
}

static bool look(struct keeper *keeper, struct err *err)
{
    return remove_files(keeper, err) && drop_by_age(keeper, err) && make_room(keeper, FREE_SPACE, err) &&
           make_room(keeper, QUOTA, err);
}

static void *keeper_main(void *argument)
{
    struct keeper *keeper = argument;
    unsigned seen = 0;
    while (!keeper->service->stopping) {
        struct err err = ERR_INIT;
        pulse_beat(keeper->pulse, LOOK_MS);
        if (!look(keeper, &err))
            log_event(LOG_ERROR, "retention_failed", "cause=%s, will retry in %d s", log_text(err.text),
                      LOOK_MS / 1000);
        bell_wait(&keeper->service->removals, &seen, LOOK_MS);
    }
    return NULL;
}

struct keeper *keeper_start(struct service *service, struct receiver *receiver, struct err *err)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper) {
        keeper->service = service;
        keeper->receiver = receiver;
        keeper->pulse = pulse_new(&service->pulses, "keeper", "");
        if (pthread_create(&keeper->thread, NULL, keeper_main, keeper) == 0)
            return keeper;
    }
    free(keeper);
    err_fail(err, ERR_NOMEM, "no memory or thread for the keeper");
    return NULL;
}

void keeper_stop(struct keeper *keeper)
{
    if (!keeper)
        return;
    bell_ring(&keeper->service->removals);
    pthread_join(keeper->thread, NULL);
    free(keeper);
}
