#include "report/report.h"

#include "report/plain_text.h"
#include "report/report_tree.h"

#include <stdio.h>
#include <string.h>

#ifndef CARDIOSCRIBE_VERSION
#define CARDIOSCRIBE_VERSION "unknown"
#endif

enum { LO_BYTES = 64, SH_BYTES = 16 };

void report_class_uid(const char *sop_uid, const char *sop_class, char uid[UID_SIZE])
{
    char name[2 * UID_SIZE + 16];
    snprintf(name, sizeof name, "report %.64s as %.64s", sop_uid, sop_class);
    uid_named(name, uid);
}

void report_device_uid(const struct result *result, char uid[UID_SIZE])
{
    char name[1024];
    const struct model_identity *model = &result->model;
    bool narrow = result->has_model && strcmp(model->precision, "fp32") != 0; /* fp32's UID is as ever */
    if (result->has_model)
        snprintf(name, sizeof name, "device %.256s|%.256s|%s|%s|%s%s%.16s", model->name, model->version,
                 model->weights_sha256, model->prompts_sha256, model->config_sha256, narrow ? "|" : "",
                 narrow ? model->precision : "");
    else
        snprintf(name, sizeof name, "device " REPORT_PRODUCT "|" CARDIOSCRIBE_VERSION);
    uid_named(name, uid);
}

/* A value of one line for the header: backslash separates values there. NULL stays NULL. */
static bool header_text(struct arena *arena, const char *text, size_t most, const char **ret)
{
    *ret = NULL;
    if (!text)
        return true;
    char *plain = plain_text(arena, text, most);
    for (char *c = plain; c && *c; c++)
        *c = *c == '\\' || *c == '\n' ? '/' : *c;
    *ret = plain;
    return plain != NULL;
}

static int not_assessed_count(const struct result *result)
{
    int count = 0;
    for (int i = 0; i < result->finding_count; i++)
        count += report_state(result, &result->findings[i]) == FINDING_NOT_ASSESSED;
    return count;
}

static bool misses_a_view(const struct result *result)
{
    for (int i = 0; i < result->view_count; i++)
        if (result->views[i].reason)
            return true;
    return false;
}

/* Files of the study that could not be read are a warning whose stable word is "skipped". */
static bool skipped_any(const struct result *result)
{
    for (int i = 0; i < result->warning_count; i++)
        if (strncmp(result->warnings[i], "skipped:", 8) == 0)
            return true;
    return false;
}

static bool fill_completion(const struct result *result, const struct report_facts *facts,
                            struct arena *arena, struct dicom_sr_header *header)
{
    int not_assessed = not_assessed_count(result);
    bool input_incomplete = facts->input_incomplete || facts->expected_missing;
    header->complete = result->analysed && !input_incomplete && not_assessed == 0 && !misses_a_view(result) &&
                       !skipped_any(result);
    if (header->complete)
        return true;
    const char *why = "Not every file could be read";
    if (result_outside(result))
        why = "Outside the domain of the model";
    else if (not_assessed)
        why = "Not every label could be assessed";
    else if (misses_a_view(result))
        why = "Not every view was analysed";
    if (!result->analysed)
        why = arena_printf(arena, "Not analysed: %s", result->reason ? result->reason : "no reason stated");
    else if (input_incomplete)
        why = "Input incomplete";
    return why && header_text(arena, why, LO_BYTES, &header->completion_description);
}

static void copy_uid(char to[UID_SIZE], const char *from)
{
    snprintf(to, UID_SIZE, "%.64s", from);
}

static bool fill_evidence(const struct result *result, const struct report_facts *facts, struct arena *arena,
                          struct dicom_sr_header *header)
{
    if (result->instance_count == 0) {
        header->current_evidence = facts->instances;
        header->current_count = facts->instance_count;
        return true;
    }
    struct dicom_sr_reference *list =
        ARENA_ARRAY(arena, struct dicom_sr_reference, (size_t)result->instance_count);
    for (int i = 0; list && i < result->instance_count; i++) {
        copy_uid(list[i].study_uid, dicom_sr_source_study_uid(facts->source));
        copy_uid(list[i].series_uid, result->instances[i].series_uid);
        copy_uid(list[i].sop_class, result->instances[i].sop_class);
        copy_uid(list[i].sop_uid, result->instances[i].sop_uid);
    }
    header->current_evidence = list;
    header->current_count = result->instance_count;
    return list != NULL;
}

