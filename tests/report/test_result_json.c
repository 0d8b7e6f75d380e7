#include "report/plain_text.h"
#include "report/result_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena *arena;

static int set_up(void **state)
{
    arena = arena_new();
    return arena ? 0 : -1;
}

static int tear_down(void **state)
{
    arena_free(arena);
    return 0;
}

static float embedding[] = {0.6F, -0.8F};
static struct finding findings[] = {
    {.id = "pericardial_effusion",
     .text = "Pericardial effusion",
     .state = FINDING_PRESENT,
     .has_score = true,
     .score = 0.8125,
     .threshold = 0.5,
     .has_calibration = true,
     .calibration_a = 2.5,
     .calibration_b = -0.5,
     .has_probability = true,
     .probability_at_threshold = 0.375,
     .probability = 0.75,
     .cosine_positive = 0.25,
     .has_negative = true,
     .cosine_negative = -0.125},
    {.id = "cardiomegaly", .text = NULL, .state = FINDING_NOT_ASSESSED, .reason = "series_too_short"},
};
static struct result_series series[] = {
    {.series_uid = "1.2.3",
     .modality = "CT",
     .description = "caf\xC3\xA9 \xFF",
     .series_number = -4,
     .instance_count = 2,
     .taken = true,
     .reason = "chosen",
     .role = "cta",
     .why = "rule \"heart phase\": description has \"0.75\""},
};
static struct result_view views[] = {
    {.name = "cine_sa",
     .how = "geometry",
     .series_uid = "1.2.3",
     .slices = 9,
     .phases = 30,
     .frames = 270,
     .sampled = 19,
     .slice = 5,
     .plane = "sa"},
    {.name = "lge_3ch", .reason = "missing", .sampled = -1, .reconstruction = "magnitude"},
};
static struct result_instance instances[] = {
    {.sop_class = "1.2.840.10008.5.1.4.1.1.2", .sop_uid = "1.2.3.1", .series_uid = "1.2.3", .frame_count = 1},
    {.sop_class = "1.2.840.10008.5.1.4.1.1.2.1",
     .sop_uid = "1.2.3.2",
     .series_uid = "1.2.3",
     .frame_count = 9},
};
static const char *warnings[] = {"interpolated: 1 of 120 slices"};

static struct result sample(void)
{
    struct result result = {.analysed = true,
                            .has_model = true,
                            .model = {.name = "demo",
                                      .version = "1",
                                      .manufacturer = "nobody",
                                      .family = "cardiac-clip",
                                      .score = "pair_softmax",
                                      .calibration = "platt-1",
                                      .trained = true,
                                      .precision = "int8",
                                      .calibration_on = "200 phantoms"},
                            .embedding = embedding,
                            .embedding_dim = 2,
                            .domain = {"tower", "phantoms-1", 1.1, 1.75, true},
                            .findings = findings,
                            .finding_count = 2,
                            .modality = "CT",
                            .series = series,
                            .series_count = 1,
                            .views = views,
                            .view_count = 2,
                            .box = {"estimate", 0.8125, {-12.5, 30, -1024.25}, {150, 160.5, 170}},
                            .instances = instances,
                            .instance_count = 2,
                            .key_instance = 1,
                            .key_frame = 5,
                            .source_zyx = {120, 512, 512},
                            .source_spacing_zyx_mm = {2.5, 0.703125, 0.703125},
                            .input_zyx = {64, 96, 128},
                            .warnings = warnings,
                            .warning_count = 1,
                            .started_unix_ms = 1763720130123,
                            .load_s = 0.5,
                            .volume_s = 1.25,
                            .encode_s = 3};
    digest_bytes("w", 1, result.model.weights_sha256);
    digest_bytes("p", 1, result.model.prompts_sha256);
    digest_bytes("c", 1, result.model.config_sha256);
    digest_bytes("m", 1, result.manifest_sha256);
    digest_bytes("r", 1, result.series_rules_sha256);
    return result;
}

