/* routing_rules_parse: what a site may write, and that what is wrong names file, rule and key. */
#include "dicom/dicom_head.h"
#include "routing/routing_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"

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

static const struct routing_rules *parse(const char *text)
{
    const struct routing_rules *rules = NULL;
    struct err err = ERR_INIT;
    if (!routing_rules_parse(text, strlen(text), "routes.json", arena, &rules, &err))
        fail_msg("%s", err.text);
    return rules;
}

static void a_rule_is_read_with_all_its_keys(void **state)
{
    const struct routing_rules *rules = parse(
        "{\"rules\": [{\"name\": \"night\", \"why\": \"one radiologist\", \"when\": {\"calling_ae\": "
        "\"CT1|CT2\","
        " \"not_series_description\": \"scout\", \"tags\": {\"BodyPartExamined\": \"HEART\", \"(0008,1010)\":"
        " \"room 1\"}, \"not_tags\": {\"BodyPartExamined\": \"KNEE\"}, \"model\": \"ct\", \"findings\": "
        "[{\"label\":"
        " \"a|b\", \"state\": \"present\", \"min_probability\": 0.5}, {}]},"
        " \"deliver\": [\"PACS\", \"RIS\"], \"forward\": [\"ARCHIVE\"], \"priority\": \"low\", \"last\": "
        "true},"
        " {\"name\": \"rest\", \"hold\": true}]}");
    const struct routing_rule *rule = &rules->rules[0];
    assert_int_equal(rules->rule_count, 2);
    assert_string_equal(rule->name, "night");
    assert_string_equal(rule->why, "one radiologist");
    assert_int_equal(rule->when_count, 6);
    assert_true(rule->when[0].field == ROUTING_CALLING_AE && rule->when[0].whole);
    assert_true(rule->when[1].unwanted && !rule->when[1].whole);
    assert_string_equal(rule->when[3].key, "tags.(0008,1010)");
    assert_int_equal(rules->tag_count, 2); /* one attribute asked twice is read once */
    assert_true(rules->tags[0] == 0x00180015 && rules->tags[1] == 0x00081010);
    assert_true(rule->when[4].field == ROUTING_TAG && rule->when[4].tag == 0 && rule->when[4].unwanted);
    assert_int_equal(rule->when[5].level, ROUTING_OF_RESULT);
    assert_int_equal(rule->finding_count, 2);
    assert_true(rule->findings[0].has_min && rule->findings[0].min_probability == 0.5);
    assert_string_equal(rule->findings[1].labels, "");
    assert_int_equal(rule->deliver.count, 2);
    assert_string_equal(rule->deliver.list[1], "RIS");
    assert_string_equal(rule->forward.list[0], "ARCHIVE");
    assert_true(rule->has_priority && rule->priority == ROUTING_LOW && rule->last && !rule->hold);
    assert_true(rules->rules[1].hold && rules->rules[1].when_count == 0);
    assert_int_equal(strlen(rules->sha256), 64);
}

static void a_file_without_rules_is_a_file(void **state)
{
    assert_int_equal(parse("{\"rules\": []}")->rule_count, 0);
}