static bool fill_equipment(const struct result *result, const struct report_facts *facts,
                           const char *device_uid, struct arena *arena, struct dicom_sr_header *header)
{
    const struct model_identity *model = &result->model;
    header->manufacturer = REPORT_PRODUCT;
    header->model_name = REPORT_PRODUCT;
    header->software_version = CARDIOSCRIBE_VERSION;
    header->device_uid = device_uid;
    if (!header_text(arena, facts->serial, LO_BYTES, &header->serial_number) ||
        !header_text(arena, facts->station, SH_BYTES, &header->station_name))
        return false;
    if (!result->has_model)
        return true;
    header->algorithm.purpose = facts->contribution.value
                                    ? facts->contribution
                                    : report_code("109102", "DCM", "Processing Equipment");
    header->algorithm.description =
        model->trained ? "Zero-shot findings from images" : "Untrained model: output without meaning";
    return header_text(arena, model->manufacturer, LO_BYTES, &header->algorithm.manufacturer) &&
           header_text(arena, model->name, LO_BYTES, &header->algorithm.model_name) &&
           header_text(arena, model->version, LO_BYTES, &header->algorithm.version);
}

static bool fill_header(const struct result *result, const struct report_facts *facts, const char *device_uid,
                        struct arena *arena, struct dicom_sr_header *header)
{
    char *scheme_uid = arena_alloc(arena, UID_SIZE, 1);
    if (!scheme_uid)
        return false;
    uid_named("coding scheme " REPORT_PRIVATE_SCHEME, scheme_uid);
    header->source = facts->source;
    header->sop_class = DICOM_SR_COMPREHENSIVE_3D;
    header->sop_uid = facts->sop_uid;
    header->series_uid = facts->series_uid;
    header->series_number = facts->series_number;
    header->instance_number = facts->revision;
    header->series_description =
        facts->clinical ? REPORT_PRODUCT " AI" : REPORT_PRODUCT " AI - NOT FOR CLINICAL USE";
    header->content_unix_ms = result->started_unix_ms;
    header->timezone_minutes = facts->timezone_minutes;
    header->predecessor = facts->predecessor;
    header->private_scheme.designator = REPORT_PRIVATE_SCHEME;
    header->private_scheme.uid = scheme_uid;
    header->private_scheme.name = "cardioscribe labels and scores";
    header->private_scheme.organization = REPORT_PRODUCT;
    return fill_completion(result, facts, arena, header) && fill_evidence(result, facts, arena, header) &&
           fill_equipment(result, facts, device_uid, arena, header);
}

bool report_build(const struct result *result, const struct report_facts *facts,
                  const struct report_codes *codes, struct arena *arena, struct report **ret, struct err *err)
{
    if (!facts->source || !facts->sop_uid || !facts->series_uid)
        return err_fail(err, ERR_BUG, "a report needs a source object, its own UID and its series' UID");
    struct report *report = ARENA_NEW(arena, struct report);
    char *device_uid = arena_alloc(arena, UID_SIZE, 1);
    if (!report || !device_uid)
        return err_fail(err, ERR_NOMEM, "out of memory building the report");
    if (facts->device_uid)
        copy_uid(device_uid, facts->device_uid);
    else
        report_device_uid(result, device_uid);
    dicom_sr_tree_init(&report->tree, arena, report_code("126000", "DCM", "Imaging Measurement Report"),
                       "1500");
    if (!fill_header(result, facts, device_uid, arena, &report->header))
        return err_fail(err, ERR_NOMEM, "out of memory building the report");
    if (!report_tree_build(result, facts, codes, device_uid, &report->tree, err))
        return false;
    *ret = report;
    return true;
}

bool report_write(const struct report *report, const char *path, struct err *err)
{
    return dicom_sr_write(&report->header, &report->tree, path, err);
}
