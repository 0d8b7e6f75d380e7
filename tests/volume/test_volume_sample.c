/* volume_sample and its grids. The measured field is linear in space, so that every value between voxels is
 * known; the crew has threads, so that a thread sanitizer sees who writes where. */
#include "made_series.h"

#include <pthread.h>

enum { SIDE = 9, DEPTH = 7, SEATS = 3 };

/* HU at a place. */
static double field(const double lps[3])
{
    return 3 * lps[0] - 2 * lps[1] + 5 * lps[2] - 40;
}

static void place(const struct volume_geometry *geometry, double z, double y, double x, double lps[3])
{
    for (int i = 0; i < 3; i++)
        lps[i] = geometry->origin_lps[i] + z * geometry->step_z_lps[i] + y * geometry->step_y_lps[i] +
                 x * geometry->step_x_lps[i];
}

/* A volume that was never in a file: its frames are slices of the field. */
struct made {
    struct volume_plan plan;
    struct volume_slice slices[DEPTH];
    struct dicom_head head;
    struct dicom_frame frames[DEPTH];
    int reads[DEPTH];
};

static void set_vector(double to[3], double a, double b, double c, double scale)
{
    to[0] = a * scale;
    to[1] = b * scale;
    to[2] = c * scale;
}

/* Directions of z, y and x, each an axis of the patient: 1 x, 2 y, 3 z, less than 0 the other way. */
static void make(struct made *made, const int axes[3])
{
    struct volume_geometry *geometry = &made->plan.geometry;
    double *steps[3] = {geometry->step_z_lps, geometry->step_y_lps, geometry->step_x_lps};
    *made = (struct made){.head = {.kind = DICOM_KIND_CT, .rows = SIDE, .columns = SIDE - 1, .is_signed = 1}};
    *geometry = (struct volume_geometry){.zyx = {DEPTH, SIDE, SIDE - 1},
                                         .phases = 1,
                                         .origin_lps = {-31, 17, 210},
                                         .spacing_zyx_mm = {2.5, 0.75, 0.5}};
    for (int i = 0; i < 3; i++) {
        double sign = axes[i] < 0 ? -1 : 1;
        int axis = abs(axes[i]);
        set_vector(steps[i], axis == 1, axis == 2, axis == 3, sign * geometry->spacing_zyx_mm[i]);
    }
    for (int z = 0; z < DEPTH; z++) {
        made->frames[z].slope = 1.0 / 64; /* the field's steps are whole numbers of it */
        made->slices[z].at = (struct dicom_frame_ref){&made->head, z};
    }
    made->head.frames = made->frames;
    made->plan.slices = made->slices;
}

static bool read_made(void *from, int seat, const struct dicom_frame_ref *at, struct volume_frame *frame,
                      struct err *err)
{
    struct made *made = from;
    double lps[3];
    made->reads[at->frame]++;
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE - 1; x++) {
            const struct volume_slice *slice = &made->slices[at->frame];
            place(&made->plan.geometry, at->frame, y + slice->shift_yx_px[0], x + slice->shift_yx_px[1], lps);
            bool padded = made->head.has_padding && at->frame == 3 && y == 4 && x == 5;
            frame->stored[y * (SIDE - 1) + x] =
                padded ? made->head.padding : (int32_t)lround(field(lps) * 64);
        }
    }
    return true;
}

/* ---- a crew of threads ---- */

struct team {
    pthread_mutex_t lock;
    pthread_barrier_t start; /* or the first is done before the second begins */
    crew_piece piece;
    void *work;
    int next, count;
    bool ok;
};

struct member {
    struct team *team;
    int seat;
};

static void *member_run(void *self)
{
    struct member *member = self;
    struct team *team = member->team;
    pthread_barrier_wait(&team->start);
    for (;;) {
        struct err err = ERR_INIT;
        pthread_mutex_lock(&team->lock);
        int number = team->next++;
        pthread_mutex_unlock(&team->lock);
        if (number >= team->count)
            return NULL;
        if (!team->piece(team->work, member->seat, number, &err))
            team->ok = false;
    }
}

