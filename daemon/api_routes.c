#include "daemon/api_routes.h"

#include "base/clock.h"
#include "daemon/api_answer.h"
#include "daemon/api_input.h"
#include "daemon/api_keep.h"
#include "daemon/api_peers.h"
#include "daemon/api_request.h"
#include "daemon/api_route.h"
#include "daemon/api_view.h"
#include "daemon/metrics.h"
#include "daemon/readiness.h"

#include <string.h>

enum { DEFAULT_LIMIT = 100, MAX_LIMIT = 1000 };

struct api_route {
    const char *method, *pattern;
    void (*answer)(const struct api_request *request, struct api_answer *answer);
    const char *parameters[API_MAX_PARAMETERS];
};

static bool read_state(const struct api_request *request, const char **ret, struct api_answer *answer)
{
    static const char *const states[] = {"receiving", "queued", "encoding",    "encoded",  "delivered",
                                         "declined",  "parked", "undelivered", "withdrawn"};
    *ret = api_request_value(request, "state");
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (!*ret || strcmp(*ret, states[i]) == 0)
            return true;
    api_answer_bad(answer,
                   "state is none of receiving, queued, encoding, encoded, delivered, declined, parked,"
                   " undelivered, withdrawn");
    return false;
}

/* ---- routes ------------------------------------------------------------------------------------------- */

static void get_health(const struct api_request *request, struct api_answer *answer)
{
    api_answer_json(answer, HTTP_OK, json_pack("{s:s,s:s}", "status", "ok", "version", CARDIOSCRIBE_VERSION));
}

static void get_ready(const struct api_request *request, struct api_answer *answer)
{
    bool ready;
    json_t *view = readiness_view(request->service, &ready);
    api_answer_json(answer, ready ? HTTP_OK : HTTP_UNAVAILABLE, view);
}

static void get_status(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    api_answer_view(answer, api_view_status(request->service, &err), &err);
}

static void get_studies(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    struct store_filter filter = {.accession = api_request_value(request, "accession"),
                                  .patient_id = api_request_value(request, "patient_id"),
                                  .study_uid = api_request_value(request, "study_uid")};
    long limit;
    if (!api_request_since(request, &filter.since_ms, answer) ||
        !read_state(request, &filter.state, answer) ||
        !api_request_number(request, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT, &limit, answer))
        return;
    filter.limit = (int)limit;
    api_answer_view(answer, api_view_studies(request->service, &filter, &err), &err);
}

static void get_study(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    int64_t study;
    long embedding;
    if (api_request_number(request, "embedding", 0, 0, 1, &embedding, answer) &&
        api_request_study(request, &study, answer))
        api_answer_view(answer, api_view_study(request->service, study, embedding != 0, &err), &err);
}

static void get_events(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    int64_t study;
    if (api_request_study(request, &study, answer))
        api_answer_view(answer, api_view_events(request->service, study, &err), &err);
}

/* The newest report that has the revision (0: any) and the model section (NULL: any). Borrowed. */
static const json_t *choose_report(const json_t *reports, long revision, const char *model)
{
    json_t *report;
    size_t i;
    json_array_foreach(reports, i, report)
    {
        const char *name = json_string_value(json_object_get(report, "model"));
        if ((revision == 0 || json_integer_value(json_object_get(report, "revision")) == revision) &&
            (!model || (name && strcmp(name, model) == 0)))
            return report;
    }
    return NULL;
}

static void answer_report(const struct api_request *request, const json_t *report, struct api_answer *answer)
{
    answer->status = HTTP_OK;
    spool_path(request->service->spool, json_string_value(json_object_get(report, "path")), answer->file);
    snprintf(answer->file_name, sizeof answer->file_name, "%.64s.dcm",
             json_string_value(json_object_get(report, "sop_uid")));
}

