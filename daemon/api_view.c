#include "daemon/api_view.h"

#include "base/clock.h"
#include "daemon/api_keep.h"
#include "daemon/api_receiving.h"
#include "daemon/readiness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* ---- the index's columns in a reader's form ------------------------------------------------------------ */

static json_t *time_json(const json_t *value)
{
    char text[CLOCK_ISO_SIZE];
    if (json_integer_value(value) <= 0)
        return json_null();
    clock_iso(json_integer_value(value), text);
    return json_string(text);
}

static bool is_flag(const char *key)
{
    return strcmp(key, "live") == 0 || strcmp(key, "analysed") == 0 || strcmp(key, "forced") == 0 ||
           strcmp(key, "whole") == 0 || strcmp(key, "kept") == 0 || strcmp(key, "expected_missing") == 0;
}

static void set_readable(json_t *to, const char *key, json_t *value)
{
    char name[80];
    size_t length = strlen(key);
    bool is_time = length > 2 && length < sizeof name && strcmp(key + length - 3, "_ms") == 0;
    if (is_time && json_is_integer(value)) {
        snprintf(name, sizeof name, "%.*s_at", (int)length - 3, key);
        json_object_set_new(to, strcmp(key, "at_ms") == 0 ? "at" : name, time_json(value));
    } else if (is_flag(key) && json_is_integer(value)) {
        json_object_set_new(to, key, json_boolean(json_integer_value(value) != 0));
    } else {
        json_object_set(to, key, value);
    }
}

/* A row with its columns renamed, in the same order. */
static json_t *readable_row(json_t *row)
{
    json_t *readable = json_object(), *value;
    const char *key;
    json_object_foreach(row, key, value) set_readable(readable, key, value);
    return readable;
}

/* Consumes the rows; NULL stays NULL. */
static json_t *readable_rows(json_t *rows)
{
    json_t *row;
    size_t i;
    json_array_foreach(rows, i, row) json_array_set_new(rows, i, readable_row(row));
    return rows;
}

/* Rows of one column become a list. */
static void replace_names(json_t *study, const char *key, const char *column)
{
    json_t *rows = json_object_get(study, key), *row;
    size_t i;
    json_array_foreach(rows, i, row) json_array_set(rows, i, json_object_get(row, column));
}

static void replace_rows(json_t *study, const char *key)
{
    json_object_set_new(study, key, readable_rows(json_incref(json_object_get(study, key))));
}

/* ---- results and findings ------------------------------------------------------------------------------ */

static json_t *report_json(const json_t *row)
{
    if (!*text_of(row, "sr_sop_uid"))
        return json_null();
    return json_pack("{s:s,s:s,s:s}", "sop_uid", text_of(row, "sr_sop_uid"), "sop_class",
                     text_of(row, "sr_sop_class"), "series_uid", text_of(row, "sr_series_uid"));
}

static void drop_embeddings(json_t *result)
{
    json_t *organ;
    size_t i;
    json_object_del(result, "embedding");
    json_array_foreach(json_object_get(result, "organs"), i, organ) json_object_del(organ, "embedding");
}

/* A row and the result it holds, as one object. */
static json_t *result_json(json_t *row, bool with_embedding)
{
    json_t *stored = json_loads(text_of(row, "json"), 0, NULL);
    json_t *result =
        json_pack("{s:O,s:O,s:O,s:o,s:o}", "id", json_object_get(row, "id"), "revision",
                  json_object_get(row, "revision"), "model_section", json_object_get(row, "model"),
                  "created_at", time_json(json_object_get(row, "created_ms")), "report", report_json(row));
    if (!json_is_object(stored)) {
        json_object_set_new(result, "unreadable", json_true());
        set_readable(result, "analysed", json_object_get(row, "analysed"));
        json_object_set(result, "reason", json_object_get(row, "reason"));
    } else {
        if (!with_embedding)
            drop_embeddings(stored);
        json_object_update_missing(result, stored);
    }
    json_decref(stored);
    return result;
}

static void replace_results(json_t *study, bool with_embedding)
{
    json_t *rows = json_object_get(study, "results"), *row;
    size_t i;
    json_array_foreach(rows, i, row) json_array_set_new(rows, i, result_json(row, with_embedding));
}

