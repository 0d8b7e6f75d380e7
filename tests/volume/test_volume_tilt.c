/* volume_plan on a tilted gantry: each pixel of each frame must lie at its place in the patient. */
#include "made_series.h"

static const double degree = 3.14159265358979323846 / 180;

/* Axial slices, `degrees` of tilt towards y and x: each slice lies further along both. */
static void add_tilted(struct series *series, int count, double step, double y_degrees, double x_degrees)
{
    add_stack(series, count, step);
    for (int i = 0; i < count; i++) {
        frame_of(series, i)->position_lps[0] += i * step * tan(x_degrees * degree);
        frame_of(series, i)->position_lps[1] += i * step * tan(y_degrees * degree);
    }
}

/* Where pixel (y, x) of a frame lies, by its own head. */
static void place_of_pixel(const struct dicom_frame *at, double y, double x, double lps[3])
{
    for (int i = 0; i < 3; i++)
        lps[i] = at->position_lps[i] + at->column_lps[i] * at->spacing_y_mm * y +
                 at->row_lps[i] * at->spacing_x_mm * x;
}

/* The corners of every frame that a slice is made of, moved by its shift, against the volume's geometry, and
 * inside it. An interpolated slice lies between its two frames, in the ratio of its weight. */
static void assert_true_places(const struct series *series)
{
    const struct volume_geometry *geometry = &series->plan->geometry;
    for (int z = 0; z < geometry->zyx[0] * geometry->phases; z++) {
        const struct volume_slice *slice = &series->plan->slices[z];
        for (int corner = 0; corner < 4; corner++) {
            double y = corner / 2 * (ROWS - 1), x = corner % 2 * (COLUMNS - 1), along[2] = {0, 0};
            for (int side = 0; side < (slice->next.head ? 2 : 1); side++) {
                const struct dicom_frame_ref *ref = side ? &slice->next : &slice->at;
                const double *shift = side ? slice->next_shift_yx_px : slice->shift_yx_px;
                double truth[3], voxel[3] = {z % geometry->zyx[0], y + shift[0], x + shift[1]};
                place_of_pixel(&ref->head->frames[ref->frame], y, x, truth);
                assert_true(voxel[1] > -1e-6 && voxel[1] < geometry->zyx[1] - 1 + 1e-2);
                assert_true(voxel[2] > -1e-6 && voxel[2] < geometry->zyx[2] - 1 + 1e-2);
                double off[3], length = geometry->spacing_zyx_mm[0];
                for (int i = 0; i < 3; i++)
                    off[i] = truth[i] - geometry->origin_lps[i] - voxel[0] * geometry->step_z_lps[i] -
                             voxel[1] * geometry->step_y_lps[i] - voxel[2] * geometry->step_x_lps[i];
                for (int i = 0; i < 3; i++)
                    along[side] += off[i] * geometry->step_z_lps[i] / length;
                for (int i = 0; i < 3; i++) /* nothing is left sideways */
                    assert_float_equal(off[i], along[side] * geometry->step_z_lps[i] / length, 1e-6);
            }
            assert_float_equal((1 - slice->next_weight) * along[0] + slice->next_weight * along[1], 0, 1e-6);
        }
    }
}

static void assert_square(const struct volume_geometry *geometry)
{
    const double *steps[] = {geometry->step_z_lps, geometry->step_y_lps, geometry->step_x_lps};
    for (int a = 0; a < 3; a++) {
        double length = 0, across = 0;
        for (int i = 0; i < 3; i++) {
            length += steps[a][i] * steps[a][i];
            across += steps[a][i] * steps[(a + 1) % 3][i];
        }
        assert_float_equal(sqrt(length), geometry->spacing_zyx_mm[a], 1e-9);
        assert_float_equal(across, 0, 1e-9);
    }
}

static void a_tilted_gantry_is_sheared_away(void **state)
{
    struct series *series = *state;
    static const double tilts[][2] = {{5, 0}, {-5, 0}, {0, 12}, {0, -12}, {-20, 30}, {0.2, 0}};
    for (size_t i = 0; i < sizeof tilts / sizeof *tilts; i++) {
        series->count = 0;
        add_tilted(series, 30, 2, tilts[i][0], tilts[i][1]);
        assert_true(plan(series));
        const struct volume_geometry *geometry = &series->plan->geometry;
        assert_true(warned(series, "tilt_corrected: "));
        assert_int_equal(geometry->zyx[0], 30);
        assert_int_equal(geometry->zyx[1], ROWS + ceil(fabs(58 * tan(tilts[i][0] * degree)) / 0.5));
        assert_int_equal(geometry->zyx[2], COLUMNS + ceil(fabs(58 * tan(tilts[i][1] * degree)) / 0.75));
        assert_float_equal(geometry->spacing_zyx_mm[0], 2, 1e-9);
        assert_square(geometry);
        assert_true_places(series);
    }
}

