/* volume_fill: which value stands where. */
#include "made_series.h"

static bool read_never(void *from, int seat, const struct dicom_frame_ref *at, struct volume_frame *frame,
                       struct err *err)
{
    return err_fail(err, ERR_IO, "disk on fire");
}

static void every_slice_has_its_own_rescale(void **state)
{
    struct series *series = *state;
    add_stack(series, 2, 2);
    frame_of(series, 1)->slope = 0.5;
    frame_of(series, 1)->intercept = 7;
    assert_true(plan(series));
    float voxels[2 * ROWS * COLUMNS];
    assert_true(volume_fill(series->plan, 0, &(struct volume_reader){read_numbered}, voxels, &series->err));
    assert_float_equal(voxels[1], 2 * 11 - 1000, 0);
    assert_float_equal(voxels[ROWS * COLUMNS + 1], 0.5 * 21 + 7, 0);
}

static void padding_is_marked_only_when_asked(void **state)
{
    struct series *series = *state;
    add_stack(series, 2, 2);
    series->heads[0].has_padding = series->heads[0].has_padding_limit = true;
    series->heads[0].padding = 12;
    series->heads[0].padding_limit = 10; /* either may be the larger */
    assert_true(plan(series));
    float voxels[2 * ROWS * COLUMNS];
    assert_true(volume_fill(series->plan, 0, &(struct volume_reader){read_numbered}, voxels, &series->err));
    assert_float_equal(voxels[0], 2 * 10 - 1000, 0);
    assert_true(volume_fill_padded(series->plan, 0, &(struct volume_reader){read_numbered}, -1024, voxels,
                                   &series->err));
    assert_float_equal(voxels[0], -1024, 0);
    assert_float_equal(voxels[2], -1024, 0);
    assert_float_equal(voxels[3], 2 * 13 - 1000, 0);
    assert_float_equal(voxels[ROWS * COLUMNS], 2 * 20 - 1000, 0);
}

static void monochrome1_turns_mr_over_but_not_ct(void **state)
{
    struct series *series = *state;
    add_stack(series, 2, 2);
    strcpy(series->heads[0].photometric, "MONOCHROME1");
    strcpy(series->heads[1].photometric, "MONOCHROME1");
    assert_true(plan(series));
    assert_true(warned(series, "monochrome1:"));
    float voxels[2 * ROWS * COLUMNS];
    assert_true(volume_fill(series->plan, 0, &(struct volume_reader){read_numbered}, voxels, &series->err));
    assert_float_equal(voxels[0], 2 * 10 - 1000, 0);
    series->heads[0].kind = series->heads[1].kind = DICOM_KIND_MR;
    assert_true(volume_fill(series->plan, 0, &(struct volume_reader){read_numbered}, voxels, &series->err));
    assert_float_equal(voxels[0], 2 * (4095 - 10) - 1000, 0);
}

static bool read_looked_up(void *from, int seat, const struct dicom_frame_ref *at, struct volume_frame *frame,
                           struct err *err)
{
    frame->lut = from;
    return read_numbered(NULL, seat, at, frame, err);
}

static void a_modality_lut_goes_before_the_rescale(void **state)
{
    struct series *series = *state;
    static const uint16_t entries[] = {7, 500, 4095};
    struct dicom_lut lut = {.first = 11, .count = 3, .bits = 12, .entries = entries};
    struct volume_reader reader = {read_looked_up, &lut, NULL};
    add_stack(series, 2, 2);
    series->heads[0].has_modality_lut = series->heads[1].has_modality_lut = true;
    assert_true(plan(series));
    assert_true(warned(series, "modality_lut:"));
    float voxels[2 * ROWS * COLUMNS];
    assert_true(volume_fill(series->plan, 0, &reader, voxels, &series->err));
    const float expected[] = {7, 7, 500, 4095, 4095};
    for (int i = 0; i < 5; i++)
        assert_float_equal(voxels[i], expected[i], 0); /* stored values 10 to 14 */
    strcpy(series->heads[0].photometric, "MONOCHROME1");
    series->heads[0].kind = DICOM_KIND_MR;
    assert_true(volume_fill(series->plan, 0, &reader, voxels, &series->err));
    assert_float_equal(voxels[0], 4095 - 7, 0);
    assert_float_equal(voxels[4], 0, 0);
}

