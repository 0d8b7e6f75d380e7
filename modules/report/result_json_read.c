#include "report/result_json.h"

#include "base/clock.h"
#include "findings/domain.h"
#include "findings/score.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Reading a result: one reader, one first failure; a getter after it does nothing. */

struct reader {
    struct arena *arena;
    struct err *err;
    bool failed;
};

static void fail(struct reader *in, const char *key, const char *what)
{
    if (!in->failed)
        err_decline(in->err, "bad_result", "result, key \"%s\": %s", key, what);
    in->failed = true;
}

static const json_t *get(struct reader *in, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        fail(in, key, "is missing");
    return in->failed ? NULL : value;
}

static void *room(struct reader *in, size_t count, size_t size)
{
    void *memory = in->failed ? NULL : arena_alloc(in->arena, count, size);
    if (!memory && !in->failed) {
        err_fail(in->err, ERR_NOMEM, "out of memory reading a result");
        in->failed = true;
    }
    return memory;
}

static bool get_bool(struct reader *in, const json_t *object, const char *key)
{
    const json_t *value = get(in, object, key);
    if (value && !json_is_boolean(value))
        fail(in, key, "is not true or false");
    return json_is_true(value);
}

/* NULL for null. */
static const char *get_text_or_null(struct reader *in, const json_t *object, const char *key)
{
    const json_t *value = get(in, object, key);
    if (!value || json_is_null(value))
        return NULL;
    size_t length = json_string_length(value);
    if (!json_is_string(value) || length > RESULT_JSON_MAX_TEXT || strlen(json_string_value(value)) != length)
        fail(in, key, "is not a text, or is too long");
    char *copy = room(in, length + 1, 1);
    return copy ? memcpy(copy, json_string_value(value), length + 1) : NULL;
}

/* Of a key that older rows have not. */
static const char *get_text_if_there(struct reader *in, const json_t *object, const char *key)
{
    const char *text = json_object_get(object, key) ? get_text_or_null(in, object, key) : NULL;
    return text ? text : "";
}

static const char *get_text(struct reader *in, const json_t *object, const char *key)
{
    const char *text = get_text_or_null(in, object, key);
    if (!text)
        fail(in, key, "is null");
    return text ? text : "";
}

/* A text of at most 64 characters out of `allowed`, into a buffer of 65. */
static void get_word(struct reader *in, const json_t *object, const char *key, const char *allowed, char *out)
{
    const char *text = get_text(in, object, key);
    if (strlen(text) > 64 || strspn(text, allowed) != strlen(text))
        fail(in, key, "has characters that do not belong there, or is too long");
    if (!in->failed)
        memcpy(out, text, strlen(text) + 1);
}

static void get_uid(struct reader *in, const json_t *object, const char *key, char uid[UID_SIZE])
{
    get_word(in, object, key, "0123456789.", uid);
}

static void get_digest(struct reader *in, const json_t *object, const char *key, char hex[DIGEST_HEX_SIZE])
{
    get_word(in, object, key, "0123456789abcdef", hex);
    if (!in->failed && strlen(hex) != 0 && strlen(hex) != DIGEST_HEX_SIZE - 1)
        fail(in, key, "is not a SHA-256 digest");
}

static int whole_number(struct reader *in, const json_t *value, const char *key, int least)
{
    json_int_t number = json_integer_value(value);
    if (value && (!json_is_integer(value) || number < least || number > INT_MAX))
        fail(in, key, "is not a whole number in range");
    return in->failed ? 0 : (int)number;
}

static int get_int(struct reader *in, const json_t *object, const char *key, int least)
{
    return whole_number(in, get(in, object, key), key, least);
}

static double real_number(struct reader *in, const json_t *value, const char *key, double least, double most)
{
    double number = json_number_value(value);
    if (value && (!json_is_number(value) || !isfinite(number) || number < least || number > most))
        fail(in, key, "is not a number in range");
    return in->failed ? 0 : number;
}

static double get_real(struct reader *in, const json_t *object, const char *key, double least, double most)
{
    return real_number(in, get(in, object, key), key, least, most);
}

