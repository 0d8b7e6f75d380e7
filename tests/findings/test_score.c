#include "findings/score.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool read_text(const char *json, struct score_config *ret, struct err *err)
{
    json_t *root = json_loads(json, 0, NULL);
    bool ok = score_config_read(root, ret, err);
    ret->calibration_id = NULL; /* borrowed: gone with the JSON */
    json_decref(root);
    return ok;
}

static struct finding scored(const struct score_config *config, bool trained, double positive,
                             double negative)
{
    struct finding finding = {.cosine_positive = positive, .cosine_negative = negative};
    score_finding(config, trained, &finding);
    return finding;
}

static void score_is_the_softmax_over_the_pair(void **state)
{
    struct score_config config = {.scale = 14, .threshold = 0.5};
    struct finding f = scored(&config, true, 0.3, 0.25);
    double softmax = exp(14 * 0.3) / (exp(14 * 0.3) + exp(14 * 0.25));
    assert_true(fabs(f.score - softmax) < 1e-12);
    assert_true(f.has_score && !f.has_probability && f.threshold == 0.5);
    assert_int_equal(f.state, FINDING_PRESENT);
    assert_null(f.reason);
    assert_int_equal(scored(&config, true, 0.25, 0.3).state, FINDING_ABSENT);
    assert_int_equal(scored(&config, true, 0.3, 0.3).state, FINDING_ABSENT); /* a tie is not "yes" */
}

static void far_apart_cosines_stay_within_bounds(void **state)
{
    struct score_config config = {.scale = 1e6, .threshold = 0.5};
    assert_true(scored(&config, true, 1, -1).score == 1);
    assert_true(scored(&config, true, -1, 1).score == 0);
}

static void a_band_is_undetermined(void **state)
{
    struct err err = ERR_INIT;
    struct score_config config;
    assert_true(
        read_text("{\"scale_mode\":\"fixed\",\"scale\":1,\"undetermined_band\":[0.4,0.6]}", &config, &err));
    assert_true(score_resolve_scale(&config, false, 0, &err));
    struct finding f = scored(&config, true, 0.1, 0);
    assert_int_equal(f.state, FINDING_UNDETERMINED);
    assert_string_equal(f.reason, "score_in_undetermined_band");
    assert_int_equal(scored(&config, true, 1, 0).state, FINDING_PRESENT);
    assert_int_equal(scored(&config, true, 0, 1).state, FINDING_ABSENT);
}

static void an_untrained_model_never_decides(void **state)
{
    struct score_config config = {
        .scale = 100, .threshold = 0.5, .has_calibration = true, .calibration_a = 1};
    const double cosines[] = {-1, -0.01, 0, 0.01, 1};
    for (int i = 0; i < 5; i++) {
        struct finding f = scored(&config, false, cosines[i], 0);
        assert_int_equal(f.state, FINDING_UNDETERMINED);
        assert_string_equal(f.reason, "model_untrained");
        assert_false(f.has_probability);
    }
}

static void a_probability_comes_only_from_a_calibration(void **state)
{
    struct err err = ERR_INIT;
    struct score_config config;
    assert_true(read_text(
        "{\"scale_mode\":\"fixed\",\"scale\":2,\"calibration\":{\"id\":\"site-1\",\"a\":3,\"b\":-1}}",
        &config, &err));
    assert_true(score_resolve_scale(&config, false, 0, &err));
    struct finding f = scored(&config, true, 0.5, 0.25);
    assert_true(f.has_probability);
    assert_true(fabs(f.probability - 1 / (1 + exp(-(3 * 0.5 - 1)))) < 1e-12);
    assert_true(fabs(f.score - 1 / (1 + exp(-0.5))) < 1e-12);
}

static void scale_modes_are_as_named(void **state)
{
    struct err err = ERR_INIT;
    struct score_config config;
    assert_true(score_config_read(NULL, &config, &err)); /* all defaults: exp */
    assert_true(score_resolve_scale(&config, true, 2.0, &err) && fabs(config.scale - exp(2.0)) < 1e-12);
    assert_true(read_text("{\"scale_mode\":\"raw\"}", &config, &err));
    assert_true(score_resolve_scale(&config, true, 2.0, &err) && config.scale == 2.0);
    assert_true(read_text("{\"scale_mode\":\"inv_temp\",\"scale\":0.07}", &config, &err));
    assert_true(score_resolve_scale(&config, false, 0, &err) && fabs(config.scale - 1 / 0.07) < 1e-12);
}

static void a_scale_that_cannot_be_is_refused(void **state)
{
    struct err err = ERR_INIT;
    struct score_config config;
    assert_true(read_text("{}", &config, &err));
    assert_false(score_resolve_scale(&config, false, 0, &err));
    assert_non_null(strstr(err.text, "logit_scale"));
    assert_false(score_resolve_scale(&config, true, 100, &err));
    assert_false(score_resolve_scale(&config, true, (double)NAN, &err));
    assert_true(read_text("{\"scale_mode\":\"raw\"}", &config, &err));
    assert_false(score_resolve_scale(&config, true, -1, &err));
}

static void wrong_keys_are_named(void **state)
{
    static const char *const cases[][2] = {
        {"{\"scale\":2}", "score.scale: not allowed"},
        {"{\"scale_mode\":\"fixed\"}", "score.scale: required"},
        {"{\"threshold\":1.5}", "score.threshold"},
        {"{\"undetermined_band\":[0.6,0.4]}", "score.undetermined_band"},
        {"{\"mode\":\"class_softmax\"}", "score.mode"},
        {"{\"calibration\":{\"id\":\"x\",\"a\":1}}", "score.calibration.b"},
        {"{\"treshold\":0.5}", "score.treshold: unknown key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        struct score_config config;
        assert_false(read_text(cases[i][0], &config, &err));
        if (strncmp(err.text, cases[i][1], strlen(cases[i][1])) != 0)
            fail_msg("\"%s\" is not \"%s...\"", err.text, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(score_is_the_softmax_over_the_pair),
        cmocka_unit_test(far_apart_cosines_stay_within_bounds),
        cmocka_unit_test(a_band_is_undetermined),
        cmocka_unit_test(an_untrained_model_never_decides),
        cmocka_unit_test(a_probability_comes_only_from_a_calibration),
        cmocka_unit_test(scale_modes_are_as_named),
        cmocka_unit_test(a_scale_that_cannot_be_is_refused),
        cmocka_unit_test(wrong_keys_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
