#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "study/study_expected.h"

static const char *const two[] = {"CORONARY 0.6", "Calcium Score"};
static const struct study_came came = {two, 2, 40, 3, 41};

static bool met(struct study_expected expected)
{
    expected.required = expected.required ? expected.required : "";
    return study_expected_came(&expected, &came);
}

static void a_part_is_met_by_any_of_its_words_in_any_case(void **state)
{
    (void)state;
    assert_true(met((struct study_expected){.required = "coronary"}));
    assert_true(met((struct study_expected){.required = "angio|CORON"}));
    assert_false(met((struct study_expected){.required = "angio|heart"}));
}

static void every_part_must_be_met(void **state)
{
    (void)state;
    assert_true(met((struct study_expected){.required = "angio|coronary , calcium"}));
    assert_false(met((struct study_expected){.required = "coronary, late"}));
    assert_false(met((struct study_expected){.required = "late, coronary"}));
}

/* A word of the part behind the comma is none of the part before it. */
static void parts_are_told_apart(void **state)
{
    (void)state;
    assert_false(met((struct study_expected){.required = "x|q,coronary"}));
    assert_false(met((struct study_expected){.required = "x|,coronary"}));
}

static void numbers_are_least_ones(void **state)
{
    (void)state;
    assert_true(met((struct study_expected){.series = 2, .images = 40, .all_series = 3, .all_objects = 41}));
    assert_true(met((struct study_expected){.series = 1}));
    assert_false(met((struct study_expected){.series = 3}));
    assert_false(met((struct study_expected){.images = 41}));
    assert_false(met((struct study_expected){.all_series = 4}));
    assert_false(met((struct study_expected){.all_objects = 42}));
}

static void nothing_expected_has_come(void **state)
{
    (void)state;
    static const struct study_came nothing = {0};
    const struct study_expected none = {.required = ""};
    assert_true(study_expected_came(&none, &nothing));
    assert_false(study_expects_anything(&none));
    assert_true(study_expects_anything(&(struct study_expected){.required = "x"}));
    assert_true(study_expects_anything(&(struct study_expected){.required = "", .all_objects = 1}));
    assert_false(study_expected_came(&(struct study_expected){.required = "x"}, &nothing));
}

static void words_say_what_came_of_what_was_expected(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    const struct study_expected expected = {.required = "coronary|cta,late ", .series = 3, .all_objects = 50};
    assert_string_equal(
        study_expected_words(&expected, &came, arena),
        "a series with coronary|cta (came); a series with late (missing); 3 series of CT or MR "
        "images (2 came); 50 objects of any kind, as the objects say (41 came)");
    assert_string_equal(study_expected_words(&(struct study_expected){.required = ""}, &came, arena), "");
    arena_free(arena);
}

static void a_part_without_a_word_is_a_mistake(void **state)
{
    (void)state;
    assert_true(study_expected_valid(""));
    assert_true(study_expected_valid("coronary"));
    assert_true(study_expected_valid("coronary|cta, calcium"));
    assert_false(study_expected_valid("coronary,,calcium"));
    assert_false(study_expected_valid(" , calcium"));
    assert_false(study_expected_valid("|"));
    assert_false(study_expected_valid("coronary, | "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_is_met_by_any_of_its_words_in_any_case),
        cmocka_unit_test(every_part_must_be_met),
        cmocka_unit_test(parts_are_told_apart),
        cmocka_unit_test(numbers_are_least_ones),
        cmocka_unit_test(nothing_expected_has_come),
        cmocka_unit_test(words_say_what_came_of_what_was_expected),
        cmocka_unit_test(a_part_without_a_word_is_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