static struct result *reread(json_t *json)
{
    struct result *back = NULL;
    struct err err = ERR_INIT;
    assert_true(result_from_json(json, arena, &back, &err));
    return back;
}

static void a_result_survives_the_round_trip(void **state)
{
    struct result result = sample();
    json_t *json = result_to_json(&result);
    char *text = json_dumps(json, JSON_COMPACT);
    json_t *parsed = json_loads(text, 0, NULL);
    struct result *back = reread(parsed);
    assert_true(back->analysed && back->has_model && back->model.trained);
    assert_null(back->reason);
    assert_string_equal(back->model.weights_sha256, result.model.weights_sha256);
    assert_memory_equal(back->embedding, embedding, sizeof embedding);
    assert_int_equal(back->finding_count, 2);
    assert_int_equal(back->findings[0].state, FINDING_PRESENT);
    assert_true(back->findings[0].has_probability && back->findings[0].probability == 0.75);
    assert_true(!back->findings[1].has_score && !back->findings[1].has_probability);
    assert_true(back->findings[0].has_calibration && back->findings[0].calibration_a == 2.5);
    assert_true(back->findings[0].calibration_b == -0.5 &&
                back->findings[0].probability_at_threshold == 0.375);
    assert_false(back->findings[1].has_calibration);
    assert_string_equal(back->model.calibration_on, "200 phantoms");
    assert_string_equal(back->domain.of, "tower");
    assert_string_equal(back->domain.id, "phantoms-1");
    assert_true(back->domain.distance == 1.1 && back->domain.limit == 1.75 && back->domain.inside);
    assert_false(result_outside(back));
    assert_null(back->findings[1].text);
    assert_string_equal(back->findings[1].reason, "series_too_short");
    assert_string_equal(back->series[0].description, "caf\xC3\xA9 \xEF\xBF\xBD");
    assert_int_equal(back->series[0].series_number, -4);
    assert_string_equal(back->series[0].role, "cta");
    assert_string_equal(back->series[0].why, series[0].why);
    assert_int_equal(back->view_count, 2);
    assert_string_equal(back->views[0].name, "cine_sa");
    assert_string_equal(back->views[0].how, "geometry");
    assert_string_equal(back->views[0].series_uid, "1.2.3");
    assert_int_equal(back->views[0].slices, 9);
    assert_int_equal(back->views[0].phases, 30);
    assert_int_equal(back->views[0].frames, 270);
    assert_null(back->views[0].reason);
    assert_string_equal(back->views[1].reason, "missing");
    assert_null(back->views[1].how);
    assert_int_equal(back->views[0].sampled, 19);
    assert_int_equal(back->views[0].slice, 5);
    assert_string_equal(back->views[0].plane, "sa");
    assert_null(back->views[0].reconstruction);
    assert_int_equal(back->views[1].sampled, -1);
    assert_null(back->views[1].plane);
    assert_string_equal(back->views[1].reconstruction, "magnitude");
    assert_string_equal(back->box.source, "estimate");
    assert_true(back->box.confidence == 0.8125);
    assert_true(back->box.centre_lps[2] == -1024.25);
    assert_true(back->box.size_zyx_mm[1] == 160.5);
    assert_string_equal(back->series_rules_sha256, result.series_rules_sha256);
    assert_string_equal(back->instances[1].sop_uid, "1.2.3.2");
    assert_int_equal(back->key_frame, 5);
    assert_int_equal(back->source_zyx[2], 512);
    assert_true(back->source_spacing_zyx_mm[1] == 0.703125);
    assert_string_equal(back->warnings[0], warnings[0]);
    assert_int_equal(back->started_unix_ms, result.started_unix_ms);
    assert_true(back->encode_s == 3);
    json_t *again = result_to_json(back);
    assert_true(json_equal(again, json));
    json_decref(again);
    json_decref(parsed);
    json_decref(json);
    free(text);
}