static bool get_real_or_null(struct reader *in, const json_t *object, const char *key, double least,
                             double most, double *ret)
{
    const json_t *value = get(in, object, key);
    if (!value || json_is_null(value))
        return false;
    *ret = real_number(in, value, key, least, most);
    return true;
}

static const json_t *get_array(struct reader *in, const json_t *object, const char *key, size_t max,
                               int *ret_count)
{
    const json_t *array = get(in, object, key);
    if (array && (!json_is_array(array) || json_array_size(array) > max))
        fail(in, key, "is not a list, or is too long");
    *ret_count = in->failed ? 0 : (int)json_array_size(array);
    return in->failed ? NULL : array;
}

/* A unit vector; its length goes to *dim, which is 0 or what it must be. */
static const float *read_vector(struct reader *in, const json_t *object, int *dim)
{
    int count;
    double square = 0;
    const json_t *array = get_array(in, object, "embedding", RESULT_JSON_MAX_DIM, &count);
    float *vector = room(in, (size_t)count, sizeof *vector);
    for (int i = 0; i < count && !in->failed; i++) {
        vector[i] = (float)real_number(in, json_array_get(array, (size_t)i), "embedding", -2, 2);
        square += (double)vector[i] * (double)vector[i];
    }
    if (fabs(sqrt(square) - 1) > 1e-3)
        fail(in, "embedding", "is not of unit length");
    if (*dim && *dim != count)
        fail(in, "embedding", "is not as long as the others");
    *dim = count;
    return vector;
}

static void read_embedding(struct reader *in, const json_t *json, struct result *out)
{
    const json_t *value = get(in, json, "embedding");
    if (value && !json_is_null(value))
        out->embedding = (float *)read_vector(in, json, &out->embedding_dim);
}

static const char *get_id(struct reader *in, const json_t *object, const char *key)
{
    const char *id = get_text(in, object, key);
    if (!*id)
        fail(in, key, "is empty");
    return id;
}

static void read_organ(struct reader *in, const json_t *json, struct result *out, struct result_organ *to)
{
    const json_t *recognised = json_object_get(json, "recognised");
    to->id = get_id(in, json, "id");
    if (!in->failed && result_organ(out, to->id))
        fail(in, "id", "is that of two organs");
    to->text = get_text_or_null(in, json, "text");
    if (json_object_get(json, "embedding"))
        to->embedding = read_vector(in, json, &out->embedding_dim);
    else
        to->reason = get_text(in, json, "not_assessed");
    if (!recognised)
        return;
    to->recognised = get_id(in, recognised, "id");
    to->recognised_score = get_real(in, recognised, "score", 0, 1);
}

static void read_organs(struct reader *in, const json_t *json, struct result *out)
{
    int count;
    const json_t *array = get_array(in, json, "organs", RESULT_JSON_MAX_ORGANS, &count);
    out->organs = room(in, (size_t)count, sizeof *out->organs);
    for (; out->organ_count < count && !in->failed; out->organ_count++)
        read_organ(in, json_array_get(array, (size_t)out->organ_count), out, &out->organs[out->organ_count]);
    for (int i = 0; i < out->organ_count && !in->failed; i++)
        if (out->organs[i].recognised && !result_organ(out, out->organs[i].recognised))
            fail(in, "recognised", "names no organ of the list");
}

/* Older rows have none. */
static void read_calibration(struct reader *in, const json_t *json, struct finding *out)
{
    const json_t *calibration = json_object_get(json, "calibration");
    if (!calibration || json_is_null(calibration))
        return;
    out->has_calibration = true;
    out->calibration_a = get_real(in, calibration, "a", -1e6, 1e6);
    out->calibration_b = get_real(in, calibration, "b", -1e6, 1e6);
    out->probability_at_threshold = get_real(in, calibration, "probability_at_threshold", 0, 1);
    if (!out->has_probability)
        fail(in, "calibration", "goes with a probability");
}

