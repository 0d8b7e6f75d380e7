#include "daemon/readiness.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct verdict {
    bool ok;
    char text[300];
};

static struct verdict verdict(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static struct verdict verdict(bool ok, const char *fmt, ...)
{
    struct verdict verdict = {.ok = ok};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(verdict.text, sizeof verdict.text, fmt, ap);
    va_end(ap);
    return verdict;
}

static struct verdict check_database(struct service *service)
{
    struct err err = ERR_INIT;
    return store_probe(service->store, &err) ? verdict(true, "takes a write")
                                             : verdict(false, "%s", err.text);
}

static struct verdict check_spool(struct service *service)
{
    struct err err = ERR_INIT;
    uint64_t free_bytes;
    if (!spool_probe(service->spool, &err) || !spool_free_bytes(service->spool, &free_bytes, &err))
        return verdict(false, "%s", err.text);
    uint64_t free_mb = free_bytes >> 20, reserve_mb = (uint64_t)service->config->storage.reserve_mb;
    return verdict(free_mb >= reserve_mb, "%llu MB free, storage.reserve_mb is %llu%s",
                   (unsigned long long)free_mb, (unsigned long long)reserve_mb,
                   free_mb >= reserve_mb ? "" : ": objects are refused");
}

static struct verdict check_dictionary(struct service *service)
{
    bool ok = atomic_load(&service->dictionary_ok);
    return verdict(ok, "%s", ok ? "loaded" : "DCMTK's data dictionary is not loaded; see DCMDICTPATH");
}

/* What it is computed with, where the text has room for it. */
static void add_model(struct verdict *verdict, const struct config_model *model)
{
    char one[sizeof verdict->text];
    int length = snprintf(one, sizeof one, "; %s: %s by %s", model->name, model->precision, model->products);
    if (strlen(verdict->text) + (size_t)length < sizeof verdict->text)
        memcpy(verdict->text + strlen(verdict->text), one, (size_t)length + 1);
}

static struct verdict check_models(struct service *service)
{
    int open = atomic_load(&service->models_ready), wanted = service->config->model_count;
    if (wanted == 0)
        return verdict(true, "no model is configured: every study is reported as not analysed");
    struct verdict all = verdict(open == wanted, "%d of %d opened", open, wanted);
    for (int i = 0; i < wanted; i++)
        if (service->config->models[i].modality[0])
            add_model(&all, &service->config->models[i]);
    return all;
}

static struct verdict check_listener(struct service *service)
{
    if (atomic_load(&service->stopping))
        return verdict(false, "the service is stopping");
    bool ok = atomic_load(&service->listener_ok);
    return verdict(ok, "%s %s:%d", ok ? "listens on" : "does not listen on",
                   service->config->listener.address, service->config->listener.port);
}

static struct verdict check_workers(struct service *service)
{
    int ready = atomic_load(&service->workers_ready);
    return verdict(ready > 0, "%d of %d ready", ready, service->config->pool.workers);
}

static struct verdict check_rooms(struct service *service)
{
    int64_t late_ms;
    const struct pulse *stuck =
        pulse_stuck(&service->pulses, service->config->service.stuck_after_s * 1000LL, &late_ms);
    return stuck ? verdict(false, "%s is stuck, for %lld s beyond its time-outs", stuck->name,
                           (long long)late_ms / 1000)
                 : verdict(true, "none is stuck");
}

json_t *readiness_view(struct service *service, bool *ret_ready)
{
    static const struct {
        const char *name;
        struct verdict (*check)(struct service *);
    } checks[] = {
        {"database", check_database}, {"spool", check_spool},       {"dictionary", check_dictionary},
        {"models", check_models},     {"listener", check_listener}, {"workers", check_workers},
        {"rooms", check_rooms}};
    json_t *list = json_array();
    *ret_ready = true;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        struct verdict one = checks[i].check(service);
        *ret_ready = *ret_ready && one.ok;
        json_array_append_new(
            list, json_pack("{s:s,s:b,s:s}", "name", checks[i].name, "ok", one.ok, "text", one.text));
    }
    return json_pack("{s:b,s:o}", "ready", *ret_ready, "checks", list);
}
