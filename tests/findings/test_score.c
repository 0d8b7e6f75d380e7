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
    ret->calibration_id = ret->calibration_on = NULL; /* borrowed: gone with the JSON */
    json_decref(root);
    return ok;
}

static struct finding scored(const struct score_config *config, bool trained, double positive,
                             double negative)
{
    struct finding finding = {
        .cosine_positive = positive,
        .cosine_negative = negative,
        .threshold = config->threshold,
        .has_calibration = config->has_calibration,
        .calibration_a = config->calibration_a,
        .calibration_b = config->calibration_b,
    };
    score_findings(config, trained, &finding, 1);
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

static void an_untrained_label_never_decides_beside_others_that_do(void **state)
{
    struct score_config config = {
        .scale = 100, .threshold = 0.5, .has_calibration = true, .calibration_a = 1};
    for (int i = -1; i <= 1; i++) {
        struct finding both[2] = {{.threshold = 0.5, .has_calibration = true, .calibration_a = 1},
                                  {.threshold = 0.5, .has_calibration = true, .calibration_a = 1}};
        both[0].untrained = true;
        both[0].cosine_positive = both[1].cosine_positive = i;
        score_findings(&config, true, both, 2);
        assert_int_equal(both[0].state, FINDING_UNDETERMINED);
        assert_string_equal(both[0].reason, "label_untrained");
        assert_true(both[0].has_score && !both[0].has_probability && both[1].has_probability);
        assert_int_equal(both[1].state, i > 0 ? FINDING_PRESENT : FINDING_ABSENT);
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
    assert_true(fabs(f.probability_at_threshold - 1 / (1 + exp(1))) <
                1e-12);                         /* a score of 0.5 is a margin of 0 */
    assert_int_equal(f.state, FINDING_PRESENT); /* by score and threshold, whatever the probability */
    f.calibration_b = -9;
    score_findings(&config, true, &f, 1);
    assert_true(f.probability < 0.01 && f.state == FINDING_PRESENT);
}

static void a_label_has_the_calibration_that_stands_in_it(void **state)
{
    struct score_config config = {.scale = 4};
    struct finding both[] = {
        {.cosine_positive = 0.5, .has_calibration = true, .calibration_a = 2, .calibration_b = -3},
        {.cosine_positive = 0.5, .threshold = 0.75}};
    score_findings(&config, true, both, 2);
    assert_true(both[0].has_probability && fabs(both[0].probability - 1 / (1 + exp(-1))) < 1e-12);
    assert_false(both[1].has_probability);
}

/* source: 1 / (1 + exp(-(a m + b))) by hand; m of a score s is ln(s / (1 - s)), c, or 2 s - 1. */
static void the_probability_at_the_threshold_is_that_of_a_score_there(void **state)
{
    const struct {
        struct score_config config;
        double threshold, a, b, expected;
    } cases[] = {
        {{.scale = 1}, 0.75, 2, 0.5, 1 / (1 + exp(-(2 * log(3) + 0.5)))},
        {{.scale = 1}, 0, 2, 0.5, 0},
        {{.scale = 1}, 1, 2, 0.5, 1},
        {{.scale = 1}, 1, 0, 0, 0.5},
        {{.mode = SCORE_COSINE_MEAN, .scale = 1}, -0.25, 4, 1, 0.5},
        {{.mode = SCORE_COSINE_MEAN, .scale = 1, .map_half = true}, 0.625, 4, -1, 0.5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct finding f = {.threshold = cases[i].threshold,
                            .has_calibration = true,
                            .calibration_a = cases[i].a,
                            .calibration_b = cases[i].b};
        score_findings(&cases[i].config, true, &f, 1);
        if (!(fabs(f.probability_at_threshold - cases[i].expected) < 1e-12))
            fail_msg("case %zu: %g", i, f.probability_at_threshold);
    }
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
    assert_true(score_resolve_scale(&config, true, 0.5, &err) && fabs(config.scale - 1 / 0.07) < 1e-12);
    assert_true(read_text("{\"scale_mode\":\"inv_temp\"}", &config, &err)); /* the tensor temp */
    assert_true(score_resolve_scale(&config, true, 0.05, &err) && fabs(config.scale - 20) < 1e-12);
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
    assert_true(read_text("{\"scale_mode\":\"inv_temp\"}", &config, &err));
    assert_false(score_resolve_scale(&config, false, 0, &err));
    assert_non_null(strstr(err.text, "tensor temp is missing"));
    assert_false(score_resolve_scale(&config, true, 0, &err));
}

static void wrong_keys_are_named(void **state)
{
    static const char *const cases[][2] = {
        {"{\"scale\":2}", "score.scale: not allowed"},
        {"{\"scale_mode\":\"fixed\"}", "score.scale: required"},
        {"{\"threshold\":1.5}", "score.threshold"},
        {"{\"undetermined_band\":[0.6,0.4]}", "score.undetermined_band"},
        {"{\"mode\":\"threshold\"}", "score.mode"},
        {"{\"threshold\":-0.1}", "score.threshold: not within 0 and 1"},
        {"{\"mode\":\"cosine_mean\",\"map\":\"half\",\"threshold\":-0.1}",
         "score.threshold: not within 0 and 1"},
        {"{\"mode\":\"cosine_mean\",\"map\":\"half\",\"undetermined_band\":[-0.1,0.1]}",
         "score.undetermined_band"},
        {"{\"mode\":\"cosine_mean\",\"scale_mode\":\"exp\"}", "score.scale_mode: not allowed"},
        {"{\"mode\":\"cosine_mean\",\"scale\":1}", "score.scale: not allowed"},
        {"{\"mode\":\"cosine_mean\",\"margin\":0}", "score.margin: not allowed"},
        {"{\"map\":\"none\"}", "score.map: not allowed"},
        {"{\"mode\":\"class_softmax\",\"margin\":2}", "score.margin"},
        {"{\"mode\":\"class_softmax\",\"calibration\":{\"id\":\"x\",\"a\":1,\"b\":0}}",
         "score.calibration: not"},
        {"{\"mode\":\"class_softmax\",\"calibration\":{\"id\":\"x\"}}", "score.calibration: not"},
        {"{\"calibration\":{\"id\":\"x\",\"b\":1}}", "score.calibration.a"},
        {"{\"calibration\":{\"a\":1,\"b\":1}}", "score.calibration.id"},
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

/* ---- classes ---- */

static struct score_config classes(double scale)
{
    return (struct score_config){.mode = SCORE_CLASS_SOFTMAX, .scale = scale};
}

static void class_softmax_is_the_softmax_over_all(void **state)
{
    struct score_config config = classes(1 / 0.07);
    struct finding f[3] = {{.cosine_positive = 0.21}, {.cosine_positive = 0.3}, {.cosine_positive = -0.1}};
    double sum = exp(0.21 / 0.07) + exp(0.3 / 0.07) + exp(-0.1 / 0.07);
    score_findings(&config, true, f, 3);
    for (int i = 0; i < 3; i++)
        assert_true(fabs(f[i].score - exp(f[i].cosine_positive / 0.07) / sum) < 1e-12 && f[i].has_score);
    assert_int_equal(f[1].state, FINDING_PRESENT);
    assert_null(f[1].reason);
    for (int i = 0; i < 3; i += 2) {
        assert_int_equal(f[i].state, FINDING_UNDETERMINED);
        assert_string_equal(f[i].reason, "other_class_fits_better");
    }
}

static void no_class_is_ever_absent_and_at_most_one_present(void **state)
{
    unsigned seed = 7;
    for (int round = 0; round < 2000; round++) {
        struct score_config config = classes(round % 2 ? 1 : 1e6);
        struct finding f[8] = {{0}};
        int count = 1 + round % 8, present = 0;
        double sum = 0;
        config.threshold = (round % 5) / 5.0;
        config.margin = (round % 3) / 10.0;
        for (int i = 0; i < count; i++) {
            seed = seed * 1664525u + 1013904223u;
            f[i] = (struct finding){.cosine_positive = ((seed >> 16) % 21) / 10.0 - 1,
                                    .threshold = config.threshold};
        }
        score_findings(&config, round % 7 != 0, f, count);
        for (int i = 0; i < count; i++) {
            sum += f[i].score;
            assert_int_not_equal(f[i].state, FINDING_ABSENT);
            assert_true((f[i].reason == NULL) == (f[i].state == FINDING_PRESENT));
            present += f[i].state == FINDING_PRESENT;
            for (int j = 0; f[i].state == FINDING_PRESENT && j < count; j++)
                assert_true(j == i || f[i].score - f[j].score > config.margin);
        }
        assert_true(present <= 1 && fabs(sum - 1) < 1e-9);
    }
}

static const char *why_undecided(struct score_config config, bool trained, double one, double two)
{
    struct finding f[2] = {{.cosine_positive = one, .threshold = config.threshold},
                           {.cosine_positive = two, .threshold = config.threshold}};
    score_findings(&config, trained, f, 2);
    if (!f[0].reason || !f[1].reason)
        return "decided";
    assert_string_equal(f[0].reason, f[1].reason);
    return f[0].reason;
}

static void what_keeps_the_best_class_from_being_present_is_said_of_all(void **state)
{
    struct score_config config = classes(1);
    assert_string_equal(why_undecided(config, true, 0.2, 0.2), "classes_too_close");
    assert_string_equal(why_undecided(config, true, 0.2, 0.2 + 1e-9), "decided");
    assert_string_equal(why_undecided(config, false, 0.9, 0.1), "model_untrained");
    config.margin = 0.2;
    assert_string_equal(why_undecided(config, true, 0.2, 0.5), "classes_too_close");
    assert_string_equal(why_undecided(config, true, 0.2, 0.9), "decided");
    config.threshold = 0.7;
    assert_string_equal(why_undecided(config, true, 0.2, 0.9), "score_below_threshold");
    config = classes(1);
    config.has_band = true;
    config.band[0] = 0.5;
    config.band[1] = 0.6;
    assert_string_equal(why_undecided(config, true, 0.2, 0.3), "score_in_undetermined_band");
    assert_string_equal(why_undecided(config, true, 0.2, 0.9), "decided");
}

/* ---- cosines ---- */

static void a_cosine_is_compared_with_the_labels_own_threshold(void **state)
{
    struct err err = ERR_INIT;
    struct score_config config;
    assert_true(read_text("{\"mode\":\"cosine_mean\"}", &config, &err));
    assert_true(score_resolve_scale(&config, false, 0, &err)); /* needs no logit_scale */
    struct finding f[3] = {{.cosine_positive = 0.07, .threshold = 0.0699},
                           {.cosine_positive = 0.07, .threshold = 0.07},
                           {.cosine_positive = -0.3, .threshold = -0.4}};
    score_findings(&config, true, f, 3);
    assert_true(f[0].score == 0.07 && f[2].score == -0.3);
    assert_int_equal(f[0].state, FINDING_PRESENT);
    assert_int_equal(f[1].state, FINDING_ABSENT); /* a tie is not "yes" */
    assert_int_equal(f[2].state, FINDING_PRESENT);
    assert_string_equal(score_name(&config), "cosine_mean");
}

static void map_half_brings_a_cosine_to_0_to_1(void **state)
{
    struct err err = ERR_INIT;
    struct score_config config;
    assert_true(read_text("{\"mode\":\"cosine_mean\",\"map\":\"half\",\"threshold\":0.5385}", &config, &err));
    assert_true(score_resolve_scale(&config, false, 0, &err));
    assert_string_equal(score_name(&config), "cosine_mean_half");
    assert_true(fabs(scored(&config, true, 0.08, 0).score - 0.54) < 1e-12);
    assert_int_equal(scored(&config, true, 0.08, 0).state, FINDING_PRESENT);
    assert_int_equal(scored(&config, true, 0.076, 0).state, FINDING_ABSENT);
    assert_true(scored(&config, true, 1.0000001, 0).score == 1); /* rounding of a unit vector */
    assert_true(scored(&config, true, -1.0000001, 0).score == 0);
}

static void the_ends_of_a_band_belong_to_it(void **state)
{
    struct score_config config = {
        .mode = SCORE_COSINE_MEAN, .threshold = 0.2, .has_band = true, .band = {0.1, 0.3}};
    static const struct {
        double cosine;
        enum finding_state state;
    } cases[] = {{0.1, FINDING_UNDETERMINED},
                 {0.3, FINDING_UNDETERMINED},
                 {0.2, FINDING_UNDETERMINED},
                 {0.1 - 1e-9, FINDING_ABSENT},
                 {0.3 + 1e-9, FINDING_PRESENT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(scored(&config, true, cases[i].cosine, 0).state, cases[i].state);
}

static void what_was_not_assessed_is_passed_over(void **state)
{
    struct score_config config = {.scale = 1, .threshold = 0.5};
    struct finding f = {.state = FINDING_NOT_ASSESSED, .reason = "organ_missing", .cosine_positive = 1};
    score_findings(&config, true, &f, 1);
    assert_true(f.state == FINDING_NOT_ASSESSED && !f.has_score);
    assert_string_equal(f.reason, "organ_missing");
}

static void the_closest_text_has_its_part_of_the_softmax(void **state)
{
    struct score_config config = {.scale = 1 / 0.07};
    const double cosines[] = {0.1, 0.31, 0.31, -0.2};
    double score, sum = 0;
    for (int i = 0; i < 4; i++)
        sum += exp(cosines[i] / 0.07);
    assert_int_equal(score_closest(&config, cosines, 4, &score), 1);
    assert_true(fabs(score - exp(0.31 / 0.07) / sum) < 1e-12);
    assert_int_equal(score_closest(&config, cosines, 1, &score), 0);
    assert_true(score == 1);
}

static void names_of_scores_are_known(void **state)
{
    assert_true(score_name_known("pair_softmax") && score_name_known("class_softmax"));
    assert_true(score_name_known("cosine_mean") && score_name_known("cosine_mean_half"));
    assert_false(score_name_known("") || score_name_known("cosine"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(score_is_the_softmax_over_the_pair),
        cmocka_unit_test(far_apart_cosines_stay_within_bounds),
        cmocka_unit_test(a_band_is_undetermined),
        cmocka_unit_test(an_untrained_model_never_decides),
        cmocka_unit_test(an_untrained_label_never_decides_beside_others_that_do),
        cmocka_unit_test(a_probability_comes_only_from_a_calibration),
        cmocka_unit_test(a_label_has_the_calibration_that_stands_in_it),
        cmocka_unit_test(the_probability_at_the_threshold_is_that_of_a_score_there),
        cmocka_unit_test(scale_modes_are_as_named),
        cmocka_unit_test(a_scale_that_cannot_be_is_refused),
        cmocka_unit_test(class_softmax_is_the_softmax_over_all),
        cmocka_unit_test(no_class_is_ever_absent_and_at_most_one_present),
        cmocka_unit_test(what_keeps_the_best_class_from_being_present_is_said_of_all),
        cmocka_unit_test(a_cosine_is_compared_with_the_labels_own_threshold),
        cmocka_unit_test(map_half_brings_a_cosine_to_0_to_1),
        cmocka_unit_test(the_ends_of_a_band_belong_to_it),
        cmocka_unit_test(what_was_not_assessed_is_passed_over),
        cmocka_unit_test(the_closest_text_has_its_part_of_the_softmax),
        cmocka_unit_test(names_of_scores_are_known),
        cmocka_unit_test(wrong_keys_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
