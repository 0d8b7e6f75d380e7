/* Series that hold several stacks. */
#include "made_study.h"

#include <math.h>

static void assert_stacks(const struct made *made, int count, int images, const char *split_by)
{
    assert_int_equal(made->choice->all_count, count);
    assert_int_equal(stack(made, 0)->frame_count, images);
    if (split_by) {
        assert_non_null(stack(made, 0)->split_by);
        assert_string_equal(stack(made, 0)->split_by, split_by);
    } else {
        assert_null(stack(made, 0)->split_by);
    }
}

/* ---- splitting ---- */

static void set_kernel(struct dicom_head *head)
{
    strcpy(head->kernel, "B70f");
}

static void set_contrast(struct dicom_head *head)
{
    strcpy(head->contrast_agent, "IOMERON");
}

static void set_echo(struct dicom_head *head)
{
    head->echo_ms = 5;
}

static void set_inversion(struct dicom_head *head)
{
    head->frames->inversion_ms = 280;
}

static void set_velocity(struct dicom_head *head)
{
    head->velocity_cm_s = 150;
}

static void set_type(struct dicom_head *head)
{
    strcpy(head->image_type, "ORIGINAL\\PRIMARY\\M\\ND");
}

static void set_frame_kind(struct dicom_head *head)
{
    head->frames->kind_hash = 7;
}

static void set_reference(struct dicom_head *head)
{
    strcpy(head->id.frame_of_reference, "1.2.9");
}

static void set_class(struct dicom_head *head)
{
    strcpy(head->id.sop_class, "1.2.840.10008.5.1.4.1.1.4.1");
}

static void set_size(struct dicom_head *head)
{
    head->rows = 256;
}

static void set_spacing(struct dicom_head *head)
{
    head->frames->spacing_y_mm = 0.5;
}

static void set_colour(struct dicom_head *head)
{
    strcpy(head->photometric, "PALETTE COLOR");
}

static void set_late_type(struct dicom_head *head)
{
    strcpy(head->image_type, "ORIGINAL\\PRIMARY\\AXIAL\\ND\\NORM");
}

