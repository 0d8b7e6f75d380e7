#include "tensor/section.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct values {
    int number, triple[3], word, axes[3], list[4], list_count, pair_count;
    const json_t *items;
    double real, pair[2], pairs[2][2], channels[3];
    bool flag, has_pair;
    const char *text;
};

static bool read_text(const char *json, struct values *ret, struct err *err)
{
    static const char *const words[] = {"one", "two", NULL};
    *ret = (struct values){.number = 7, .flag = true, .real = 0.5};
    const struct section_key keys[] = {
        {"number", SECTION_INT, &ret->number, true, 1, 9},
        {"triple", SECTION_INT3, ret->triple, false, 0, 9},
        {"real", SECTION_NUMBER, &ret->real, false, 0, 1},
        {"pair", SECTION_NUMBER2, ret->pair, false, -9, 9, .present = &ret->has_pair},
        {"pairs", SECTION_PAIRS, ret->pairs, false, -9, 9, .count = &ret->pair_count, .most = 2},
        {"channels", SECTION_NUMBERS, ret->channels, false, -9, 9, .most = 3},
        {"flag", SECTION_BOOL, &ret->flag, false},
        {"axes", SECTION_AXES, ret->axes, false, 1, 99},
        {"list", SECTION_INTS, ret->list, false, 0, 9, .count = &ret->list_count, .most = 4},
        {"items", SECTION_LIST, &ret->items, false},
        {"word", SECTION_WORD, &ret->word, false, .words = words},
        {"text", SECTION_TEXT, &ret->text, false, .max = 5},
    };
    json_t *root = json_loads(json, 0, NULL);
    bool ok = section_read(root, "part", keys, sizeof keys / sizeof *keys, err);
    ret->text = ret->text ? "set" : NULL; /* borrowed: gone with the JSON */
    json_decref(root);
    return ok;
}

static void reads_every_kind(void **state)
{
    struct err err = ERR_INIT;
    struct values v;
    assert_true(
        read_text("{\"number\":3,\"triple\":[1,2,3],\"real\":1,\"pair\":[-1,2.5],\"flag\":0,\"word\":\"two\","
                  "\"text\":\"hello\"}",
                  &v, &err));
    assert_int_equal(v.number, 3);
    assert_int_equal(v.triple[2], 3);
    assert_true(v.real == 1 && v.pair[0] == -1 && v.pair[1] == 2.5 && v.has_pair);
    assert_true(!v.flag && v.word == 1 && v.text);
}

static void pairs_are_counted(void **state)
{
    struct err err = ERR_INIT;
    struct values v;
    assert_true(read_text("{\"number\":1,\"pairs\":[[-1,2.5],[3,9]]}", &v, &err));
    assert_int_equal(v.pair_count, 2);
    assert_true(v.pairs[0][0] == -1 && v.pairs[0][1] == 2.5 && v.pairs[1][0] == 3 && v.pairs[1][1] == 9);
}

static void a_number_alone_stands_for_every_channel(void **state)
{
    struct err err = ERR_INIT;
    struct values v;
    assert_true(read_text("{\"number\":1,\"channels\":[1,2.5,-3]}", &v, &err));
    assert_true(v.channels[0] == 1 && v.channels[1] == 2.5 && v.channels[2] == -3);
    assert_true(read_text("{\"number\":1,\"channels\":4}", &v, &err));
    assert_true(v.channels[0] == 4 && v.channels[1] == 4 && v.channels[2] == 4);
    static const char *const wrong[] = {"[1,2]", "[1,2,3,4]", "[1,2,10]", "[1,\"2\",3]", "\"1\"", "[]"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char json[80];
        snprintf(json, sizeof json, "{\"number\":1,\"channels\":%s}", wrong[i]);
        assert_false(read_text(json, &v, &err));
        assert_int_equal(err.code, ERR_INPUT);
        assert_non_null(strstr(err.text, "part.channels"));
    }
}

static void two_axes_are_y_and_x(void **state)
{
    struct err err = ERR_INIT;
    struct values v;
    assert_true(read_text("{\"number\":1,\"axes\":[5,6]}", &v, &err));
    assert_true(v.axes[0] == 1 && v.axes[1] == 5 && v.axes[2] == 6);
    assert_true(read_text("{\"number\":1,\"axes\":[4,5,6]}", &v, &err));
    assert_true(v.axes[0] == 4 && v.axes[1] == 5 && v.axes[2] == 6);
}