static bool team_run(void *self, int count, crew_piece piece, void *work, struct err *err)
{
    struct team team = {
        .lock = PTHREAD_MUTEX_INITIALIZER, .piece = piece, .work = work, .count = count, .ok = true};
    struct member members[SEATS];
    pthread_t threads[SEATS];
    pthread_barrier_init(&team.start, NULL, SEATS);
    for (int i = 0; i < SEATS; i++) {
        members[i] = (struct member){&team, i};
        pthread_create(&threads[i], NULL, member_run, &members[i]);
    }
    for (int i = 0; i < SEATS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&team.start);
    return team.ok;
}

static const struct crew crew = {SEATS, team_run, NULL};

static void sample(struct made *made, const struct volume_geometry *grid, const struct crew *who, float *out)
{
    struct err err = ERR_INIT;
    struct volume_reader reader = {read_made, made, who};
    assert_true(volume_sample(&made->plan, 0, &reader, grid, -5000, out, &err));
}

/* Within the outermost voxel centres nothing is clamped. */
static bool between_centres(const struct made *made, const double lps[3])
{
    const struct volume_geometry *geometry = &made->plan.geometry;
    const double *steps[3] = {geometry->step_z_lps, geometry->step_y_lps, geometry->step_x_lps};
    for (int i = 0; i < 3; i++) {
        double along = 0;
        for (int k = 0; k < 3; k++)
            along += (lps[k] - geometry->origin_lps[k]) * steps[i][k];
        along /= geometry->spacing_zyx_mm[i] * geometry->spacing_zyx_mm[i];
        if (along < 0 || along > geometry->zyx[i] - 1)
            return false;
    }
    return true;
}

static const int orientations[][3] = {{3, 2, 1},   {-3, 2, -1}, {1, -3, 2}, {2, -3, 1},
                                      {-1, 3, -2}, {3, 1, 2},   {2, 1, 3},  {1, 2, -3}};
enum { ORIENTATIONS = sizeof orientations / sizeof *orientations };

static int count_right(struct made *made, const struct volume_geometry *grid, const float *out)
{
    int inner = 0;
    double lps[3];
    for (int z = 0; z < grid->zyx[0]; z++) {
        for (int y = 0; y < grid->zyx[1]; y++) {
            for (int x = 0; x < grid->zyx[2]; x++, out++) {
                place(grid, z, y, x, lps);
                if (!between_centres(made, lps))
                    continue;
                assert_float_equal(*out, field(lps), 1e-3);
                inner++;
            }
        }
    }
    return inner;
}

static void values_lie_where_they_were_measured(void **state)
{
    (void)state;
    static float out[20 * 20 * 20], threaded[20 * 20 * 20];
    static const int sizes[][3] = {{5, 20, 9}, {20, 4, 20}, {1, 1, 1}, {7, 9, 8}};
    for (int i = 0; i < ORIENTATIONS; i++) {
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            struct made made;
            struct volume_geometry grid;
            struct err err = ERR_INIT;
            size_t bytes = (size_t)(sizes[k][0] * sizes[k][1] * sizes[k][2]) * sizeof *out;
            make(&made, orientations[i]);
            assert_true(volume_cover(&made.plan.geometry, sizes[k], &grid, &err));
            assert_true(grid.step_z_lps[2] > 0 && grid.step_y_lps[1] > 0 && grid.step_x_lps[0] > 0);
            sample(&made, &grid, NULL, out);
            assert_true(count_right(&made, &grid, out) > 0);
            for (int z = 0; z < DEPTH; z++)
                assert_true(made.reads[z] <= 1);
            sample(&made, &grid, &crew, threaded);
            assert_memory_equal(out, threaded, bytes);
        }
    }
}