static void read_finding(struct reader *in, const json_t *json, const struct result *result,
                         struct finding *out)
{
    bool bare = result->has_model && strcmp(result->model.score, "cosine_mean") == 0;
    out->id = get_id(in, json, "id");
    out->text = get_text_or_null(in, json, "text");
    out->organ = get_text_or_null(in, json, "organ");
    if (out->organ && result->analysed && !result_organ(result, out->organ))
        fail(in, "organ", "names no organ of the list");
    if (!finding_state_parse(get_text(in, json, "state"), &out->state))
        fail(in, "state", "is no state");
    out->reason = get_text_or_null(in, json, "reason");
    out->has_score = get_real_or_null(in, json, "score", bare ? -1 : 0, 1, &out->score);
    out->has_probability = get_real_or_null(in, json, "probability", 0, 1, &out->probability);
    read_calibration(in, json, out);
    out->threshold = get_real(in, json, "threshold", -1e6, 1e6);
    get_real_or_null(in, json, "cosine_positive", -2, 2, &out->cosine_positive);
    out->has_negative = get_real_or_null(in, json, "cosine_negative", -2, 2, &out->cosine_negative);
}

static void read_findings(struct reader *in, const json_t *json, struct result *out)
{
    const json_t *array = get_array(in, json, "findings", RESULT_JSON_MAX_FINDINGS, &out->finding_count);
    out->findings = room(in, (size_t)out->finding_count, sizeof *out->findings);
    for (int i = 0; i < out->finding_count && !in->failed; i++)
        read_finding(in, json_array_get(array, (size_t)i), out, &out->findings[i]);
}

/* A study outside is not said to have or to lack anything. */
static void read_domain(struct reader *in, const json_t *json, struct result *out)
{
    const json_t *domain = json_object_get(json, "domain");
    struct result_domain *to = &out->domain;
    if (!domain || json_is_null(domain))
        return;
    to->of = get_text(in, domain, "of");
    if (!domain_of_known(to->of))
        fail(in, "of", "is nothing a domain is of");
    to->id = get_id(in, domain, "id");
    to->distance = get_real(in, domain, "distance", 0, 1e300);
    to->limit = get_real(in, domain, "limit", 0, 1e6);
    to->inside = get_bool(in, domain, "inside");
    if (to->inside != (to->distance <= to->limit))
        fail(in, "inside", "contradicts distance and limit");
    for (int i = 0; result_outside(out) && i < out->finding_count && !in->failed; i++) {
        const struct finding *finding = &out->findings[i];
        if (finding->state != FINDING_NOT_ASSESSED || finding->has_score || finding->has_probability)
            fail(in, "domain", "lies outside, but a label was assessed");
    }
}

static void read_model(struct reader *in, const json_t *json, struct result *out)
{
    const json_t *model = get(in, json, "model");
    struct model_identity *to = &out->model;
    if (!model || json_is_null(model))
        return;
    out->has_model = true;
    to->name = get_text(in, model, "name");
    to->version = get_text(in, model, "version");
    to->manufacturer = get_text(in, model, "manufacturer");
    to->family = get_text(in, model, "family");
    to->score = get_text(in, model, "score");
    if (!score_name_known(to->score))
        fail(in, "score", "is no kind of score");
    to->calibration = get_text(in, model, "calibration");
    if (json_object_get(model, "calibration_on"))
        to->calibration_on = get_text_or_null(in, model, "calibration_on");
    to->trained = get_bool(in, model, "trained");
    to->precision = json_object_get(model, "precision") ? get_text(in, model, "precision") : "fp32";
    get_digest(in, model, "weights_sha256", to->weights_sha256);
    get_digest(in, model, "prompts_sha256", to->prompts_sha256);
    get_digest(in, model, "config_sha256", to->config_sha256);
}

