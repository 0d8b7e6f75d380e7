#include "daemon/api_routes.h"

#include "base/clock.h"
#include "daemon/api_input.h"
#include "daemon/api_view.h"
#include "daemon/metrics.h"
#include "daemon/readiness.h"

#include <stdarg.h>
#include <string.h>

enum { DEFAULT_LIMIT = 100, MAX_LIMIT = 1000 };

/* source: RFC 9110 section 15 */
enum status {
    HTTP_OK = 200,
    HTTP_ACCEPTED = 202,
    HTTP_BAD_REQUEST = 400,
    HTTP_NOT_FOUND = 404,
    HTTP_METHOD_NOT_ALLOWED = 405,
    HTTP_CONFLICT = 409,
    HTTP_INTERNAL_ERROR = 500,
    HTTP_UNAVAILABLE = 503
};

struct api_route {
    const char *method, *pattern;
    void (*answer)(const struct api_request *request, struct api_answer *answer);
    const char *parameters[API_MAX_PARAMETERS];
};

/* ---- answers ------------------------------------------------------------------------------------------ */

static void answer_json(struct api_answer *answer, unsigned status, json_t *body)
{
    answer->status = status;
    answer->body = body;
}

void api_refuse(struct api_answer *answer, unsigned status, const char *code, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    answer_json(answer, status, json_pack("{s:{s:s,s:s}}", "error", "code", code, "text", text));
}

static void answer_failure(struct api_answer *answer, const struct err *err)
{
    bool passes = err->code == ERR_BUSY || err->code == ERR_FULL || err->code == ERR_NOMEM;
    api_refuse(answer, passes ? HTTP_UNAVAILABLE : HTTP_INTERNAL_ERROR, err_code_name(err->code), "%s",
               err->text);
}

static void bad_value(struct api_answer *answer, const char *text)
{
    api_refuse(answer, HTTP_BAD_REQUEST, "bad_request", "%s", text);
}

static void no_study(struct api_answer *answer)
{
    api_refuse(answer, HTTP_NOT_FOUND, "not_found",
               "there is no study with this row number or Study Instance UID");
}

/* A view, or the failure that left it NULL, or 404 for JSON null. */
static void answer_view(struct api_answer *answer, json_t *view, const struct err *err)
{
    if (!view) {
        answer_failure(answer, err);
    } else if (json_is_null(view)) {
        json_decref(view);
        no_study(answer);
    } else {
        answer_json(answer, HTTP_OK, view);
    }
}

/* ---- parameters --------------------------------------------------------------------------------------- */

static const char *value_of(const struct api_request *request, const char *name)
{
    for (int i = 0; i < request->parameter_count; i++)
        if (strcmp(request->parameters[i].name, name) == 0)
            return request->parameters[i].value;
    return NULL;
}

/* `initial` when not given; false with the answer set when wrong. */
static bool read_number(const struct api_request *request, const char *name, long initial, long min, long max,
                        long *ret, struct api_answer *answer)
{
    const char *value = value_of(request, name);
    *ret = initial;
    if (!value || api_input_number(value, min, max, ret))
        return true;
    api_refuse(answer, HTTP_BAD_REQUEST, "bad_request", "%s is a whole number from %ld to %ld", name, min,
               max);
    return false;
}

static bool read_since(const struct api_request *request, int64_t *ret_ms, struct api_answer *answer)
{
    const char *value = value_of(request, "since");
    *ret_ms = 0;
    if (!value || api_input_time(value, ret_ms))
        return true;
    bad_value(answer, "since is neither milliseconds since 1970 nor a time like 2026-11-21T10:15:30Z");
    return false;
}

static bool read_state(const struct api_request *request, const char **ret, struct api_answer *answer)
{
    static const char *const states[] = {"receiving", "queued",   "encoding", "encoded",
                                         "delivered", "declined", "parked",   "undelivered"};
    *ret = value_of(request, "state");
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (!*ret || strcmp(*ret, states[i]) == 0)
            return true;
    bad_value(answer, "state is none of receiving, queued, encoding, encoded, delivered, declined, parked,"
                      " undelivered");
    return false;
}

/* The study in the path; false with the answer set. */
static bool find_study(const struct api_request *request, int64_t *ret, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    if (!api_view_find_study(request->service, request->id, ret, &err))
        answer_failure(answer, &err);
    else if (*ret == 0)
        no_study(answer);
    else
        return true;
    return false;
}

/* ---- routes ------------------------------------------------------------------------------------------- */

static void get_health(const struct api_request *request, struct api_answer *answer)
{
    answer_json(answer, HTTP_OK, json_pack("{s:s,s:s}", "status", "ok", "version", CARDIOSCRIBE_VERSION));
}

