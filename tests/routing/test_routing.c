/* routing_decide: which rules match, what follows, and the sentence that says why. */
#include "dicom/dicom_head.h"
#include "routing/routing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct arena *arena;

static int set_up(void **state)
{
    struct err err = ERR_INIT;
    arena = arena_new();
    return arena && dicom_library_init(&err) ? 0 : -1;
}

static int tear_down(void **state)
{
    arena_free(arena);
    return 0;
}

/* A coronary CT with a scout, and a screenshot from a workstation. tags: BodyPartExamined. */
static const char *const heart[] = {"HEART"}, *const chest[] = {"CHEST\\HEART"};
static const struct routing_series series[] = {{"CT1", "CT", "Cor CTA 0.6", heart},
                                               {"CT1", "CT", "Topogram", chest},
                                               {"WS3", "SC", "Screen save", NULL}};
static const struct routing_study study = {"Herz-CT K\xC3\xA4"
                                           "fig",
                                           series, 3};

static const struct routing_finding findings[] = {{"effusion", "present", true, 0.83},
                                                  {"stenosis", "present", false, 0},
                                                  {"aneurysm", "absent", true, 0.04}};
static const struct routing_result analysed = {"ct", "analysed", "", findings, 3};
static const struct routing_result declined = {"", "declined", "no_model_matches", NULL, 0};

static const struct routing_decision *decide(const char *text, const struct routing_result *result)
{
    const struct routing_rules *rules = NULL;
    const struct routing_decision *decision = NULL;
    struct err err = ERR_INIT;
    if (text && !routing_rules_parse(text, strlen(text), "routes.json", arena, &rules, &err))
        fail_msg("%s", err.text);
    if (!routing_decide(rules, &study, result, arena, &decision, &err))
        fail_msg("%s", err.text);
    return decision;
}

/* The only rule's verdict on a condition. */
static const struct routing_step *judge(const char *when, const struct routing_result *result)
{
    char text[600];
    snprintf(text, sizeof text, "{\"rules\": [{\"name\": \"x\", \"when\": {%s}, \"hold\": true}]}", when);
    const struct routing_decision *decision = decide(text, result);
    assert_int_equal(decision->step_count, 1);
    assert_int_equal(decision->hold, decision->steps[0].verdict == ROUTING_MATCHES);
    assert_true(*decision->steps[0].why);
    return &decision->steps[0];
}

