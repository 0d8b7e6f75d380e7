/* volume_plan on made-up heads: every order, every problem, every reason of docs/volumes.md. */
#include "made_series.h"

/* ---- order ---- */

static void position_decides_the_order(void **state)
{
    struct series *series = *state;
    add_stack(series, 5, 2.5);
    assert_true(plan(series));
    char straight[DIGEST_HEX_SIZE];
    strcpy(straight, series->plan->manifest_sha256);
    static const int permuted[] = {3, 0, 4, 1, 2}, reversed[] = {4, 3, 2, 1, 0};
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < 5; i++)
            series->list[i] = &series->heads[turn ? reversed[i] : permuted[i]];
        assert_true(plan(series));
        for (int z = 0; z < 5; z++)
            assert_ptr_equal(series->plan->slices[z].at.head, &series->heads[z]);
        assert_string_equal(series->plan->manifest_sha256, straight);
    }
}

static void geometry_is_what_the_heads_say(void **state)
{
    struct series *series = *state;
    add_stack(series, 4, 2.5);
    assert_true(plan(series));
    const struct volume_geometry *geometry = &series->plan->geometry;
    assert_int_equal(geometry->zyx[0], 4);
    assert_int_equal(geometry->zyx[1], ROWS);
    assert_int_equal(geometry->zyx[2], COLUMNS);
    assert_int_equal(geometry->phases, 1);
    assert_float_equal(geometry->spacing_zyx_mm[0], 2.5, 1e-9);
    assert_float_equal(geometry->spacing_zyx_mm[1], 0.5, 1e-9);
    assert_float_equal(geometry->spacing_zyx_mm[2], 0.75, 1e-9);
    assert_float_equal(geometry->origin_lps[1], 20, 1e-9);
    assert_float_equal(geometry->step_z_lps[2], 2.5, 1e-9);
    assert_float_equal(geometry->step_x_lps[0], 0.75, 1e-9);
    assert_int_equal(series->plan->warning_count, 0);
}

static void z_follows_the_normal_of_a_head_down_stack(void **state)
{
    struct series *series = *state;
    add_stack(series, 3, 2);
    for (int i = 0; i < 3; i++)
        copy3(frame_of(series, i)->column_lps, 0, -1, 0); /* normal points to the feet */
    assert_true(plan(series));
    assert_ptr_equal(series->plan->slices[0].at.head, &series->heads[2]);
    assert_float_equal(series->plan->geometry.step_z_lps[2], -2, 1e-9);
    assert_float_equal(series->plan->geometry.origin_lps[2], 4, 1e-9);
}

/* Directions that differ a little between slices must not let the order of the files show. */
static void the_order_given_never_shows(void **state)
{
    struct series *series = *state;
    add_stack(series, 5, 2.5);
    for (int i = 0; i < 5; i++)
        copy3(frame_of(series, i)->row_lps, 1, 0, 8e-4 * i / 4);
    assert_true(plan(series));
    char straight[DIGEST_HEX_SIZE];
    strcpy(straight, series->plan->manifest_sha256);
    for (int i = 0; i < 5; i++)
        series->list[i] = &series->heads[4 - i];
    assert_true(plan(series));
    assert_string_equal(series->plan->manifest_sha256, straight);
}

static void the_manifest_names_sources_and_geometry(void **state)
{
    struct series *series = *state;
    add_stack(series, 3, 2);
    assert_true(plan(series));
    char first[DIGEST_HEX_SIZE];
    strcpy(first, series->plan->manifest_sha256);
    strcpy(series->heads[1].id.sop_uid, "1.2.3.99");
    assert_true(plan(series));
    assert_string_not_equal(series->plan->manifest_sha256, first);
    strcpy(series->heads[1].id.sop_uid, "1.2.3.2");
    for (int i = 0; i < 3; i++)
        frame_of(series, i)->spacing_x_mm = 0.76;
    assert_true(plan(series));
    assert_string_not_equal(series->plan->manifest_sha256, first);
}

