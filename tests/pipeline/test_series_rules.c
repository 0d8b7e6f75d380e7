/* The rules' file: what it may say, and by what name a fault in it is told. */
#include "pipeline/series_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

static const struct study_rules *rules;
static struct err err;

static bool parse(struct arena *arena, const char *text)
{
    err = (struct err)ERR_INIT;
    return series_rules_parse(text, strlen(text), "site.json", arena, &rules, &err);
}

/* One rule with these conditions. */
static bool parse_when(struct arena *arena, const char *when)
{
    return parse(arena,
                 arena_printf(arena, "{\"rules\":[{\"role\":\"a\",\"why\":\"b\",\"when\":%s}]}", when));
}

static int set_up(void **state)
{
    *state = arena_new();
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

static void what_is_built_in_is_right(void **state)
{
    err = (struct err)ERR_INIT;
    if (!series_rules_read(NULL, *state, &rules, &err))
        fail_msg("%s", err.text);
    assert_true(rules->rule_count > 30 && rules->prefer_count > 5);
    assert_int_equal(strlen(rules->sha256), 64);
    /* the last of each modality takes what no other knew */
    const struct study_rule *last = &rules->rules[rules->rule_count - 1];
    assert_true(last->when_count == 0 && last->take && last->kind == DICOM_KIND_MR);
}

static void a_rule_says_what_the_file_says(void **state)
{
    assert_true(parse(*state,
                      "{\"rules\":[{\"role\":\"left_1\",\"modality\":\"CT\",\"take\":false,\"rank\":-2.5,"
                      "\"why\":\"so\",\"when\":{\"not_words\":\"Lung|Bone\",\"min_field_mm\":100,"
                      "\"max_field_mm\":200.5,\"contrast\":true,\"gated\":false}},"
                      "{\"role\":\"b\",\"why\":\"c\"}]}"));
    assert_int_equal(rules->rule_count, 2);
    const struct study_rule *rule = &rules->rules[0];
    assert_string_equal(rule->role, "left_1");
    assert_string_equal(rule->why, "so");
    assert_true(rule->kind == DICOM_KIND_CT && !rule->take && rule->rank == -2.5 && rule->when_count == 5);
    const struct study_condition *when = rule->when;
    assert_string_equal(when[0].words, "lung|bone");
    assert_true(when[0].text == STUDY_WORDS && when[0].unwanted);
    assert_true(!when[1].words && when[1].min == 100 && isinf(when[1].max));
    assert_true(when[2].max == 200.5 && isinf(when[2].min));
    assert_int_equal(when[2].measure->offset, offsetof(struct study_shape, field_mm));
    assert_true(when[3].min == 1 && when[3].max == 1 && when[4].min == 0 && when[4].max == 0);
    assert_int_equal(when[4].measure->offset, offsetof(struct study_shape, gated));
    assert_true(rules->rules[1].take && rules->rules[1].kind == DICOM_KIND_UNKNOWN);
}

static void a_preference_says_what_the_file_says(void **state)
{
    assert_true(parse(*state,
                      "{\"rules\":[],\"prefer\":[{\"add\":5,\"modality\":\"MR\",\"when\":{\"max_kv\":80}},"
                      "{\"add\":0.5,\"each\":\"images\",\"most\":40},"
                      "{\"add\":100,\"near\":\"percent\",\"target\":[75,15]}]}"));
    const struct study_preference *prefer = rules->prefer;
    assert_int_equal(rules->prefer_count, 3);
    assert_true(prefer[0].add == 5 && !prefer[0].each && !prefer[0].near && prefer[0].rule.when_count == 1);
    assert_true(prefer[0].rule.kind == DICOM_KIND_MR);
    assert_int_equal(prefer[1].each->offset, offsetof(struct study_shape, images));
    assert_true(prefer[1].most == 40);
    assert_int_equal(prefer[2].near->offset, offsetof(struct study_shape, percent));
    assert_true(prefer[2].target == 75 && prefer[2].within == 15);
}

static void the_digest_is_of_the_text(void **state)
{
    char first[DIGEST_HEX_SIZE];
    assert_true(parse(*state, "{\"rules\":[]}"));
    memcpy(first, rules->sha256, sizeof first);
    assert_true(parse(*state, "{\"rules\":[] }"));
    assert_string_not_equal(rules->sha256, first);
}

static void a_fault_is_told_by_rule_and_key(void **state)
{
    static const struct {
        const char *text, *told;
    } faults[] = {
        {"{", "site.json: line 1"},
        {"[]", "top level"},
        {"{\"rules\":[],\"rules\":[]}", "duplicate"},
        {"{\"rules\":{}}", "rules: not a list"},
        {"{\"prefer\":[]}", "rules: required"},
        {"{\"rules\":[],\"more\":1}", "more: unknown"},
        {"{\"rules\":[5]}", "rules[0]: missing, or not an object"},
        {"{\"rules\":[{\"why\":\"b\"}]}", "rules[0].role: required"},
        {"{\"rules\":[{\"role\":\"a\"}]}", "rules[0].why: required"},
        {"{\"rules\":[{\"role\":\"A b\",\"why\":\"b\"}]}", "rules[0].role: only"},
        {"{\"rules\":[{\"role\":\"a2345678901234567890123456789012345678901\",\"why\":\"b\"}]}",
         "rules[0].role"},
        {"{\"rules\":[{\"role\":\"a\",\"why\":\"b\",\"modality\":\"US\"}]}", "rules[0].modality"},
        {"{\"rules\":[{\"role\":\"a\",\"why\":\"b\",\"take\":\"no\"}]}", "rules[0].take"},
        {"{\"rules\":[{\"role\":\"a\",\"why\":\"b\",\"rank\":1e7}]}", "rules[0].rank"},
        {"{\"rules\":[],\"prefer\":[{}]}", "prefer[0].add: required"},
        {"{\"rules\":[],\"prefer\":[{\"add\":1,\"role\":\"a\"}]}", "prefer[0].role: unknown"},
        {"{\"rules\":[],\"prefer\":[{\"add\":1,\"each\":\"contrast\"}]}", "prefer[0].each: no such number"},
        {"{\"rules\":[],\"prefer\":[{\"add\":1,\"near\":\"what\",\"target\":[1,2]}]}",
         "prefer[0].near: no such"},
        {"{\"rules\":[],\"prefer\":[{\"add\":1,\"near\":\"percent\"}]}", "prefer[0].target"},
        {"{\"rules\":[],\"prefer\":[{\"add\":1,\"near\":\"percent\",\"target\":[75,0]}]}",
         "prefer[0].target"},
        {"{\"rules\":[],\"prefer\":[{\"add\":1,\"target\":[75,5]}]}", "prefer[0].near: no such number"},
        {"{\"rules\":[],\"prefer\":[{\"add\":1,\"near\":\"percent\",\"target\":[75,5],\"each\":\"kv\"}]}",
         "prefer[0].near: not together"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        assert_false(parse(*state, faults[i].text));
        assert_true(err.code == ERR_INPUT || err.code == ERR_UNSUPPORTED);
        if (!strstr(err.text, faults[i].told) || strncmp(err.text, "site.json", 9) != 0)
            fail_msg("%s: %s", faults[i].text, err.text);
    }
}

static void a_condition_is_told_by_its_name(void **state)
{
    static const struct {
        const char *when, *told;
    } faults[] = {
        {"{\"max_kvp\":1}", "max_kvp: no such condition"},
        {"{\"kv\":1}", "kv: no such condition"},
        {"{\"min_contrast\":1}", "min_contrast: no such condition"},
        {"{\"not_gated\":true}", "not_gated: no such condition"},
        {"{\"gated\":1}", "gated: not true or false"},
        {"{\"max_kv\":\"80\"}", "max_kv: not a number"},
        {"{\"max_kv\":1e99}", "max_kv: not a number"},
        {"{\"words\":\"\"}", "words: not text"},
        {"{\"words\":5}", "words: not text"},
        {"{\"words\":\"a||b\"}", "words: words are ASCII"},
        {"{\"words\":\"|a\"}", "words: words are ASCII"},
        {"{\"not_kernel\":\"a|\"}", "not_kernel: words are ASCII"},
        {"{\"words\":\"c\\u0153ur\"}", "words: words are ASCII"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        assert_false(parse_when(*state, faults[i].when));
        if (!strstr(err.text, "rules[0].when.") || !strstr(err.text, faults[i].told))
            fail_msg("%s: %s", faults[i].when, err.text);
    }
    assert_false(parse_when(*state, "[]"));
    assert_non_null(strstr(err.text, "rules[0].when: not an object"));
    assert_true(parse_when(*state, "{}"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_built_in_is_right),
        T(a_rule_says_what_the_file_says),
        T(a_preference_says_what_the_file_says),
        T(the_digest_is_of_the_text),
        T(a_fault_is_told_by_rule_and_key),
        T(a_condition_is_told_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