static void a_box_may_reach_outside(void **state)
{
    (void)state;
    static float out[12 * 10 * 8];
    const int out_zyx[3] = {12, 10, 8};
    const double size_zyx_mm[3] = {12, 5, 4};
    for (int i = 0; i < ORIENTATIONS; i++) {
        struct made made;
        struct volume_geometry grid;
        struct err err = ERR_INIT;
        double centre_lps[3], low[3], high[3];
        make(&made, orientations[i]);
        place(&made.plan.geometry, DEPTH - 1, SIDE / 2, 2, centre_lps);
        assert_true(volume_box(&made.plan.geometry, centre_lps, size_zyx_mm, out_zyx, &grid, &err));
        place(&grid, -0.5, -0.5, -0.5, low);
        place(&grid, 11.5, 9.5, 7.5, high);
        for (int lps = 0; lps < 3; lps++) {
            assert_float_equal(high[lps] - low[lps], size_zyx_mm[2 - lps], 1e-9);
            assert_float_equal(high[lps] + low[lps], 2 * centre_lps[lps], 1e-9);
        }
        sample(&made, &grid, NULL, out);
        int inner = count_right(&made, &grid, out), outside = 0;
        for (size_t k = 0; k < sizeof out / sizeof *out; k++)
            outside += out[k] == -5000;
        assert_true(inner > 100 && outside > 100);
    }
}

/* Half a voxel round the outermost centres is the field of view; there the edge counts. */
static void the_field_of_view_ends_half_a_voxel_out(void **state)
{
    (void)state;
    struct made made;
    struct volume_geometry grid;
    make(&made, orientations[0]);
    grid = made.plan.geometry;
    grid.zyx[0] = grid.zyx[1] = 1;
    grid.zyx[2] = 4;
    set_vector(grid.step_x_lps, 1, 0, 0, 0.5 * 0.2);
    place(&made.plan.geometry, 0, 0, -0.65, grid.origin_lps);
    float out[4];
    sample(&made, &grid, NULL, out);
    double lps[3];
    place(&made.plan.geometry, 0, 0, 0, lps);
    assert_float_equal(out[0], -5000, 0);
    assert_float_equal(out[1], field(lps), 0); /* 0.45 voxels out */
    assert_float_equal(out[3], field(lps), 0);
    place(&made.plan.geometry, 0, 0, SIDE - 2 + 0.05, grid.origin_lps);
    sample(&made, &grid, NULL, out);
    place(&made.plan.geometry, 0, 0, SIDE - 2, lps);
    assert_float_equal(out[1], field(lps), 0); /* 0.25 and 0.45 voxels out at the other end */
    assert_float_equal(out[2], field(lps), 0);
    assert_float_equal(out[3], -5000, 0); /* 0.65 */
}

static void only_slices_that_are_needed_are_read(void **state)
{
    (void)state;
    struct made made;
    struct volume_geometry grid;
    struct err err = ERR_INIT;
    const int out_zyx[3] = {3, 4, 4};
    float out[3 * 4 * 4];
    double centre_lps[3];
    make(&made, orientations[0]);
    place(&made.plan.geometry, 4, 4, 4, centre_lps);
    assert_true(volume_box(&made.plan.geometry, centre_lps, (double[]){3 * 2.5, 2, 2}, out_zyx, &grid, &err));
    sample(&made, &grid, NULL, out); /* exactly on slices 3, 4 and 5 */
    const int expected[DEPTH] = {0, 0, 0, 1, 1, 1, 0};
    assert_memory_equal(made.reads, expected, sizeof expected);
}

static void padding_does_not_bleed(void **state)
{
    (void)state;
    struct made made;
    struct volume_geometry grid;
    struct err err = ERR_INIT;
    static float out[14 * 9 * 8];
    const int out_zyx[3] = {14, 9, 8}; /* between the slices only */
    make(&made, orientations[0]);
    made.head.has_padding = true;
    made.head.padding = -2000000;
    assert_true(volume_cover(&made.plan.geometry, out_zyx, &grid, &err));
    sample(&made, &grid, NULL, out);
    for (int z = 0; z < 14; z++) {
        for (int y = 0; y < 9; y++) {
            for (int x = 0; x < 8; x++) {
                double slice = (z + 0.5) / 2 - 0.5;
                bool touches = x == 5 && y == 4 && fabs(slice - 3) < 1;
                float value = out[(z * 9 + y) * 8 + x];
                if (touches)
                    assert_float_equal(value, -5000, 0);
                else
                    assert_true(fabs(value) < 2000);
            }
        }
    }
}