/* Results come newest first, so the first one's revision is the newest that has any. */
static json_t *newest_findings(const json_t *results)
{
    json_t *flat = json_array(), *result, *finding;
    json_int_t newest = number_of(json_array_get(results, 0), "revision");
    size_t i, j;
    json_array_foreach(results, i, result)
    {
        if (number_of(result, "revision") != newest)
            break;
        json_array_foreach(json_object_get(result, "findings"), j, finding)
        {
            json_t *one =
                json_pack("{s:O,s:I}", "model", json_object_get(result, "model_section"), "revision", newest);
            json_object_update_missing(one, finding);
            json_array_append_new(flat, one);
        }
    }
    return flat;
}

/* Status words of DICOM are read in hexadecimal. */
static void replace_deliveries(json_t *study)
{
    json_t *rows = json_object_get(study, "deliveries"), *row;
    size_t i;
    replace_rows(study, "deliveries");
    rows = json_object_get(study, "deliveries");
    json_array_foreach(rows, i, row)
    {
        const json_t *status = json_object_get(row, "status");
        char text[12];
        snprintf(text, sizeof text, "0x%04X", (unsigned)json_integer_value(status) & 0xffffU);
        if (json_is_integer(status))
            json_object_set_new(row, "status", json_string(text));
    }
}

/* ---- the sentence ------------------------------------------------------------------------------------- */

struct story {
    FILE *to;
    const json_t *study; /* as shown */
    struct service *service;
};

/* What became of the reports of this revision: one sentence for each of the first destinations. */
static void tell_delivery(const struct story *story, const json_t *delivery)
{
    const char *name = text_of(delivery, "destination"), *state = text_of(delivery, "state");
    const char *cause = text_of(delivery, "cause");
    if (strcmp(state, "delivered") == 0)
        fprintf(story->to, " The %s delivered to %s at %s.",
                strcmp(text_of(delivery, "what"), "objects") == 0 ? "originals were" : "report was", name,
                text_of(delivery, "updated_at"));
    else if (strcmp(state, "withdrawn") == 0)
        fprintf(story->to, " What was to go to %s was withdrawn.", name);
    else if (strcmp(state, "parked") == 0)
        fprintf(story->to, " %s refused the report for good (%s); delivery %lld can be tried again by hand.",
                name, cause, (long long)number_of(delivery, "id"));
    else
        fprintf(story->to, " The report has not reached %s yet%s%s; the next attempt is due at %s.", name,
                *cause ? ": " : "", cause, text_of(delivery, "next_at"));
}

static void tell_deliveries(const struct story *story)
{
    enum { TOLD = 4 };
    const json_t *deliveries = json_object_get(story->study, "deliveries");
    json_int_t revision = number_of(story->study, "revision");
    json_t *delivery;
    size_t i;
    int count = 0;
    json_array_foreach(deliveries, i, delivery)
    {
        if (number_of(delivery, "revision") == revision && count++ < TOLD)
            tell_delivery(story, delivery);
    }
    if (count > TOLD)
        fprintf(story->to, " %d more deliveries are listed below.", count - TOLD);
    if (count == 0)
        fputs(" No report is sent anywhere for this revision.", story->to);
}

/* Declined by the assembler: no result says it in a sentence. */
static const char *declined_phrase(const char *reason)
{
    if (strcmp(reason, "no_ct_or_mr_image") == 0)
        return "no CT or MR image came with it";
    if (strcmp(reason, "study_too_old") == 0)
        return "its Study Date is older than assembly.max_study_age_days; a force analyses it all the same";
    return reason;
}

/* The sentence that came with a result's reason, or a phrase for the reason word. */
static const char *reason_sentence(const struct story *story)
{
    const char *reason = text_of(story->study, "reason");
    json_t *result;
    size_t i;
    json_array_foreach(json_object_get(story->study, "results"), i, result)
    {
        if (number_of(result, "revision") == number_of(story->study, "revision") &&
            strcmp(text_of(result, "reason"), reason) == 0 && *text_of(result, "reason_text"))
            return text_of(result, "reason_text");
    }
    return declined_phrase(reason);
}

/* A reason may be a sentence already, with its full stop. */
static void tell_reason(const struct story *story, const char *before)
{
    const char *reason = reason_sentence(story);
    size_t length = strlen(reason);
    if (length == 0)
        reason = "the reason was not recorded", length = strlen(reason);
    fprintf(story->to, "%s: %.*s.", before, (int)(length - (reason[length - 1] == '.')), reason);
}