static void frames_of_one_enhanced_object_are_slices(void **state)
{
    struct series *series = *state;
    add_stack(series, 4, 2);
    struct dicom_frame turned = series->frames[0]; /* frames in an order of their own */
    series->frames[0] = series->frames[2];
    series->frames[2] = turned;
    series->heads[0].frame_count = 4;
    series->count = 1;
    assert_true(plan(series));
    assert_int_equal(series->plan->geometry.zyx[0], 4);
    assert_int_equal(series->plan->slices[0].at.frame, 2);
    assert_int_equal(series->plan->slices[2].at.frame, 0);
}

/* ---- gaps and spacing ---- */

static void a_missing_slice_is_interpolated_when_there_are_many(void **state)
{
    struct series *series = *state;
    for (int i = 0; i < 100; i++) {
        if (i != 40)
            add(series, i * 2.0);
    }
    assert_true(plan(series));
    assert_int_equal(series->plan->geometry.zyx[0], 100);
    assert_true(warned(series, "interpolated: 1 of 100"));
    const struct volume_slice *slice = &series->plan->slices[40];
    assert_float_equal(slice->next_weight, 0.5, 1e-9);
    assert_ptr_equal(slice->at.head, &series->heads[39]);
    assert_ptr_equal(slice->next.head, &series->heads[40]);
    assert_ptr_equal(series->plan->slices[41].at.head, &series->heads[40]);
    assert_float_equal(series->plan->slices[41].next_weight, 0, 0);
    float *voxels = malloc(sizeof *voxels * 100 * ROWS * COLUMNS);
    assert_true(volume_fill(series->plan, 0, &(struct volume_reader){read_numbered}, voxels, &series->err));
    assert_float_equal(voxels[40 * ROWS * COLUMNS], 2 * 10 * 40.5 - 1000, 1e-3);
    assert_float_equal(voxels[41 * ROWS * COLUMNS], 2 * 10 * 41 - 1000, 1e-3);
    free(voxels);
}

static void a_missing_slice_of_few_is_declined(void **state)
{
    struct series *series = *state;
    add_stack(series, 20, 2);
    add(series, 21 * 2);
    assert_declined(series, "missing_slices");
}

static void three_missing_in_a_row_are_declined(void **state)
{
    struct series *series = *state;
    for (int i = 0; i < 190; i++)
        add(series, (i < 100 ? i : i + 3) * 1.0);
    assert_declined(series, "missing_slices");
    assert_non_null(strstr(series->err.text, "3 in a row"));
}

static void rounded_positions_are_regular(void **state)
{
    struct series *series = *state;
    for (int i = 0; i < 50; i++)
        add(series, round(i * 0.625 * 100) / 100);
    assert_true(plan(series));
    assert_int_equal(series->plan->warning_count, 0);
    assert_int_equal(series->plan->geometry.zyx[0], 50);
    for (int i = 0; i < 50; i++)
        assert_ptr_equal(series->plan->slices[i].at.head, &series->heads[i]);
}

static void somewhat_irregular_positions_are_laid_on_a_grid(void **state)
{
    struct series *series = *state;
    for (int i = 0; i < 11; i++)
        add(series, i * 2.0 + (i == 5 ? 0.2 : 0));
    assert_true(plan(series));
    assert_true(warned(series, "resampled:"));
    assert_int_equal(series->plan->geometry.zyx[0], 11);
    assert_float_equal(series->plan->geometry.spacing_zyx_mm[0], 2, 1e-9);
    const struct volume_slice *slice = &series->plan->slices[5];
    assert_ptr_equal(slice->at.head, &series->heads[4]);
    assert_float_equal(slice->next_weight, 2 / 2.2, 1e-9);
}

static void very_irregular_positions_are_declined(void **state)
{
    struct series *series = *state;
    static const double places[] = {0, 2, 4, 6.7, 8.7, 10.7};
    for (int i = 0; i < 6; i++)
        add(series, places[i]);
    assert_declined(series, "irregular_spacing");
}

