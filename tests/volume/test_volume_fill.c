/* volume_fill and volume_resample: which value stands where. */
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

static void resampling_to_the_same_size_only_turns(void **state)
{
    (void)state;
    /* a sagittal volume: slices to the left, rows to the feet, columns to the back */
    struct volume_geometry geometry = {.zyx = {2, 3, 4},
                                       .phases = 1,
                                       .step_z_lps = {1, 0, 0},
                                       .step_y_lps = {0, 0, -1},
                                       .step_x_lps = {0, 1, 0},
                                       .spacing_zyx_mm = {1, 1, 1}};
    const int out_zyx[3] = {3, 4, 2};
    float in[2 * 3 * 4], out[3 * 4 * 2];
    struct err err = ERR_INIT;
    for (int i = 0; i < 24; i++)
        in[i] = (float)i;
    assert_true(volume_resample(&geometry, in, out_zyx, out, &err));
    for (int z = 0; z < 3; z++) {
        for (int y = 0; y < 4; y++) {
            for (int x = 0; x < 2; x++)
                assert_float_equal(out[(z * 4 + y) * 2 + x], in[(x * 3 + 2 - z) * 4 + y], 0);
        }
    }
    const int none[3] = {0, 4, 2};
    assert_false(volume_resample(&geometry, in, none, out, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_slice_has_its_own_rescale),          T(padding_is_marked_only_when_asked),
        T(monochrome1_turns_mr_over_but_not_ct),     T(a_readers_error_comes_through),
        T(resampling_to_the_same_size_only_turns),   T(a_modality_lut_goes_before_the_rescale),
        T(unsigned_values_of_32_bits_stay_positive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