static const struct {
    void (*set)(struct dicom_head *head);
    const char *word;
    bool of_technique; /* slices that differ in it may still be one stack's */
} kinds[] = {
    {set_kernel, "kernel", true},
    {set_contrast, "contrast agent", true},
    {set_echo, "echo time", true},
    {set_inversion, "inversion time", true},
    {set_velocity, "velocity encoding", true},
    {set_type, "image type", true},
    {set_frame_kind, "frame type", true},
    {set_reference, "frame of reference", true},
    {set_class, "object class", false},
    {set_size, "image size", false},
    {set_spacing, "pixel spacing", false},
    {set_colour, "colour", false},
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

/* Twelve slices of one kind and ten of another at the same places. */
static void two_kinds_at_the_same_places_are_two_stacks(void **state)
{
    struct made *made = *state;
    for (int k = 0; k < KIND_COUNT; k++) {
        made->count = 0;
        add_stack(made, DICOM_KIND_MR, 1, 12, 2);
        struct dicom_head *second = add_stack(made, DICOM_KIND_MR, 1, 10, 2);
        for (int i = 0; i < 10; i++)
            kinds[k].set(&second[i]);
        choose(made, "MR");
        assert_int_equal(made->choice->all_count, 2);
        assert_int_equal(stack(made, 0)->frame_count + stack(made, 1)->frame_count, 22);
        assert_int_equal(stack(made, 0)->series_images, 22);
        assert_string_equal(stack(made, 0)->split_by, kinds[k].word);
        assert_string_equal(reason_of(made, 1), "chosen");
        for (int i = 0; i < 12; i++) /* now all are of the second kind */
            kinds[k].set(&made->heads[i]);
        choose(made, "MR");
        assert_int_equal(made->choice->all_count, 1);
        assert_null(stack(made, 0)->split_by);
    }
}

/* Every second slice of another kind: half of them would be a volume, but not the one that was acquired. */
static void slices_that_fill_each_others_gaps_stay_together(void **state)
{
    struct made *made = *state;
    for (int k = 0; k < KIND_COUNT; k++) {
        made->count = 0;
        struct dicom_head *first = add_stack(made, DICOM_KIND_MR, 1, 13, 2);
        for (int i = 1; i < 13; i += 2)
            kinds[k].set(&first[i]);
        choose(made, "MR");
        assert_int_equal(made->choice->all_count, kinds[k].of_technique ? 1 : 2);
    }
}

/* One range after the other, as of chest and abdomen. */
static void ranges_one_after_the_other_are_two_stacks(void **state)
{
    struct made *made = *state;
    struct dicom_head *first = add_stack(made, DICOM_KIND_CT, 1, 40, 2);
    for (int i = 25; i < 40; i++) {
        set_kernel(&first[i]);
        first[i].frames->position_lps[2] += 30;
    }
    choose(made, "CT");
    assert_stacks(made, 2, 25, "kernel");
}

/* Half of a heart is no volume, whatever the header says of the other half. */
static void ranges_that_continue_each_other_stay_together(void **state)
{
    struct made *made = *state;
    for (int k = 0; k < KIND_COUNT; k++) {
        made->count = 0;
        struct dicom_head *first = add_stack(made, DICOM_KIND_MR, 1, 40, 2);
        for (int i = 25; i < 40; i++)
            kinds[k].set(&first[i]);
        choose(made, "MR");
        assert_int_equal(made->choice->all_count, kinds[k].of_technique ? 1 : 2);
    }
    made->count = 0; /* a few at the end are strays, and the rest a volume; but the agent is typed in */
    struct dicom_head *first = add_stack(made, DICOM_KIND_CT, 1, 40, 2);
    for (int i = 38; i < 40; i++)
        set_kernel(&first[i]);
    choose(made, "CT");
    assert_stacks(made, 2, 38, "kernel");
    for (int i = 38; i < 40; i++) {
        strcpy(first[i].kernel, first->kernel);
        set_contrast(&first[i]);
    }
    choose(made, "CT");
    assert_stacks(made, 1, 40, NULL);
}

static void the_inversion_time_may_change_along_a_stack(void **state)
{
    struct made *made = *state;
    struct dicom_head *first = add_stack(made, DICOM_KIND_MR, 1, 12, 8);
    for (int i = 0; i < 12; i++)
        first[i].frames->inversion_ms = 260 + 10 * (i / 4);
    choose(made, "MR");
    assert_stacks(made, 1, 12, NULL);
    add(made, DICOM_KIND_MR, 1, 8 * 5)->frames->inversion_ms =
        300; /* and of one that is taken again, twice */
    add(made, DICOM_KIND_MR, 1, 8 * 5)->frames->inversion_ms = 320;
    choose(made, "MR");
    assert_stacks(made, 1, 14, NULL);
    assert_true(stack(made, 0)->shape.inversions == 0);
    assert_true(stack(made, 0)->shape.images_per_position == 1);
    for (int i = 0; i < 4; i++) { /* nor is the first take the stack when they have numbers */
        struct dicom_head *again = add(made, DICOM_KIND_MR, 1, 8 * i);
        again->frames->inversion_ms = 300;
        again->acquisition_number = 2;
    }
    choose(made, "MR");
    assert_stacks(made, 1, 18, NULL);
    made->count = 0; /* images of a map */
    for (int z = 0; z < 3; z++)
        for (int i = 0; i < 8; i++)
            add(made, DICOM_KIND_MR, 1, 8 * z)->frames->inversion_ms = 100 + 80 * i + z;
    choose(made, "MR");
    assert_string_equal(made->choice->series[0].role, "map");
    made->count = 0;
    for (int z = 0; z < 10; z++) /* every slice at two times */
        for (int i = 0; i < 2; i++)
            add(made, DICOM_KIND_MR, 1, 8 * z)->frames->inversion_ms = 260 + 20 * i + 20 * (z / 4);
    choose(made, "MR");
    assert_true(stack(made, 0)->shape.inversions == 2);
}

static void a_stray_image_does_not_win(void **state)
{
    struct made *made = *state;
    add_stack(made, DICOM_KIND_CT, 1, 200, 2);
    for (int i = 0; i < 2; i++) /* which alone would be angiography */
        set_contrast(add(made, DICOM_KIND_CT, 1, i * 0.5));
    choose(made, "CT");
    assert_stacks(made, 2, 200, "contrast agent");
    assert_string_equal(made->choice->series[0].role, "ct");
    made->count = 201; /* a single one may not even be tried */
    choose(made, "CT");
    assert_int_equal(made->choice->stack_count, 1);
    assert_string_equal(stack(made, 1)->reason, "single_image");
}

/* Ten phases are no strays, though each is a tenth of its series. */
static void a_stray_is_one_beside_the_largest(void **state)
{
    struct made *made = *state;
    for (int phase = 0; phase < 10; phase++)
        for (int z = 0; z < 20; z++) {
            if (phase != 3 || z != 7)
                add(made, DICOM_KIND_CT, 1, 2 * z)->acquisition_number = 1 + phase;
        }
    choose(made, "CT");
    assert_int_equal(made->choice->stack_count, 10);
    assert_true(stack(made, 0)->rank > 0);
    for (int i = 1; i < 10; i++)
        assert_null(stack(made, i)->reason);
    made->count = 0; /* nor does a stray stand in for what it came with */
    add_stack(made, DICOM_KIND_CT, 1, 80, 0.5);
    struct dicom_head *first = add_stack(made, DICOM_KIND_CT, 1, 3, 0.5);
    for (int i = 0; i < 3; i++)
        set_kernel(&first[i]);
    choose(made, "CT");
    assert_int_equal(made->choice->stack_count, 1);
    assert_string_equal(stack(made, 1)->reason, "stray");
}

static void three_directions_are_three_stacks(void **state)
{
    struct made *made = *state;
    struct dicom_head *first = add_stack(made, DICOM_KIND_MR, 1, 60, 8);
    for (int i = 0; i < 60; i++) {
        struct dicom_frame *frame = first[i].frames;
        frame->row_lps[0] = i % 3 != 1;
        frame->row_lps[1] = i % 3 == 1;
        frame->column_lps[1] = i % 3 == 0;
        frame->column_lps[2] = i % 3 != 0;
        memcpy(frame->position_lps, (double[]){i, i, i}, sizeof frame->position_lps);
    }
    choose(made, "MR");
    assert_stacks(made, 3, 20, "direction");
    assert_true(stack(made, 0)->shape.directions == 3);
}

static void directions_within_a_thousandth_are_one(void **state)
{
    struct made *made = *state;
    struct dicom_head *first = add_stack(made, DICOM_KIND_CT, 1, 20, 2);
    for (int i = 0; i < 20; i++)
        first[i].frames->row_lps[1] = 1e-4 * (i % 5);
    choose(made, "CT");
    assert_stacks(made, 1, 20, NULL);
    first[7].frames->row_lps[1] = 0.03; /* one slice turned: nothing to analyse apart */
    choose(made, "CT");
    assert_stacks(made, 1, 20, NULL);
    struct dicom_head *second = add_stack(made, DICOM_KIND_CT, 1, 12, 2); /* all of it again, turned */
    for (int i = 0; i < 12; i++)
        second[i].frames->row_lps[1] = 0.03;
    first[7].frames->row_lps[1] = 0;
    choose(made, "CT");
    assert_stacks(made, 2, 20, "direction");
}

/* Magnitude and real images of one enhanced object, whose Image Type is of neither. */
static void frames_of_an_object_are_parted_by_their_own_type(void **state)
{
    static const char *const types[] = {"ORIGINAL\\PRIMARY\\LATE\\NONE\\REAL",
                                        "ORIGINAL\\PRIMARY\\LATE\\NONE\\MAGNITUDE"};
    for (int turn = 0; turn < 2; turn++) {
        struct made *made = *state;
        made->count = 0;
        for (int i = 0; i < 20; i++) {
            struct dicom_frame *frame = add(made, DICOM_KIND_MR, 1, i / 2 * 8)->frames;
            frame->type = types[(i + turn) % 2];
            frame->kind_hash = 5 + (i + turn) % 2;
        }
        strcpy(made->heads[0].image_type, "ORIGINAL\\PRIMARY\\LATE\\MIXED");
        strcpy(made->heads[0].id.series_description, "LGE SA");
        made->heads[0].frame_count = 20;
        made->count = 1;
        choose(made, "MR");
        assert_stacks(made, 2, 10, "frame type");
        assert_string_equal(stack(made, 0)->role, "lge");
        assert_string_equal(stack(made, 1)->role, "lge_phase");
    }
}

static void frames_of_an_object_have_inversion_times_of_their_own(void **state)
{
    struct made *made = *state;
    for (int i = 0; i < 20; i++)
        add(made, DICOM_KIND_MR, 1, i / 2 * 8)->frames->inversion_ms = 260 + 40 * (i % 2);
    made->heads[0].frame_count = 20;
    made->count = 1;
    choose(made, "MR");
    assert_stacks(made, 2, 10, "inversion time");
    assert_true(stack(made, 0)->shape.inversion_ms == 260 && stack(made, 1)->shape.inversion_ms == 300);
}

/* As anonymised LIDC-IDRI and Sunnybrook are. */
static void references_of_their_own_say_nothing(void **state)
{
    struct made *made = *state;
    struct dicom_head *first = add_stack(made, DICOM_KIND_CT, 1, 40, 2);
    for (int i = 0; i < 40; i++)
        snprintf(first[i].id.frame_of_reference, sizeof first[i].id.frame_of_reference, "1.2.3.%d", i);
    choose(made, "CT");
    assert_stacks(made, 1, 40, NULL);
}

static void the_end_of_image_type_splits_only_whole_repetitions(void **state)
{
    struct made *made = *state;
    add_stack(made, DICOM_KIND_CT, 1, 12, 2);
    struct dicom_head *second = add_stack(made, DICOM_KIND_CT, 1, 12, 2);
    for (int i = 0; i < 24; i++)
        strcpy(made->heads[i].image_type, "ORIGINAL\\PRIMARY\\AXIAL\\ND");
    for (int i = 0; i < 12; i++)
        set_late_type(&second[i]);
    choose(made, "CT");
    assert_stacks(made, 2, 12, "image type");
    made->count = 12;
    for (int i = 4; i < 12; i++)
        set_late_type(&made->heads[i]);
    choose(made, "CT");
    assert_stacks(made, 1, 12, NULL);
}

static void acquisitions_split_what_is_uneven(void **state)
{
    struct made *made = *state;
    for (int i = 0; i < 30; i++)
        add(made, DICOM_KIND_CT, 1, 2 * i)->acquisition_number = 1;
    for (int i = 10; i < 40; i++)
        add(made, DICOM_KIND_CT, 1, 2 * i)->acquisition_number = 2;
    choose(made, "CT");
    assert_stacks(made, 2, 30, "acquisition");
    /* every slice an acquisition of its own, evenly: one stack */
    made->count = 30;
    for (int i = 0; i < 30; i++)
        made->heads[i].acquisition_number = i;
    choose(made, "CT");
    assert_stacks(made, 1, 30, NULL);
    /* a slice or two taken again: the plan keeps the newer */
    for (int i = 0; i < 2; i++)
        add(made, DICOM_KIND_CT, 1, 2 * i)->acquisition_number = 99;
    choose(made, "CT");
    assert_stacks(made, 1, 32, NULL);
}

static void a_stack_id_for_each_slice_names_slices(void **state)
{
    struct made *made = *state;
    struct dicom_head *first = add_stack(made, DICOM_KIND_MR, 1, 12, 8);
    for (int i = 0; i < 12; i++)
        first[i].frames->stack_id_hash = 1 + i;
    choose(made, "MR");
    assert_stacks(made, 1, 12, NULL);
    for (int i = 0; i < 12; i++)
        first[i].frames->stack_id_hash = 1 + (i >= 7);
    choose(made, "MR");
    assert_stacks(made, 2, 7, "stack");
}

/* A cine in two breath-holds is even as it is. */
static void acquisitions_of_an_even_series_split_nothing(void **state)
{
    struct made *made = *state;
    for (int z = 0; z < 10; z++)
        for (int phase = 0; phase < 20; phase++)
            add(made, DICOM_KIND_MR, 1, 8 * z)->acquisition_number = 1 + (z >= 6);
    choose(made, "MR");
    assert_stacks(made, 1, 200, NULL);
}

static void what_differs_everywhere_splits_nothing(void **state)
{
    struct made *made = *state;
    struct dicom_head *first = add_stack(made, DICOM_KIND_MR, 1, 200, 0);
    for (int i = 0; i < 200; i++)
        first[i].echo_ms = i;
    choose(made, "MR");
    assert_int_equal(made->choice->all_count, 1);
}

static void the_largest_stack_names_a_series_of_which_none_will_do(void **state)
{
    struct made *made = *state;
    struct dicom_head *first = add_stack(made, DICOM_KIND_CT, 1, 9, 2);
    for (int i = 0; i < 9; i++)
        strcpy(first[i].image_type, i < 4 ? "ORIGINAL\\PRIMARY\\LOCALIZER" : "DERIVED\\SECONDARY\\AXIAL");
    for (int i = 4; i < 9; i++)
        first[i].frames->position_lps[2] += 90;
    for (int i = 0; i < 4; i++)
        set_contrast(&first[i]); /* which ranks them first */
    choose(made, "CT");
    assert_int_equal(made->choice->stack_count, 0);
    assert_string_equal(stack(made, 0)->role, "localizer");
    assert_string_equal(made->choice->series[0].role, "derived");
    assert_string_equal(reason_of(made, 1), "derived");
}

/* ---- whatever comes ---- */

static unsigned pick(unsigned *seed, unsigned choices)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 16) % choices;
}