static const char *cause_phrase(const char *cause)
{
    if (strcmp(cause, "quiet") == 0)
        return "no new object came for a while";
    if (strcmp(cause, "rules_met") == 0)
        return "all that was expected of it has come";
    if (strcmp(cause, "forced") == 0)
        return "an operator called its end";
    if (strcmp(cause, "force_timer") == 0)
        return "it waited for the longest time allowed";
    return cause;
}

static void tell_attempts(const struct story *story)
{
    json_t *job;
    size_t i;
    json_array_foreach(json_object_get(story->study, "jobs"), i, job)
    {
        if (number_of(job, "revision") == number_of(story->study, "revision") && number_of(job, "attempts"))
            fprintf(story->to, " %lld attempt(s) of model %s failed before: %s.",
                    (long long)number_of(job, "attempts"), text_of(job, "model"), text_of(job, "reason"));
    }
}

static void tell_waiting(const struct story *story)
{
    fprintf(story->to, "It is complete (%s) and waits for a worker.",
            cause_phrase(text_of(story->study, "started_by")));
    if (atomic_load(&story->service->workers_ready) == 0)
        fputs(" No worker is ready at the moment.", story->to);
    tell_attempts(story);
}

static void tell_parked(const struct story *story)
{
    tell_reason(story, "Analysis failed and was given up");
    fputs(" A force starts it again.", story->to);
    tell_deliveries(story);
}

static void tell_missing_views(const struct story *story, const json_t *result)
{
    json_t *view;
    size_t i;
    json_array_foreach(json_object_get(json_object_get(result, "input"), "views"), i, view)
    {
        if (*text_of(view, "reason"))
            fprintf(story->to, " View %s was not analysed (%s).", text_of(view, "name"),
                    text_of(view, "reason"));
    }
}

static void tell_domain(const struct story *story, const json_t *result)
{
    const json_t *domain = json_object_get(result, "domain");
    if (json_is_false(json_object_get(domain, "inside")))
        fprintf(story->to,
                " It lies outside the domain of model %s (distance %.4g, limit %.4g), so no label of it was"
                " assessed; that is not a negative result.",
                text_of(result, "model_section"), json_number_value(json_object_get(domain, "distance")),
                json_number_value(json_object_get(domain, "limit")));
}

static void tell_analysed(const struct story *story)
{
    json_t *result;
    size_t i;
    fputs("It was analysed.", story->to);
    json_array_foreach(json_object_get(story->study, "results"), i, result)
    {
        if (number_of(result, "revision") != number_of(story->study, "revision"))
            continue;
        tell_missing_views(story, result);
        tell_domain(story, result);
    }
    tell_deliveries(story);
}

static void tell(const struct story *story)
{
    const char *state = text_of(story->study, "state");
    if (strcmp(state, "queued") == 0) {
        tell_waiting(story);
    } else if (strcmp(state, "encoding") == 0) {
        fputs("A worker is analysing it now.", story->to);
        tell_attempts(story);
    } else if (strcmp(state, "parked") == 0) {
        tell_parked(story);
    } else if (strcmp(state, "declined") == 0) {
        tell_reason(story, "It was not analysed");
        tell_deliveries(story);
    } else if (strcmp(state, "withdrawn") == 0) {
        api_keep_tell_withdrawn(story->to, story->study);
        return;
    } else {
        tell_analysed(story);
    }
}

static json_t *explanation(struct service *service, json_t *study, int64_t receiving_ms)
{
    char *text = NULL;
    size_t size;
    struct story story = {open_memstream(&text, &size), study, service};
    if (!story.to)
        return json_null();
    if (strcmp(text_of(study, "state"), "receiving") == 0)
        api_receiving(study, receiving_ms, service->config, story.to);
    else
        tell(&story);
    api_keep_tell_gone(story.to, study);
    bool ok = fclose(story.to) == 0;
    json_t *json = ok ? json_string(text) : NULL;
    free(text);
    return json ? json : json_null();
}

/* ---- views -------------------------------------------------------------------------------------------- */

/* {key: value}; consumes value, NULL stays NULL. */
static json_t *under(const char *key, json_t *value)
{
    return value ? json_pack("{s:o}", key, value) : NULL;
}

static bool is_row_number(const char *id)
{
    size_t digits = strspn(id, "0123456789");
    return digits > 0 && digits < 19 && !id[digits];
}

