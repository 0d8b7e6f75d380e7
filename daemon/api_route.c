#include "daemon/api_route.h"

#include "base/clock.h"
#include "daemon/api_answer.h"
#include "daemon/api_request.h"
#include "daemon/router.h"
#include "store/store_route.h"
#include "store/store_view.h"

enum { DEFAULT_LIMIT = 100, MAX_LIMIT = 1000 };

void api_route_explain(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    int64_t study;
    if (api_request_study(request, &study, answer))
        api_answer_view(answer, router_explain(request->service, study, &err), &err);
}

static json_t *readable(json_t *rows)
{
    json_t *row;
    size_t i;
    json_array_foreach(rows, i, row)
    {
        char at[CLOCK_ISO_SIZE];
        clock_iso(json_integer_value(json_object_get(row, "updated_ms")), at);
        json_object_set_new(row, "updated_at", json_string(at));
        json_object_del(row, "updated_ms");
        const json_t *status = json_object_get(row, "status");
        char hex[16];
        snprintf(hex, sizeof hex, "0x%04X", (unsigned)json_integer_value(status) & 0xffffU);
        if (!json_is_null(status))
            json_object_set_new(row, "status", json_string(hex));
    }
    return rows ? json_pack("{s:o}", "deliveries", rows) : NULL;
}

void api_route_parked(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    const char *destination = api_request_value(request, "destination");
    long limit;
    if (!api_request_number(request, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT, &limit, answer))
        return;
    json_t *rows =
        store_view_parked(request->service->store, destination ? destination : "", (int)limit, &err);
    api_answer_view(answer, readable(rows), &err);
}

/* One transaction each: a reader never waits for all of them. What parks again meanwhile stays parked. */
static bool retry_all(struct store *store, const char *destination, int64_t *ret_count, struct err *err)
{
    int64_t delivery = 0;
    for (*ret_count = 0;;) {
        bool found;
        if (!store_next_parked(store, destination, delivery, &delivery, err))
            return false;
        if (delivery == 0)
            return true;
        if (!store_requeue_delivery(store, delivery, clock_unix_ms(), &found, err))
            return false;
        *ret_count += found;
    }
}

void api_route_retry_all(const struct api_request *request, struct api_answer *answer)
{
    struct service *service = request->service;
    struct err err = ERR_INIT;
    int64_t count;
    if (!config_is_destination(service->config, request->id)) {
        api_refuse(answer, HTTP_NOT_FOUND, "no_destination",
                   "no destination of this name is configured; configure it, reload, and retry");
        return;
    }
    bool ok = retry_all(service->store, request->id, &count, &err);
    bell_ring(&service->outbox);
    if (ok)
        api_answer_json(answer, HTTP_ACCEPTED,
                        json_pack("{s:b,s:I}", "accepted", true, "deliveries", (json_int_t)count));
    else
        api_answer_failure(answer, &err);
}