static bool read_huge(void *from, int seat, const struct dicom_frame_ref *at, struct volume_frame *frame,
                      struct err *err)
{
    for (int i = 0; i < ROWS * COLUMNS; i++)
        frame->stored[i] = -2;
    return true;
}

static void unsigned_values_of_32_bits_stay_positive(void **state)
{
    struct series *series = *state;
    add_stack(series, 2, 2);
    series->heads[0].bits_stored = series->heads[1].bits_stored = 32;
    assert_true(plan(series));
    float voxels[2 * ROWS * COLUMNS];
    assert_true(volume_fill(series->plan, 0, &(struct volume_reader){read_huge}, voxels, &series->err));
    assert_float_equal(voxels[0], (float)(2 * 4294967294.0 - 1000), 0);
    series->heads[0].is_signed = 1;
    assert_true(volume_fill(series->plan, 0, &(struct volume_reader){read_huge}, voxels, &series->err));
    assert_float_equal(voxels[0], 2 * -2 - 1000, 0);
}

static void a_readers_error_comes_through(void **state)
{
    struct series *series = *state;
    add_stack(series, 2, 2);
    assert_true(plan(series));
    float voxels[2 * ROWS * COLUMNS];
    assert_false(volume_fill(series->plan, 0, &(struct volume_reader){read_never}, voxels, &series->err));
    assert_int_equal(series->err.code, ERR_IO);
    assert_false(volume_fill(series->plan, 1, &(struct volume_reader){read_numbered}, voxels, &series->err));
    assert_int_equal(series->err.code, ERR_BUG);
}

static void a_value_no_float_can_hold_is_declined(void **state)
{
    struct series *series = *state;
    add_stack(series, 2, 2);
    frame_of(series, 1)->slope = 1e38;
    assert_true(plan(series));
    float voxels[2 * ROWS * COLUMNS];
    assert_false(volume_fill(series->plan, 0, &(struct volume_reader){read_numbered}, voxels, &series->err));
    assert_string_equal(series->err.reason, "not_finite");
}

/* The plan with its second slice moved by so many pixels, and room for `more` rows and columns. */
static void shift_second(struct series *series, double y, double x, int more, struct volume_slice slices[2])
{
    slices[0] = series->plan->slices[0];
    slices[1] = series->plan->slices[1];
    slices[1].shift_yx_px[0] = y;
    slices[1].shift_yx_px[1] = x;
    series->plan->slices = slices;
    series->plan->geometry.zyx[1] += more;
    series->plan->geometry.zyx[2] += more;
}

static void whole_pixel_shifts_copy(void **state)
{
    struct series *series = *state;
    struct volume_slice slices[2];
    add_stack(series, 2, 2);
    assert_true(plan(series));
    shift_second(series, 2, 1, 2, slices);
    float voxels[2][ROWS + 2][COLUMNS + 2];
    assert_true(volume_fill_padded(series->plan, 0, &(struct volume_reader){read_numbered}, 7,
                                   &voxels[0][0][0], &series->err));
    for (int y = 0; y < ROWS + 2; y++) {
        for (int x = 0; x < COLUMNS + 2; x++) {
            int pixel = COLUMNS * (y - 2) + x - 1;
            bool inside = y >= 2 && x >= 1 && x < COLUMNS + 1;
            assert_float_equal(voxels[0][y][x],
                               y < ROWS && x < COLUMNS ? 2 * (10 + COLUMNS * y + x) - 1000 : 7, 0);
            assert_float_equal(voxels[1][y][x], inside ? 2 * (20 + pixel) - 1000 : 7, 0);
        }
    }
    assert_true(
        volume_fill(series->plan, 0, &(struct volume_reader){read_numbered}, &voxels[0][0][0], &series->err));
    assert_float_equal(voxels[1][0][0], VOLUME_AIR_HU, 0);
    series->heads[0].kind = DICOM_KIND_MR;
    assert_true(
        volume_fill(series->plan, 0, &(struct volume_reader){read_numbered}, &voxels[0][0][0], &series->err));
    assert_float_equal(voxels[1][0][0], 0, 0);
}

