#include "text/prompts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool read_text(const char *json, struct arena *arena, struct prompts *ret, struct err *err)
{
    json_t *root = json_loads(json, 0, NULL);
    assert_non_null(root);
    bool ok = prompts_read(root, arena, ret, NULL, err);
    json_decref(root);
    return ok;
}

static void reads_single_and_several_prompts(void **state)
{
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    struct prompts prompts;
    assert_true(
        read_text("{\"version\":\"v1\",\"labels\":[{\"id\":\"a_1\",\"text\":\"A\",\"positive\":\"yes\","
                  "\"negative\":[\"no\",\"none\"]}]}",
                  arena, &prompts, &err));
    assert_string_equal(prompts.version, "v1");
    assert_int_equal(prompts.count, 1);
    assert_string_equal(prompts.labels[0].id, "a_1");
    assert_string_equal(prompts.labels[0].positive.texts[0], "yes");
    assert_int_equal(prompts.labels[0].positive.count, 1);
    assert_int_equal(prompts.labels[0].negative.count, 2);
    assert_string_equal(prompts.labels[0].negative.texts[1], "none");
    arena_free(arena);
}

#define LABEL(id) "{\"id\":\"" id "\",\"text\":\"A\",\"positive\":\"yes\",\"negative\":\"no\"}"

#define ONE(key) "{\"version\":\"1\",\"labels\":[{\"id\":\"a\",\"text\":\"A\",\"positive\":\"p\"," key "}]}"

static void reads_what_only_some_models_need(void **state)
{
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    struct prompts prompts;
    assert_true(read_text(
        "{\"version\":\"v1\",\"labels\":[{\"id\":\"a\",\"text\":\"A\",\"organ\":\"heart\","
        "\"threshold\":0.5385,\"negative\":null,\"trained\":false,\"calibration\":{\"a\":2,\"b\":-0.5}}],"
        "\"organ_prompts\":\"This is a {organ} in the CT scan.\"}",
        arena, &prompts, &err));
    const struct prompt_label *label = &prompts.labels[0];
    assert_string_equal(label->organ, "heart");
    assert_true(label->has_threshold && label->threshold == 0.5385);
    assert_true(label->has_calibration && label->calibration_a == 2 && label->calibration_b == -0.5);
    assert_true(label->untrained);
    assert_int_equal(label->positive.count + label->negative.count, 0);
    assert_string_equal(prompts_organ_text(&prompts, "liver", arena), "This is a liver in the CT scan.");
    assert_true(read_text("{\"version\":\"v1\",\"labels\":[" LABEL(
                              "a") "],\"organ_prompts\":"
                                   "[{\"organ\":\"heart\",\"positive\":[\"a heart\",\"the heart\"]}]}",
                          arena, &prompts, &err));
    assert_null(prompts.organ_template);
    assert_false(prompts.labels[0].has_threshold || prompts.labels[0].organ);
    assert_false(prompts.labels[0].has_calibration || prompts.labels[0].untrained);
    assert_int_equal(prompts.organ_count, 1);
    assert_string_equal(prompts.organs[0].side.texts[1], "the heart");
    arena_free(arena);
}