static void lists_have_their_own_length(void **state)
{
    struct err err = ERR_INIT;
    struct values v;
    assert_true(read_text("{\"number\":1,\"list\":[3,6,9]}", &v, &err));
    assert_true(v.list_count == 3 && v.list[0] == 3 && v.list[2] == 9);
    assert_true(read_text("{\"number\":1,\"list\":[],\"items\":[1,\"a\"]}", &v, &err));
    assert_true(v.list_count == 0 && v.items);
}

static void keeps_defaults_of_absent_and_null_keys(void **state)
{
    struct err err = ERR_INIT;
    struct values v;
    assert_true(read_text("{\"number\":1,\"pair\":null}", &v, &err));
    assert_true(v.flag && v.real == 0.5 && !v.has_pair && !v.text);
}

static void names_the_key_that_is_wrong(void **state)
{
    static const char *const cases[][2] = {
        {"{\"number\":1,\"other\":1}", "part.other: unknown key"},
        {"{}", "part.number: required, but missing"},
        {"{\"number\":10}", "part.number: not within 1 and 9"},
        {"{\"number\":1.0}", "part.number: not a whole number"},
        {"{\"number\":\"1\"}", "part.number: not a whole number"},
        {"{\"number\":1,\"triple\":[1,2]}", "part.triple: not a list of three whole numbers"},
        {"{\"number\":1,\"triple\":[1,2,10]}", "part.triple: not within 0 and 9"},
        {"{\"number\":1,\"real\":1.5}", "part.real: not within 0 and 1"},
        {"{\"number\":1,\"pairs\":[[1,2],[2,1]]}", "part.pairs: the first number is not below the second"},
        {"{\"number\":1,\"pairs\":[1,2]}", "part.pairs: not a list of two numbers"},
        {"{\"number\":1,\"pairs\":[[0,1],[1,2],[2,3]]}",
         "part.pairs: not a list of pairs of numbers, or too long"},
        {"{\"number\":1,\"pairs\":[[0,10]]}", "part.pairs: not within -9 and 9"},
        {"{\"number\":1,\"pair\":[2,1]}", "part.pair: the first number is not below the second"},
        {"{\"number\":1,\"flag\":2}", "part.flag: not true or false"},
        {"{\"number\":1,\"word\":\"three\"}", "part.word: \"three\" is not supported"},
        {"{\"number\":1,\"text\":\"\"}", "part.text: empty or too long"},
        {"{\"number\":1,\"text\":\"longer\"}", "part.text: empty or too long"},
        {"{\"number\":1,\"axes\":[1]}", "part.axes: not a list of two or three whole numbers"},
        {"{\"number\":1,\"axes\":[0,1]}", "part.axes: not within 1 and 99"},
        {"{\"number\":1,\"list\":[1,2,3,4,5]}", "part.list: not a list of whole numbers, or too long"},
        {"{\"number\":1,\"list\":[1,10]}", "part.list: not within 0 and 9"},
        {"{\"number\":1,\"items\":{}}", "part.items: not a list"},
        {"[]", "part: missing, or not an object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        struct values v;
        assert_false(read_text(cases[i][0], &v, &err));
        assert_string_equal(err.text, cases[i][1]);
    }
}

static void refuses_files_that_are_no_json_or_repeat_a_key(void **state)
{
    static const char *const contents[] = {"{\"a\":1,\"a\":2}", "{", ""};
    for (int i = 0; i < 3; i++) {
        char path[] = "/tmp/test_sectionXXXXXX";
        struct err err = ERR_INIT;
        FILE *file = fdopen(mkstemp(path), "w");
        fputs(contents[i], file);
        fclose(file);
        assert_null(section_file(path, NULL, NULL, &err));
        assert_int_equal(err.code, ERR_INPUT);
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_kind),
        cmocka_unit_test(pairs_are_counted),
        cmocka_unit_test(a_number_alone_stands_for_every_channel),
        cmocka_unit_test(two_axes_are_y_and_x),
        cmocka_unit_test(lists_have_their_own_length),
        cmocka_unit_test(keeps_defaults_of_absent_and_null_keys),
        cmocka_unit_test(names_the_key_that_is_wrong),
        cmocka_unit_test(refuses_files_that_are_no_json_or_repeat_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
