#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "base/err.h"

#include <errno.h>
#include <string.h>

static void a_failure_has_a_code_and_a_text(void **state)
{
    struct err err = ERR_INIT;
    assert_int_equal(err.code, ERR_NONE);
    assert_false(err_fail(&err, ERR_BUSY, "slot %d of %s", 3, "four"));
    assert_int_equal(err.code, ERR_BUSY);
    assert_string_equal(err.text, "slot 3 of four");
    assert_string_equal(err.reason, "");
}

static void a_declined_input_has_a_stable_reason(void **state)
{
    struct err err = ERR_INIT;
    assert_false(err_decline(&err, "too_few_slices", "only %d", 2));
    assert_int_equal(err.code, ERR_INPUT);
    assert_string_equal(err.reason, "too_few_slices");
    assert_string_equal(err.text, "only 2");
}

static void a_later_failure_does_not_keep_the_reason(void **state)
{
    struct err err = ERR_INIT;
    err_decline(&err, "oblique_axes", "first");
    err_fail(&err, ERR_IO, "second");
    assert_string_equal(err.reason, "");
    err_decline(&err, "oblique_axes", "first");
    errno = EACCES;
    err_errno(&err, "third");
    assert_string_equal(err.reason, "");
}

static void errno_becomes_a_code_and_a_sentence(void **state)
{
    static const struct {
        int number;
        enum err_code code;
    } cases[] = {
        {ENOSPC, ERR_FULL}, {EDQUOT, ERR_FULL}, {ENOMEM, ERR_NOMEM}, {EACCES, ERR_IO}, {EIO, ERR_IO}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        errno = cases[i].number;
        assert_false(err_errno(&err, "write %s", "a file"));
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(strncmp(err.text, "write a file: ", 14), 0);
        assert_string_equal(err.text + 14, strerror(cases[i].number));
    }
}

static void a_prefix_keeps_code_and_reason(void **state)
{
    struct err err = ERR_INIT;
    err_decline(&err, "bad_shape", "is 3 by 4");
    assert_false(err_prefix(&err, "tensor %s", "w"));
    assert_false(err_prefix(&err, "model"));
    assert_int_equal(err.code, ERR_INPUT);
    assert_string_equal(err.reason, "bad_shape");
    assert_string_equal(err.text, "model: tensor w: is 3 by 4");
}

static void what_is_too_long_is_cut_and_ended(void **state)
{
    struct {
        struct err err;
        char guard[16];
    } box = {ERR_INIT, "untouched"};
    char lots[1000];
    memset(lots, 'x', sizeof lots - 1);
    lots[sizeof lots - 1] = '\0';
    err_decline(&box.err, lots, "%s", lots);
    assert_int_equal(strlen(box.err.reason), sizeof box.err.reason - 1);
    assert_int_equal(strlen(box.err.text), sizeof box.err.text - 1);
    errno = EIO;
    err_errno(&box.err, "%s", lots);
    assert_int_equal(strlen(box.err.text), sizeof box.err.text - 1);
    err_prefix(&box.err, "front");
    assert_int_equal(strncmp(box.err.text, "front: xxx", 10), 0);
    assert_int_equal(strlen(box.err.text), sizeof box.err.text - 1);
    err_prefix(&box.err, "%s", lots);
    assert_int_equal(strlen(box.err.text), sizeof box.err.text - 1);
    assert_string_equal(box.guard, "untouched");
}

/* Names are stored and shown: they stay. */
static void every_code_has_its_name(void **state)
{
    static const struct {
        enum err_code code;
        const char *name;
    } cases[] = {{ERR_NONE, "none"},           {ERR_INPUT, "input"},     {ERR_UNSUPPORTED, "unsupported"},
                 {ERR_FULL, "full"},           {ERR_BUSY, "busy"},       {ERR_IO, "io"},
                 {ERR_PEER, "peer"},           {ERR_CORRUPT, "corrupt"}, {ERR_NOMEM, "no_memory"},
                 {ERR_CANCELLED, "cancelled"}, {ERR_BUG, "bug"}};
    assert_int_equal(sizeof cases / sizeof *cases, ERR_BUG + 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(err_code_name(cases[i].code), cases[i].name);
    assert_string_equal(err_code_name((enum err_code)(ERR_BUG + 1)), "unknown");
    assert_string_equal(err_code_name((enum err_code) - 1), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_has_a_code_and_a_text),
        cmocka_unit_test(a_declined_input_has_a_stable_reason),
        cmocka_unit_test(a_later_failure_does_not_keep_the_reason),
        cmocka_unit_test(errno_becomes_a_code_and_a_sentence),
        cmocka_unit_test(a_prefix_keeps_code_and_reason),
        cmocka_unit_test(what_is_too_long_is_cut_and_ended),
        cmocka_unit_test(every_code_has_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