static void a_declined_result_without_a_model_survives(void **state)
{
    struct result result = {.reason = "no_model", .reason_text = "No model takes MR.", .key_instance = -1};
    json_t *json = result_to_json(&result);
    struct result *back = reread(json);
    assert_false(back->analysed);
    assert_false(back->has_model);
    assert_null(back->embedding);
    assert_int_equal(back->key_instance, -1);
    assert_string_equal(back->reason, "no_model");
    json_decref(json);
}

/* Rows of SQLite outlive the program that wrote them. */
static void an_older_row_is_still_read(void **state)
{
    struct result result = sample();
    json_t *json = result_to_json(&result);
    json_t *input = json_object_get(json, "input");
    json_t *first = json_array_get(json_object_get(input, "series"), 0);
    json_t *view = json_array_get(json_object_get(input, "views"), 0);
    assert_int_equal(json_object_del(view, "sampled") | json_object_del(view, "slice") |
                         json_object_del(view, "plane") | json_object_del(view, "reconstruction"),
                     0);
    struct result *before = reread(json);
    assert_int_equal(before->views[0].sampled, -1);
    assert_int_equal(before->views[0].slice, 0);
    assert_null(before->views[0].plane);
    assert_int_equal(before->views[0].frames, 270);
    assert_int_equal(json_object_del(first, "role") | json_object_del(first, "why") |
                         json_object_del(input, "views") | json_object_del(input, "box") |
                         json_object_del(input, "series_rules_sha256") | json_object_del(json, "domain") |
                         json_object_del(json_object_get(json, "model"), "calibration_on") |
                         json_object_del(json_array_get(json_object_get(json, "findings"), 0), "calibration"),
                     0);
    struct result *back = reread(json);
    assert_string_equal(back->series[0].role, "");
    assert_string_equal(back->series[0].why, "");
    assert_int_equal(back->view_count, 0);
    assert_null(back->box.source);
    assert_null(back->domain.of);
    assert_null(back->model.calibration_on);
    assert_true(back->findings[0].has_probability && !back->findings[0].has_calibration);
    assert_string_equal(back->series_rules_sha256, "");
    assert_string_equal(back->manifest_sha256, result.manifest_sha256);
    json_decref(json);
}

/* Encoded, and nothing is said of it. */
static void a_result_outside_the_domain_survives(void **state)
{
    struct result result = sample();
    struct finding open[] = {{.id = "cardiomegaly", .state = FINDING_NOT_ASSESSED, .reason = RESULT_OUTSIDE}};
    result.domain = (struct result_domain){"embedding", "phantoms-1", 1.8, 1.75, false};
    result.findings = open;
    result.finding_count = 1;
    json_t *json = result_to_json(&result);
    struct result *back = reread(json);
    assert_true(back->analysed && back->embedding && result_outside(back));
    assert_true(back->domain.distance == 1.8 && !back->domain.inside);
    assert_string_equal(result_outcome(back), "outside_domain");
    result.analysed = false;
    assert_string_equal(result_outcome(&result), "");
    result.reason = "too_few_slices";
    assert_string_equal(result_outcome(&result), "too_few_slices");
    json_decref(json);
}

#define DOMAIN(of, distance, limit, inside)                                                                  \
    "{\"of\":" of ",\"id\":\"x\",\"distance\":" distance ",\"limit\":" limit ",\"inside\":" inside "}"
#define VIEW_LESS "\"reason\":null,\"how\":null,\"series_uid\":\"1\",\"slices\":1,\"phases\":1"
#define VIEW_REST VIEW_LESS ",\"frames\":1"
#define BOX_PLACE "\"centre_lps\":[0,0,0],\"size_zyx_mm\":[1,1,1]"
#define BOX_REST  "\"confidence\":1," BOX_PLACE