static void a_condition_matches_or_says_why_not(void **state)
{
    static const struct {
        const char *when, *why; /* why: NULL when it matches */
    } cases[] = {
        {"\"calling_ae\": \"CT9|ct1\"", NULL},
        {"\"calling_ae\": \"CT\"", "no series has calling_ae \"CT\"; there is \"CT1\", \"WS3\""},
        {"\"modality\": \"CT\"", NULL},
        {"\"modality\": \"MR\"", "no series has modality \"MR\"; there is \"CT\", \"SC\""},
        {"\"not_modality\": \"CT\"", NULL}, /* the screenshot */
        {"\"not_modality\": \"CT|SC\"", "no series has not_modality \"CT|SC\""},
        {"\"series_description\": \"cor cta|lge\"", NULL},
        {"\"series_description\": \"cine\"", "no series has series_description"},
        {"\"study_description\": \"HERZ\"", NULL},
        {"\"study_description\": \"K\xC3\xA4"
         "FIG\"",
         NULL},
        {"\"study_description\": \"Herz\", \"not_study_description\": \"k\xC3\xA4"
         "fig\"",
         "not_study_description asks \"k\xC3\xA4"
         "fig\", and it is \"Herz-CT K\xC3\xA4"
         "fig\""},
        {"\"tags\": {\"BodyPartExamined\": \"chest\"}", NULL},
        {"\"tags\": {\"(0018,0015)\": \"KNEE\"}", "no series has tags.(0018,0015) \"KNEE\"; there is "
                                                  "\"HEART\", \"CHEST\\HEART\", \"(cannot be read)\""},
        {"\"not_tags\": {\"BodyPartExamined\": \"HEART\"}", "no series has not_tags.BodyPartExamined"},
        {"\"modality\": \"SC\", \"calling_ae\": \"WS3\"", NULL},
        {"\"modality\": \"SC\", \"calling_ae\": \"CT1\"",
         "each condition is met by a series, but no series meets all of them"},
        {"\"modality\": \"CT\", \"not_series_description\": \"topogram\"", NULL},
        {"\"model\": \"ct\"", NULL},
        {"\"model\": \"cmr\"", "model asks \"cmr\", and it is \"ct\""},
        {"\"state\": \"analysed\", \"reason\": \"outside_domain\"",
         "reason asks \"outside_domain\", and it is \"\""},
        {"\"state\": \"parked|declined\"", "state asks \"parked|declined\", and it is \"analysed\""},
        {"\"findings\": [{\"label\": \"effusion|x\", \"state\": \"present\", \"min_probability\": 0.8}]",
         NULL},
        {"\"findings\": [{\"label\": \"effusion\", \"min_probability\": 0.9}]",
         "effusion has a probability of 0.83; at least 0.9 is asked"},
        {"\"findings\": [{\"label\": \"effusion\", \"state\": \"absent\"}]",
         "the result has no finding of effusion that is absent"},
        {"\"findings\": [{\"label\": \"stenosis\", \"state\": \"present\"}]", NULL},
        {"\"findings\": [{\"label\": \"effusion\"}, {\"label\": \"aneurysm\", \"state\": \"present\"}]",
         "the result has no finding of aneurysm that is present"},
        {"\"findings\": [{\"min_probability\": 0.84}]", "effusion has a probability of 0.83"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct routing_step *step = judge(cases[i].when, &analysed);
        bool matches = step->verdict == ROUTING_MATCHES;
        if (matches != !cases[i].why || (cases[i].why && !strstr(step->why, cases[i].why)))
            fail_msg("%s: %s, %s", cases[i].when, routing_verdict_name(step->verdict), step->why);
    }
}

static void a_score_that_is_not_calibrated_meets_no_probability(void **state)
{
    const struct routing_step *step =
        judge("\"findings\": [{\"label\": \"stenosis\", \"min_probability\": 0}]", &analysed);
    assert_int_equal(step->verdict, ROUTING_DIFFERS);
    assert_string_equal(step->why,
                        "stenosis has no probability, because its score is not calibrated; at least"
                        " 0 is asked");
}

static void a_study_that_no_model_takes_has_a_state_and_a_reason(void **state)
{
    assert_int_equal(judge("\"state\": \"declined\", \"reason\": \"no_model_matches\"", &declined)->verdict,
                     ROUTING_MATCHES);
    assert_int_equal(judge("\"findings\": [{}]", &declined)->verdict, ROUTING_DIFFERS);
}

static void without_rules_nothing_is_said(void **state)
{
    const struct routing_decision *decision = decide(NULL, &analysed);
    assert_true(!decision->hold && !decision->deliver.count && !decision->forward.count);
    assert_int_equal(decision->priority, ROUTING_NORMAL);
    assert_int_equal(decision->step_count, 0);
}

static const char several[] =
    "{\"rules\": ["
    "{\"name\": \"one\", \"when\": {\"modality\": \"CT\"}, \"deliver\": [\"A\", \"B\"], \"priority\": "
    "\"high\"},"
    "{\"name\": \"two\", \"when\": {\"modality\": \"MR\"}, \"deliver\": [\"C\"], \"last\": true},"
    "{\"name\": \"three\", \"deliver\": [\"B\", \"D\"], \"forward\": [\"E\"], \"priority\": \"low\","
    " \"last\": true},"
    "{\"name\": \"four\", \"deliver\": [\"F\"], \"hold\": false}]}";

static void rules_add_up_in_order_until_the_last(void **state)
{
    const struct routing_decision *decision = decide(several, &analysed);
    assert_int_equal(decision->deliver.count, 3); /* each once, in the order of the rules */
    assert_string_equal(decision->deliver.list[0], "A");
    assert_string_equal(decision->deliver.list[1], "B");
    assert_string_equal(decision->deliver.list[2], "D");
    assert_int_equal(decision->forward.count, 1);
    assert_int_equal(decision->priority, ROUTING_LOW); /* the later one counts */
    assert_int_equal(decision->steps[1].verdict, ROUTING_DIFFERS);
    assert_int_equal(decision->steps[3].verdict, ROUTING_NOT_ASKED);
    assert_string_equal(decision->steps[3].why, "rule \"three\" was the last");
}

static void hold_is_kept_whatever_else_delivers(void **state)
{
    const struct routing_decision *decision =
        decide("{\"rules\": [{\"name\": \"a\", \"hold\": true}, {\"name\": \"b\", \"deliver\": [\"A\"]}]}",
               &analysed);
    assert_true(decision->hold);
}

static void what_asks_the_result_waits_for_it(void **state)
{
    static const char text[] =
        "{\"rules\": [{\"name\": \"before\", \"forward\": [\"A\"]},"
        "{\"name\": \"end\", \"when\": {\"state\": \"analysed\"}, \"deliver\": [\"P\"], \"last\": true},"
        "{\"name\": \"after\", \"forward\": [\"B\"], \"priority\": \"high\"}]}";
    const struct routing_decision *before = decide(text, NULL);
    assert_int_equal(before->steps[1].verdict, ROUTING_NOT_YET);
    assert_int_equal(before->deliver.count, 0);
    assert_int_equal(before->forward.count, 1); /* "end" may yet keep the study from B */
    assert_string_equal(before->forward.list[0], "A");
    assert_int_equal(before->priority, ROUTING_HIGH); /* jobs are put in order now or never */
    const struct routing_decision *taken = decide(text, &analysed);
    assert_int_equal(taken->forward.count, 1);
    assert_int_equal(taken->priority, ROUTING_NORMAL);
    const struct routing_decision *other = decide(text, &declined);
    assert_int_equal(other->forward.count, 2);
    assert_int_equal(other->deliver.count, 0);
}

static void what_the_study_excludes_does_not_wait_for_the_result(void **state)
{
    assert_int_equal(judge("\"modality\": \"MR\", \"state\": \"analysed\"", NULL)->verdict, ROUTING_DIFFERS);
    assert_int_equal(judge("\"modality\": \"CT\", \"state\": \"analysed\"", NULL)->verdict, ROUTING_NOT_YET);
    assert_int_equal(judge("\"findings\": [{}]", NULL)->verdict, ROUTING_NOT_YET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_condition_matches_or_says_why_not),
        cmocka_unit_test(a_score_that_is_not_calibrated_meets_no_probability),
        cmocka_unit_test(a_study_that_no_model_takes_has_a_state_and_a_reason),
        cmocka_unit_test(without_rules_nothing_is_said),
        cmocka_unit_test(rules_add_up_in_order_until_the_last),
        cmocka_unit_test(hold_is_kept_whatever_else_delivers),
        cmocka_unit_test(what_asks_the_result_waits_for_it),
        cmocka_unit_test(what_the_study_excludes_does_not_wait_for_the_result),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
