#include "report/result_json.h"

#include "base/clock.h"
#include "report/plain_text.h"

#include <stdlib.h>
#include <string.h>

/* Writing a result. json_pack consumes the values given with "o" even when it fails. */

static json_t *text_json(const char *text)
{
    if (!text)
        return json_null();
    size_t room = strlen(text) * 3 + 1;
    char *clean = malloc(room);
    if (!clean)
        return NULL;
    plain_text_copy(clean, room, text);
    json_t *json = json_string(clean);
    free(clean);
    return json;
}

static json_t *zyx_json(const int zyx[3])
{
    return json_pack("[i,i,i]", zyx[0], zyx[1], zyx[2]);
}

static json_t *vector_json(const float *vector, int dim)
{
    if (!vector)
        return json_null();
    json_t *array = json_array();
    for (int i = 0; array && i < dim; i++) {
        if (json_array_append_new(array, json_real((double)vector[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *real_or_null(bool there, double number)
{
    return there ? json_real(number) : json_null();
}

static json_t *calibration_json(const struct finding *finding)
{
    if (!finding->has_probability || !finding->has_calibration)
        return json_null();
    return json_pack("{s:f,s:f,s:f}", "a", finding->calibration_a, "b", finding->calibration_b,
                     "probability_at_threshold", finding->probability_at_threshold);
}

static json_t *finding_json(const struct finding *finding)
{
    return json_pack("{s:o,s:o,s:o,s:s,s:o,s:o,s:o,s:o,s:f,s:o,s:o}", "id", text_json(finding->id), "text",
                     text_json(finding->text), "organ", text_json(finding->organ), "state",
                     finding_state_name(finding->state), "reason", text_json(finding->reason), "score",
                     real_or_null(finding->has_score, finding->score), "probability",
                     real_or_null(finding->has_probability, finding->probability), "calibration",
                     calibration_json(finding), "threshold", finding->threshold, "cosine_positive",
                     real_or_null(finding->has_score, finding->cosine_positive), "cosine_negative",
                     real_or_null(finding->has_score && finding->has_negative, finding->cosine_negative));
}

static json_t *organ_json(const struct result_organ *organ, int dim)
{
    json_t *json = json_pack("{s:o,s:o}", "id", text_json(organ->id), "text", text_json(organ->text));
    int failed = organ->embedding ? json_object_set_new(json, "embedding", vector_json(organ->embedding, dim))
                                  : json_object_set_new(json, "not_assessed",
                                                        text_json(organ->reason ? organ->reason : ""));
    if (organ->recognised)
        failed |= json_object_set_new(
            json, "recognised",
            json_pack("{s:o,s:f}", "id", text_json(organ->recognised), "score", organ->recognised_score));
    if (!failed)
        return json;
    json_decref(json);
    return NULL;
}

static json_t *model_json(const struct result *result)
{
    const struct model_identity *model = &result->model;
    if (!result->has_model)
        return json_null();
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:b,s:o,s:s,s:s,s:s}", "name", text_json(model->name),
                     "version", text_json(model->version), "manufacturer", text_json(model->manufacturer),
                     "family", text_json(model->family), "score", text_json(model->score), "calibration",
                     text_json(model->calibration), "calibration_on", text_json(model->calibration_on),
                     "trained", model->trained, "precision", text_json(model->precision), "weights_sha256",
                     model->weights_sha256, "prompts_sha256", model->prompts_sha256, "config_sha256",
                     model->config_sha256);
}

static json_t *series_json(const struct result_series *series)
{
    return json_pack("{s:o,s:i,s:o,s:o,s:i,s:b,s:o,s:o,s:o}", "series_uid", text_json(series->series_uid),
                     "series_number", series->series_number, "modality", text_json(series->modality),
                     "description", text_json(series->description), "instances", series->instance_count,
                     "taken", series->taken, "reason", text_json(series->reason), "role",
                     text_json(series->role ? series->role : ""), "why",
                     text_json(series->why ? series->why : ""));
}

static json_t *view_json(const struct result_view *view)
{
    return json_pack("{s:o,s:o,s:o,s:o,s:i,s:i,s:i,s:o,s:i,s:o,s:o}", "name", text_json(view->name), "reason",
                     text_json(view->reason), "how", text_json(view->how), "series_uid",
                     text_json(view->series_uid), "slices", view->slices, "phases", view->phases, "frames",
                     view->frames, "sampled", view->sampled < 0 ? json_null() : json_integer(view->sampled),
                     "slice", view->slice, "plane", text_json(view->plane), "reconstruction",
                     text_json(view->reconstruction));
}

static json_t *triple_json(const double numbers[3])
{
    return json_pack("[f,f,f]", numbers[0], numbers[1], numbers[2]);
}

static json_t *box_json(const struct result_box *box)
{
    if (!box->source)
        return json_null();
    return json_pack("{s:o,s:f,s:o,s:o}", "source", text_json(box->source), "confidence", box->confidence,
                     "centre_lps", triple_json(box->centre_lps), "size_zyx_mm",
                     triple_json(box->size_zyx_mm));
}

static json_t *domain_json(const struct result_domain *domain)
{
    if (!domain->of)
        return json_null();
    return json_pack("{s:s,s:o,s:f,s:f,s:b}", "of", domain->of, "id", text_json(domain->id), "distance",
                     domain->distance, "limit", domain->limit, "inside", domain->inside);
}

static json_t *instance_json(const struct result_instance *instance)
{
    return json_pack("{s:o,s:o,s:o,s:i}", "sop_class", text_json(instance->sop_class), "sop_uid",
                     text_json(instance->sop_uid), "series_uid", text_json(instance->series_uid), "frames",
                     instance->frame_count);
}

/* Append and say whether it worked; `array` is dropped when not. */
static bool append(json_t **array, json_t *value)
{
    if (*array && json_array_append_new(*array, value) == 0)
        return true;
    if (!*array)
        json_decref(value);
    json_decref(*array);
    *array = NULL;
    return false;
}

static json_t *organs_json(const struct result *result)
{
    json_t *array = json_array();
    for (int i = 0; i < result->organ_count; i++)
        if (!append(&array, organ_json(&result->organs[i], result->embedding_dim)))
            break;
    return array;
}

static json_t *findings_json(const struct result *result)
{
    json_t *array = json_array();
    for (int i = 0; i < result->finding_count && append(&array, finding_json(&result->findings[i])); i++)
        ;
    return array;
}

static json_t *all_series_json(const struct result *result)
{
    json_t *array = json_array();
    for (int i = 0; i < result->series_count && append(&array, series_json(&result->series[i])); i++)
        ;
    return array;
}

static json_t *views_json(const struct result *result)
{
    json_t *array = json_array();
    for (int i = 0; i < result->view_count && append(&array, view_json(&result->views[i])); i++)
        ;
    return array;
}

static json_t *instances_json(const struct result *result)
{
    json_t *array = json_array();
    for (int i = 0; i < result->instance_count && append(&array, instance_json(&result->instances[i])); i++)
        ;
    return array;
}

static json_t *warnings_json(const struct result *result)
{
    json_t *array = json_array();
    for (int i = 0; i < result->warning_count && append(&array, text_json(result->warnings[i])); i++)
        ;
    return array;
}

static json_t *input_json(const struct result *result)
{
    json_t *key = result->key_instance < 0
                      ? json_null()
                      : json_pack("{s:i,s:i}", "instance", result->key_instance, "frame", result->key_frame);
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:s}", "modality",
                     text_json(result->modality), "series", all_series_json(result), "views",
                     views_json(result), "box", box_json(&result->box), "instances", instances_json(result),
                     "key", key, "source_zyx", zyx_json(result->source_zyx), "source_spacing_zyx_mm",
                     triple_json(result->source_spacing_zyx_mm), "input_zyx", zyx_json(result->input_zyx),
                     "warnings", warnings_json(result), "manifest_sha256", result->manifest_sha256,
                     "series_rules_sha256", result->series_rules_sha256);
}

json_t *result_to_json(const struct result *result)
{
    char started[CLOCK_ISO_SIZE];
    clock_iso(result->started_unix_ms, started);
    return json_pack("{s:b,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:{s:f,s:f,s:f}}", "analysed",
                     result->analysed, "reason", text_json(result->reason), "reason_text",
                     text_json(result->reason_text), "embedding",
                     vector_json(result->embedding, result->embedding_dim), "organs", organs_json(result),
                     "domain", domain_json(&result->domain), "findings", findings_json(result), "model",
                     model_json(result), "input", input_json(result), "started", started, "timing", "load_s",
                     result->load_s, "volume_s", result->volume_s, "encode_s", result->encode_s);
}