static void read_series(struct reader *in, const json_t *json, struct result *out)
{
    const json_t *array = get_array(in, json, "series", RESULT_JSON_MAX_SERIES, &out->series_count);
    out->series = room(in, (size_t)out->series_count, sizeof *out->series);
    for (int i = 0; i < out->series_count && !in->failed; i++) {
        const json_t *item = json_array_get(array, (size_t)i);
        struct result_series *to = &out->series[i];
        get_uid(in, item, "series_uid", to->series_uid);
        to->series_number = get_int(in, item, "series_number", INT_MIN);
        to->modality = get_text_or_null(in, item, "modality");
        to->description = get_text_or_null(in, item, "description");
        to->instance_count = get_int(in, item, "instances", 0);
        to->taken = get_bool(in, item, "taken");
        to->reason = get_text_or_null(in, item, "reason");
        to->role = get_text_if_there(in, item, "role");
        to->why = get_text_if_there(in, item, "why");
    }
}

/* Rows of before do not say the last four. */
static void read_view(struct reader *in, const json_t *json, struct result_view *to)
{
    to->name = get_id(in, json, "name");
    to->reason = get_text_or_null(in, json, "reason");
    to->how = get_text_or_null(in, json, "how");
    get_uid(in, json, "series_uid", to->series_uid);
    to->slices = get_int(in, json, "slices", 0);
    to->phases = get_int(in, json, "phases", 0);
    to->frames = get_int(in, json, "frames", 0);
    const json_t *sampled = json_object_get(json, "sampled");
    to->sampled = sampled && !json_is_null(sampled) ? get_int(in, json, "sampled", 0) : -1;
    to->slice = json_object_get(json, "slice") ? get_int(in, json, "slice", 0) : 0;
    to->plane = json_object_get(json, "plane") ? get_text_or_null(in, json, "plane") : NULL;
    to->reconstruction =
        json_object_get(json, "reconstruction") ? get_text_or_null(in, json, "reconstruction") : NULL;
}

static void read_views(struct reader *in, const json_t *json, struct result *out)
{
    if (!json_object_get(json, "views"))
        return;
    const json_t *array = get_array(in, json, "views", RESULT_JSON_MAX_VIEWS, &out->view_count);
    out->views = room(in, (size_t)out->view_count, sizeof *out->views);
    for (int i = 0; i < out->view_count && !in->failed; i++)
        read_view(in, json_array_get(array, (size_t)i), &out->views[i]);
}

static void read_instances(struct reader *in, const json_t *json, struct result *out)
{
    const json_t *array = get_array(in, json, "instances", RESULT_JSON_MAX_INSTANCES, &out->instance_count);
    out->instances = room(in, (size_t)out->instance_count, sizeof *out->instances);
    for (int i = 0; i < out->instance_count && !in->failed; i++) {
        const json_t *item = json_array_get(array, (size_t)i);
        struct result_instance *to = &out->instances[i];
        get_uid(in, item, "sop_class", to->sop_class);
        get_uid(in, item, "sop_uid", to->sop_uid);
        get_uid(in, item, "series_uid", to->series_uid);
        to->frame_count = get_int(in, item, "frames", 0);
        if (!*to->sop_class || !*to->sop_uid)
            fail(in, "instances", "has an object without class or UID");
    }
}

static void read_key(struct reader *in, const json_t *json, struct result *out)
{
    const json_t *key = get(in, json, "key");
    out->key_instance = -1;
    if (!key || json_is_null(key))
        return;
    out->key_instance = get_int(in, key, "instance", 0);
    out->key_frame = get_int(in, key, "frame", 0);
    if (in->failed)
        return;
    if (out->key_instance >= out->instance_count)
        fail(in, "key", "names no instance of the list");
    else if (out->key_frame > 0 && out->key_frame > out->instances[out->key_instance].frame_count)
        fail(in, "key", "names no frame of its instance");
}

static void read_warnings(struct reader *in, const json_t *json, struct result *out)
{
    const json_t *array = get_array(in, json, "warnings", RESULT_JSON_MAX_WARNINGS, &out->warning_count);
    out->warnings = room(in, (size_t)out->warning_count, sizeof *out->warnings);
    for (int i = 0; i < out->warning_count && !in->failed; i++) {
        const json_t *item = json_array_get(array, (size_t)i);
        size_t length = json_string_length(item);
        if (!json_is_string(item) || length > RESULT_JSON_MAX_TEXT ||
            strlen(json_string_value(item)) != length)
            fail(in, "warnings", "has an entry that is not a text, or is too long");
        char *copy = room(in, length + 1, 1);
        out->warnings[i] = copy ? memcpy(copy, json_string_value(item), length + 1) : "";
    }
}

