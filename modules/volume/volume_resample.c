#include "volume/volume.h"

#include <math.h>
#include <stdlib.h>

/* For each output index along one canonical axis: two source offsets and the share of the second. */
struct tap {
    size_t low, high;
    float share;
};

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

/* source: torch.nn.functional.interpolate, align_corners=False: place = (i + 0.5) * in / out - 0.5, not below
 * 0, the upper neighbour not beyond the edge. */
static void set_taps(struct tap *taps, int out, int in, size_t stride, bool flipped)
{
    for (int i = 0; i < out; i++) {
        double place = fmax(0, (i + 0.5) * in / out - 0.5);
        int low = (int)place < in - 1 ? (int)place : in - 1, high = low + 1 < in ? low + 1 : low;
        taps[i].share = (float)(place - low);
        taps[i].low = stride * (size_t)(flipped ? in - 1 - low : low);
        taps[i].high = stride * (size_t)(flipped ? in - 1 - high : high);
    }
}

static float mix(float low, float high, float share)
{
    return low + share * (high - low);
}

static float sample(const float *voxels, const struct tap *z, const struct tap *y, const struct tap *x)
{
    const float *ll = voxels + z->low + y->low, *lh = voxels + z->low + y->high;
    const float *hl = voxels + z->high + y->low, *hh = voxels + z->high + y->high;
    float low = mix(mix(ll[x->low], ll[x->high], x->share), mix(lh[x->low], lh[x->high], x->share), y->share);
    float high =
        mix(mix(hl[x->low], hl[x->high], x->share), mix(hh[x->low], hh[x->high], x->share), y->share);
    return mix(low, high, z->share);
}

bool volume_resample(const struct volume_geometry *geometry, const float *voxels, const int out_zyx[3],
                     float *out, struct err *err)
{
    const int *in_zyx = geometry->zyx;
    for (int i = 0; i < 3; i++) {
        if (in_zyx[i] < 1 || out_zyx[i] < 1 || !(geometry->spacing_zyx_mm[i] > 0))
            return err_fail(err, ERR_BUG, "resampling %d to %d voxels", in_zyx[i], out_zyx[i]);
    }
    const size_t strides[3] = {(size_t)in_zyx[1] * (size_t)in_zyx[2], (size_t)in_zyx[2], 1};
    struct axis axes[3];
    find_axes(geometry, axes);
    struct tap *taps = malloc(sizeof *taps * ((size_t)out_zyx[0] + (size_t)out_zyx[1] + (size_t)out_zyx[2]));
    if (!taps)
        return err_fail(err, ERR_NOMEM, "out of memory for resampling");
    struct tap *parts[3] = {taps, taps + out_zyx[0], taps + out_zyx[0] + out_zyx[1]};
    for (int i = 0; i < 3; i++)
        set_taps(parts[i], out_zyx[i], in_zyx[axes[i].source], strides[axes[i].source], axes[i].flipped);
    for (int z = 0; z < out_zyx[0]; z++) {
        for (int y = 0; y < out_zyx[1]; y++) {
            for (int x = 0; x < out_zyx[2]; x++)
                *out++ = sample(voxels, &parts[0][z], &parts[1][y], &parts[2][x]);
        }
    }
    free(taps);
    return true;
}

bool volume_regrid(const struct volume_geometry *geometry, const double spacing_zyx_mm[3],
                   struct volume_geometry *ret, struct err *err)
{
    const double *steps[3] = {geometry->step_z_lps, geometry->step_y_lps, geometry->step_x_lps};
    double *ret_steps[3] = {ret->step_z_lps, ret->step_y_lps, ret->step_x_lps};
    struct axis axes[3];
    find_axes(geometry, axes);
    ret->phases = 1;
    for (int lps = 0; lps < 3; lps++)
        ret->origin_lps[lps] = geometry->origin_lps[lps];
    for (int i = 0; i < 3; i++) {
        int source = axes[i].source, in = geometry->zyx[source];
        double length_mm = in * geometry->spacing_zyx_mm[source], out = round(length_mm / spacing_zyx_mm[i]);
        if (!(out <= VOLUME_SIDE_MAX))
            return err_decline(err, "volume_too_large", "%.0f mm are %.0f voxels of %g mm", length_mm, out,
                               spacing_zyx_mm[i]);
        ret->zyx[i] = out < 1 ? 1 : (int)out;
        ret->spacing_zyx_mm[i] = length_mm / ret->zyx[i];
        double share = (double)in / ret->zyx[i], first = share / 2 - 0.5; /* see set_taps */
        for (int lps = 0; lps < 3; lps++) {
            ret_steps[i][lps] = steps[source][lps] * (axes[i].flipped ? -share : share);
            ret->origin_lps[lps] += steps[source][lps] * (axes[i].flipped ? in - 1 - first : first);
        }
    }
    return true;
}