/* Stored values are 4 y + x, so that they may be had between the pixels too. */
static void other_shifts_are_bilinear(void **state)
{
    struct series *series = *state;
    struct volume_slice slices[2];
    add_stack(series, 2, 2);
    assert_true(plan(series));
    shift_second(series, -0.25, 0.5, 0, slices);
    float voxels[2][ROWS][COLUMNS];
    assert_true(volume_fill_padded(series->plan, 0, &(struct volume_reader){read_numbered}, NAN,
                                   &voxels[0][0][0], &series->err));
    assert_float_equal(voxels[1][0][1], 2 * (20 + 4 * 0.25 + 0.5) - 1000, 1e-4);
    assert_float_equal(voxels[1][1][3], 2 * (20 + 4 * 1.25 + 2.5) - 1000, 1e-4);
    assert_float_equal(voxels[1][1][0], 2 * (20 + 4 * 1.25) - 1000, 1e-4);    /* half a pixel out: the edge */
    assert_float_equal(voxels[1][2][3], 2 * (20 + 4 * 2 + 2.5) - 1000, 1e-4); /* a quarter */
    slices[1].shift_yx_px[1] = 0.75;
    series->heads[1].has_padding = true;
    series->heads[1].padding = 26;
    assert_true(volume_fill_padded(series->plan, 0, &(struct volume_reader){read_numbered}, NAN,
                                   &voxels[0][0][0], &series->err));
    assert_true(isnan(voxels[1][1][0])); /* beyond half a pixel */
    assert_true(isnan(voxels[1][0][2])); /* between pixels 1 and 2 of rows 0 and 1, of which one is padding */
    assert_false(isnan(voxels[1][0][1]));
}

static void an_interpolated_slice_shifts_both_its_frames(void **state)
{
    struct series *series = *state;
    struct volume_slice slices[2];
    add_stack(series, 2, 2);
    assert_true(plan(series));
    shift_second(series, 0, 0, 0, slices);
    slices[1].next = slices[0].at;
    slices[1].next_weight = 0.25;
    slices[1].next_shift_yx_px[1] = 1;
    float voxels[2][ROWS][COLUMNS];
    assert_true(volume_fill_padded(series->plan, 0, &(struct volume_reader){read_numbered}, NAN,
                                   &voxels[0][0][0], &series->err));
    assert_float_equal(voxels[1][1][2], 0.75 * (2 * 26 - 1000) + 0.25 * (2 * 15 - 1000), 1e-4);
    assert_true(isnan(voxels[1][1][0]));
}

static void a_part_is_the_same_slices_in_the_same_place(void **state)
{
    struct series *series = *state;
    add_stack(series, 5, 2);
    assert_true(plan(series));
    float voxels[5 * ROWS * COLUMNS], some[2 * ROWS * COLUMNS];
    struct volume_plan part = volume_part(series->plan, 0, 2, 2);
    assert_true(volume_fill(series->plan, 0, &(struct volume_reader){read_numbered}, voxels, &series->err));
    assert_true(volume_fill(&part, 0, &(struct volume_reader){read_numbered}, some, &series->err));
    assert_memory_equal(some, voxels + 2 * ROWS * COLUMNS, sizeof some);
    assert_float_equal(part.geometry.origin_lps[2], 4, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_slice_has_its_own_rescale),
        T(padding_is_marked_only_when_asked),
        T(monochrome1_turns_mr_over_but_not_ct),
        T(a_readers_error_comes_through),
        T(a_modality_lut_goes_before_the_rescale),
        T(unsigned_values_of_32_bits_stay_positive),
        T(a_value_no_float_can_hold_is_declined),
        T(whole_pixel_shifts_copy),
        T(other_shifts_are_bilinear),
        T(an_interpolated_slice_shifts_both_its_frames),
        T(a_part_is_the_same_slices_in_the_same_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