static void get_report(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    int64_t study;
    long revision;
    if (!api_request_number(request, "revision", 0, 1, 1000000, &revision, answer) ||
        !api_request_study(request, &study, answer))
        return;
    json_t *reports = store_view_reports(request->service->store, study, &err);
    if (!reports) {
        api_answer_failure(answer, &err);
        return;
    }
    const json_t *report = choose_report(reports, revision, api_request_value(request, "model"));
    if (report)
        answer_report(request, report, answer);
    else
        api_refuse(answer, HTTP_NOT_FOUND, "no_report", "%s",
                   json_array_size(reports)
                       ? "there is no report of this revision and model"
                       : "there is no report of this study; its explanation says where it is and why");
    json_decref(reports);
}

static void post_force(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    enum store_force force;
    int64_t study;
    if (!api_request_study(request, &study, answer))
        return;
    if (!store_force_study(request->service->store, study, clock_unix_ms(), &force, &err))
        api_answer_failure(answer, &err);
    else if (force == STORE_FORCE_UNKNOWN)
        api_answer_no_study(answer);
    else if (force == STORE_FORCE_NOT_NOW)
        api_refuse(answer, HTTP_CONFLICT, "not_now",
                   "the study is being analysed or has its answer; one that is receiving, declined or parked"
                   " can be forced");
    else
        api_answer_accepted(&request->service->arrivals, answer);
}

static void refuse_unknown_delivery(struct api_answer *answer)
{
    api_refuse(answer, HTTP_NOT_FOUND, "not_found", "there is no delivery with this number");
}

static void refuse_retry(const char *state, struct api_answer *answer)
{
    if (strcmp(state, "delivered") == 0)
        api_refuse(answer, HTTP_CONFLICT, "delivered", "the report has been delivered already");
    else
        api_refuse(answer, HTTP_CONFLICT, "withdrawn",
                   "it will not be sent: the study was withdrawn, or a newer result was delivered there");
}

/* One for a destination that is not configured would wait for a courier that is not there. */
static void retry_delivery(struct service *service, int64_t delivery, const json_t *row,
                           struct api_answer *answer)
{
    struct err err = ERR_INIT;
    bool found;
    if (!config_is_destination(service->config, json_string_value(json_object_get(row, "destination"))))
        api_refuse(answer, HTTP_CONFLICT, "no_destination",
                   "the destination of this delivery is not configured; configure it, reload, and retry");
    else if (!store_requeue_delivery(service->store, delivery, clock_unix_ms(), &found, &err))
        api_answer_failure(answer, &err);
    else if (!found)
        refuse_retry(json_string_value(json_object_get(row, "state")), answer);
    else
        api_answer_accepted(&service->outbox, answer);
}

static void post_retry(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    int64_t delivery;
    if (!api_input_row(request->id, &delivery)) {
        refuse_unknown_delivery(answer);
        return;
    }
    json_t *row = store_view_delivery(request->service->store, delivery, &err);
    if (!row)
        api_answer_failure(answer, &err);
    else if (json_is_null(row))
        refuse_unknown_delivery(answer);
    else
        retry_delivery(request->service, delivery, row, answer);
    json_decref(row);
}

static void get_metrics(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool ok = out ? metrics_write(request->service, out, &err) : err_errno(&err, "memory for metrics");
    if (out && fclose(out) != 0 && ok)
        ok = err_errno(&err, "memory for metrics");
    if (ok) {
        answer->status = HTTP_OK;
        answer->text = text;
        return;
    }
    free(text);
    api_answer_failure(answer, &err);
}

static void get_refusals(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    int64_t since_ms;
    long limit;
    if (api_request_since(request, &since_ms, answer) &&
        api_request_number(request, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT, &limit, answer))
        api_answer_view(answer, api_view_refusals(request->service, since_ms, (int)limit, &err), &err);
}

