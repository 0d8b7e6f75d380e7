/* Threads: one a destination, all woken by the outbox bell; no state is shared between them but the database.
 * A route looks its destination up in the running configuration before each delivery; one whose destination
 * is gone parks what waits for it. The list of routes belongs to main, which alone starts and stops.
 * Waiting is a row: the next attempt's time is in the delivery, so back-off survives a restart. Stop:
 * service->stopping and the bell; a delivery under way ends by its own time-outs. How a delivery
 * is sent is the business of its kind of destination: the other courier_*.c. */
#include "daemon/courier.h"

#include "base/clock.h"
#include "daemon/attempt.h"
#include "daemon/courier_dicom.h"
#include "daemon/courier_hl7.h"
#include "daemon/courier_objects.h"
#include "daemon/courier_webhook.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 500 };

struct route {
    struct courier *courier;
    const char *name; /* of the destination; borrowed from the configuration that brought it */
    pthread_t thread;
    struct pulse *pulse;
    unsigned seed, seen;
};

struct courier {
    struct service *service;
    struct route routes[CONFIG_MAX_DESTINATIONS];
    int route_count;
};

static double random_part(struct route *route)
{
    return (double)rand_r(&route->seed) / RAND_MAX;
}

static bool record_attempt(struct route *route, const struct store_delivery *delivery,
                           const struct attempt *attempt, struct err *err)
{
    struct service *service = route->courier->service;
    const struct config *config = service->config;
    int64_t now_ms = clock_unix_ms();
    const char *name = route->name;
    char status[8] = "none";
    if (attempt->status >= 0)
        snprintf(status, sizeof status, "%04X", (unsigned)attempt->status & 0xffffU);
    if (attempt->outcome == OUTCOME_STORED) {
        bool originals = delivery->what == STORE_WHAT_OBJECTS;
        if (!originals)
            metrics_count(METRIC_REPORTS_DELIVERED);
        log_event(LOG_INFO, originals ? "originals_delivered" : "report_delivered",
                  "delivery=%lld study=%lld peer=%s status=%s", (long long)delivery->id,
                  (long long)delivery->study, log_text(name), status);
        return store_delivered(service->store, delivery, name, attempt->report, attempt->status,
                               attempt->cause, now_ms, err);
    }
    if (attempt->outcome == OUTCOME_TRY_LATER) {
        int64_t wait_ms = outcome_backoff_ms(delivery->attempts, config->delivery.backoff_first_s,
                                             config->delivery.backoff_max_s, random_part(route));
        log_event(LOG_WARNING, "delivery_failed",
                  "delivery=%lld study=%lld peer=%s status=%s, will retry in %lld s", (long long)delivery->id,
                  (long long)delivery->study, log_text(name), status, (long long)(wait_ms / 1000));
        metrics_count(METRIC_DELIVERIES_RETRIED);
        return store_retry_delivery(service->store, delivery, attempt->status, attempt->cause,
                                    now_ms + wait_ms, now_ms, err);
    }
    log_event(LOG_ERROR, "delivery_parked", "delivery=%lld study=%lld peer=%s status=%s",
              (long long)delivery->id, (long long)delivery->study, log_text(name), status);
    metrics_count(METRIC_DELIVERIES_PARKED);
    return store_park_delivery(service->store, delivery, attempt->status, attempt->cause, now_ms, err);
}

enum look { LOOK_EMPTY, LOOK_SENT, LOOK_FAILED };

/* Originals go to peers alone. */
static void send_by_kind(struct service *service, const struct config *config,
                         const struct config_destination *to, const struct store_delivery *delivery,
                         struct pulse *pulse, struct arena *arena, struct attempt *ret)
{
    bool originals = delivery->what == STORE_WHAT_OBJECTS;
    if (originals && to->kind == CONFIG_KIND_PEER && to->peer->receives_objects)
        courier_objects_send(service, config, to->peer, delivery, pulse, arena, ret);
    else if (originals)
        attempt_conclude(ret, OUTCOME_REFUSED, -1, "the destination takes no originals");
    else if (to->kind == CONFIG_KIND_HL7)
        courier_hl7_send(service, config, to->hl7, delivery, arena, ret);
    else if (to->kind == CONFIG_KIND_WEBHOOK)
        courier_webhook_send(service, config, to->webhook, delivery, arena, ret);
    else
        courier_dicom_send(service, config, to->peer, delivery, arena, ret);
}

/* to: NULL when the destination is gone. */
static bool attempt_delivery(struct route *route, const struct config *config,
                             const struct config_destination *to, const struct store_delivery *delivery,
                             struct err *err)
{
    struct attempt attempt = {.status = -1};
    struct arena *arena = arena_new();
    if (!arena)
        return err_fail(err, ERR_NOMEM, "no memory for a delivery");
    int64_t begin_ms = clock_monotonic_ms();
    if (to) {
        send_by_kind(route->courier->service, config, to, delivery, route->pulse, arena, &attempt);
        metrics_observe(METRIC_SEND_SECONDS, (double)(clock_monotonic_ms() - begin_ms) / 1000);
    } else {
        attempt_conclude(&attempt, OUTCOME_REFUSED, -1, "the destination is not configured");
    }
    bool ok = record_attempt(route, delivery, &attempt, err);
    arena_free(arena);
    return ok;
}