static void names_what_is_wrong(void **state)
{
    static const char *const cases[][2] = {
        {"{\"labels\":[" LABEL("a") "]}", "version"},
        {"{\"version\":\"1\"}", "labels"},
        {"{\"version\":\"1\",\"labels\":{}}", "labels"},
        {"{\"version\":\"1\",\"labels\":[" LABEL("a") "],\"more\":1}", "more"},
        {"{\"version\":\"1\",\"labels\":[" LABEL("a") "," LABEL("a") "]}", "labels.a"},
        {"{\"version\":\"1\",\"labels\":[" LABEL("A") "]}", "labels[0].id"},
        {"{\"version\":\"1\",\"labels\":[" LABEL("") "]}", "labels[0].id"},
        {"{\"version\":\"1\",\"labels\":[7]}", "labels[0]"},
        {"{\"version\":\"1\",\"labels\":[{\"id\":\"a\",\"text\":\"A\",\"positive\":\"p\",\"negative\":7}]}",
         "labels.a.negative"},
        {"{\"version\":\"1\",\"labels\":[{\"id\":\"a\",\"text\":\"A\",\"positive\":[],\"negative\":\"n\"}]}",
         "labels.a.positive"},
        {"{\"version\":\"1\",\"labels\":[{\"id\":\"a\",\"text\":\"A\",\"positive\":[1],\"negative\":\"n\"}]}",
         "labels.a.positive"},
        {"{\"version\":\"1\",\"labels\":[{\"id\":\"a\",\"text\":\"\",\"positive\":\"p\",\"negative\":\"n\"}]"
         "}",
         "labels.a.text"},
        {"{\"version\":\"1\",\"labels\":[{\"id\":\"a\",\"text\":\" "
         "\",\"positive\":\"p\",\"negative\":\"n\"}]}",
         "labels.a.text"},
        {"{\"version\":\"1\",\"labels\":[{\"id\":\"a\",\"text\":\"A\\nB\",\"positive\":\"p\",\"negative\":"
         "\"n\"}]}",
         "labels.a.text"},
        {"{\"version\":\"1\",\"labels\":[{\"id\":\"a\",\"text\":\"A\",\"site\":1}]}", "labels.a.site"},
        {ONE("\"threshold\":1.01"), "labels.a.threshold"},
        {ONE("\"threshold\":\"0.5\""), "labels.a.threshold"},
        {ONE("\"organ\":7"), "labels.a.organ"},
        {ONE("\"trained\":1"), "labels.a.trained: neither true nor false"},
        {ONE("\"calibration\":1"), "labels.a.calibration: not an object"},
        {ONE("\"calibration\":{\"a\":1}"), "labels.a.calibration.b: not a number"},
        {ONE("\"calibration\":{\"a\":1,\"b\":2e6}"), "labels.a.calibration.b: not a number within"},
        {ONE("\"calibration\":{\"a\":\"1\",\"b\":2}"), "labels.a.calibration.a: not a number"},
        {ONE("\"calibration\":{\"a\":1,\"b\":2,\"id\":\"x\"}"), "labels.a.calibration.id: unknown key"},
        {ONE("\"negative\":[\"\"]"), "labels.a.negative"},
        {"[]", "not an object"},
        {"{\"version\":\"1\",\"labels\":[" LABEL("a") "],\"organ_prompts\":\"an organ\"}", "organ_prompts"},
        {"{\"version\":\"1\",\"labels\":[" LABEL("a") "],\"organ_prompts\":\"{organ} {organ}\"}",
         "organ_prompts"},
        {"{\"version\":\"1\",\"labels\":[" LABEL("a") "],\"organ_prompts\":[]}", "organ_prompts"},
        {"{\"version\":\"1\",\"labels\":[" LABEL("a") "],\"organ_prompts\":[{\"organ\":\"o\"}]}",
         "organ_prompts.o.positive"},
        {"{\"version\":\"1\",\"labels\":[" LABEL(
             "a") "],\"organ_prompts\":[{\"organ\":\"o\",\"positive\":\"x\"},"
                  "{\"organ\":\"o\",\"positive\":\"y\"}]}",
         "organ_prompts: o stands twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        struct arena *arena = arena_new();
        struct prompts prompts;
        assert_false(read_text(cases[i][0], arena, &prompts, &err));
        assert_int_equal(err.code, ERR_INPUT);
        if (strncmp(err.text, cases[i][1], strlen(cases[i][1])) != 0)
            fail_msg("\"%s\" does not name %s", err.text, cases[i][1]);
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_single_and_several_prompts),
        cmocka_unit_test(reads_what_only_some_models_need),
        cmocka_unit_test(names_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