// clang-format off
static const struct api_route routes[] = {
    {"GET",  "/healthz",                      get_health,   {NULL}},
    {"GET",  "/metrics",                      get_metrics,  {NULL}},
    {"GET",  "/readyz",                       get_ready,    {NULL}},
    {"GET",  "/api/v1/status",                get_status,   {NULL}},
    {"GET",  "/api/v1/studies",               get_studies,  {"accession", "patient_id", "study_uid", "state",
                                                             "since", "limit", NULL}},
    {"GET",  "/api/v1/studies/{id}",          get_study,    {"embedding", NULL}},
    {"GET",  "/api/v1/studies/{id}/events",   get_events,   {NULL}},
    {"GET",  "/api/v1/studies/{id}/report",   get_report,   {"revision", "model", NULL}},
    {"POST", "/api/v1/studies/{id}/purge",    api_keep_purge, {"reason", "operator", NULL}},
    {"POST", "/api/v1/studies/{id}/force",    post_force,   {NULL}},
    {"GET",  "/api/v1/peers",                 api_peers_list, {NULL}},
    {"POST", "/api/v1/peers/{id}/echo",       api_peers_echo, {NULL}},
    {"GET",  "/api/v1/refusals",              get_refusals, {"since", "limit", NULL}},
    {"GET",  "/api/v1/studies/{id}/route",    api_route_explain,   {NULL}},
    {"GET",  "/api/v1/deliveries/parked",     api_route_parked,    {"destination", "limit", NULL}},
    {"POST", "/api/v1/destinations/{id}/retry", api_route_retry_all, {NULL}},
    {"POST", "/api/v1/deliveries/{id}/retry", post_retry,   {NULL}},
};
// clang-format on

enum { ROUTE_COUNT = sizeof routes / sizeof *routes };

void api_print_routes(FILE *out)
{
    for (int i = 0; i < ROUTE_COUNT; i++)
        fprintf(out, "%s %s\n", routes[i].method, routes[i].pattern);
}

/* ---- the way from a request to its route --------------------------------------------------------------- */

/* `{id}` stands for one part of the path. */
static bool path_matches(const char *pattern, const char *path, char id[API_MAX_VALUE])
{
    id[0] = '\0';
    for (; *pattern; pattern++) {
        if (*pattern != '{') {
            if (*pattern != *path++)
                return false;
            continue;
        }
        size_t run = strcspn(path, "/");
        if (run == 0 || run >= API_MAX_VALUE)
            return false;
        memcpy(id, path, run);
        id[run] = '\0';
        path += run;
        pattern = strchr(pattern, '}');
    }
    return *path == '\0';
}

bool api_routes_find(struct api_request *request, const char *method, const char *path,
                     struct api_answer *answer)
{
    const char *as = strcmp(method, "HEAD") == 0 ? "GET" : method;
    for (int i = 0; i < ROUTE_COUNT; i++) {
        if (!path_matches(routes[i].pattern, path, request->id))
            continue;
        request->route = &routes[i];
        if (strcmp(routes[i].method, as) == 0)
            return true;
        api_refuse(answer, HTTP_METHOD_NOT_ALLOWED, "method_not_allowed",
                   "this path takes another method; see Allow");
        answer->allow = strcmp(routes[i].method, "GET") == 0 ? "GET, HEAD" : routes[i].method;
        return false;
    }
    api_refuse(answer, HTTP_NOT_FOUND, "not_found", "there is no such path");
    return false;
}

static bool parameter_known(const struct api_route *route, const char *name)
{
    for (int i = 0; i < API_MAX_PARAMETERS && route->parameters[i]; i++)
        if (strcmp(route->parameters[i], name) == 0)
            return true;
    return false;
}

bool api_routes_parameter(struct api_request *request, const char *raw_name, const char *raw_value,
                          struct api_answer *answer)
{
    struct api_parameter one;
    if (request->parameter_count == API_MAX_PARAMETERS || !raw_value ||
        !api_input_decode(raw_name, one.name, sizeof one.name) ||
        !api_input_decode(raw_value, one.value, sizeof one.value))
        api_answer_bad(answer, "a parameter is malformed or too long");
    else if (!parameter_known(request->route, one.name))
        api_answer_bad(answer, "a parameter is unknown here");
    else if (api_request_value(request, one.name))
        api_answer_bad(answer, "a parameter is given twice");
    else
        request->parameters[request->parameter_count++] = one;
    return !answer->body;
}

void api_routes_answer(struct api_request *request, struct api_answer *answer)
{
    request->route->answer(request, answer);
}