static void one_position_will_do_when_asked(void **state)
{
    struct series *series = *state;
    add(series, 12)->slice_thickness_mm = 8;
    assert_true(plan_at_least(series, 1));
    const struct volume_geometry *geometry = &series->plan->geometry;
    assert_int_equal(geometry->zyx[0], 1);
    assert_float_equal(geometry->spacing_zyx_mm[0], 8, 0);
    assert_float_equal(geometry->step_z_lps[2], 8, 0);
    assert_float_equal(geometry->origin_lps[2], 12, 0);
    assert_ptr_equal(series->plan->slices[0].at.head, &series->heads[0]);
    assert_null(series->plan->slices[0].next.head);
    static const double senseless[] = {0, -3, 1e6};
    for (int i = 0; i < 3; i++) {
        series->heads[0].slice_thickness_mm = senseless[i];
        assert_true(plan_at_least(series, 1));
        assert_float_equal(series->plan->geometry.spacing_zyx_mm[0], 1, 0);
    }
}

static void spacing_is_what_was_meant(void **state)
{
    struct series *series = *state;
    add_stack(series, 9, 0.62499999);
    for (int i = 0; i < 9; i++)
        frame_of(series, i)->spacing_x_mm = 0.75000002;
    assert_true(plan(series));
    assert_true(series->plan->geometry.spacing_zyx_mm[0] == 0.625);
    assert_true(series->plan->geometry.spacing_zyx_mm[2] == 0.75);
    assert_true(series->plan->geometry.step_x_lps[0] == 0.75);
    series->count = 0;
    add_stack(series, 9, 0.9765625); /* is no rounding error */
    assert_true(plan(series));
    assert_float_equal(series->plan->geometry.spacing_zyx_mm[0], 0.9765625, 1e-12);
}

static void faulty_numbers_are_noted(void **state)
{
    struct series *series = *state;
    add_stack(series, 4, 2);
    assert_true(plan(series));
    assert_false(warned(series, "odd_numbers:"));
    series->heads[2].odd_number = true;
    assert_true(plan(series));
    assert_true(warned(series, "odd_numbers:"));
}

/* ---- what else is declined ---- */

static void one_position_is_too_few(void **state)
{
    struct series *series = *state;
    add(series, 0);
    assert_declined(series, "too_few_slices");
    add(series, 0);
    assert_declined(series, "too_few_slices");
}

static void no_image_at_all(void **state)
{
    struct series *series = *state;
    assert_declined(series, "no_pixels");
    add(series, 0)->has_pixels = false;
    assert_declined(series, "no_pixels");
}

static void each_head_must_have_its_place(void **state)
{
    struct series *series = *state;
    add_stack(series, 4, 2);
    frame_of(series, 2)->has_position = false;
    assert_declined(series, "no_geometry");
    frame_of(series, 2)->has_position = true;
    frame_of(series, 2)->has_orientation = false;
    assert_declined(series, "no_geometry");
    frame_of(series, 2)->has_orientation = true;
    frame_of(series, 2)->has_spacing = false;
    assert_declined(series, "no_pixel_spacing");
}

static void images_must_be_alike(void **state)
{
    struct series *series = *state;
    add_stack(series, 4, 2);
    series->heads[3].rows++;
    assert_declined(series, "mixed_sizes");
    series->heads[3].rows--;
    frame_of(series, 3)->spacing_x_mm = 0.8;
    assert_declined(series, "mixed_sizes");
    frame_of(series, 3)->spacing_x_mm = 0.75;
    series->heads[3].samples_per_pixel = 3;
    assert_declined(series, "colour_image");
    series->heads[3].samples_per_pixel = 1;
    strcpy(series->heads[3].photometric, "PALETTE COLOR");
    assert_declined(series, "colour_image");
    strcpy(series->heads[3].photometric, "MONOCHROME2");
    series->heads[3].has_modality_lut = true;
    assert_declined(series, "mixed_rescale");
}