/* Frames that stand askew, as a gantry tilt leaves them, each shifted back by its own part of a pixel. */
static void a_sheared_field_comes_back(void **state)
{
    (void)state;
    static float out[13 * 9 * 8], filled[DEPTH * SIDE * (SIDE - 1)];
    struct made made;
    struct volume_geometry grid;
    struct err err = ERR_INIT;
    make(&made, orientations[0]);
    for (int z = 0; z < DEPTH; z++)
        made.slices[z].shift_yx_px[0] = z * 0.25 - 1;
    assert_true(
        volume_fill_padded(&made.plan, 0, &(struct volume_reader){read_made, &made}, NAN, filled, &err));
    int right = 0;
    for (int z = 0; z < DEPTH; z++) {
        for (int y = 2; y < SIDE - 2; y++) {
            for (int x = 0; x < SIDE - 1; x++, right++) {
                double lps[3];
                place(&made.plan.geometry, z, y, x, lps);
                assert_float_equal(filled[(z * SIDE + y) * (SIDE - 1) + x], field(lps), 1e-3);
            }
        }
    }
    double centre_lps[3];
    place(&made.plan.geometry, 3, 4, 3.5, centre_lps);
    assert_true(
        volume_box(&made.plan.geometry, centre_lps, (double[]){14, 3, 3}, (int[]){13, 9, 8}, &grid, &err));
    sample(&made, &grid, &crew, out);
    assert_int_equal(count_right(&made, &grid, out), 13 * 9 * 8);
}

static void a_turned_grid_is_our_mistake(void **state)
{
    (void)state;
    struct made made;
    struct err err = ERR_INIT;
    struct volume_geometry grid;
    float out[DEPTH * SIDE * (SIDE - 1)];
    make(&made, orientations[0]);
    struct volume_reader reader = {read_made, &made, NULL};
    grid = made.plan.geometry;
    assert_true(volume_sample(&made.plan, 0, &reader, &grid, 0, out, &err));
    assert_false(volume_sample(&made.plan, 1, &reader, &grid, 0, out, &err));
    assert_int_equal(err.code, ERR_BUG);
    grid.step_x_lps[1] += 0.01;
    assert_false(volume_sample(&made.plan, 0, &reader, &grid, 0, out, &err));
    assert_int_equal(err.code, ERR_BUG);
    grid = made.plan.geometry;
    memcpy(grid.step_x_lps, grid.step_y_lps, sizeof grid.step_x_lps);
    assert_false(volume_sample(&made.plan, 0, &reader, &grid, 0, out, &err));
    const int none[3] = {0, 4, 2};
    assert_false(volume_cover(&made.plan.geometry, none, &grid, &err));
    assert_int_equal(err.code, ERR_BUG);
}

static void as_many_voxels_as_fit_whole(void **state)
{
    (void)state;
    struct made made;
    struct err err = ERR_INIT;
    struct volume_geometry grid;
    make(&made, orientations[0]); /* 17.5 x 6.75 x 4 mm */
    assert_true(volume_regrid(&made.plan.geometry, (double[]){5, 0.75, 5}, &grid, &err));
    assert_int_equal(grid.zyx[0], 3);
    assert_int_equal(grid.zyx[1], 9);
    assert_int_equal(grid.zyx[2], 1);
    assert_float_equal(grid.spacing_zyx_mm[0], 17.5 / 3, 1e-9);
    assert_false(volume_regrid(&made.plan.geometry, (double[]){0.001, 1, 1}, &grid, &err));
    assert_string_equal(err.reason, "volume_too_large");
    err = (struct err)ERR_INIT;
    assert_false(volume_regrid(&made.plan.geometry, (double[]){0.0175, 0.00675, 0.004}, &grid, &err));
    assert_string_equal(err.reason, "volume_too_large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_lie_where_they_were_measured),
        cmocka_unit_test(a_box_may_reach_outside),
        cmocka_unit_test(the_field_of_view_ends_half_a_voxel_out),
        cmocka_unit_test(only_slices_that_are_needed_are_read),
        cmocka_unit_test(padding_does_not_bleed),
        cmocka_unit_test(a_sheared_field_comes_back),
        cmocka_unit_test(a_turned_grid_is_our_mistake),
        cmocka_unit_test(as_many_voxels_as_fit_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
