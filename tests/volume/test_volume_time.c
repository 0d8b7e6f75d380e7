/* volume_plan on several images at each position: phases, second takes, mixtures. */
#include "made_series.h"

/* ---- phases ---- */

/* Three positions, four phases; trigger times grow against the instance numbers and the order given. */
static void add_cine(struct series *series)
{
    for (int i = 0; i < 12; i++) {
        struct dicom_head *head = add(series, i % 3 * 8.0);
        head->kind = DICOM_KIND_MR;
        strcpy(head->scan_options, "FAST_GEMS\\CG");
        series->frames[i].has_trigger = true;
        series->frames[i].trigger_ms = 300 - 100.0 * (i / 3);
    }
}

static void phases_follow_trigger_time(void **state)
{
    struct series *series = *state;
    add_cine(series);
    assert_true(plan(series));
    assert_int_equal(series->plan->geometry.phases, 4);
    assert_int_equal(series->plan->geometry.zyx[0], 3);
    for (int phase = 0; phase < 4; phase++) {
        for (int z = 0; z < 3; z++) {
            const struct volume_slice *slice = &series->plan->slices[phase * 3 + z];
            assert_float_equal(slice->at.head->frames[0].trigger_ms, 100.0 * phase, 0);
            assert_float_equal(slice->at.head->frames[0].position_lps[2], 8.0 * z, 0);
        }
    }
}

static void senseless_trigger_times_give_way_to_the_next_key(void **state)
{
    struct series *series = *state;
    add_cine(series);
    for (int i = 0; i < 12; i++) {
        series->frames[i].trigger_ms += 1e6; /* the time since the scan began */
        series->frames[i].has_temporal_index = true;
        series->frames[i].temporal_index = i / 3;
    }
    assert_true(plan(series));
    assert_int_equal(series->plan->slices[0].at.head->frames[0].temporal_index, 0);
    assert_int_equal(series->plan->slices[3 * 3].at.head->frames[0].temporal_index, 3);
    assert_int_equal(series->plan->warning_count, 0);
}

/* dcm2niix issues 395 and 408: the time since a dynamic scan began, or an inversion time. */
static void a_trigger_time_counts_only_where_the_heart_was_the_clock(void **state)
{
    static const char *const signs[] = {"", "rate", "interval", "images", "sync", "CG", "SFS\\PPG"};
    for (size_t sign = 0; sign < sizeof signs / sizeof *signs; sign++) {
        struct series *series = *state;
        series->count = 0;
        add_cine(series);
        for (int i = 0; i < 12; i++) {
            struct dicom_head *head = &series->heads[i];
            strcpy(head->scan_options, sign > 4 ? signs[sign] : "FC\\RG");
            head->heart_rate = sign == 1 ? 60 : 0;
            head->interval_ms = sign == 2 ? 900 : 0;
            head->cardiac_images = sign == 3 ? 4 : 0;
            strcpy(head->cardiac_sync, sign == 4 ? "RETROSPECTIVE" : "");
            series->frames[i].has_temporal_index = true;
            series->frames[i].temporal_index = i / 3; /* against the trigger times */
        }
        assert_true(plan(series));
        assert_float_equal(series->plan->slices[0].at.head->frames[0].trigger_ms, sign ? 0 : 300, 0);
        for (int i = 0; i < 12; i++)
            strcpy(series->heads[i].cardiac_sync, "NONE");
        assert_true(plan(series));
        assert_float_equal(series->plan->slices[0].at.head->frames[0].trigger_ms, 300, 0);
    }
}

static void a_trigger_time_beyond_the_heartbeat_does_not_count(void **state)
{
    struct series *series = *state;
    add_cine(series);
    for (int i = 0; i < 12; i++) {
        series->heads[i].interval_ms = 320;
        series->frames[i].has_temporal_index = true;
        series->frames[i].temporal_index = i / 3;
    }
    assert_true(plan(series)); /* 300 of 320 ms */
    assert_float_equal(series->plan->slices[0].at.head->frames[0].trigger_ms, 0, 0);
    for (int i = 0; i < 12; i++)
        series->heads[i].interval_ms = 230;
    assert_true(plan(series));
    assert_float_equal(series->plan->slices[0].at.head->frames[0].trigger_ms, 300, 0);
    for (int i = 0; i < 12; i++)
        series->frames[i].is_delay = true; /* an enhanced object says what it is */
    assert_true(plan(series));
    assert_float_equal(series->plan->slices[0].at.head->frames[0].trigger_ms, 0, 0);
}

