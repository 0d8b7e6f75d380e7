/* What stacks measure, and how many images there should be. */
#include "made_study.h"

#include <math.h>

static void a_stack_is_measured(void **state)
{
    struct made *made = *state;
    for (int z = 0; z < 10; z++)
        for (int phase = 0; phase < 20; phase++) {
            struct dicom_head *head = add(made, DICOM_KIND_MR, 1, 8 * z + 1e-3 * (phase % 2));
            head->slice_thickness_mm = 6;
            head->columns = 256;
            head->frames->has_trigger = true;
            head->frames->trigger_ms = 40 * phase;
            head->frames->has_phase_percent = true;
            head->frames->phase_percent = 5 * phase;
        }
    choose(made, "MR");
    const struct study_shape *shape = &stack(made, 0)->shape;
    assert_true(shape->images == 200 && shape->positions == 10 && shape->images_per_position == 20);
    assert_float_equal(shape->spacing_mm, 8, 1e-3);
    assert_float_equal(shape->length_mm, 72, 2e-3);
    assert_float_equal(shape->field_mm, 256 * 0.7, 1e-6);
    assert_true(shape->trigger_times == 20 && shape->thickness_mm == 6 && shape->timed == 1);
    assert_true(shape->gated == 1 && shape->contrast == 0);
    assert_true(isnan(shape->percent) && isnan(shape->kv) && isnan(shape->kernel_number));
    assert_float_equal(shape->normal_lps[2], 1, 1e-9);
    for (int i = 0; i < 200; i++)
        made->frames[i].has_phase_percent = false;
    choose(made, "MR");
    assert_true(stack(made, 0)->shape.gated == 1);
    for (int i = 0; i < 200; i++)
        made->frames[i].trigger_ms = 300; /* one, and no interval: it may mean anything */
    choose(made, "MR");
    assert_true(stack(made, 0)->shape.gated == 0);
    for (int i = 0; i < 200; i++)
        made->heads[i].interval_ms = 900;
    choose(made, "MR");
    assert_true(stack(made, 0)->shape.gated == 1);
    for (int i = 0; i < 200; i++)
        made->frames[i].has_phase_percent = true;
    for (int i = 0; i < 200; i++)
        made->frames[i].phase_percent = 73 + i % 5;
    choose(made, "MR");
    assert_float_equal(stack(made, 0)->shape.percent, 75, 1e-9);
}

/* Trigger times beyond a heartbeat are those of a dynamic scan. */
static void times_beyond_a_heartbeat_are_none(void **state)
{
    struct made *made = *state;
    for (int i = 0; i < 40; i++) {
        struct dicom_head *head = add(made, DICOM_KIND_MR, 1, 8 * (i / 20));
        head->frames->has_trigger = true;
        head->frames->trigger_ms = 60 * (i % 20);
        head->interval_ms = 1000;
    }
    choose(made, "MR");
    assert_true(stack(made, 0)->shape.gated == 1 && stack(made, 0)->shape.timed == 1);
    for (int i = 0; i < 40; i++)
        made->frames[i].trigger_ms = 70 * (i % 20);
    choose(made, "MR");
    assert_true(stack(made, 0)->shape.gated == 0 && stack(made, 0)->shape.timed == 0);
    for (int i = 0; i < 40; i++) {
        made->frames[i].has_temporal_index = true;
        made->heads[i].interval_ms = 0;
        made->frames[i].trigger_ms = 150 * (i % 20); /* within 3 s */
    }
    choose(made, "MR");
    assert_true(stack(made, 0)->shape.gated == 1 && stack(made, 0)->shape.timed == 1);
    for (int i = 0; i < 40; i++)
        made->frames[i].trigger_ms = 160 * (i % 20);
    choose(made, "MR");
    assert_true(stack(made, 0)->shape.gated == 0 && stack(made, 0)->shape.timed == 1);
}

/* A percentage in the description may be anything: a phase that was wished for, or a blend. */
static void the_description_alone_gates_nothing(void **state)
{
    struct made *made = *state;
    struct dicom_head *first = add_stack(made, DICOM_KIND_CT, 1, 20, 0.5);
    for (int i = 0; i < 20; i++) {
        first[i].frames->has_phase_percent = first[i].frames->percent_of_series = true;
        first[i].frames->phase_percent = 75;
    }
    choose(made, "CT");
    assert_true(stack(made, 0)->shape.gated == 0 && stack(made, 0)->shape.percent == 75);
    for (int i = 0; i < 20; i++)
        first[i].frames->percent_of_series = false;
    choose(made, "CT");
    assert_true(stack(made, 0)->shape.gated == 1);
}

/* Whichever image comes first. */
static void most_images_say_what_a_stack_is(void **state)
{
    struct made *made = *state;
    struct dicom_head *first = add_stack(made, DICOM_KIND_CT, 1, 20, 2);
    for (int i = 0; i < 20; i++) {
        first[i].tube_kv = i ? 120 : 80;
        first[i].slice_thickness_mm = i == 1 ? 0 : 3;
        snprintf(first[i].cardiac_sync, sizeof first[i].cardiac_sync, "%s", i ? "PROSPECTIVE" : "");
        snprintf(first[i].contrast_agent, sizeof first[i].contrast_agent, "%s", i < 7 ? "" : "IV");
    }
    choose(made, "CT");
    const struct study_shape *shape = &stack(made, 0)->shape;
    assert_true(shape->kv == 120 && shape->thickness_mm == 3 && shape->gated == 1 && shape->contrast == 1);
    for (int i = 0; i < 11; i++) {
        first[i].tube_kv = 0;
        *first[i].cardiac_sync = *first[i].contrast_agent = '\0';
    }
    choose(made, "CT");
    shape = &stack(made, 0)->shape;
    assert_true(isnan(shape->kv) && shape->gated == 0 && shape->contrast == 0);
}

/* ---- how many there should be ---- */

static void missing_images_are_counted(void **state)
{
    struct made *made = *state;
    struct dicom_head *first = add_stack(made, DICOM_KIND_CT, 1, 60, 1);
    for (int i = 0; i < 60; i++)
        first[i].images_in_acquisition = 100;
    choose(made, "CT");
    assert_int_equal(stack(made, 0)->images_said, 100);
    assert_int_equal(stack(made, 0)->images_there, 60);
    for (int i = 0; i < 60; i++)
        first[i].acquisition_number = i < 30; /* two of a hundred each */
    choose(made, "CT");
    assert_int_equal(stack(made, 0)->images_said, 200);
    for (int i = 0; i < 60; i++)
        first[i].acquisition_number = i; /* the number is that of all */
    choose(made, "CT");
    assert_int_equal(stack(made, 0)->images_said, 100);
    for (int i = 0; i < 60; i++)
        first[i].images_in_acquisition = 60;
    choose(made, "CT");
    assert_int_equal(stack(made, 0)->images_said, 0);
    made->count = 0;
    for (int i = 0; i < 60; i++)
        add(made, DICOM_KIND_MR, 1, 8 * (i / 20))->cardiac_images = 25;
    choose(made, "MR");
    assert_int_equal(stack(made, 0)->images_said, 75);
    assert_int_equal(stack(made, 0)->images_there, 60);
    for (int i = 0; i < 60; i++)
        made->heads[i].cardiac_images = 20;
    choose(made, "MR");
    assert_int_equal(stack(made, 0)->images_said, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_stack_is_measured),
        T(times_beyond_a_heartbeat_are_none),
        T(the_description_alone_gates_nothing),
        T(most_images_say_what_a_stack_is),
        T(missing_images_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