static void images_must_be_parallel(void **state)
{
    struct series *series = *state;
    add_stack(series, 4, 2);
    copy3(frame_of(series, 3)->column_lps, 0, 0, -1);
    assert_declined(series, "mixed_orientation");
}

static void axes_must_be_at_right_angles(void **state)
{
    struct series *series = *state;
    add_stack(series, 3, 2);
    for (int i = 0; i < 3; i++)
        copy3(frame_of(series, i)->column_lps, 0.01, 0.99995, 0);
    assert_declined(series, "oblique_axes");
}

static void a_rescale_must_be_legible(void **state)
{
    struct series *series = *state;
    add_stack(series, 4, 2);
    series->frames[2].has_rescale = false;
    series->frames[2].bad_rescale = true;
    assert_declined(series, "bad_rescale");
    for (int i = 0; i < 4; i++)
        series->heads[i].kind = DICOM_KIND_MR;
    assert_true(plan(series)); /* has no unit to lose */
}

static void a_rescale_of_some_slices_only_is_declined(void **state)
{
    struct series *series = *state;
    add_stack(series, 4, 2);
    series->frames[2].has_rescale = false;
    assert_declined(series, "mixed_rescale");
    for (int i = 0; i < 4; i++)
        series->frames[i].has_rescale = false;
    assert_true(plan(series));
    assert_true(warned(series, "no_rescale:"));
}

static void absurd_places_are_declined(void **state)
{
    struct series *series = *state;
    static const double absurd[] = {2e6, -2e6, 1.5e307, INFINITY, NAN};
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
        series->count = 0;
        add_stack(series, 4, 2);
        frame_of(series, 1)->position_lps[0] = absurd[i];
        assert_declined(series, "absurd_geometry");
        frame_of(series, 1)->position_lps[0] = frame_of(series, 0)->position_lps[0];
        for (int s = 0; s < 4; s++)
            frame_of(series, s)->spacing_x_mm = absurd[i];
        assert_declined(series, "absurd_geometry");
    }
    series->count = 0;
    add_stack(series, 4, 2);
    assert_true(plan(series));
}

/* ---- kinds ---- */

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

static void set_reference(struct dicom_head *head)
{
    strcpy(head->id.frame_of_reference, "1.2.9");
}

static void set_type(struct dicom_head *head)
{
    strcpy(head->image_type, "ORIGINAL\\PRIMARY\\P\\ND\\NORM");
}

static void set_frame_kind(struct dicom_head *head)
{
    head->frames->kind_hash = 7;
}

/* Every second slice is of another kind: regular in space, and no volume. */
static void slices_of_two_kinds_are_no_volume(void **state)
{
    struct series *series = *state;
    static void (*const set[])(struct dicom_head * head) = {set_kernel,    set_contrast, set_echo,
                                                            set_reference, set_type,     set_frame_kind};
    for (size_t k = 0; k < sizeof set / sizeof *set; k++) {
        series->count = 0;
        add_stack(series, 13, 2);
        for (int i = 0; i < 13; i++) {
            strcpy(series->heads[i].image_type, "ORIGINAL\\PRIMARY\\M\\ND");
            if (i % 2)
                set[k](&series->heads[i]);
        }
        assert_declined(series, "mixed_series");
        for (int i = 0; i < 13; i++)
            set[k](&series->heads[i]);
        assert_true(plan(series));
    }
}

static void the_inversion_time_may_differ_from_slice_to_slice(void **state)
{
    struct series *series = *state;
    add_stack(series, 13, 2);
    for (int i = 0; i < 13; i++)
        series->frames[i].inversion_ms = 280;
    assert_true(plan(series));
    assert_false(warned(series, "inversion_times:"));
    series->frames[7].inversion_ms = 300;
    assert_true(plan(series));
    assert_true(warned(series, "inversion_times: slices differ in inversion time, 280 to 300 ms"));
}