static void trigger_times_may_differ_from_slice_to_slice(void **state)
{
    struct series *series = *state;
    add_cine(series);
    for (int i = 0; i < 12; i++)
        series->frames[i].trigger_ms = 40 + 17 * (i % 3) + (90 + 7 * (i % 3)) * (3 - i / 3);
    assert_true(plan(series));
    assert_int_equal(series->plan->geometry.phases, 4);
    for (int i = 0; i < 12; i++)
        assert_ptr_equal(series->plan->slices[i].at.head, &series->heads[3 * (3 - i / 3) + i % 3]);
    assert_int_equal(series->plan->warning_count, 0);
}

static void a_constant_temporal_index_is_passed_over(void **state)
{
    struct series *series = *state;
    add_cine(series);
    for (int i = 0; i < 12; i++) {
        series->frames[i].has_trigger = false;
        series->frames[i].has_temporal_index = true;
        series->frames[i].temporal_index = 1; /* vtk-dicom issue 199 */
        series->frames[i].has_acquisition_time = series->frames[i].has_time = true;
        series->frames[i].time_s = 7; /* written once for all */
        series->frames[i].acquisition_s = 1000 - i;
    }
    assert_true(plan(series));
    assert_float_equal(series->plan->slices[0].at.head->frames[0].acquisition_s, 1000 - 9, 0);
    assert_int_equal(series->plan->warning_count, 0);
    for (int i = 0; i < 12; i++)
        series->frames[i].acquisition_s = 1000;
    for (int i = 0; i < 12; i++)
        series->heads[i].acquisition_number = i / 3;
    assert_true(plan(series));
    assert_int_equal(series->plan->slices[0].at.head->acquisition_number, 0);
    assert_int_equal(series->plan->warning_count, 0);
}

/* Siemens: MultiVolumeImporter pull requests 19 and 25. */
static void phases_of_a_ct_may_be_told_apart_by_text_alone(void **state)
{
    for (int which = 0; which < 2; which++) {
        struct series *series = *state;
        series->count = 0;
        for (int i = 0; i < 12; i++) {
            struct dicom_head *head = add(series, i % 3 * 0.75);
            snprintf(which ? head->scan_options : head->image_comments, 100, "Phase -%d ms",
                     400 - 100 * (i / 3));
            series->frames[i].has_time = true;
            series->frames[i].time_s = i; /* of reconstruction */
        }
        assert_true(plan(series));
        for (int phase = 0; phase < 4; phase++)
            assert_ptr_equal(series->plan->slices[3 * phase].at.head, &series->heads[3 * (3 - phase)]);
        assert_int_equal(series->plan->warning_count, 0);
    }
}

static void percentages_rank_the_phases_of_a_ct(void **state)
{
    struct series *series = *state;
    for (int i = 0; i < 12; i++) {
        add(series, i % 3 * 0.75);
        series->frames[i].has_phase_percent = series->frames[i].has_time = true;
        series->frames[i].phase_percent = 95 - 10 * (i / 3);
        series->frames[i].has_temporal_index = true;
        series->frames[i].temporal_index = i / 3;
        series->frames[i].time_s = i;
    }
    assert_true(plan(series));
    assert_float_equal(series->plan->slices[0].at.head->frames[0].phase_percent, 65, 0);
    assert_float_equal(series->plan->slices[9].at.head->frames[0].phase_percent, 95, 0);
}