static void scramble(struct dicom_head *head, unsigned *seed)
{
    static const char *const types[] = {"ORIGINAL\\PRIMARY\\M", "ORIGINAL\\PRIMARY\\P", ""};
    static const char *const words[] = {"", "cine_1", "cine_2", "LGE", "scout"};
    struct dicom_frame *frame = head->frames;
    strcpy(head->image_type, types[pick(seed, 3)]);
    strcpy(head->id.series_description, words[pick(seed, 5)]);
    snprintf(head->id.frame_of_reference, sizeof head->id.frame_of_reference, "1.%u", pick(seed, 3));
    head->echo_ms = pick(seed, 8) ? 1 : pick(seed, 100);
    head->frames->inversion_ms = pick(seed, 4) * 100;
    head->acquisition_number = (int)pick(seed, 3);
    frame->stack_id_hash = (int)pick(seed, 3);
    frame->has_trigger = pick(seed, 4);
    frame->trigger_ms = pick(seed, 20) * 50;
    frame->position_lps[2] = pick(seed, 2) ? 8 * pick(seed, 12) : pick(seed, 3000) / 7.0;
    frame->has_position = pick(seed, 50);
    frame->has_orientation = pick(seed, 50);
    if (!pick(seed, 6)) {
        frame->row_lps[0] = 0;
        frame->row_lps[pick(seed, 2) + 1] = 1;
    }
    if (!pick(seed, 30))
        head->frame_count = head->has_pixels = 0;
}