static void what_is_wrong_is_named_by_rule_and_key(void **state)
{
    static const char *const cases[][2] = {
        {"{\"rules\": [", "routes.json: line 1"},
        {"[]", "routes.json: top level"},
        {"{\"rule\": []}", "rule: unknown key"},
        {"{}", "rules: required"},
        {"{\"rules\": [{\"hold\": true}]}", "routes.json: rules[0].name: required"},
        {"{\"rules\": [{\"name\": \"ok\", \"hold\": true}, {\"name\": \"x\", \"when\": {\"colour\": \"red\"},"
         " \"hold\": true}]}",
         "rules[1].when.colour: no such condition"},
        {"{\"rules\": [{\"name\": \"x\", \"when\": {\"not_findings\": []}, \"hold\": true}]}",
         "rules[0].when.not_findings: no such condition"},
        {"{\"rules\": [{\"name\": \"x\", \"when\": {\"modality\": 1}, \"hold\": true}]}",
         "rules[0].when.modality: not text"},
        {"{\"rules\": [{\"name\": \"x\", \"when\": {\"modality\": \"CT||MR\"}, \"hold\": true}]}",
         "rules[0].when.modality: words are"},
        {"{\"rules\": [{\"name\": \"x\", \"when\": {\"tags\": {\"BodyPart\": \"HEART\"}}, \"hold\": true}]}",
         "rules[0].when.tags.BodyPart: \"BodyPart\" is no keyword"},
        {"{\"rules\": [{\"name\": \"x\", \"when\": {\"tags\": [\"BodyPart\"]}, \"hold\": true}]}",
         "rules[0].when.tags: not an object"},
        {"{\"rules\": [{\"name\": \"x\", \"when\": {\"tags\": {\"PatientName\": 3}}, \"hold\": true}]}",
         "rules[0].when.tags.PatientName: not text"},
        {"{\"rules\": [{\"name\": \"x\", \"when\": {\"state\": \"done\"}, \"hold\": true}]}",
         "rules[0].when.state: each word is one of analysed|declined|parked"},
        {"{\"rules\": [{\"name\": \"x\", \"when\": {\"findings\": {}}, \"hold\": true}]}",
         "rules[0].when.findings: not a list"},
        {"{\"rules\": [{\"name\": \"x\", \"when\": {\"findings\": [{\"probability\": 1}]}, \"hold\": true}]}",
         "rules[0].when.findings[0].probability: unknown key"},
        {"{\"rules\": [{\"name\": \"x\", \"when\": {\"findings\": [{\"state\": \"maybe\"}]}, \"hold\": "
         "true}]}",
         "rules[0].when.findings.state: each word is one of present"},
        {"{\"rules\": [{\"name\": \"x\", \"when\": {\"findings\": [{\"min_probability\": 80}]}, \"hold\": "
         "true}]}",
         "rules[0].when.findings[0].min_probability: not within 0 and 1"},
        {"{\"rules\": [{\"name\": \"x\", \"deliver\": \"PACS\"}]}", "rules[0].deliver: not a list"},
        {"{\"rules\": [{\"name\": \"x\", \"deliver\": []}]}", "rules[0].deliver: not a list of 1 to 64"},
        {"{\"rules\": [{\"name\": \"x\", \"forward\": [\"\"]}]}", "rules[0].forward: not the name"},
        {"{\"rules\": [{\"name\": \"x\", \"priority\": \"urgent\"}]}", "rules[0].priority: \"urgent\""},
        {"{\"rules\": [{\"name\": \"x\", \"deliver\": [\"A\"], \"hold\": true}]}",
         "rules[0].hold: not together"},
        {"{\"rules\": [{\"name\": \"x\", \"when\": {\"modality\": \"CT\"}}]}",
         "rules[0].deliver: the rule does nothing"},
        {"{\"rules\": [{\"name\": \"x\", \"name\": \"y\", \"hold\": true}]}", "duplicate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        const struct routing_rules *rules = NULL;
        if (routing_rules_parse(cases[i][0], strlen(cases[i][0]), "routes.json", arena, &rules, &err))
            fail_msg("was taken: %s", cases[i][0]);
        if (!strstr(err.text, cases[i][1]) || strncmp(err.text, "routes.json: ", 13) != 0)
            fail_msg("\"%s\" instead of \"%s\"", err.text, cases[i][1]);
    }
}

static void a_finding_without_a_probability_never_raises_the_priority(void **state)
{
    static const char form[] = "{\"rules\": [{\"name\": \"x\", \"when\": {\"findings\": [{\"label\": \"a\""
                               "%s}]}, \"priority\": \"%s\"}]}";
    static const char *const wrong[][2] = {
        {"", "high"}, {"", "normal"}, {", \"state\": \"present\"", "high"}};
    char text[300];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err err = ERR_INIT;
        const struct routing_rules *rules;
        snprintf(text, sizeof text, form, wrong[i][0], wrong[i][1]);
        assert_false(routing_rules_parse(text, strlen(text), "routes.json", arena, &rules, &err));
        assert_non_null(strstr(err.text, "rules[0].priority: a finding raises it by min_probability only"));
    }
    snprintf(text, sizeof text, form, ", \"min_probability\": 0.8", "high");
    assert_int_equal(parse(text)->rules[0].priority, ROUTING_HIGH);
    snprintf(text, sizeof text, form, "", "low");
    assert_int_equal(parse(text)->rules[0].priority, ROUTING_LOW);
}

static void the_sample_is_correct_and_shows_every_key(void **state)
{
    static const char *const shown[] = {"\"why\"",
                                        "\"calling_ae\"",
                                        "\"modality\"",
                                        "\"series_description\"",
                                        "\"study_description\"",
                                        "\"tags\"",
                                        "\"not_",
                                        "\"model\"",
                                        "\"state\"",
                                        "\"reason\"",
                                        "\"findings\"",
                                        "\"label\"",
                                        "\"min_probability\"",
                                        "\"deliver\"",
                                        "\"forward\"",
                                        "\"priority\"",
                                        "\"hold\"",
                                        "\"last\""};
    struct err err = ERR_INIT;
    char *text = file_read(CONF_DIR "/routes.json", ROUTING_MAX_BYTES, NULL, &err);
    assert_non_null(text);
    assert_true(parse(text)->rule_count > 3);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (!strstr(text, shown[i]))
            fail_msg("%s is not shown", shown[i]);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_is_read_with_all_its_keys),
        cmocka_unit_test(a_file_without_rules_is_a_file),
        cmocka_unit_test(what_is_wrong_is_named_by_rule_and_key),
        cmocka_unit_test(a_finding_without_a_probability_never_raises_the_priority),
        cmocka_unit_test(the_sample_is_correct_and_shows_every_key),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
