/* study_choose on made-up heads: each verdict, and which of several series wins. */
#include "made_study.h"

static void one_series_is_chosen_whatever_the_order(void **state)
{
    struct made *made = *state;
    add_stack(made, DICOM_KIND_CT, 2, 20, 2);
    add(made, DICOM_KIND_OTHER, 99, 0);
    made->list[0] = &made->heads[20];
    made->list[20] = &made->heads[0];
    choose(made, "CT");
    assert_int_equal(made->choice->series_count, 2);
    assert_int_equal(made->choice->stack_count, 1);
    assert_int_equal(made->choice->stacks[0].frame_count, 20);
    assert_null(made->choice->reason);
    assert_string_equal(reason_of(made, 2), "chosen");
    assert_string_equal(reason_of(made, 99), "other_object");
    assert_int_equal(made->choice->stacks[0].series[0], 0);
}

static void each_series_gets_its_reason(void **state)
{
    struct made *made = *state;
    struct dicom_head *head;
    head = add_stack(made, DICOM_KIND_CT, 1, 2, 10);
    strcpy(head->image_type, "ORIGINAL\\PRIMARY\\LOCALIZER");
    same_for_all(made, head);
    head = add_stack(made, DICOM_KIND_CT, 2, 30, 2);
    strcpy(head->image_type, "DERIVED\\SECONDARY\\AXIAL");
    same_for_all(made, head);
    add(made, DICOM_KIND_CT, 3, 0);
    head = add(made, DICOM_KIND_CT, 4, 0);
    head->has_pixels = false;
    head->frame_count = 0;
    head = add_stack(made, DICOM_KIND_CT, 5, 3, 1);
    for (int i = 0; i < 3; i++)
        head[i].samples_per_pixel = 3;
    head = add_stack(made, DICOM_KIND_CT, 6, 3, 1);
    head->frames[1].has_position = false;
    add_stack(made, DICOM_KIND_MR, 7, 3, 1);
    head = add_stack(made, DICOM_KIND_CT, 8, 30, 2);
    strcpy(head->id.series_description, "Coronary SCOUT view");
    same_for_all(made, head);
    choose(made, "CT");
    assert_string_equal(reason_of(made, 1), "localizer");
    assert_string_equal(reason_of(made, 2), "derived");
    assert_string_equal(reason_of(made, 3), "single_image");
    assert_string_equal(reason_of(made, 4), "no_pixels");
    assert_string_equal(reason_of(made, 5), "colour_image");
    assert_string_equal(reason_of(made, 6), "no_geometry");
    assert_string_equal(reason_of(made, 7), "other_modality");
    assert_string_equal(reason_of(made, 8), "localizer");
    assert_int_equal(made->choice->stack_count, 0);
    assert_string_equal(made->choice->reason, "no_geometry");
}

static void nothing_at_all_has_a_reason_too(void **state)
{
    struct made *made = *state;
    choose(made, "CT");
    assert_string_equal(made->choice->reason, "no_series");
    add_stack(made, DICOM_KIND_CT, 1, 30, 1);
    choose(made, "US");
    assert_string_equal(made->choice->reason, "other_modality");
}

static void an_enhanced_object_is_many_images(void **state)
{
    struct made *made = *state;
    struct dicom_head *head = add_stack(made, DICOM_KIND_CT, 1, 40, 1);
    head->frame_count = 40;
    made->count = 1;
    choose(made, "CT");
    assert_string_equal(reason_of(made, 1), "chosen");
}

static void angiography_wins_over_calcium_score_and_lung(void **state)
{
    struct made *made = *state;
    struct dicom_head *head;
    head = add_stack(made, DICOM_KIND_CT, 2, 40, 3);
    strcpy(head->id.series_description, "CaScore 3.0");
    same_for_all(made, head);
    head = add_stack(made, DICOM_KIND_CT, 3, 90, 1.0);
    head->frames[0].spacing_x_mm = 0.35;
    strcpy(head->contrast_agent, "ULTRAVIST");
    same_for_all(made, head);
    head = add_stack(made, DICOM_KIND_CT, 4, 100, 2.5);
    strcpy(head->kernel, "B70f");
    same_for_all(made, head);
    choose(made, "CT");
    assert_string_equal(reason_of(made, 3), "chosen");
    assert_string_equal(reason_of(made, 2), "not_chosen");
    assert_true(rank_of(made, 2) > rank_of(made, 4));
}

static void soft_kernel_then_more_slices(void **state)
{
    struct made *made = *state;
    static const char *const kernels[] = {"B70f", "B25f", "B25f"};
    static const int counts[] = {60, 50, 60};
    for (int i = 0; i < 3; i++) {
        struct dicom_head *head = add_stack(made, DICOM_KIND_CT, 2 + i, counts[i], 2);
        strcpy(head->kernel, kernels[i]);
        same_for_all(made, head);
    }
    choose(made, "CT");
    assert_string_equal(reason_of(made, 4), "chosen");
    assert_true(rank_of(made, 3) > rank_of(made, 2));
}

