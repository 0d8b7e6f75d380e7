#include "base/faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void faults_are_kept_in_order_and_clear_the_error(void **state)
{
    struct err err = ERR_INIT;
    struct faults faults;
    struct arena *arena = arena_new();
    faults_init(&faults, arena);
    err_decline(&err, "first_word", "first");
    assert_true(faults_pass(&faults, &err));
    assert_int_equal(err.code, ERR_NONE);
    assert_true(*err.text == '\0' && *err.reason == '\0');
    err_fail(&err, ERR_UNSUPPORTED, "second");
    assert_true(faults_pass(&faults, &err));
    assert_int_equal(faults.count, 2);
    assert_string_equal(faults.first->err.reason, "first_word");
    assert_string_equal(faults.first->next->err.text, "second");
    assert_int_equal(faults.first->next->err.code, ERR_UNSUPPORTED);
    assert_null(faults.first->next->next);
    arena_free(arena);
}

static void what_is_no_fault_of_the_thing_stops(void **state)
{
    static const enum err_code codes[] = {ERR_IO, ERR_NOMEM, ERR_BUG, ERR_NONE};
    struct faults faults;
    struct arena *arena = arena_new();
    faults_init(&faults, arena);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct err err = ERR_INIT;
        err_fail(&err, codes[i], "kept");
        assert_false(faults_pass(&faults, &err));
        assert_int_equal(err.code, codes[i]);
        assert_string_equal(err.text, "kept");
    }
    assert_int_equal(faults.count, 0);
    arena_free(arena);
}

static void without_a_list_the_first_stops(void **state)
{
    struct err err = ERR_INIT;
    err_fail(&err, ERR_INPUT, "wrong");
    assert_false(faults_pass(NULL, &err));
    assert_string_equal(err.text, "wrong");
}

static void beyond_the_bound_they_are_counted(void **state)
{
    struct faults faults;
    struct arena *arena = arena_new();
    int kept = 0;
    faults_init(&faults, arena);
    for (int i = 0; i < FAULTS_KEPT + 5; i++) {
        struct err err = ERR_INIT;
        err_fail(&err, ERR_INPUT, "%d", i);
        assert_true(faults_pass(&faults, &err));
    }
    for (const struct fault *fault = faults.first; fault; fault = fault->next)
        kept++;
    assert_int_equal(kept, FAULTS_KEPT);
    assert_int_equal(faults.count, FAULTS_KEPT + 5);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_are_kept_in_order_and_clear_the_error),
        cmocka_unit_test(what_is_no_fault_of_the_thing_stops),
        cmocka_unit_test(without_a_list_the_first_stops),
        cmocka_unit_test(beyond_the_bound_they_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
