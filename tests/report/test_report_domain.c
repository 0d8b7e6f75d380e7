/* What a report says of probabilities and of a model's domain. */
#include "made_report.h"

/* By which calibration, of what, fitted on what; and every label's, also of one that has no group. */
static void a_probability_is_stated_as_such(void **state)
{
    struct finding findings[] = {label("one", FINDING_PRESENT), label("two", FINDING_ABSENT),
                                 label("three", FINDING_ABSENT)};
    struct result result = analysed(findings, 3);
    result.model.calibration = "platt-1";
    result.model.calibration_on = "200 phantoms";
    for (int i = 0; i < 2; i++) {
        findings[i].has_calibration = findings[i].has_probability = true;
        findings[i].calibration_a = 2.5;
        findings[i].calibration_b = -0.5;
        findings[i].probability = i ? 0.03125 : 0.875;
        findings[i].probability_at_threshold = 0.375;
    }
    struct report *report = build(&result, NULL);
    assert_int_equal(count_in(report, "111012", NULL), 1);
    assert_int_equal(count_in(report, "121106", "calibrated from the score by platt-1, Platt scaling"), 1);
    assert_int_equal(count_in(report, "121106", "the logarithm of the odds of the score"), 1);
    assert_int_equal(count_in(report, "121106", "fitted on: 200 phantoms."), 1);
    assert_int_equal(count_in(report, "121106", "decided by its score and threshold."), 1);
    assert_int_equal(count_in(report, "121106", "Probability: one (one): 87.5 %; at the threshold 37.5 %"),
                     1);
    assert_int_equal(count_in(report, "121106", "Probability: two (two): 3.12 %; at the threshold 37.5 %"),
                     1);
    assert_int_equal(count_in(report, "121106", "Probability: three"), 0);
    assert_int_equal(
        count_in(report, "111002", "one: threshold=0.5; score=0.75; calibration=platt-1; a=2.5; b=-0.5"), 2);
    assert_int_equal(count_in(report, "111002", "two: threshold=0.5; score=0.25; calibration=platt-1"), 1);
    assert_int_equal(count_in(report, "111002", "three: threshold=0.5"), 1);
    assert_int_equal(count_in(report, "111002", "three: threshold=0.5;"), 0);
    result.model.score = "cosine_mean";
    result.model.calibration_on = NULL;
    report = build(&result, NULL);
    assert_int_equal(count_in(report, "121106", "of m, the mean cosine similarity"), 1);
    assert_int_equal(count_in(report, "121106", "fitted on: not stated."), 1);
    result.model.trained = false; /* then no label is decided, whatever it says */
    assert_int_equal(count_in(build(&result, NULL), "121106", "Probability"), 0);
}

/* Whatever the labels say: of a study unlike those the model was made from it says nothing. */
static void outside_the_domain_nothing_is_said_of_a_label(void **state)
{
    struct finding findings[] = {label("one", FINDING_NOT_ASSESSED), label("two", FINDING_NOT_ASSESSED),
                                 label("three", FINDING_PRESENT), label("four", FINDING_ABSENT)};
    findings[0].reason = findings[1].reason = findings[2].reason = findings[3].reason = RESULT_OUTSIDE;
    struct result result = analysed(findings, 4);
    result.domain = (struct result_domain){"tower", "phantoms-1", 4.25, 1.75, false};
    struct report *report = build(&result, NULL);
    assert_int_equal(count_in(report, "121071", NULL), 0);
    assert_int_equal(count_in(report, "126010", NULL), 0);
    assert_int_equal(count_in(report, "111017", "111245"), 1);
    const char *const names[] = {"ONE", "TWO", "THREE", "FOUR"};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(count_in(report, names[i], "373068000"), 1);
        assert_int_equal(count_in(report, names[i], NULL), 1);
    }
    assert_int_equal(
        count_in(report, "121106",
                 "Not assessed (outside_domain): the study lies outside the domain of the model "
                 "(phantoms-1): its distance from the studies the model was made from is 4.25, the limit "
                 "1.75. No label was assessed. This is not a negative result."),
        1);
    assert_int_equal(count_in(report, "121106", "outside_domain"), 1);
    assert_int_equal(count_in(report, "121106", "Within the domain"), 0);
    assert_false(report->header.complete);
    assert_string_equal(report->header.completion_description, "Outside the domain of the model");
    assert_int_equal(report->header.current_count, 2); /* it was encoded: from these */
    assert_int_equal(count_in(report, "111028", NULL), 1);
}

static void within_the_domain_the_distance_is_told(void **state)
{
    struct finding findings[] = {label("one", FINDING_ABSENT)};
    struct result result = analysed(findings, 1);
    result.domain = (struct result_domain){"tower", "phantoms-1", 1.125, 1.75, true};
    struct report *report = build(&result, NULL);
    assert_int_equal(
        count_in(report, "121106", "Within the domain of the model (phantoms-1): distance 1.125, limit 1.75"),
        1);
    assert_int_equal(count_in(report, "ONE", "272519000"), 1);
    assert_true(report->header.complete);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_probability_is_stated_as_such, set_up, tear_down),
        cmocka_unit_test_setup_teardown(outside_the_domain_nothing_is_said_of_a_label, set_up, tear_down),
        cmocka_unit_test_setup_teardown(within_the_domain_the_distance_is_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