static void slice_major_and_time_major_numbers_are_one(void **state)
{
    struct series *series = *state;
    add_cine(series);
    assert_true(plan(series));
    char digest[DIGEST_HEX_SIZE];
    strcpy(digest, series->plan->manifest_sha256);
    for (int i = 0; i < 12; i++)
        series->heads[i].instance_number = i % 3 * 4 + i / 3;
    assert_true(plan(series));
    assert_string_equal(series->plan->manifest_sha256, digest);
}

static void one_position_may_have_phases(void **state)
{
    struct series *series = *state;
    for (int i = 0; i < 25; i++) {
        struct dicom_head *head = add(series, 3);
        head->kind = DICOM_KIND_MR;
        head->slice_thickness_mm = 6;
        head->cardiac_images = 25;
        series->frames[i].has_trigger = true;
        series->frames[i].trigger_ms = 1000 - 40 * i;
    }
    assert_declined(series, "too_few_slices");
    assert_true(plan_at_least(series, 1));
    assert_int_equal(series->plan->geometry.phases, 25);
    assert_int_equal(series->plan->geometry.zyx[0], 1);
    assert_float_equal(series->plan->geometry.spacing_zyx_mm[0], 6, 0);
    assert_ptr_equal(series->plan->slices[0].at.head, &series->heads[24]);
    assert_ptr_equal(series->plan->slices[24].at.head, &series->heads[0]);
}

/* Slices of one cine, `phases[z]` images each, in order. */
static void add_uneven(struct series *series, const int *phases, int slices)
{
    for (int z = 0; z < slices; z++) {
        for (int k = 0; k < phases[z]; k++) {
            struct dicom_head *head = add(series, 8 * z);
            head->kind = DICOM_KIND_MR;
            head->cardiac_images = phases[z];
            series->frames[series->count - 1].has_trigger = true;
            series->frames[series->count - 1].trigger_ms = 40 * k;
        }
    }
}

static void slices_with_a_phase_less_are_evened_out(void **state)
{
    struct series *series = *state;
    add_uneven(series, (int[]){25, 24, 25, 23}, 4);
    assert_true(plan(series));
    assert_true(warned(series, "phases_equalised: 23 to 25 images at a position, taken as 25 phases"));
    assert_int_equal(series->plan->geometry.phases, 25);
    for (int phase = 0; phase < 25; phase++) {
        const struct volume_slice *slices = &series->plan->slices[4 * phase];
        assert_float_equal(slices[0].at.head->frames[0].trigger_ms, 40 * phase, 0);
        for (int z = 0; z < 4; z++) {
            double place = slices[z].at.head->frames[0].trigger_ms / (40 * slices[z].at.head->cardiac_images);
            assert_float_equal(slices[z].at.head->frames[0].position_lps[2], 8 * z, 0);
            assert_float_equal(place, phase / 25.0, 0.5 / 23 + 1e-9 + (phase == 24) * 0.5 / 23);
        }
    }
}

static void what_misses_more_is_not_evened_out(void **state)
{
    struct series *series = *state;
    add_uneven(series, (int[]){25, 22, 25, 25}, 4);
    assert_declined(series, "mixed_phases");
    series->count = 0;
    add_uneven(series, (int[]){7, 8, 7}, 3);
    assert_declined(series, "mixed_phases");
    series->count = 0;
    add_uneven(series, (int[]){25, 24, 25}, 3);
    for (int i = 0; i < series->count; i++)
        series->heads[i].kind = DICOM_KIND_CT; /* a phase of a CT without all its slices stays one */
    assert_declined(series, "mixed_phases");
}

static void a_key_that_does_not_tell_phases_apart_is_not_used(void **state)
{
    struct series *series = *state;
    add_cine(series);
    for (int i = 0; i < 12; i++) {
        series->frames[i].trigger_ms = 50;
        series->frames[i].has_time = true;
        series->frames[i].time_s = 1000 + i;
    }
    assert_true(plan(series));
    assert_float_equal(series->plan->slices[0].at.head->frames[0].time_s, 1000, 0);
    assert_float_equal(series->plan->slices[9].at.head->frames[0].time_s, 1009, 0);
}