static void a_cine_stack_wins_among_mr(void **state)
{
    struct made *made = *state;
    add_stack(made, DICOM_KIND_MR, 1, 60, 3);
    int first = made->count;
    for (int phase = 0; phase < 20; phase++)
        add_stack(made, DICOM_KIND_MR, 2, 5, 8);
    for (int i = first; i < made->count; i++) {
        made->frames[i].has_trigger = true;
        made->frames[i].trigger_ms = i;
    }
    first = made->count;
    for (int phase = 0; phase < 30; phase++)
        add_stack(made, DICOM_KIND_MR, 3, 1, 8); /* a long-axis cine: one position */
    for (int i = first; i < made->count; i++)
        made->frames[i].has_trigger = true;
    choose(made, "MR");
    assert_string_equal(reason_of(made, 2), "chosen");
    assert_string_equal(reason_of(made, 3), "not_chosen");
}

static void to_look_at_a_derived_series_will_do(void **state)
{
    struct made *made = *state;
    struct dicom_head *head = add_stack(made, DICOM_KIND_MR, 1, 30, 3);
    strcpy(head->image_type, "DERIVED\\SECONDARY\\ADC");
    same_for_all(made, head);
    choose(made, "MR");
    assert_int_equal(made->choice->stack_count, 0);
    choose(made, NULL);
    assert_string_equal(reason_of(made, 1), "chosen");
    add_stack(made, DICOM_KIND_CT, 2, 5, 3);
    choose(made, NULL);
    assert_string_equal(reason_of(made, 2), "chosen");
    static const char rules[] = "{\"rules\":[{\"role\":\"left\",\"why\":\"w\",\"take\":false,\"rank\":5000,"
                                "\"modality\":\"MR\"},{\"role\":\"a\",\"why\":\"w\"}]}";
    struct err err = ERR_INIT;
    assert_true(series_rules_parse(rules, strlen(rules), "", made->arena, &made->rules, &err));
    choose(made, NULL); /* after all others, however it ranks */
    assert_string_equal(reason_of(made, 2), "chosen");
}

static void the_first_object_may_have_no_pixels(void **state)
{
    struct made *made = *state;
    static const enum dicom_kind kinds[] = {DICOM_KIND_MR, DICOM_KIND_CT};
    for (int i = 0; i < 2; i++) {
        made->count = 0;
        struct dicom_head *first = add_stack(made, kinds[i], 1, 12, 2);
        first->has_pixels = false;
        first->frame_count = 0;
        first->frames = NULL;
        choose(made, i ? "CT" : "MR");
        assert_string_equal(reason_of(made, 1), "chosen");
    }
    /* what is said of the images counts, not what is said of an object without */
    strcpy(made->heads[0].contrast_agent, "IOMERON");
    choose(made, "CT");
    double rank = made->choice->stacks[0].rank;
    strcpy(made->heads[0].contrast_agent, "");
    choose(made, "CT");
    assert_float_equal(made->choice->stacks[0].rank, rank, 0);
}

static void an_image_without_its_uids_is_not_analysed(void **state)
{
    struct made *made = *state;
    struct dicom_head *first = add_stack(made, DICOM_KIND_CT, 1, 12, 2);
    for (int i = 0; i < 12; i++)
        *first[i].id.series_uid = '\0';
    choose(made, "CT");
    assert_string_equal(reason_of(made, 1), "no_uid");
    assert_int_equal(made->choice->stack_count, 0);
    assert_string_equal(made->choice->reason, "no_uid");
    made->count = 0;
    add_stack(made, DICOM_KIND_CT, 1, 12, 2);
    *made->heads[5].id.sop_uid = '\0';
    choose(made, "CT");
    assert_string_equal(reason_of(made, 1), "no_uid");
}

/* Parts of one image may be in different stacks, so the series is asked. */
static void a_series_without_all_parts_of_an_image_is_left(void **state)
{
    struct made *made = *state;
    add_stack(made, DICOM_KIND_CT, 3, 12, 1);
    for (int i = 0; i < 12; i++) {
        strcpy(made->heads[i].concatenation_uid, "1.2.9");
        made->heads[i].concatenation_part = i + 1;
        made->heads[i].concatenation_parts = 12;
    }
    choose(made, "CT");
    assert_int_equal(made->choice->stack_count, 1);
    made->count = 11;
    choose(made, "CT");
    assert_int_equal(made->choice->stack_count, 0);
    assert_string_equal(made->choice->reason, "incomplete_concatenation");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_series_without_all_parts_of_an_image_is_left),
        T(one_series_is_chosen_whatever_the_order),
        T(each_series_gets_its_reason),
        T(nothing_at_all_has_a_reason_too),
        T(an_enhanced_object_is_many_images),
        T(angiography_wins_over_calcium_score_and_lung),
        T(soft_kernel_then_more_slices),
        T(a_cine_stack_wins_among_mr),
        T(to_look_at_a_derived_series_will_do),
        T(the_first_object_may_have_no_pixels),
        T(an_image_without_its_uids_is_not_analysed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