/* Each entry: where, and what a hostile or broken worker puts there. */
static const struct {
    const char *container, *key;
    const char *value; /* NULL: the key is removed */
} wrongs[] = {
    {"", "analysed", "1"},
    {"", "analysed", NULL},
    {"", "reason", "[]"},
    {"", "findings", "{}"},
    {"", "findings", "[{}]"},
    {"", "findings", "[7]"},
    {"", "embedding", "[0.5]"},
    {"", "embedding", "[\"1\"]"},
    {"", "embedding", "[]"},
    {"", "embedding", NULL},
    {"", "organs", NULL},
    {"", "organs", "{}"},
    {"", "organs", "[7]"},
    {"", "organs", "[{\"id\":\"a\",\"text\":\"A\"}]"},
    {"", "organs", "[{\"id\":\"\",\"text\":\"A\",\"not_assessed\":\"x\"}]"},
    {"", "organs", "[{\"id\":\"a\",\"text\":\"A\",\"not_assessed\":null}]"},
    {"", "organs", "[{\"id\":\"a\",\"text\":\"A\",\"embedding\":null}]"},
    {"", "organs", "[{\"id\":\"a\",\"text\":\"A\",\"embedding\":[1]}]"},
    {"", "organs", "[{\"id\":\"a\",\"text\":\"A\",\"embedding\":[1,1]}]"},
    {"", "organs",
     "[{\"id\":\"a\",\"text\":\"A\",\"not_assessed\":\"x\"},{\"id\":\"a\",\"text\":\"A\",\"not_assessed\":"
     "\"x\"}]"},
    {"", "organs",
     "[{\"id\":\"a\",\"text\":\"A\",\"embedding\":[1,0],\"recognised\":{\"id\":\"b\",\"score\":0.5}}]"},
    {"", "organs",
     "[{\"id\":\"a\",\"text\":\"A\",\"embedding\":[1,0],\"recognised\":{\"id\":\"a\",\"score\":1.5}}]"},
    {"model", "score", "\"certainty\""},
    {"model", "score", NULL},
    {"", "model", "\"x\""},
    {"", "started", "\"2025-11-21T10:15:30Z\""},
    {"", "started", "\"2025-13-41T10:15:30.000Z\""},
    {"", "started", "\"2025-11-21T10:15:30.000Z \""},
    {"", "input", NULL},
    {"", "input", "3"},
    {"model", "weights_sha256", "\"abc\""},
    {"model", "weights_sha256", "\"zz\""},
    {"model", "name", "null"},
    {"input", "key", "{\"instance\":2,\"frame\":0}"},
    {"input", "key", "{\"instance\":-1,\"frame\":0}"},
    {"input", "key", "{\"instance\":1,\"frame\":10}"},
    {"input", "source_zyx", "[1,2]"},
    {"input", "source_zyx", "[1,2,99999999999]"},
    {"input", "source_spacing_zyx_mm", "[1,2,-1]"},
    {"input", "warnings", "[1]"},
    {"input", "warnings", "[\"a\\u0000b\"]"},
    {"input", "instances", "[{\"sop_class\":\"1\",\"sop_uid\":\"../x\",\"series_uid\":\"1\",\"frames\":1}]"},
    {"input", "instances", "[{\"sop_class\":\"1\",\"sop_uid\":\"\",\"series_uid\":\"1\",\"frames\":1}]"},
    {"input", "series",
     "[{\"series_uid\":\"1\",\"series_number\":1,\"modality\":null,\"description\":null,\"instances\":1,"
     "\"taken\":true,\"reason\":\"chosen\",\"role\":7}]"},
    {"input", "views", "{}"},
    {"input", "views", "[7]"},
    {"input", "views", "[{" VIEW_REST "}]"},
    {"input", "views", "[{\"name\":\"\"," VIEW_REST "}]"},
    {"input", "views",
     "[{\"name\":\"a\",\"reason\":null,\"how\":null,\"series_uid\":\"/"
     "\",\"slices\":1,\"phases\":1,\"frames\":1}]"},
    {"input", "views", "[{\"name\":\"a\",\"frames\":-1," VIEW_LESS "}]"},
    {"input", "views", "[{\"name\":\"a\",\"sampled\":\"7\"," VIEW_REST "}]"},
    {"input", "views", "[{\"name\":\"a\",\"slice\":-1," VIEW_REST "}]"},
    {"input", "views", "[{\"name\":\"a\",\"plane\":7," VIEW_REST "}]"},
    {"input", "views", "[{\"name\":\"a\",\"reconstruction\":[]," VIEW_REST "}]"},
    {"input", "box", "[]"},
    {"input", "box", "{" BOX_REST "}"},
    {"input", "box", "{\"source\":\"estimate\",\"confidence\":1.5," BOX_PLACE "}"},
    {"input", "box",
     "{\"source\":\"estimate\",\"confidence\":1,\"centre_lps\":[0,0],\"size_zyx_mm\":[1,1,1]}"},
    {"input", "box",
     "{\"source\":\"estimate\",\"confidence\":1,\"centre_lps\":[0,0,0],\"size_zyx_mm\":[1,1,-1]}"},
    {"input", "series_rules_sha256", "\"abc\""},
    {"", "domain", "[]"},
    {"", "domain", DOMAIN("\"organ\"", "1", "2", "true")},
    {"", "domain", DOMAIN("null", "1", "2", "true")},
    {"", "domain", DOMAIN("\"tower\"", "-1", "2", "true")},
    {"", "domain", DOMAIN("\"tower\"", "1", "2", "false")},
    {"", "domain", DOMAIN("\"tower\"", "3", "2", "true")},
    {"", "domain", DOMAIN("\"tower\"", "3", "2", "1")},
    {"", "domain", DOMAIN("\"tower\"", "null", "2", "true")},
    {"", "domain", DOMAIN("\"tower\"", "3", "2", "false")}, /* and yet a label is present */
    {"", "domain", "{\"of\":\"tower\",\"id\":\"\",\"distance\":1,\"limit\":2,\"inside\":true}"},
    {"model", "calibration_on", "7"},
    {"timing", "load_s", "-1"},
    {"timing", "load_s", "true"},
};