static void instance_numbers_rank_phases_last_and_with_a_warning(void **state)
{
    struct series *series = *state;
    add_cine(series);
    for (int i = 0; i < 12; i++)
        series->frames[i].has_trigger = false;
    assert_true(plan(series));
    assert_true(warned(series, "phase_order:"));
    assert_int_equal(series->plan->slices[0].at.head->instance_number, 1000 - 9);
}

static void a_phase_without_all_its_slices_is_declined(void **state)
{
    struct series *series = *state;
    add_cine(series);
    series->count = 11;
    assert_declined(series, "mixed_phases");
}

static void two_kernels_at_one_position_are_declined(void **state)
{
    struct series *series = *state;
    add_stack(series, 3, 2);
    add_stack(series, 3, 2);
    for (int i = 0; i < 6; i++)
        strcpy(series->heads[i].kernel, i < 3 ? "B25f" : "B70f");
    assert_declined(series, "mixed_phases");
}

static void two_echoes_at_one_position_are_declined(void **state)
{
    struct series *series = *state;
    add_cine(series);
    for (int i = 0; i < 12; i++)
        series->heads[i].echo_ms = 2.0 + i / 3;
    assert_declined(series, "mixed_phases");
}

/* ---- duplicates ---- */

static void the_same_object_twice_counts_once(void **state)
{
    struct series *series = *state;
    add_stack(series, 4, 2);
    series->list[series->count++] = &series->heads[1];
    assert_true(plan(series));
    assert_int_equal(series->plan->geometry.zyx[0], 4);
    assert_int_equal(series->plan->geometry.phases, 1);
    assert_true(warned(series, "repeated:"));
}

static void of_two_takes_the_newer_acquisition_stays(void **state)
{
    struct series *series = *state;
    add_stack(series, 6, 2);
    struct dicom_head *again = add(series, 4);
    again->acquisition_number = 2;
    assert_true(plan(series));
    assert_ptr_equal(series->plan->slices[2].at.head, again);
    assert_int_equal(series->plan->geometry.zyx[0], 6);
    assert_true(warned(series, "duplicates:"));
    again->acquisition_number = -1;
    assert_true(plan(series));
    assert_ptr_equal(series->plan->slices[2].at.head, &series->heads[2]);
}

static void a_second_take_of_a_phase_is_a_duplicate(void **state)
{
    struct series *series = *state;
    add_cine(series);
    struct dicom_head *again = add(series, 8);
    again->kind = DICOM_KIND_MR;
    strcpy(again->scan_options, "CG");
    again->frames[0].has_trigger = true;
    again->frames[0].trigger_ms = 200;
    again->acquisition_number = 2;
    assert_true(plan(series));
    assert_true(warned(series, "duplicates: 1"));
    assert_int_equal(series->plan->geometry.phases, 4);
    assert_ptr_equal(series->plan->slices[2 * 3 + 1].at.head, again);
    again->acquisition_number = -1;
    assert_true(plan(series));
    assert_ptr_equal(series->plan->slices[2 * 3 + 1].at.head, &series->heads[4]);
    strcpy(again->kernel, "other");
    assert_declined(series, "mixed_phases");
}

static void many_second_takes_are_a_mixture(void **state)
{
    struct series *series = *state;
    add_stack(series, 10, 2);
    for (int i = 0; i < 4; i++)
        add(series, i * 2)->acquisition_number = 2;
    assert_declined(series, "mixed_phases");
}

/* Late enhancement: slices are taken again until the inversion time is right. */
static void a_new_inversion_time_is_a_second_take(void **state)
{
    struct series *series = *state;
    add_stack(series, 10, 8);
    for (int i = 0; i < 10; i++)
        series->frames[i].inversion_ms = 260;
    for (int i = 0; i < 4; i++) {
        struct dicom_head *again = add(series, i * 8);
        again->acquisition_number = 2;
        again->frames->inversion_ms = 280;
    }
    for (int i = 0; i < series->count; i++)
        series->heads[i].kind = DICOM_KIND_MR;
    assert_true(plan(series));
    assert_true(warned(series, "duplicates: 4"));
    assert_true(warned(series, "inversion_times:"));
    assert_int_equal(series->plan->geometry.phases, 1);
    for (int i = 0; i < 10; i++)
        assert_ptr_equal(series->plan->slices[i].at.head, &series->heads[i < 4 ? 10 + i : i]);
    for (int i = 4; i < 10; i++) { /* every one twice: not one stack */
        struct dicom_head *again = add(series, i * 8);
        again->kind = DICOM_KIND_MR;
        again->frames->inversion_ms = 280;
    }
    assert_declined(series, "mixed_phases");
}

