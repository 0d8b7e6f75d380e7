/* study_parts_check: parts that are all there, and parts that are not. */
#include "study/study_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 8 };

struct part {
    const char *uid;
    int number, total;
};

static bool whole(const struct part *parts, int count, struct err *err)
{
    struct dicom_head heads[MOST];
    const struct dicom_head *list[MOST];
    struct arena *arena = arena_new();
    memset(heads, 0, sizeof heads);
    for (int i = 0; i < count; i++) {
        snprintf(heads[i].concatenation_uid, UID_SIZE, "%s", parts[i].uid);
        heads[i].concatenation_part = parts[i].number;
        heads[i].concatenation_parts = parts[i].total;
        list[i] = &heads[i];
    }
    *err = (struct err)ERR_INIT;
    bool ok = study_parts_check(list, count, arena, err);
    arena_free(arena);
    return ok;
}

static void what_is_all_there_is_whole(void **state)
{
    (void)state;
    struct err err;
    assert_true(whole(NULL, 0, &err));
    assert_true(whole((struct part[]){{"", 0, 0}, {"", 3, 5}}, 2, &err));
    assert_true(whole((struct part[]){{"1.2", 2, 3}, {"1.2", 3, 3}, {"", 0, 0}, {"1.2", 1, 3}}, 4, &err));
    assert_true(
        whole((struct part[]){{"1.2", 2, 0}, {"1.2", 1, 0}}, 2, &err)); /* no total: as many as came */
    assert_true(whole((struct part[]){{"1.2", 1, 1}, {"1.3", 1, 1}}, 2, &err));
    assert_true(
        whole((struct part[]){{"1.2", 1, 2}, {"1.2", 2, 2}, {"1.2", 2, 2}}, 3, &err)); /* sent again */
    assert_true(whole((struct part[]){{"1.2", 0, 0}}, 1, &err)); /* says nothing to miss */
}

static void a_missing_part_is_named(void **state)
{
    (void)state;
    static const struct {
        struct part parts[4];
        int count, missing;
    } cases[] = {{{{"1.2", 1, 3}, {"1.2", 3, 3}}, 2, 2},
                 {{{"1.2", 1, 3}, {"1.2", 2, 3}}, 2, 3},
                 {{{"1.2", 2, 2}}, 1, 1},
                 {{{"1.2", 1, 0}, {"1.2", 2, 4}}, 2, 3}, /* any part may say the total */
                 {{{"1.2", 3, 0}, {"1.2", 1, 0}}, 2, 2},
                 {{{"1.2", 1, 2}, {"1.3", 2, 2}, {"1.3", 1, 2}}, 3, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err;
        char wanted[80];
        assert_false(whole(cases[i].parts, cases[i].count, &err));
        assert_int_equal(err.code, ERR_INPUT);
        assert_string_equal(err.reason, "incomplete_concatenation");
        snprintf(wanted, sizeof wanted, "part %d of a concatenation is missing", cases[i].missing);
        assert_string_equal(err.text, wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_all_there_is_whole),
        cmocka_unit_test(a_missing_part_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