/* It is typed in. */
static void the_contrast_agent_may_end_along_the_stack(void **state)
{
    struct series *series = *state;
    add_stack(series, 13, 2);
    for (int i = 7; i < 13; i++)
        set_contrast(&series->heads[i]);
    assert_true(plan(series));
    assert_true(warned(series, "contrast_agents:"));
    set_contrast(&series->heads[1]); /* none, some, none, some */
    assert_declined(series, "mixed_series");
    for (int i = 0; i < 7; i++)
        set_contrast(&series->heads[i]);
    assert_true(plan(series));
    assert_false(warned(series, "contrast_agents:"));
}

static void what_follows_the_fourth_image_type_value_may_differ(void **state)
{
    struct series *series = *state;
    add_stack(series, 4, 2);
    for (int i = 0; i < 4; i++)
        strcpy(series->heads[i].image_type,
               i % 2 ? "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5" : "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5\\NORM");
    assert_true(plan(series));
}

static void references_that_all_differ_say_nothing(void **state)
{
    struct series *series = *state;
    add_stack(series, 6, 2);
    for (int i = 0; i < 6; i++)
        snprintf(series->heads[i].id.frame_of_reference, UID_SIZE, "1.2.9.%d", i);
    assert_true(plan(series));
    assert_true(warned(series, "own_references:"));
    strcpy(series->heads[0].id.frame_of_reference, "1.2.9.5");
    assert_declined(series, "mixed_series");
}

/* Magnitude and phase of one enhanced object are no two moments. */
static void frames_of_two_kinds_at_one_position_are_declined(void **state)
{
    struct series *series = *state;
    for (int i = 0; i < 12; i++) {
        add(series, i / 2 * 2.0);
        series->frames[i].kind_hash = i % 2 ? 5 : 7;
    }
    series->heads[0].frame_count = 12;
    series->count = 1;
    assert_declined(series, "mixed_phases");
}

static void frames_of_two_inversion_times_at_one_position_are_declined(void **state)
{
    struct series *series = *state;
    for (int i = 0; i < 12; i++) {
        add(series, i / 2 * 2.0);
        series->frames[i].inversion_ms = i % 2 ? 300 : 260;
    }
    series->heads[0].frame_count = 12;
    series->count = 1;
    assert_declined(series, "mixed_phases");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(position_decides_the_order),
        T(geometry_is_what_the_heads_say),
        T(z_follows_the_normal_of_a_head_down_stack),
        T(the_order_given_never_shows),
        T(the_manifest_names_sources_and_geometry),
        T(frames_of_one_enhanced_object_are_slices),
        T(a_missing_slice_is_interpolated_when_there_are_many),
        T(a_missing_slice_of_few_is_declined),
        T(three_missing_in_a_row_are_declined),
        T(rounded_positions_are_regular),
        T(somewhat_irregular_positions_are_laid_on_a_grid),
        T(very_irregular_positions_are_declined),
        T(one_position_will_do_when_asked),
        T(spacing_is_what_was_meant),
        T(faulty_numbers_are_noted),
        T(one_position_is_too_few),
        T(no_image_at_all),
        T(each_head_must_have_its_place),
        T(images_must_be_alike),
        T(images_must_be_parallel),
        T(axes_must_be_at_right_angles),
        T(a_rescale_must_be_legible),
        T(a_rescale_of_some_slices_only_is_declined),
        T(absurd_places_are_declined),
        T(slices_of_two_kinds_are_no_volume),
        T(the_inversion_time_may_differ_from_slice_to_slice),
        T(the_contrast_agent_may_end_along_the_stack),
        T(what_follows_the_fourth_image_type_value_may_differ),
        T(references_that_all_differ_say_nothing),
        T(frames_of_two_kinds_at_one_position_are_declined),
        T(frames_of_two_inversion_times_at_one_position_are_declined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
