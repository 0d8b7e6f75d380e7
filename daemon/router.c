#include "daemon/router.h"

#include "daemon/log.h"
#include "dicom/dicom_tags.h"
#include "report/result_json.h"
#include "store/store_route.h"
#include "store/store_view.h"

#include <stdlib.h>
#include <string.h>

/* ---- facts -------------------------------------------------------------------------------------------- */

/* Of one object of the series; NULL when it cannot be read. */
static const char *const *read_tags(struct service *service, const struct routing_rules *rules,
                                    const char *relative, struct arena *arena)
{
    char path[PATH_MAX];
    struct err err = ERR_INIT;
    const char **values = ARENA_ARRAY(arena, const char *, (size_t)rules->tag_count);
    spool_path(service->spool, relative, path);
    if (values && dicom_tags_read(path, rules->tags, rules->tag_count, arena, values, &err))
        return values;
    log_event(LOG_WARNING, "attributes_not_read", "file=%s, rules that ask them do not match",
              log_text(relative));
    return NULL;
}

/* rules: NULL asks nothing. *found false when there is no such study. */
static bool study_facts(struct service *service, const struct routing_rules *rules, int64_t study,
                        struct arena *arena, bool *found, struct routing_study *ret, struct err *err)
{
    struct store_sent_study sent;
    if (!store_sent_study(service->store, study, arena, found, &sent, err))
        return false;
    struct routing_series *series = ARENA_ARRAY(arena, struct routing_series, (size_t)sent.series_count + 1);
    if (!series)
        return err_fail(err, ERR_NOMEM, "no memory for a list of series");
    for (int i = 0; i < sent.series_count; i++) {
        const struct store_sent_series *one = &sent.series[i];
        series[i] = (struct routing_series){one->peer_ae, one->modality, one->description, NULL};
        if (rules && rules->tag_count)
            series[i].tags = read_tags(service, rules, one->path, arena);
    }
    *ret = (struct routing_study){sent.description, series, sent.series_count};
    return true;
}

static bool result_facts(const struct result *result, const char *model, bool failed, struct arena *arena,
                         struct routing_result *ret, struct err *err)
{
    struct routing_finding *findings =
        ARENA_ARRAY(arena, struct routing_finding, (size_t)result->finding_count + 1);
    if (!findings)
        return err_fail(err, ERR_NOMEM, "no memory for findings");
    for (int i = 0; i < result->finding_count; i++) {
        const struct finding *one = &result->findings[i];
        findings[i] = (struct routing_finding){one->id, finding_state_name(one->state), one->has_probability,
                                               one->probability};
    }
    *ret = (struct routing_result){.model = model,
                                   .state = failed             ? "parked"
                                            : result->analysed ? "analysed"
                                                               : "declined",
                                   .reason = result_outcome(result),
                                   .findings = findings,
                                   .finding_count = result->finding_count};
    return true;
}

/* ---- decisions ---------------------------------------------------------------------------------------- */

static bool decide(struct service *service, int64_t study, const struct routing_result *result,
                   struct arena *arena, const struct routing_decision **ret, struct err *err)
{
    const struct routebook *routebook = service->routebook;
    struct routing_study facts = {.description = ""};
    bool found = true;
    if (routebook->rules && !study_facts(service, routebook->rules, study, arena, &found, &facts, err))
        return false;
    return routing_decide(routebook->rules, &facts, result, arena, ret, err);
}

bool router_at_end(struct service *service, int64_t study, struct arena *arena,
                   const struct routing_decision **ret, struct err *err)
{
    return decide(service, study, NULL, arena, ret, err);
}

bool router_of_result(struct service *service, const struct store_job *job, const struct result *result,
                      bool failed, struct arena *arena, const struct routing_decision **ret, struct err *err)
{
    struct routing_result facts;
    return result_facts(result, job->model, failed, arena, &facts, err) &&
           decide(service, job->study, &facts, arena, ret, err);
}

int router_destinations(const struct config *config, const struct routing_decision *decision, bool live,
                        const char **names)
{
    if (!live || decision->hold)
        return 0;
    if (decision->deliver.count == 0)
        return config_destinations(config, names);
    for (int i = 0; i < decision->deliver.count; i++)
        names[i] = decision->deliver.list[i];
    return decision->deliver.count;
}

/* ---- explanation -------------------------------------------------------------------------------------- */

static json_t *names_json(const char *const *names, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_string(names[i]));
    return list;
}

static json_t *steps_json(const struct routing_decision *decision)
{
    json_t *list = json_array();
    for (int i = 0; i < decision->step_count; i++) {
        const struct routing_step *step = &decision->steps[i];
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s}", "rule", step->rule->name, "why",
                                              step->rule->why, "verdict", routing_verdict_name(step->verdict),
                                              "because", step->why));
    }
    return list;
}