static enum look look_failed(const struct route *route, const struct config *config, const struct err *err)
{
    log_event(LOG_ERROR, "delivery_not_recorded", "peer=%s cause=%s, will retry in %d s",
              log_text(route->name), log_text(err->text), config->delivery.backoff_first_s);
    return LOOK_FAILED;
}

static enum look deliver_one(struct route *route)
{
    struct service *service = route->courier->service;
    const struct config *config = service->config;
    struct config_destination to;
    bool there = config_find_destination(config, route->name, &to);
    struct store_delivery delivery;
    struct err err = ERR_INIT;
    bool found = false;
    int64_t until_ms = there ? clock_unix_ms() : INT64_MAX / 2; /* what waits for nobody need not wait */
    bool ok = store_due_delivery(service->store, route->name, until_ms, &found, &delivery, &err);
    if (ok && !found)
        return LOOK_EMPTY;
    if (ok && attempt_delivery(route, config, there ? &to : NULL, &delivery, &err))
        return LOOK_SENT;
    return look_failed(route, config, &err);
}

/* An outcome that could not be recorded is sent again: not before the first back-off, whatever rings. */
static void pause_after_failure(struct route *route)
{
    const struct service *service = route->courier->service;
    const struct config *config = service->config;
    int64_t until_ms = clock_monotonic_ms() + config->delivery.backoff_first_s * 1000LL;
    while (!service->stopping && clock_monotonic_ms() < until_ms) {
        pulse_beat(route->pulse, LOOK_MS);
        bell_wait(&route->courier->service->outbox, &route->seen, LOOK_MS);
    }
}

/* How long one delivery takes at most, by its own time-outs. */
static int64_t own_ms(const struct config *config, const char *name)
{
    struct config_destination to;
    if (!config_find_destination(config, name, &to))
        return LOOK_MS;
    if (to.kind == CONFIG_KIND_HL7)
        return courier_hl7_own_ms(config, to.hl7);
    if (to.kind == CONFIG_KIND_WEBHOOK)
        return courier_webhook_own_ms(config, to.webhook);
    return courier_dicom_own_ms(config);
}

static void *route_main(void *argument)
{
    struct route *route = argument;
    while (!route->courier->service->stopping) {
        pulse_beat(route->pulse, own_ms(route->courier->service->config, route->name));
        enum look look = deliver_one(route);
        if (look == LOOK_FAILED)
            pause_after_failure(route);
        else if (look == LOOK_EMPTY)
            bell_wait(&route->courier->service->outbox, &route->seen, LOOK_MS);
    }
    return NULL;
}

static bool park_unrouted(struct service *service, struct err *err)
{
    struct config_destination all[CONFIG_MAX_DESTINATIONS];
    const char *names[CONFIG_MAX_DESTINATIONS];
    int count = config_all_destinations(service->config, all), parked;
    for (int i = 0; i < count; i++)
        names[i] = all[i].name;
    if (!store_park_unrouted(service->store, names, count, clock_unix_ms(), &parked, err))
        return false;
    if (parked)
        log_event(LOG_WARNING, "deliveries_unrouted", "parked=%d cause=\"the destination is not configured\"",
                  parked);
    return true;
}

static bool start_route(struct courier *courier, const char *name)
{
    if (courier->route_count == CONFIG_MAX_DESTINATIONS)
        return false;
    struct route *route = &courier->routes[courier->route_count];
    *route = (struct route){.courier = courier,
                            .name = name,
                            .pulse = pulse_new(&courier->service->pulses, "courier of", name),
                            .seed = (unsigned)clock_unix_ms() + (unsigned)courier->route_count};
    if (pthread_create(&route->thread, NULL, route_main, route) != 0)
        return false;
    courier->route_count++;
    return true;
}

static bool has_route(const struct courier *courier, const char *name)
{
    bool found = false;
    for (int i = 0; i < courier->route_count && !found; i++)
        found = strcmp(courier->routes[i].name, name) == 0;
    return found;
}

void courier_follow(struct courier *courier)
{
    struct config_destination all[CONFIG_MAX_DESTINATIONS];
    int count = config_all_destinations(courier->service->config, all);
    for (int i = 0; i < count; i++)
        if (!has_route(courier, all[i].name) && !start_route(courier, all[i].name))
            log_event(LOG_ERROR, "destination_not_served",
                      "peer=%s cause=\"no thread or no place for it\", takes effect after restart",
                      log_text(all[i].name));
}

struct courier *courier_start(struct service *service, struct err *err)
{
    if (!park_unrouted(service, err))
        return NULL;
    struct config_destination all[CONFIG_MAX_DESTINATIONS];
    int count = config_all_destinations(service->config, all);
    struct courier *courier = calloc(1, sizeof *courier);
    bool ok = courier != NULL;
    if (ok)
        courier->service = service;
    for (int i = 0; ok && i < count; i++)
        ok = start_route(courier, all[i].name);
    if (ok)
        return courier;
    err_fail(err, ERR_NOMEM, "no memory or thread for a courier");
    service->stopping = true;
    courier_stop(courier);
    return NULL;
}

void courier_stop(struct courier *courier)
{
    if (!courier)
        return;
    bell_ring(&courier->service->outbox);
    for (int i = 0; i < courier->route_count; i++)
        pthread_join(courier->routes[i].thread, NULL);
    free(courier);
}
