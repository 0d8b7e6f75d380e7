/* Stacks that came as several series. */
#include "made_study.h"

/* Slices of a short axis, one series each, `phases[i]` images; series numbers from 1. */
static void add_slices(struct made *made, const int *phases, int count)
{
    for (int z = 0; z < count; z++)
        for (int phase = 0; phase < phases[z]; phase++) {
            struct dicom_head *head = add(made, DICOM_KIND_MR, 1 + z, 8 * z);
            snprintf(head->id.series_description, sizeof head->id.series_description, "SA cine_%d", z);
            strcpy(head->id.frame_of_reference, "1.2.3");
            head->frames->has_trigger = true;
            head->frames->trigger_ms = 1000.0 * phase / phases[z];
            head->instance_number = 500 - made->count; /* against the order of time */
        }
}

static void slices_of_one_series_each_are_joined(void **state)
{
    struct made *made = *state;
    add_slices(made, (const int[]){20, 20, 20, 20, 20, 20}, 6);
    choose(made, "MR");
    assert_int_equal(stack(made, 0)->series_count, 6);
    assert_int_equal(stack(made, 0)->frame_count, 120);
    assert_int_equal(stack(made, 0)->series_images, 120);
    assert_null(stack(made, 0)->split_by);
    assert_string_equal(stack(made, 0)->role, "cine");
    assert_int_equal(made->choice->stack_count, 1);
    assert_string_equal(stack(made, 1)->reason, "joined");
    for (int number = 1; number <= 6; number++)
        assert_string_equal(reason_of(made, number), "chosen");
}

static void phases_two_apart_are_joined_with_all_their_images(void **state)
{
    struct made *made = *state;
    add_slices(made, (const int[]){20, 22, 21, 20}, 4);
    choose(made, "MR");
    assert_int_equal(stack(made, 0)->series_count, 4);
    assert_int_equal(stack(made, 0)->frame_count, 83);
}

static void phases_three_apart_are_not_joined(void **state)
{
    struct made *made = *state;
    add_slices(made, (const int[]){20, 23, 20, 20}, 4);
    choose(made, "MR");
    assert_int_equal(stack(made, 0)->series_count, 3); /* a gap that the plan will see */
    assert_int_equal(stack(made, 0)->left_out, 1);
    assert_int_equal(made->choice->stack_count, 1); /* and what is missing does not stand in */
    assert_string_equal(reason_of(made, 2), "not_joined");
}

static void the_later_take_of_a_slice_is_joined(void **state)
{
    struct made *made = *state;
    add_slices(made, (const int[]){20, 20, 20, 20, 20}, 5);
    for (int i = 80; i < 100; i++)
        made->frames[i].position_lps[2] = 16; /* series 5 is slice 3 again */
    choose(made, "MR");
    assert_int_equal(stack(made, 0)->series_count, 4);
    assert_string_equal(reason_of(made, 3), "not_joined");
    assert_string_equal(reason_of(made, 5), "chosen");
    assert_int_equal(stack(made, 0)->left_out, 0);
    for (int i = 80; i < 100; i++)
        made->frames[i].position_lps[2] = 16.6; /* a little off */
    choose(made, "MR");
    assert_int_equal(stack(made, 0)->series_count, 4);
    assert_string_equal(reason_of(made, 3), "not_joined");
    assert_string_equal(reason_of(made, 5), "chosen");
}

/* All of it again, too far off for one stack. */
static void a_heart_taken_twice_is_two_stacks(void **state)
{
    struct made *made = *state;
    for (int numbers = 0; numbers < 2; numbers++) {
        made->count = 0;
        add_slices(made, (const int[]){9, 9, 9, 9, 9, 9, 9, 9, 9, 9}, 10);
        for (int i = 5 * 9; i < 10 * 9; i++) {
            made->frames[i].position_lps[2] += numbers ? 3 : 3 - 5 * 8;
            made->heads[i].id.series_number += numbers ? 4 : 0;
        }
        choose(made, "MR");
        assert_int_equal(made->choice->stack_count, 2);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(stack(made, i)->series_count, 5);
            assert_int_equal(stack(made, i)->left_out, 5);
        }
    }
}

static void inversion_times_of_joined_slices_may_differ(void **state)
{
    struct made *made = *state;
    add_slices(made, (const int[]){1, 1, 1, 1, 1, 1}, 6);
    for (int i = 0; i < 6; i++) {
        snprintf(made->heads[i].id.series_description, sizeof made->heads[i].id.series_description, "LGE_%d",
                 i);
        made->heads[i].frames->inversion_ms = 280 + 10 * (i / 4);
    }
    choose(made, "MR");
    assert_int_equal(stack(made, 0)->series_count, 6);
    assert_int_equal(stack(made, 0)->left_out, 0);
}

static void assert_not_joined(struct made *made)
{
    choose(made, "MR");
    for (int i = 0; i < made->choice->all_count; i++)
        assert_int_equal(stack(made, i)->series_count, 1);
}

static void only_slices_of_one_kind_are_joined(void **state)
{
    struct made *made = *state;
    const int phases[] = {20, 20, 20};
    struct dicom_head *last = &made->heads[40]; /* without it there are two */
    add_slices(made, phases, 3);
    choose(made, "MR");
    assert_int_equal(stack(made, 0)->series_count, 3);
    for (int change = 0; change < 7; change++) {
        made->count = 0;
        add_slices(made, phases, 3);
        for (int i = 0; i < 20; i++) {
            if (change == 0)
                strcpy(last[i].id.frame_of_reference, "1.2.4");
            if (change == 1)
                strcpy(last[i].id.series_description, "LA cine_2");
            if (change == 2)
                last[i].frames->row_lps[1] = 0.01;
            if (change == 3)
                last[i].rows = 256;
            if (change == 4)
                last[i].echo_ms = 3;
            if (change == 5)
                last[i].frames->position_lps[2] = 20; /* 8 and 12 mm apart */
            if (change == 6)
                last[i].kind = DICOM_KIND_CT;
        }
        assert_not_joined(made);
    }
    made->count = 0;
    add_slices(made, phases, 3);
    for (int i = 0; i < 60; i++)
        *made->heads[i].id.frame_of_reference = '\0';
    assert_not_joined(made);
}

static void what_is_left_out_of_one_stack_is_left_in_all_its_series(void **state)
{
    struct made *made = *state;
    add_slices(made, (const int[]){20, 20, 20}, 3);
    struct err err = ERR_INIT;
    assert_true(study_choose(made->list, made->count, "MR", made->rules, made->arena, &made->choice, &err));
    study_leave(made->choice, stack(made, 0), "missing_slices");
    for (int number = 1; number <= 3; number++)
        assert_string_equal(reason_of(made, number), "missing_slices");
    study_leave(made->choice, stack(made, 0), "gantry_tilt"); /* the first reason stays */
    assert_string_equal(reason_of(made, 2), "missing_slices");
    study_take(made->choice, stack(made, 0));
    study_leave(made->choice, stack(made, 0), "gantry_tilt");
    assert_string_equal(reason_of(made, 2), "chosen");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(slices_of_one_series_each_are_joined), T(phases_two_apart_are_joined_with_all_their_images),
        T(phases_three_apart_are_not_joined),    T(the_later_take_of_a_slice_is_joined),
        T(a_heart_taken_twice_is_two_stacks),    T(inversion_times_of_joined_slices_may_differ),
        T(only_slices_of_one_kind_are_joined),   T(what_is_left_out_of_one_stack_is_left_in_all_its_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
