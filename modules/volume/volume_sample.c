/* The plan's slices go through one by one; each gives its part to the planes of the grid that lie between it
 * and a neighbour. Slices of even number go first, then those of odd number: a plane of the grid lies between
 * one of each, so no two slices of a pass write the same place, and what is written does not depend on who
 * comes first. */
#include "volume/volume_slice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An axis of the plan as the grid sees it: the grid's index k lies at first + k * rate. */
struct course {
    int out; /* which axis of the grid runs along it: 0 z, 1 y, 2 x */
    double first, rate;
};

struct sample {
    struct slice_room room;
    const struct volume_slice *slices; /* of the phase */
    int counts[3];                     /* points of the grid along z, y, x of the plan */
    size_t strides[3];                 /* from one to the next in out */
    struct tap *taps[3];               /* [counts] */
    float *slice, *line, *plane;       /* [seat][slice], [seat][columns], [seat][counts[1]][counts[2]] */
    int *wanted, wanted_count;         /* slices of this pass */
    bool odd;
    float *out;
};

/* ---- where the grid lies ---- */

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* Vectors that give the index along z, y and x of a place, seen from the origin. */
static bool find_duals(const struct volume_geometry *geometry, double duals[3][3])
{
    const double *steps[3] = {geometry->step_z_lps, geometry->step_y_lps, geometry->step_x_lps};
    for (int i = 0; i < 3; i++) {
        const double *a = steps[(i + 1) % 3], *b = steps[(i + 2) % 3];
        for (int lps = 0; lps < 3; lps++)
            duals[i][lps] = a[(lps + 1) % 3] * b[(lps + 2) % 3] - a[(lps + 2) % 3] * b[(lps + 1) % 3];
        double volume = dot(steps[i], duals[i]);
        if (!(fabs(volume) > 0))
            return false;
        for (int lps = 0; lps < 3; lps++)
            duals[i][lps] /= volume;
    }
    return true;
}

/* Every axis of the grid must run along one of the plan, to a thousandth of a voxel over its length. */
static bool find_courses(const struct volume_geometry *geometry, const struct volume_geometry *grid,
                         struct course courses[3])
{
    const double *steps[3] = {grid->step_z_lps, grid->step_y_lps, grid->step_x_lps};
    double duals[3][3], from_origin[3];
    bool taken[3] = {false};
    if (!find_duals(geometry, duals))
        return false;
    for (int lps = 0; lps < 3; lps++)
        from_origin[lps] = grid->origin_lps[lps] - geometry->origin_lps[lps];
    for (int out = 0; out < 3; out++) {
        int along = 0;
        for (int i = 1; i < 3; i++)
            along = fabs(dot(steps[out], duals[i])) > fabs(dot(steps[out], duals[along])) ? i : along;
        for (int i = 0; i < 3; i++)
            if (i != along && !(fabs(dot(steps[out], duals[i])) * grid->zyx[out] < 1e-3))
                return false;
        if (taken[along] || grid->zyx[out] < 1)
            return false;
        taken[along] = true;
        courses[along] = (struct course){out, dot(from_origin, duals[along]), dot(steps[out], duals[along])};
    }
    return true;
}

/* ---- one slice ---- */

/* The slice at the grid's places within it; NAN where there is none. */
static void cut_plane(const struct sample *sample, const float *slice, float *line, float *plane)
{
    int columns = sample->room.slice_yx[1];
    for (int b = 0; b < sample->counts[1]; b++, plane += sample->counts[2]) {
        const struct tap *y = &sample->taps[1][b];
        for (int x = 0; y->low >= 0 && x < columns; x++)
            line[x] = tap_mix(slice[(size_t)y->low * (size_t)columns + (size_t)x],
                              slice[(size_t)y->high * (size_t)columns + (size_t)x], y->share);
        for (int c = 0; c < sample->counts[2]; c++) {
            const struct tap *x = &sample->taps[2][c];
            plane[c] = y->low < 0 || x->low < 0 ? NAN : tap_mix(line[x->low], line[x->high], x->share);
        }
    }
}

/* Even slices go first: they leave their value as it is, odd ones mix theirs with it. */
static void give_plane(const struct sample *sample, const struct tap *z, bool is_low, const float *plane,
                       float *out)
{
    bool first = z->low == z->high || !sample->odd;
    for (int b = 0; b < sample->counts[1]; b++, plane += sample->counts[2]) {
        float *to = out + (size_t)b * sample->strides[1];
        for (int c = 0; c < sample->counts[2]; c++, to += sample->strides[2])
            *to = first    ? plane[c]
                  : is_low ? tap_mix(plane[c], *to, z->share)
                           : tap_mix(*to, plane[c], z->share);
    }
}