/* Every image of a series that is wanted lies in one stack, or in one and what it was joined to. */
static void no_image_is_lost_or_doubled(void **state)
{
    struct made *made = *state;
    unsigned seed = 7;
    for (int round = 0; round < 300; round++) {
        int seen[MOST] = {0}, joined[MOST] = {0};
        struct arena *arena = made->arena;
        made->arena = arena_new();
        made->count = 0;
        for (int i = 0, count = 1 + (int)pick(&seed, MOST - 1), series = 1 + (int)pick(&seed, 12); i < count;
             i++)
            scramble(add(made, DICOM_KIND_MR, 1 + (int)pick(&seed, (unsigned)series), 0), &seed);
        choose(made, pick(&seed, 4) ? "MR" : NULL);
        for (int i = 0; i < made->choice->all_count; i++) {
            const struct study_stack *one = stack(made, i);
            assert_true(one->frame_count > 0 && one->series_count > 0);
            assert_int_equal(!one->reason, i < made->choice->stack_count);
            for (int f = 0; f < one->frame_count; f++)
                (one->series_count > 1 ? joined : seen)[one->frames[f].head - made->heads]++;
        }
        for (int i = 0; i < made->count; i++) {
            assert_int_equal(seen[i], made->heads[i].has_pixels);
            assert_true(joined[i] <= 1);
        }
        arena_free(made->arena);
        made->arena = arena;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(two_kinds_at_the_same_places_are_two_stacks),
        T(slices_that_fill_each_others_gaps_stay_together),
        T(ranges_one_after_the_other_are_two_stacks),
        T(ranges_that_continue_each_other_stay_together),
        T(a_stray_is_one_beside_the_largest),
        T(the_inversion_time_may_change_along_a_stack),
        T(a_stray_image_does_not_win),
        T(three_directions_are_three_stacks),
        T(directions_within_a_thousandth_are_one),
        T(frames_of_an_object_are_parted_by_their_own_type),
        T(frames_of_an_object_have_inversion_times_of_their_own),
        T(references_of_their_own_say_nothing),
        T(the_end_of_image_type_splits_only_whole_repetitions),
        T(acquisitions_split_what_is_uneven),
        T(a_stack_id_for_each_slice_names_slices),
        T(acquisitions_of_an_even_series_split_nothing),
        T(what_differs_everywhere_splits_nothing),
        T(the_largest_stack_names_a_series_of_which_none_will_do),
        T(no_image_is_lost_or_doubled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