bool api_view_find_study(struct service *service, const char *id, int64_t *ret, struct err *err)
{
    bool by_number = is_row_number(id);
    *ret = 0;
    if (!by_number && !uid_valid(id))
        return true;
    json_t *found = NULL;
    if (by_number) {
        found = store_view_study(service->store, strtoll(id, NULL, 10), err);
    } else {
        json_t *rows = store_view_studies(
            service->store, &(struct store_filter){.study_uid = id, .since_ms = INT64_MIN, .limit = 1}, err);
        found = rows ? json_incref(json_array_size(rows) ? json_array_get(rows, 0) : json_null()) : NULL;
        json_decref(rows);
    }
    *ret = number_of(found, "id");
    json_decref(found);
    return found != NULL;
}

json_t *api_view_studies(struct service *service, const struct store_filter *filter, struct err *err)
{
    return under("studies", readable_rows(store_view_studies(service->store, filter, err)));
}

json_t *api_view_study(struct service *service, int64_t study, bool with_embedding, struct err *err)
{
    json_t *row = store_view_study(service->store, study, err);
    if (!row || json_is_null(row))
        return row;
    int64_t receiving_ms = number_of(row, "receiving_ms");
    json_t *view = readable_row(row);
    json_decref(row);
    replace_rows(view, "series");
    replace_names(view, "sources", "peer");
    replace_rows(view, "jobs");
    replace_rows(view, "withdrawals");
    replace_deliveries(view);
    replace_results(view, with_embedding);
    json_object_set_new(view, "findings", newest_findings(json_object_get(view, "results")));
    json_t *whole = json_object();
    json_object_set(whole, "id", json_object_get(view, "id"));
    json_object_set(whole, "state", json_object_get(view, "state"));
    json_object_set(whole, "reason", json_object_get(view, "reason"));
    json_object_set_new(whole, "explanation", explanation(service, view, receiving_ms));
    json_object_update_missing(whole, view);
    json_decref(view);
    return whole;
}

json_t *api_view_events(struct service *service, int64_t study, struct err *err)
{
    json_t *events = readable_rows(store_view_events(service->store, study, err));
    return events ? json_pack("{s:I,s:o}", "study", (json_int_t)study, "events", events) : NULL;
}

json_t *api_view_refusals(struct service *service, int64_t since_ms, int limit, struct err *err)
{
    return under("refusals", readable_rows(store_view_refusals(service->store, since_ms, limit, err)));
}

static json_t *models_json(const struct config *config)
{
    json_t *list = json_array();
    for (int i = 0; i < config->model_count; i++) {
        const struct config_model *model = &config->models[i];
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:b}", "name", model->name, "folder",
                                              model->folder, "modality", model->modality, "description_match",
                                              model->description_match, "precision", model->precision,
                                              "products", model->products, "live", model->live));
    }
    return list;
}

static json_t *peers_json(const struct config *config)
{
    json_t *list = json_array();
    for (int i = 0; i < config->peer_count; i++) {
        const struct config_peer *peer = &config->peers[i];
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:i,s:b,s:b}", "name", peer->name, "ae_title",
                                              peer->ae_title, "address", peer->address, "port", peer->port,
                                              "may_store", peer->may_store, "receives_results",
                                              peer->receives_results));
    }
    return list;
}

json_t *api_view_status(struct service *service, struct err *err)
{
    uint64_t free_bytes;
    char started[CLOCK_ISO_SIZE];
    bool ready;
    if (!spool_free_bytes(service->spool, &free_bytes, err))
        return NULL;
    json_t *counts = store_view_counts(service->store, err);
    if (!counts)
        return NULL;
    json_t *checks = readiness_view(service, &ready);
    json_decref(checks);
    clock_iso(service->started_ms, started);
    return json_pack("{s:s,s:b,s:s,s:I,s:o,s:o,s:o,s:{s:i,s:i},s:I}", "version", CARDIOSCRIBE_VERSION,
                     "ready", ready, "started_at", started, "uptime_s",
                     (json_int_t)((clock_unix_ms() - service->started_ms) / 1000), "counts", counts, "models",
                     models_json(service->config), "peers", peers_json(service->config), "workers", "wanted",
                     service->config->pool.workers, "ready", atomic_load(&service->workers_ready),
                     "free_bytes", (json_int_t)free_bytes);
}
