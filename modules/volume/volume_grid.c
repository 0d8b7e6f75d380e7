#include "volume/volume.h"

#include <math.h>

/* A canonical axis: which source axis it is, and whether it runs the other way. */
struct axis {
    int source; /* 0 z, 1 y, 2 x */
    bool flipped;
};

static double cosine(const struct volume_geometry *geometry, int source, int lps)
{
    const double *steps[3] = {geometry->step_z_lps, geometry->step_y_lps, geometry->step_x_lps};
    return steps[source][lps] / geometry->spacing_zyx_mm[source];
}

/* The permutation whose axes lie closest to z, y, x of the patient, and the direction of each. */
static void find_axes(const struct volume_geometry *geometry, struct axis axes[3])
{
    static const int permutations[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const int lps[3] = {2, 1, 0}; /* z, y, x as indices into an LPS vector */
    double best = -1;
    for (int p = 0; p < 6; p++) {
        double fit = 0;
        for (int i = 0; i < 3; i++)
            fit += fabs(cosine(geometry, permutations[p][i], lps[i]));
        if (fit <= best + 1e-9)
            continue;
        best = fit;
        for (int i = 0; i < 3; i++)
            axes[i] = (struct axis){permutations[p][i], cosine(geometry, permutations[p][i], lps[i]) < 0};
    }
}

static bool has_size(const struct volume_geometry *geometry, const int out_zyx[3], struct err *err)
{
    for (int i = 0; i < 3; i++) {
        if (geometry->zyx[i] < 1 || out_zyx[i] < 1 || !(geometry->spacing_zyx_mm[i] > 0))
            return err_fail(err, ERR_BUG, "a grid of %d voxels from %d", out_zyx[i], geometry->zyx[i]);
    }
    return true;
}

/* Steps `steps` of the source along each axis of the grid, which lies round centre_lps. */
static void set_grid(const struct volume_geometry *geometry, const struct axis axes[3],
                     const double centre_lps[3], const double steps[3], const int out_zyx[3],
                     struct volume_geometry *ret)
{
    const double *from[3] = {geometry->step_z_lps, geometry->step_y_lps, geometry->step_x_lps};
    double *to[3] = {ret->step_z_lps, ret->step_y_lps, ret->step_x_lps};
    ret->phases = 1;
    for (int lps = 0; lps < 3; lps++)
        ret->origin_lps[lps] = centre_lps[lps];
    for (int i = 0; i < 3; i++) {
        double step = axes[i].flipped ? -steps[i] : steps[i];
        ret->zyx[i] = out_zyx[i];
        ret->spacing_zyx_mm[i] = steps[i] * geometry->spacing_zyx_mm[axes[i].source];
        for (int lps = 0; lps < 3; lps++) {
            to[i][lps] = from[axes[i].source][lps] * step;
            ret->origin_lps[lps] -= to[i][lps] * (out_zyx[i] - 1) / 2;
        }
    }
}

bool volume_cover(const struct volume_geometry *geometry, const int out_zyx[3], struct volume_geometry *ret,
                  struct err *err)
{
    const double *from[3] = {geometry->step_z_lps, geometry->step_y_lps, geometry->step_x_lps};
    double centre_lps[3], steps[3];
    struct axis axes[3];
    if (!has_size(geometry, out_zyx, err))
        return false;
    find_axes(geometry, axes);
    for (int lps = 0; lps < 3; lps++) {
        centre_lps[lps] = geometry->origin_lps[lps];
        for (int i = 0; i < 3; i++)
            centre_lps[lps] += from[i][lps] * (geometry->zyx[i] - 1) / 2;
    }
    for (int i = 0; i < 3; i++)
        steps[i] = (double)geometry->zyx[axes[i].source] / out_zyx[i];
    set_grid(geometry, axes, centre_lps, steps, out_zyx, ret);
    return true;
}

bool volume_regrid(const struct volume_geometry *geometry, const double spacing_zyx_mm[3],
                   struct volume_geometry *ret, struct err *err)
{
    struct axis axes[3];
    int out_zyx[3];
    double voxels = 1;
    find_axes(geometry, axes);
    for (int i = 0; i < 3; i++) {
        int source = axes[i].source;
        double length_mm = geometry->zyx[source] * geometry->spacing_zyx_mm[source];
        double out = fmax(1, floor(length_mm / spacing_zyx_mm[i] + 1e-6));
        voxels *= out;
        if (!(out <= VOLUME_SIDE_MAX && voxels <= VOLUME_HELD_MAX))
            return err_decline(err, "volume_too_large", "%.0f mm are %.0f voxels of %g mm", length_mm, out,
                               spacing_zyx_mm[i]);
        out_zyx[i] = (int)out;
    }
    return volume_cover(geometry, out_zyx, ret, err);
}

bool volume_box(const struct volume_geometry *geometry, const double centre_lps[3],
                const double size_zyx_mm[3], const int out_zyx[3], struct volume_geometry *ret,
                struct err *err)
{
    struct axis axes[3];
    double steps[3];
    if (!has_size(geometry, out_zyx, err))
        return false;
    find_axes(geometry, axes);
    for (int i = 0; i < 3; i++) {
        if (!(size_zyx_mm[i] > 0))
            return err_fail(err, ERR_BUG, "a box of %g mm", size_zyx_mm[i]);
        steps[i] = size_zyx_mm[i] / out_zyx[i] / geometry->spacing_zyx_mm[axes[i].source];
    }
    set_grid(geometry, axes, centre_lps, steps, out_zyx, ret);
    return true;
}
