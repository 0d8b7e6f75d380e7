#include "report/annotation.h"

#include "report/hl7.h"

#include <string.h>

static json_t *code_json(const struct dicom_code *code)
{
    return *code->value ? json_pack("{s:s,s:s,s:s}", "value", code->value, "scheme", code->scheme, "meaning",
                                    code->meaning)
                        : json_null();
}

static const char *type_name(enum dicom_sr_value value)
{
    static const char *const names[] = {[DICOM_SR_CONTAINER] = "CONTAINER", [DICOM_SR_CODE] = "CODE",
                                        [DICOM_SR_TEXT] = "TEXT",           [DICOM_SR_NUM] = "NUM",
                                        [DICOM_SR_UIDREF] = "UIDREF",       [DICOM_SR_IMAGE] = "IMAGE"};
    return names[value];
}

static json_t *value_json(const struct dicom_sr_item *item)
{
    const char *type = type_name(item->value);
    json_t *name = code_json(&item->name);
    switch (item->value) {
    case DICOM_SR_CODE:
        return json_pack("{s:s,s:o,s:o}", "type", type, "name", name, "code", code_json(&item->code));
    case DICOM_SR_TEXT:
        return json_pack("{s:s,s:o,s:s}", "type", type, "name", name, "text", item->text);
    case DICOM_SR_NUM:
        return json_pack("{s:s,s:o,s:f,s:o}", "type", type, "name", name, "number", item->number, "unit",
                         code_json(&item->unit));
    case DICOM_SR_UIDREF:
        return json_pack("{s:s,s:o,s:s}", "type", type, "name", name, "uid", item->text);
    case DICOM_SR_IMAGE:
        return json_pack("{s:s,s:o,s:s,s:s,s:i}", "type", type, "name", name, "sop_class", item->sop_class,
                         "sop_uid", item->sop_uid, "frame", item->frame);
    case DICOM_SR_CONTAINER:
        break;
    }
    return json_pack("{s:s,s:o}", "type", type, "name", name);
}

/* NULL items are refused where they are put, so that one that fails fails the whole. */
static json_t *items_json(const struct dicom_sr_item *parent)
{
    json_t *items = json_array();
    for (const struct dicom_sr_item *item = parent->first_child; items && item; item = item->next) {
        json_t *json = value_json(item);
        bool ok = json && (!item->first_child || json_object_set_new(json, "items", items_json(item)) == 0);
        if (!ok)
            json_decref(json);
        if (!ok || json_array_append_new(items, json) != 0) {
            json_decref(items);
            return NULL;
        }
    }
    return items;
}

static json_t *study_json(const struct dicom_sr_document *document)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "study_uid", document->study_uid,
                     "patient_id", document->patient_id, "issuer_of_patient_id", document->issuer,
                     "accession", document->accession, "study_date", document->study_date, "study_time",
                     document->study_time, "study_id", document->study_id, "study_description",
                     document->study_description, "placer_order", document->placer_order, "filler_order",
                     document->filler_order);
}

static json_t *report_json(const struct dicom_sr_document *document)
{
    const char *replaces = *document->predecessor_uid ? document->predecessor_uid : NULL;
    return json_pack("{s:s,s:s,s:s,s:s,s:i,s:s?,s:b,s:s,s:{s:s,s:s,s:s}}", "sop_class", document->sop_class,
                     "sop_uid", document->sop_uid, "series_uid", document->series_uid, "series_description",
                     document->series_description, "revision", document->revision, "replaces", replaces,
                     "complete", document->complete, "completion_description",
                     document->completion_description, "started", "date", document->content_date, "time",
                     document->content_time, "utc_offset", document->utc_offset);
}

/* Thousands of numbers that nobody reads. */
static json_t *without_embeddings(const json_t *result)
{
    size_t i;
    json_t *copy = json_deep_copy(result), *organ;
    json_object_del(copy, "embedding");
    json_array_foreach(json_object_get(copy, "organs"), i, organ) json_object_del(organ, "embedding");
    return copy;
}

json_t *annotation_json(const struct dicom_sr_document *document, const json_t *result)
{
    char event[HL7_CONTROL_ID_SIZE];
    hl7_control_id(document->sop_uid, event);
    return json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:o}", "event", event, "type", "result", "product",
                     "cardioscribe", "study", study_json(document), "report", report_json(document), "items",
                     items_json(document->root), "result", without_embeddings(result));
}