static void get_ready(const struct api_request *request, struct api_answer *answer)
{
    bool ready;
    json_t *view = readiness_view(request->service, &ready);
    answer_json(answer, ready ? HTTP_OK : HTTP_UNAVAILABLE, view);
}

static void get_status(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    answer_view(answer, api_view_status(request->service, &err), &err);
}

static void get_studies(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    struct store_filter filter = {.accession = value_of(request, "accession"),
                                  .patient_id = value_of(request, "patient_id"),
                                  .study_uid = value_of(request, "study_uid")};
    long limit;
    if (!read_since(request, &filter.since_ms, answer) || !read_state(request, &filter.state, answer) ||
        !read_number(request, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT, &limit, answer))
        return;
    filter.limit = (int)limit;
    answer_view(answer, api_view_studies(request->service, &filter, &err), &err);
}

static void get_study(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    int64_t study;
    long embedding;
    if (read_number(request, "embedding", 0, 0, 1, &embedding, answer) && find_study(request, &study, answer))
        answer_view(answer, api_view_study(request->service, study, embedding != 0, &err), &err);
}

static void get_events(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    int64_t study;
    if (find_study(request, &study, answer))
        answer_view(answer, api_view_events(request->service, study, &err), &err);
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
    if (!read_number(request, "revision", 0, 1, 1000000, &revision, answer) ||
        !find_study(request, &study, answer))
        return;
    json_t *reports = store_view_reports(request->service->store, study, &err);
    if (!reports) {
        answer_failure(answer, &err);
        return;
    }
    const json_t *report = choose_report(reports, revision, value_of(request, "model"));
    if (report)
        answer_report(request, report, answer);
    else
        api_refuse(answer, HTTP_NOT_FOUND, "no_report", "%s",
                   json_array_size(reports)
                       ? "there is no report of this revision and model"
                       : "there is no report of this study; its explanation says where it is and why");
    json_decref(reports);
}

static void accept_it(struct bell *bell, struct api_answer *answer)
{
    bell_ring(bell);
    answer_json(answer, HTTP_ACCEPTED, json_pack("{s:b}", "accepted", true));
}

static void post_force(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    enum store_force force;
    int64_t study;
    if (!find_study(request, &study, answer))
        return;
    if (!store_force_study(request->service->store, study, clock_unix_ms(), &force, &err))
        answer_failure(answer, &err);
    else if (force == STORE_FORCE_UNKNOWN)
        no_study(answer);
    else if (force == STORE_FORCE_NOT_NOW)
        api_refuse(answer, HTTP_CONFLICT, "not_now",
                   "the study is being analysed or has its answer; one that is receiving, declined or parked"
                   " can be forced");
    else
        accept_it(&request->service->arrivals, answer);
}

static void refuse_unknown_delivery(struct api_answer *answer)
{
    api_refuse(answer, HTTP_NOT_FOUND, "not_found", "there is no delivery with this number");
}

/* One for a destination that is not configured would wait for a courier that is not there. */
static void retry_delivery(struct service *service, int64_t delivery, const json_t *row,
                           struct api_answer *answer)
{
    struct err err = ERR_INIT;
    bool found;
    if (!config_destination(service->config, json_string_value(json_object_get(row, "destination"))))
        api_refuse(answer, HTTP_CONFLICT, "no_destination",
                   "the destination of this delivery is not configured; configure it, reload, and retry");
    else if (!store_requeue_delivery(service->store, delivery, clock_unix_ms(), &found, &err))
        answer_failure(answer, &err);
    else if (!found)
        api_refuse(answer, HTTP_CONFLICT, "delivered", "the report has been delivered already");
    else
        accept_it(&service->outbox, answer);
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
        answer_failure(answer, &err);
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
    answer_failure(answer, &err);
}

static void get_refusals(const struct api_request *request, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    int64_t since_ms;
    long limit;
    if (read_since(request, &since_ms, answer) &&
        read_number(request, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT, &limit, answer))
        answer_view(answer, api_view_refusals(request->service, since_ms, (int)limit, &err), &err);
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
    {"POST", "/api/v1/studies/{id}/force",    post_force,   {NULL}},
    {"GET",  "/api/v1/refusals",              get_refusals, {"since", "limit", NULL}},
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
        bad_value(answer, "a parameter is malformed or too long");
    else if (!parameter_known(request->route, one.name))
        bad_value(answer, "a parameter is unknown here");
    else if (value_of(request, one.name))
        bad_value(answer, "a parameter is given twice");
    else
        request->parameters[request->parameter_count++] = one;
    return !answer->body;
}

void api_routes_answer(struct api_request *request, struct api_answer *answer)
{
    request->route->answer(request, answer);
}
