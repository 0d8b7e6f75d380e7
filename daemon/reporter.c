#include "daemon/reporter.h"

#include "base/clock.h"
#include "daemon/log.h"
#include "daemon/router.h"
#include "dicom/dicom_seg.h"
#include "report/result_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FIRST_SERIES_NUMBER = 9900 };

static int series_number(const struct config *config, const char *model)
{
    for (int i = 0; i < config->model_count; i++)
        if (strcmp(config->models[i].name, model) == 0)
            return FIRST_SERIES_NUMBER + 1 + i;
    return FIRST_SERIES_NUMBER;
}

/* The evidence of a report that analysed nothing. An object whose UID no other object may repeat is left out:
 * nothing in the report refers to it, and it would make the whole report illegal. */
static struct dicom_sr_reference *references(const struct store_job *job, const struct store_inputs *inputs,
                                             struct arena *arena, int *ret_count)
{
    struct dicom_sr_reference *list = ARENA_ARRAY(arena, struct dicom_sr_reference, (size_t)inputs->count);
    for (int i = 0; list && i < inputs->count; i++) {
        const struct store_input *input = &inputs->items[i];
        if (!uid_conformant(input->sop_uid) || !uid_conformant(input->series_uid))
            continue;
        struct dicom_sr_reference *reference = &list[(*ret_count)++];
        snprintf(reference->study_uid, UID_SIZE, "%s", job->study_uid);
        memcpy(reference->series_uid, input->series_uid, UID_SIZE);
        memcpy(reference->sop_class, input->sop_class, UID_SIZE);
        memcpy(reference->sop_uid, input->sop_uid, UID_SIZE);
    }
    return list;
}

static int timezone_minutes(void)
{
    time_t now = time(NULL);
    struct tm local;
    return localtime_r(&now, &local) ? (int)(local.tm_gmtoff / 60) : 0;
}

static int segmentations(const struct store_inputs *inputs)
{
    int count = 0;
    for (int i = 0; i < inputs->count; i++)
        count += dicom_is_seg(inputs->items[i].sop_class);
    return count;
}

/* Why the analysis began, and what was there; what of it was used the report says itself. */
static const char *start_text(const struct store_job *job, const struct store_inputs *inputs,
                              struct arena *arena)
{
    return arena_printf(arena, "%s; received: %d CT or MR images, %d other objects", job->started_by,
                        inputs->count - segmentations(inputs), inputs->other_count + segmentations(inputs));
}

static bool find_predecessor(struct service *service, const struct store_job *job, struct arena *arena,
                             const struct dicom_sr_reference **ret, struct err *err)
{
    struct store_document document;
    bool found;
    *ret = NULL;
    if (!store_predecessor(service->store, job->study, job->model, job->revision, &found, &document, err))
        return false;
    if (!found)
        return true;
    struct dicom_sr_reference *reference = ARENA_NEW(arena, struct dicom_sr_reference);
    if (!reference)
        return err_fail(err, ERR_NOMEM, "no memory for a reference");
    snprintf(reference->study_uid, UID_SIZE, "%s", job->study_uid);
    memcpy(reference->series_uid, document.series_uid, UID_SIZE);
    memcpy(reference->sop_class, document.sop_class, UID_SIZE);
    memcpy(reference->sop_uid, document.sop_uid, UID_SIZE);
    *ret = reference;
    return true;
}

struct written {
    const char *sop_uid;
    char series_uid[UID_SIZE];
    char relative[SPOOL_RELATIVE_SIZE];
    char sha256[DIGEST_HEX_SIZE];
};

static bool write_report(struct service *service, const struct store_job *job,
                         const struct store_inputs *inputs, const struct result *result,
                         const struct dicom_sr_source *source, struct arena *arena, struct written *written,
                         struct err *err)
{
    char device_uid[UID_SIZE], incoming[PATH_MAX];
    const struct config *config = service->config;
    struct report *report;
    report_device_uid(result, device_uid);
    const char *series =
        arena_printf(arena, "report series|%s|%s|%s", job->study_uid, job->model, device_uid);
    if (!series)
        return err_fail(err, ERR_NOMEM, "no memory for a report");
    uid_named(series, written->series_uid);
    struct report_facts facts = {.source = source,
                                 .sop_uid = written->sop_uid,
                                 .series_uid = written->series_uid,
                                 .series_number = series_number(config, job->model),
                                 .revision = job->revision,
                                 .station = config->service.station_name,
                                 .clinical = strcmp(config->service.intended_use, "clinical") == 0,
                                 .start = start_text(job, inputs, arena),
                                 .expected = job->expected,
                                 .expected_missing = job->expected_missing,
                                 .input_incomplete = inputs->lost_count > 0,
                                 .timezone_minutes = timezone_minutes()};
    facts.instances = references(job, inputs, arena, &facts.instance_count);
    if (!facts.start || !facts.instances)
        return err_fail(err, ERR_NOMEM, "no memory for a report");
    if (!find_predecessor(service, job, arena, &facts.predecessor, err) ||
        !report_build(result, &facts, service->codes, arena, &report, err))
        return false;
    spool_incoming(service->spool, incoming);
    spool_report_path(written->sop_uid, written->relative);
    bool ok = report_write(report, incoming, err) && digest_file(incoming, 0, written->sha256, err) &&
              spool_commit(service->spool, incoming, written->relative, err);
    spool_discard(incoming);
    return ok;
}

static struct store_finding *finding_rows(const struct result *result, struct arena *arena)
{
    struct store_finding *rows = ARENA_ARRAY(arena, struct store_finding, (size_t)result->finding_count);
    for (int i = 0; rows && i < result->finding_count; i++) {
        const struct finding *finding = &result->findings[i];
        rows[i] = (struct store_finding){finding->id,        finding_state_name(finding->state),
                                         finding->has_score, finding->has_probability,
                                         finding->score,     finding->probability};
    }
    return rows;
}