static void the_sign_of_a_tilt_is_kept(void **state)
{
    struct series *series = *state;
    add_tilted(series, 11, 2, 10, 0);
    assert_true(plan(series));
    double whole_px = 20 * tan(10 * degree) / 0.5;
    assert_true(warned(series, "tilt_corrected: slices were tilted by 10.0 degrees"));
    assert_float_equal(series->plan->slices[0].shift_yx_px[0], 0, 1e-9);
    assert_float_equal(series->plan->slices[10].shift_yx_px[0], whole_px, 1e-9);
    assert_float_equal(series->plan->slices[10].shift_yx_px[1], 0, 0);
    assert_float_equal(series->plan->geometry.origin_lps[1], 20, 1e-9);
    series->count = 0;
    add_tilted(series, 11, 2, -10, 0);
    assert_true(plan(series));
    assert_float_equal(series->plan->slices[0].shift_yx_px[0], whole_px, 1e-9);
    assert_float_equal(series->plan->slices[10].shift_yx_px[0], 0, 1e-9);
    assert_float_equal(series->plan->geometry.origin_lps[1], 20 - whole_px * 0.5, 1e-9);
    assert_float_equal(series->plan->geometry.origin_lps[2], 0, 1e-9);
}

/* Slices turned by 30 degrees round x and 10 round z, shifted along the columns. */
static void an_oblique_stack_may_be_tilted_too(void **state)
{
    struct series *series = *state;
    double a = 30 * degree, b = 10 * degree;
    double row[3] = {cos(b), sin(b), 0}, column[3] = {-sin(b) * cos(a), cos(b) * cos(a), -sin(a)};
    double normal[3] = {-sin(b) * sin(a), cos(b) * sin(a), cos(a)};
    for (int i = 0; i < 20; i++) {
        add(series, 0);
        for (int k = 0; k < 3; k++) {
            frame_of(series, i)->row_lps[k] = row[k];
            frame_of(series, i)->column_lps[k] = column[k];
            frame_of(series, i)->position_lps[k] += 3 * i * (normal[k] - 0.2 * column[k]);
        }
    }
    assert_true(plan(series));
    assert_true(warned(series, "tilt_corrected: slices were tilted by 11.3 degrees"));
    assert_square(&series->plan->geometry);
    assert_true_places(series);
}

static void a_missing_slice_of_a_tilted_stack_is_interpolated(void **state)
{
    struct series *series = *state;
    add_tilted(series, 100, 1, 8, -3);
    for (int i = 40; i < 99; i++)
        series->list[i] = series->list[i + 1];
    series->count--;
    assert_true(plan(series));
    assert_true(warned(series, "interpolated: 1 of 100"));
    const struct volume_slice *slice = &series->plan->slices[40];
    assert_float_equal(slice->next_weight, 0.5, 1e-6);
    assert_float_equal(slice->next_shift_yx_px[0] - slice->shift_yx_px[0], 2 * tan(8 * degree) / 0.5, 1e-6);
    assert_true_places(series);
}

static void irregular_slices_of_a_tilted_stack_are_laid_on_a_grid(void **state)
{
    struct series *series = *state;
    for (int i = 0; i < 11; i++) {
        double z = i * 2.0 + (i == 5 ? 0.2 : 0);
        add(series, z);
        frame_of(series, i)->position_lps[1] += z * tan(15 * degree);
    }
    assert_true(plan(series));
    assert_true(warned(series, "resampled:"));
    assert_true(warned(series, "tilt_corrected: "));
    assert_float_equal(series->plan->slices[5].next_weight, 2 / 2.2, 1e-9);
    assert_true_places(series);
}