static void read_triple(struct reader *in, const json_t *json, const char *key, int zyx[3])
{
    int count;
    const json_t *array = get_array(in, json, key, 3, &count);
    if (count != 3)
        fail(in, key, "is not three numbers");
    for (int i = 0; i < 3 && !in->failed; i++)
        zyx[i] = whole_number(in, json_array_get(array, (size_t)i), key, 0);
}

static void read_reals(struct reader *in, const json_t *json, const char *key, double least,
                       double numbers[3])
{
    int count;
    const json_t *array = get_array(in, json, key, 3, &count);
    if (count != 3)
        fail(in, key, "is not three numbers");
    for (int i = 0; i < 3 && !in->failed; i++)
        numbers[i] = real_number(in, json_array_get(array, (size_t)i), key, least, 1e6);
}

static void read_box(struct reader *in, const json_t *json, struct result_box *to)
{
    const json_t *box = json_object_get(json, "box");
    if (!box || json_is_null(box))
        return;
    to->source = get_id(in, box, "source");
    to->confidence = get_real(in, box, "confidence", 0, 1);
    read_reals(in, box, "centre_lps", -1e6, to->centre_lps);
    read_reals(in, box, "size_zyx_mm", 0, to->size_zyx_mm);
}

static void read_input(struct reader *in, const json_t *json, struct result *out)
{
    const json_t *input = get(in, json, "input");
    if (in->failed)
        return;
    out->modality = get_text_or_null(in, input, "modality");
    read_series(in, input, out);
    read_views(in, input, out);
    read_box(in, input, &out->box);
    read_instances(in, input, out);
    read_key(in, input, out);
    read_triple(in, input, "source_zyx", out->source_zyx);
    read_reals(in, input, "source_spacing_zyx_mm", 0, out->source_spacing_zyx_mm);
    read_triple(in, input, "input_zyx", out->input_zyx);
    read_warnings(in, input, out);
    get_digest(in, input, "manifest_sha256", out->manifest_sha256);
    if (json_object_get(input, "series_rules_sha256"))
        get_digest(in, input, "series_rules_sha256", out->series_rules_sha256);
}

/* clock_iso's form and nothing else. */
static void read_started(struct reader *in, const json_t *json, struct result *out)
{
    const char *text = get_text(in, json, "started");
    struct tm tm = {0};
    int ms = 0, end = 0;
    int got = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                     &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms, &end);
    char again[CLOCK_ISO_SIZE] = "";
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    if (got == 7 && end == CLOCK_ISO_SIZE - 1 && text[end] == '\0') {
        out->started_unix_ms = (int64_t)timegm(&tm) * 1000 + ms;
        clock_iso(out->started_unix_ms, again);
    }
    if (strcmp(again, text) != 0)
        fail(in, "started", "is not a time");
}

static void read_timing(struct reader *in, const json_t *json, struct result *out)
{
    const json_t *timing = get(in, json, "timing");
    out->load_s = get_real(in, timing, "load_s", 0, 1e9);
    out->volume_s = get_real(in, timing, "volume_s", 0, 1e9);
    out->encode_s = get_real(in, timing, "encode_s", 0, 1e9);
}

bool result_from_json(const json_t *json, struct arena *arena, struct result **ret, struct err *err)
{
    struct reader in = {.arena = arena, .err = err};
    struct result *out = room(&in, 1, sizeof *out);
    if (!out)
        return false;
    out->analysed = get_bool(&in, json, "analysed");
    out->reason = get_text_or_null(&in, json, "reason");
    out->reason_text = get_text_or_null(&in, json, "reason_text");
    read_model(&in, json, out);
    read_embedding(&in, json, out);
    read_organs(&in, json, out);
    read_findings(&in, json, out);
    read_domain(&in, json, out);
    read_input(&in, json, out);
    read_started(&in, json, out);
    read_timing(&in, json, out);
    if (in.failed)
        return false;
    *ret = out;
    return true;
}