static json_t *end_json(const struct routing_decision *decision)
{
    return json_pack("{s:s,s:o,s:o}", "priority", routing_priority_name(decision->priority), "forward",
                     names_json(decision->forward.list, decision->forward.count), "steps",
                     steps_json(decision));
}

static json_t *result_json(const struct config *config, const struct routing_decision *decision,
                           const struct routing_result *result, bool live)
{
    const char *names[CONFIG_MAX_DESTINATIONS];
    int count = router_destinations(config, decision, live, names);
    bool by_default = live && !decision->hold && decision->deliver.count == 0;
    return json_pack("{s:s,s:s,s:s,s:b,s:b,s:o,s:b,s:o,s:s,s:o}", "model", result->model, "state",
                     result->state, "reason", result->reason, "live", live, "hold", decision->hold, "deliver",
                     names_json(names, count), "by_default", by_default, "forward",
                     names_json(decision->forward.list, decision->forward.count), "priority",
                     routing_priority_name(decision->priority), "steps", steps_json(decision));
}

/* What is asked of one study; `view` is store_view_study's. */
struct asked {
    struct service *service;
    const struct config *config;
    const struct routing_rules *rules;
    const json_t *view;
    struct routing_study study;
    struct arena *arena;
};

static const char *text_in(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static int64_t number_in(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const json_t *job_of(const json_t *view, const json_t *row)
{
    json_t *job;
    size_t i;
    json_array_foreach(json_object_get(view, "jobs"), i, job)
    {
        if (number_in(job, "revision") == number_in(row, "revision") &&
            strcmp(text_in(job, "model"), text_in(row, "model")) == 0)
            return job;
    }
    return NULL;
}

static bool add_result(const struct asked *asked, const json_t *row, json_t *list, struct err *err)
{
    const json_t *job = job_of(asked->view, row);
    const struct routing_decision *decision;
    struct routing_result facts;
    struct result *result;
    json_t *json = json_loads(text_in(row, "json"), 0, NULL);
    bool ok = json && result_from_json(json, asked->arena, &result, err);
    json_decref(json);
    if (!ok)
        return err_fail(err, ERR_CORRUPT, "a stored result cannot be read");
    if (!result_facts(result, text_in(row, "model"), strcmp(text_in(job, "state"), "failed") == 0,
                      asked->arena, &facts, err) ||
        !routing_decide(asked->rules, &asked->study, &facts, asked->arena, &decision, err))
        return false;
    json_array_append_new(list, result_json(asked->config, decision, &facts, number_in(job, "live") != 0));
    return true;
}

static json_t *results_json(const struct asked *asked, struct err *err)
{
    json_t *list = json_array(), *row;
    size_t i;
    json_array_foreach(json_object_get(asked->view, "results"), i, row)
    {
        bool withdrawn = strcmp(text_in(row, "reason"), "withdrawn") == 0; /* nothing is left of it */
        if (withdrawn || number_in(row, "revision") != number_in(asked->view, "revision") ||
            add_result(asked, row, list, err))
            continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *explain(struct asked *asked, int64_t study, struct err *err)
{
    const struct routing_decision *at_end;
    bool found;
    if (!study_facts(asked->service, asked->rules, study, asked->arena, &found, &asked->study, err) ||
        !routing_decide(asked->rules, &asked->study, NULL, asked->arena, &at_end, err))
        return NULL;
    json_t *results = results_json(asked, err);
    if (!results)
        return NULL;
    const char *file = asked->config->service.routes_file;
    return json_pack("{s:I,s:I,s:{s:s,s:i,s:s},s:o,s:o}", "study", (json_int_t)study, "revision",
                     (json_int_t)number_in(asked->view, "revision"), "rules", "file", file, "count",
                     asked->rules ? asked->rules->rule_count : 0, "sha256",
                     asked->rules ? asked->rules->sha256 : "", "at_end", end_json(at_end), "results",
                     results);
}

json_t *router_explain(struct service *service, int64_t study, struct err *err)
{
    const struct routebook *routebook = service->routebook;
    struct asked asked = {.service = service, .config = service->config, .rules = routebook->rules};
    json_t *view = store_view_study(service->store, study, err);
    if (!view || json_is_null(view))
        return view;
    asked.view = view;
    asked.arena = arena_new();
    json_t *json = asked.arena ? explain(&asked, study, err) : NULL;
    if (!asked.arena)
        err_fail(err, ERR_NOMEM, "no memory for an explanation");
    arena_free(asked.arena);
    json_decref(view);
    return json;
}