/* The whole study's, or every organ's that has one. */
static struct store_embedding *embedding_rows(const struct result *result, struct arena *arena,
                                              int *ret_count)
{
    int dim = result->embedding_dim, count = 0;
    struct store_embedding *rows =
        ARENA_ARRAY(arena, struct store_embedding, (size_t)result->organ_count + 1);
    if (rows && result->embedding)
        rows[count++] = (struct store_embedding){"", result->embedding, dim};
    for (int i = 0; rows && i < result->organ_count; i++)
        if (result->organs[i].embedding)
            rows[count++] = (struct store_embedding){result->organs[i].id, result->organs[i].embedding, dim};
    *ret_count = count;
    return rows;
}

static bool record(struct service *service, const struct store_job *job, const struct result *result,
                   bool failed, const struct written *written, const char *json, struct arena *arena,
                   struct err *err)
{
    const char *names[CONFIG_MAX_DESTINATIONS];
    const struct routing_decision *decision;
    bool stale;
    struct store_finish finish = {.job = job,
                                  .failed = failed,
                                  .analysed = result->analysed,
                                  .reason = result_outcome(result),
                                  .json = json,
                                  .findings = finding_rows(result, arena),
                                  .finding_count = result->finding_count,
                                  .report = {DICOM_SR_COMPREHENSIVE_3D, written->sop_uid, written->series_uid,
                                             written->relative, written->sha256},
                                  .destinations = names};
    finish.embeddings = embedding_rows(result, arena, &finish.embedding_count);
    if (!finish.findings || !finish.embeddings)
        return err_fail(err, ERR_NOMEM, "no memory for findings");
    if (!router_of_result(service, job, result, failed, arena, &decision, err))
        return false;
    finish.destination_count = router_destinations(service->config, decision, job->live, names);
    finish.priority = decision->priority;
    finish.forward = decision->forward.list;
    finish.forward_count = decision->forward.count;
    if (!store_finish_job(service->store, &finish, clock_unix_ms(), &stale, err))
        return false;
    if (stale) {
        char path[PATH_MAX];
        spool_path(service->spool, written->relative, path);
        spool_discard(path);
        log_event(LOG_WARNING, "result_stale", "job=%lld study=%lld", (long long)job->id,
                  (long long)job->study);
    }
    return true;
}

static bool write_and_record(struct service *service, const struct store_job *job,
                             const struct store_inputs *inputs, const struct result *result,
                             const char *sop_uid, bool failed, struct arena *arena, struct err *err)
{
    char first[PATH_MAX];
    struct written written = {.sop_uid = sop_uid};
    if (inputs->count == 0)
        return err_fail(err, ERR_CORRUPT, "no object of the study is left");
    spool_path(service->spool, inputs->items[0].path, first);
    struct dicom_sr_source *source = dicom_sr_source_open(first, err);
    bool ok = source && write_report(service, job, inputs, result, source, arena, &written, err);
    dicom_sr_source_close(source);
    if (!ok)
        return false;
    json_t *json = result_to_json(result);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    ok = text ? record(service, job, result, failed, &written, text, arena, err)
              : err_fail(err, ERR_NOMEM, "no memory for a result");
    free(text);
    return ok;
}

bool reporter_finish(struct service *service, const struct store_job *job, const struct store_inputs *inputs,
                     const struct result *result, const char *sop_uid, bool failed, struct err *err)
{
    struct arena *arena = arena_new();
    bool ok = arena ? write_and_record(service, job, inputs, result, sop_uid, failed, arena, err)
                    : err_fail(err, ERR_NOMEM, "no memory for a report");
    arena_free(arena);
    return ok;
}

static bool add_series(struct service *service, const struct store_job *job, struct result *result,
                       struct arena *arena)
{
    struct err ignored = ERR_INIT;
    struct store_series *series;
    int count;
    if (!store_input_series(service->store, job->study, arena, &series, &count, &ignored))
        return false;
    result->series = ARENA_ARRAY(arena, struct result_series, (size_t)count);
    for (int i = 0; result->series && i < count; i++) {
        struct result_series *one = &result->series[result->series_count++];
        memcpy(one->series_uid, series[i].series_uid, UID_SIZE);
        one->modality = series[i].modality;
        one->description = series[i].description;
        one->instance_count = series[i].input_count;
        one->reason = result->reason;
        if (!*result->modality && strcmp(one->modality, "SEG") != 0)
            result->modality = one->modality;
    }
    return result->series != NULL;
}

/* The blank is shared by all slots: its findings are copied before they get this job's reason. */
static bool own_findings(struct result *result, struct arena *arena)
{
    struct finding *findings = ARENA_ARRAY(arena, struct finding, (size_t)result->finding_count);
    for (int i = 0; findings && i < result->finding_count; i++) {
        findings[i] = result->findings[i];
        findings[i].reason = result->reason;
    }
    result->findings = findings;
    return findings != NULL;
}

struct result *reporter_not_analysed(struct service *service, const struct store_job *job,
                                     const struct result *blank, const char *reason, const char *reason_text,
                                     struct arena *arena)
{
    struct result *result = ARENA_NEW(arena, struct result);
    if (!result)
        return NULL;
    if (blank)
        *result = *blank;
    else
        result->key_instance = -1;
    result->modality = "";
    result->reason = arena_strdup(arena, reason);
    result->reason_text = arena_strdup(arena, reason_text);
    if (!own_findings(result, arena))
        return NULL;
    result->started_unix_ms = clock_unix_ms();
    return result->reason && result->reason_text && add_series(service, job, result, arena) ? result : NULL;
}