static bool sample_slice(void *work, int seat, int number, struct err *err)
{
    const struct sample *sample = work;
    size_t columns = (size_t)sample->room.slice_yx[1], rows = (size_t)sample->room.slice_yx[0];
    float *slice = sample->slice + (size_t)seat * rows * columns;
    float *plane = sample->plane + (size_t)seat * (size_t)sample->counts[1] * (size_t)sample->counts[2];
    int z = sample->wanted[number];
    if (!slice_read(&sample->room, seat, &sample->slices[z], slice, err))
        return false;
    cut_plane(sample, slice, sample->line + (size_t)seat * columns, plane);
    for (int k = 0; k < sample->counts[0]; k++) {
        const struct tap *tap = &sample->taps[0][k];
        if (tap->low == z || tap->high == z)
            give_plane(sample, tap, tap->low == z, plane, sample->out + (size_t)k * sample->strides[0]);
    }
    return true;
}

/* ---- all of them ---- */

static bool run_pass(struct sample *sample, int depth, bool odd, struct err *err)
{
    sample->odd = odd;
    sample->wanted_count = 0;
    for (int z = odd; z < depth; z += 2) {
        bool used = false;
        for (int k = 0; k < sample->counts[0] && !used; k++)
            used = sample->taps[0][k].low == z || sample->taps[0][k].high == z;
        if (used)
            sample->wanted[sample->wanted_count++] = z;
    }
    return crew_run(sample->room.reader->crew, sample->wanted_count, sample_slice, sample, err);
}

/* Planes that no slice reaches were never written. */
static void set_outside(const struct sample *sample, float outside)
{
    for (int k = 0; k < sample->counts[0]; k++) {
        bool none = sample->taps[0][k].low < 0;
        for (int b = 0; b < sample->counts[1]; b++) {
            float *to = sample->out + (size_t)k * sample->strides[0] + (size_t)b * sample->strides[1];
            for (int c = 0; c < sample->counts[2]; c++, to += sample->strides[2])
                *to = none || isnan(*to) ? outside : *to;
        }
    }
}

static void set_axes(struct sample *sample, const struct volume_plan *plan, const struct course courses[3],
                     const struct volume_geometry *grid, struct tap *taps)
{
    const size_t strides[3] = {(size_t)grid->zyx[1] * (size_t)grid->zyx[2], (size_t)grid->zyx[2], 1};
    for (int i = 0; i < 3; i++) {
        sample->counts[i] = grid->zyx[courses[i].out];
        sample->strides[i] = strides[courses[i].out];
        sample->taps[i] = taps;
        for (int k = 0; k < sample->counts[i]; k++)
            *taps++ = tap_at(courses[i].first + k * courses[i].rate, plan->geometry.zyx[i]);
    }
}

static bool sample_phase(struct sample *sample, const struct volume_plan *plan,
                         const struct course courses[3], const struct volume_geometry *grid, float outside,
                         struct err *err)
{
    size_t seats = (size_t)crew_seats(sample->room.reader->crew);
    size_t rows = (size_t)plan->geometry.zyx[1], columns = (size_t)plan->geometry.zyx[2];
    size_t plane = (size_t)grid->zyx[courses[1].out] * (size_t)grid->zyx[courses[2].out];
    struct tap *taps =
        malloc(((size_t)grid->zyx[0] + (size_t)grid->zyx[1] + (size_t)grid->zyx[2]) * sizeof *taps);
    sample->wanted = malloc((size_t)plan->geometry.zyx[0] * sizeof *sample->wanted);
    sample->slice = malloc(seats * rows * columns * sizeof *sample->slice);
    sample->line = malloc(seats * columns * sizeof *sample->line);
    sample->plane = malloc(seats * plane * sizeof *sample->plane);
    bool ok = (taps && sample->wanted && sample->slice && sample->line && sample->plane) ||
              err_fail(err, ERR_NOMEM, "no memory for %zu slices of %zu x %zu", seats, rows, columns);
    if (ok)
        set_axes(sample, plan, courses, grid, taps);
    ok = ok && run_pass(sample, plan->geometry.zyx[0], false, err) &&
         run_pass(sample, plan->geometry.zyx[0], true, err);
    if (ok)
        set_outside(sample, outside);
    free(taps);
    free(sample->wanted);
    free(sample->slice);
    free(sample->line);
    free(sample->plane);
    return ok;
}

bool volume_sample(const struct volume_plan *plan, int phase, const struct volume_reader *reader,
                   const struct volume_geometry *grid, float outside, float *out, struct err *err)
{
    struct course courses[3];
    if (phase < 0 || phase >= plan->geometry.phases)
        return err_fail(err, ERR_BUG, "phase %d of %d", phase, plan->geometry.phases);
    if (!find_courses(&plan->geometry, grid, courses))
        return err_fail(err, ERR_BUG, "a grid that is turned against the volume");
    struct sample sample = {.slices = plan->slices + (size_t)phase * (size_t)plan->geometry.zyx[0],
                            .out = out};
    bool ok = slice_room_init(&sample.room, plan, reader, true, err) &&
              sample_phase(&sample, plan, courses, grid, outside, err);
    slice_room_done(&sample.room);
    return ok;
}