static void a_wrong_calibration_of_a_finding_is_refused(void **state)
{
    static const char *const values[] = {"7", "{}", "{\"a\":1,\"b\":1}",
                                         "{\"a\":1,\"b\":2e6,\"probability_at_threshold\":0.5}",
                                         "{\"a\":1,\"b\":1,\"probability_at_threshold\":1.5}"};
    struct result result = sample();
    for (size_t i = 0; i <= sizeof values / sizeof *values; i++) {
        json_t *json = result_to_json(&result);
        json_t *first = json_array_get(json_object_get(json, "findings"), 0);
        if (i < sizeof values / sizeof *values)
            json_object_set_new(first, "calibration", json_loads(values[i], JSON_DECODE_ANY, NULL));
        else
            json_object_set_new(first, "probability", json_null());
        struct result *back = NULL;
        struct err err = ERR_INIT;
        if (result_from_json(json, arena, &back, &err))
            fail_msg("case %zu was taken", i);
        json_decref(json);
    }
}

static void every_wrong_key_is_refused(void **state)
{
    struct result result = sample();
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        json_t *json = result_to_json(&result);
        json_t *in = *wrongs[i].container ? json_object_get(json, wrongs[i].container) : json;
        if (wrongs[i].value)
            json_object_set_new(in, wrongs[i].key,
                                json_loads(wrongs[i].value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL));
        else
            json_object_del(in, wrongs[i].key);
        struct result *back = NULL;
        struct err err = ERR_INIT;
        assert_true(!wrongs[i].value || json_object_get(in, wrongs[i].key));
        if (result_from_json(json, arena, &back, &err))
            fail_msg("accepted %s.%s = %s", wrongs[i].container, wrongs[i].key, wrongs[i].value);
        assert_int_equal(err.code, ERR_INPUT);
        assert_string_equal(err.reason, "bad_result");
        assert_null(back);
        json_decref(json);
    }
}

