#include "volume/volume_turn.h"

#include <string.h>

static void swap_axes(struct volume_geometry *geometry)
{
    struct volume_geometry was = *geometry;
    memcpy(geometry->step_x_lps, was.step_y_lps, sizeof was.step_y_lps);
    memcpy(geometry->step_y_lps, was.step_x_lps, sizeof was.step_x_lps);
    for (int axis = 1; axis <= 2; axis++) {
        geometry->zyx[axis] = was.zyx[3 - axis];
        geometry->spacing_zyx_mm[axis] = was.spacing_zyx_mm[3 - axis];
    }
}

static void flip_axis(double origin_lps[3], double step_lps[3], int count)
{
    for (int i = 0; i < 3; i++) {
        origin_lps[i] += step_lps[i] * (count - 1);
        step_lps[i] = -step_lps[i];
    }
}

struct volume_geometry volume_turned(const struct volume_geometry *geometry, const struct volume_turn *turn)
{
    struct volume_geometry ret = *geometry;
    if (turn->swap)
        swap_axes(&ret);
    if (turn->flip_yx[0])
        flip_axis(ret.origin_lps, ret.step_y_lps, ret.zyx[1]);
    if (turn->flip_yx[1])
        flip_axis(ret.origin_lps, ret.step_x_lps, ret.zyx[2]);
    return ret;
}

static double how_anatomical(const struct volume_geometry *geometry)
{
    const double *x = geometry->step_x_lps, *y = geometry->step_y_lps;
    const double *spacing = geometry->spacing_zyx_mm;
    return (x[0] + x[1] / 2) / spacing[2] + (y[1] / 2 - y[2]) / spacing[1];
}

struct volume_turn volume_turn_anatomical(const struct volume_geometry *geometry)
{
    struct volume_turn best = {0};
    double most = how_anatomical(geometry);
    for (int way = 1; way < 8; way++) {
        const struct volume_turn turn = {way & 4, {way & 2, way & 1}};
        const struct volume_geometry turned = volume_turned(geometry, &turn);
        double value = how_anatomical(&turned);
        if (value <= most)
            continue;
        most = value;
        best = turn;
    }
    return best;
}

void volume_turn_values(const struct volume_turn *turn, const float *in, size_t stride, const int size_yx[2],
                        float *out)
{
    int rows = size_yx[turn->swap ? 1 : 0], columns = size_yx[turn->swap ? 0 : 1];
    for (int y = 0; y < rows; y++) {
        for (int x = 0; x < columns; x++) {
            int row = turn->flip_yx[0] ? rows - 1 - y : y;
            int column = turn->flip_yx[1] ? columns - 1 - x : x;
            int from_y = turn->swap ? column : row, from_x = turn->swap ? row : column;
            *out++ = in[(size_t)from_y * stride + (size_t)from_x];
        }
    }
}