static void of_a_scan_that_was_repeated_the_last_is_used(void **state)
{
    struct series *series = *state;
    for (int i = 0; i < 20; i++) {
        struct dicom_head *head = add(series, i % 10 * 2);
        head->acquisition_number = i < 10 ? 7 : 3;
        head->frames->has_acquisition_time = true;
        head->frames->acquisition_s = 1000 + i;
    }
    assert_true(plan(series));
    assert_true(warned(series, "scan_repeated: the scan was taken 2 times"));
    assert_int_equal(series->plan->geometry.phases, 1);
    for (int i = 0; i < 10; i++)
        assert_ptr_equal(series->plan->slices[i].at.head, &series->heads[i]);
    for (int i = 0; i < 20; i++) { /* these are phases */
        series->frames[i].has_phase_percent = true;
        series->frames[i].phase_percent = i < 10 ? 75 : 40;
    }
    assert_true(plan(series));
    assert_int_equal(series->plan->geometry.phases, 2);
    assert_false(warned(series, "scan_repeated:"));
    for (int i = 0; i < 20; i++) { /* and so they are without acquisitions */
        series->frames[i].has_phase_percent = false;
        series->heads[i].acquisition_number = 1;
    }
    assert_true(plan(series));
    assert_int_equal(series->plan->geometry.phases, 2);
}

static void midnight_is_no_beginning(void **state)
{
    struct series *series = *state;
    for (int i = 0; i < 8; i++) {
        struct dicom_head *head = add(series, i % 2 * 8.0);
        head->kind = DICOM_KIND_MR;
        head->frames->has_acquisition_time = true;
        head->frames->acquisition_s = i < 4 ? 86390 + i : i; /* 23:59:50, then 0:00:04 */
    }
    assert_true(plan(series));
    assert_int_equal(series->plan->geometry.phases, 4);
    for (int phase = 0; phase < 4; phase++)
        for (int z = 0; z < 2; z++)
            assert_ptr_equal(series->plan->slices[phase * 2 + z].at.head, &series->heads[phase * 2 + z]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_new_inversion_time_is_a_second_take),
        T(of_a_scan_that_was_repeated_the_last_is_used),
        T(midnight_is_no_beginning),
        T(phases_follow_trigger_time),
        T(senseless_trigger_times_give_way_to_the_next_key),
        T(a_trigger_time_counts_only_where_the_heart_was_the_clock),
        T(a_trigger_time_beyond_the_heartbeat_does_not_count),
        T(trigger_times_may_differ_from_slice_to_slice),
        T(a_constant_temporal_index_is_passed_over),
        T(phases_of_a_ct_may_be_told_apart_by_text_alone),
        T(percentages_rank_the_phases_of_a_ct),
        T(slice_major_and_time_major_numbers_are_one),
        T(one_position_may_have_phases),
        T(slices_with_a_phase_less_are_evened_out),
        T(what_misses_more_is_not_evened_out),
        T(a_key_that_does_not_tell_phases_apart_is_not_used),
        T(instance_numbers_rank_phases_last_and_with_a_warning),
        T(a_phase_without_all_its_slices_is_declined),
        T(two_kernels_at_one_position_are_declined),
        T(two_echoes_at_one_position_are_declined),
        T(the_same_object_twice_counts_once),
        T(of_two_takes_the_newer_acquisition_stays),
        T(a_second_take_of_a_phase_is_a_duplicate),
        T(many_second_takes_are_a_mixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