static void a_score_outside_its_range_is_refused(void **state)
{
    struct result result = sample();
    json_t *json = result_to_json(&result);
    json_t *finding = json_array_get(json_object_get(json, "findings"), 0);
    json_object_set_new(finding, "score", json_real(1.5));
    struct result *back = NULL;
    struct err err = ERR_INIT;
    assert_false(result_from_json(json, arena, &back, &err));
    json_object_set_new(finding, "score", json_real(0.5));
    json_object_set_new(finding, "state", json_string("perhaps"));
    assert_false(result_from_json(json, arena, &back, &err));
    json_decref(json);
}

static void a_cosine_may_be_negative_only_where_scores_are_cosines(void **state)
{
    struct result result = sample(), *back = NULL;
    struct err err = ERR_INIT;
    struct finding one = findings[0];
    one.score = -0.25;
    one.has_negative = false;
    result.findings = &one;
    result.finding_count = 1;
    json_t *json = result_to_json(&result);
    assert_true(json_is_null(
        json_object_get(json_array_get(json_object_get(json, "findings"), 0), "cosine_negative")));
    assert_false(result_from_json(json, arena, &back, &err));
    json_object_set_new(json_object_get(json, "model"), "score", json_string("cosine_mean"));
    back = reread(json);
    assert_true(back->findings[0].score == -0.25 && !back->findings[0].has_negative);
    json_decref(json);
}

static void a_result_by_organ_survives_the_round_trip(void **state)
{
    struct result result = sample();
    static const float heart[] = {0, 1};
    struct result_organ organs[] = {
        {.id = "heart", .text = "Heart", .embedding = heart, .recognised = "lung", .recognised_score = 0.625},
        {.id = "lung", .text = "Lung", .reason = "organ_missing"}};
    struct finding asked = findings[0];
    asked.organ = "lung";
    result.embedding = NULL;
    result.organs = organs;
    result.organ_count = 2;
    result.findings = &asked;
    result.finding_count = 1;
    json_t *json = result_to_json(&result);
    struct result *back = reread(json);
    assert_null(back->embedding);
    assert_int_equal(back->embedding_dim, 2);
    assert_int_equal(back->organ_count, 2);
    assert_memory_equal(back->organs[0].embedding, heart, sizeof heart);
    assert_string_equal(back->organs[0].recognised, "lung");
    assert_true(back->organs[0].recognised_score == 0.625);
    assert_null(back->organs[1].embedding);
    assert_string_equal(back->organs[1].reason, "organ_missing");
    assert_string_equal(back->findings[0].organ, "lung");
    json_t *again = result_to_json(back);
    assert_true(json_equal(again, json));
    json_decref(again);
    json_object_set_new(json_array_get(json_object_get(json, "findings"), 0), "organ", json_string("liver"));
    struct err err = ERR_INIT;
    assert_false(result_from_json(json, arena, &back, &err));
    json_decref(json);
}

static void a_number_that_is_none_is_not_written(void **state)
{
    struct result result = sample();
    struct finding broken = findings[0];
    broken.score = 0.0 / 0.0;
    result.findings = &broken;
    result.finding_count = 1;
    assert_null(result_to_json(&result));
}

static void text_is_made_plain(void **state)
{
    assert_string_equal(plain_text(arena, "a\tb\x7F\nc", 100), "a b \nc");
    assert_string_equal(plain_text(arena, "\xC0\xAF\xED\xA0\x80", 100),
                        "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_string_equal(plain_text(arena, "\xE2\x82", 100), "\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_string_equal(plain_text(arena, "ab\xE2\x82\xAC", 4), "ab");
    assert_string_equal(plain_text(arena, "\xC2\x85x", 100), " x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_result_survives_the_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_declined_result_without_a_model_survives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_older_row_is_still_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_result_outside_the_domain_survives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_wrong_key_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_calibration_of_a_finding_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_score_outside_its_range_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cosine_may_be_negative_only_where_scores_are_cosines, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_result_by_organ_survives_the_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_number_that_is_none_is_not_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(text_is_made_plain, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