static void phases_of_a_tilted_stack_are_shifted_alike(void **state)
{
    struct series *series = *state;
    add_tilted(series, 5, 2, 6, 0);
    add_tilted(series, 5, 2, 6, 0);
    for (int i = 5; i < 10; i++) { /* add_tilted tilts from the first on */
        frame_of(series, i)->position_lps[1] = 20 + (i - 5) * 2 * tan(6 * degree);
        frame_of(series, i - 5)->position_lps[1] = frame_of(series, i)->position_lps[1];
    }
    for (int i = 0; i < 10; i++) {
        series->frames[i].has_phase_percent = true;
        series->frames[i].phase_percent = i < 5 ? 40 : 75;
    }
    assert_true(plan(series));
    assert_int_equal(series->plan->geometry.phases, 2);
    for (int z = 0; z < 5; z++)
        assert_float_equal(series->plan->slices[z].shift_yx_px[0], series->plan->slices[5 + z].shift_yx_px[0],
                           1e-9);
    assert_true_places(series);
}

static void the_shift_is_in_the_manifest(void **state)
{
    struct series *series = *state;
    add_tilted(series, 10, 2, 5, 0);
    assert_true(plan(series));
    char digest[DIGEST_HEX_SIZE];
    strcpy(digest, series->plan->manifest_sha256);
    frame_of(series, 4)->position_lps[1] += 0.01; /* one slice only: origin and size stay */
    assert_true(plan(series));
    assert_string_not_equal(series->plan->manifest_sha256, digest);
}

static void a_tilt_below_a_tenth_of_a_degree_is_none(void **state)
{
    struct series *series = *state;
    add_tilted(series, 100, 2, 0.08, 0);
    assert_true(plan(series));
    assert_int_equal(series->plan->warning_count, 0);
    assert_int_equal(series->plan->geometry.zyx[1], ROWS);
    for (int z = 0; z < 100; z++)
        assert_float_equal(series->plan->slices[z].shift_yx_px[0], 0, 0);
}

static void a_shift_below_a_tenth_of_a_pixel_is_none(void **state)
{
    struct series *series = *state;
    add_stack(series, 2, 5);
    frame_of(series, 1)->position_lps[1] += 0.04;
    assert_true(plan(series));
    assert_int_equal(series->plan->geometry.zyx[1], ROWS);
    frame_of(series, 1)->position_lps[1] += 0.04;
    assert_true(plan(series));
    assert_true(warned(series, "tilt_corrected: "));
}

static void slices_beside_the_line_are_declined(void **state)
{
    struct series *series = *state;
    for (int tilt = 0; tilt < 2; tilt++) {
        series->count = 0;
        add_tilted(series, 10, 2, 10 * tilt, 0);
        frame_of(series, 4)->position_lps[0] += 0.1; /* less than a quarter of a pixel */
        assert_true(plan(series));
        frame_of(series, 4)->position_lps[0] += 0.1;
        assert_declined(series, "irregular_shift");
    }
}

static void images_of_one_position_must_lie_at_one_place(void **state)
{
    struct series *series = *state;
    for (int i = 0; i < 10; i++) {
        add(series, 3);
        series->frames[i].has_time = true;
        series->frames[i].time_s = i;
        series->frames[i].position_lps[0] += i; /* a table that moved along */
    }
    assert_false(plan_at_least(series, 1));
    assert_string_equal(series->err.reason, "irregular_shift");
}

static void a_tilt_no_gantry_has_is_declined(void **state)
{
    struct series *series = *state;
    add_tilted(series, 10, 2, 44, 0);
    assert_true(plan(series));
    series->count = 0;
    add_tilted(series, 10, 2, 46, 0);
    assert_declined(series, "gantry_tilt");
    series->count = 0;
    add_tilted(series, 60, 50, 40, 0); /* thousands of pixels */
    assert_declined(series, "gantry_tilt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_tilted_gantry_is_sheared_away),
        T(the_sign_of_a_tilt_is_kept),
        T(an_oblique_stack_may_be_tilted_too),
        T(a_missing_slice_of_a_tilted_stack_is_interpolated),
        T(irregular_slices_of_a_tilted_stack_are_laid_on_a_grid),
        T(phases_of_a_tilted_stack_are_shifted_alike),
        T(the_shift_is_in_the_manifest),
        T(a_tilt_below_a_tenth_of_a_degree_is_none),
        T(a_shift_below_a_tenth_of_a_pixel_is_none),
        T(slices_beside_the_line_are_declined),
        T(images_of_one_position_must_lie_at_one_place),
        T(a_tilt_no_gantry_has_is_declined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
