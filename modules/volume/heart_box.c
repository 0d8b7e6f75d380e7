#include "volume/heart_box.h"

#include "volume/heart_start.h"
#include "volume/heart_surface.h"

#include <math.h>

static const double grid_mm = 4;
static const double margin_mm = 4;   /* round a mask */
static const double few = 0.003;     /* of the heart's volume, left out at every side */
static const double widest_mm = 130; /* from the centre */
static const double apart_mm = 5;    /* of points */
enum { SIDE = 53 };                  /* points, to widest_mm on both sides */

/* How much of the heart lies at each place along each axis. */
struct spread {
    double counts[3][SIDE];
    double total;
};

static double place(int i)
{
    return (i - SIDE / 2) * apart_mm;
}

/* Points within the surface. */
static void spread_out(const struct heart_surface *surface, struct spread *ret)
{
    *ret = (struct spread){.total = 0};
    for (int z = 0; z < SIDE; z++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                double at[3] = {place(z), place(y), place(x)};
                double length = sqrt(at[0] * at[0] + at[1] * at[1] + at[2] * at[2]);
                if (length > widest_mm)
                    continue;
                for (int axis = 0; axis < 3 && length > 0; axis++)
                    at[axis] /= length;
                if (length > heart_surface_radius(surface, at))
                    continue;
                ret->counts[0][z]++;
                ret->counts[1][y]++;
                ret->counts[2][x]++;
                ret->total++;
            }
}

/* The place that this share of the heart lies before. */
static double quantile(const struct spread *spread, int axis, double share)
{
    double sum = 0, least = share * spread->total;
    for (int i = 0; i < SIDE; i++) {
        double count = spread->counts[axis][i];
        if (sum + count >= least && count > 0)
            return place(i) + ((least - sum) / count - 0.5) * apart_mm;
        sum += count;
    }
    return widest_mm;
}

/* From low to high along the grid's axes, mm from the first voxel, clipped to the grid. */
static void set_box(const struct volume_geometry *grid, const double low_mm[3], const double high_mm[3],
                    struct heart_box *ret)
{
    const double *steps[3] = {grid->step_z_lps, grid->step_y_lps, grid->step_x_lps};
    for (int lps = 0; lps < 3; lps++)
        ret->centre_lps[lps] = grid->origin_lps[lps];
    for (int axis = 0; axis < 3; axis++) {
        double spacing = grid->spacing_zyx_mm[axis];
        double most = grid->zyx[axis] - 0.5;
        double low = fmin(most, fmax(-0.5, low_mm[axis] / spacing));
        double high = fmin(most, fmax(low, high_mm[axis] / spacing));
        ret->size_zyx_mm[axis] = (high - low) * spacing;
        for (int lps = 0; lps < 3; lps++)
            ret->centre_lps[lps] += (low + high) / 2 * steps[axis][lps];
    }
}

static void whole_grid(const struct volume_geometry *grid, struct heart_box *ret)
{
    double low[3], high[3];
    for (int axis = 0; axis < 3; axis++) {
        low[axis] = -grid->spacing_zyx_mm[axis];
        high[axis] = grid->zyx[axis] * grid->spacing_zyx_mm[axis];
    }
    set_box(grid, low, high, ret);
}

/* 0 at `none`, 1 at `enough`, which may lie below it. */
static double of_enough(double value, double none, double enough)
{
    return fmax(0, fmin(1, (value - none) / (enough - none)));
}

/* Is that a heart's size, falling to 0 a third beyond? `held` is what of it the field of view holds. */
static double plausible(int axis, double size_mm, double held_mm)
{
    static const double least_mm[3] = {60, 70, 80}, most_mm[3] = {180, 180, 190};
    static const double least_held_mm[3] = {50, 35, 40};
    double low = least_mm[axis], high = most_mm[axis], held = least_held_mm[axis];
    double size = fmin(of_enough(size_mm, low * 2 / 3, low), of_enough(size_mm, high * 4 / 3, high));
    return fmin(size, of_enough(held_mm, held * 2 / 3, held));
}

/* Of what the box rests on, the weakest. */
static double support(const struct heart_start *start, const struct heart_surface *surface)
{
    double lung = of_enough(fmin(start->lung[0], start->lung[1]), 0.02, 0.06);
    double rays = of_enough(surface->held, 0.1, 0.4);
    return fmin(of_enough(start->soft, 0.3, 0.6), fmin(lung, rays));
}

static void set_from_surface(const struct volume_geometry *grid, const struct heart_start *start,
                             const struct heart_surface *surface, struct heart_box *ret)
{
    struct spread spread;
    double low[3], high[3];
    spread_out(surface, &spread);
    for (int axis = 0; axis < 3; axis++) {
        low[axis] = surface->centre_mm[axis] + quantile(&spread, axis, few);
        high[axis] = surface->centre_mm[axis] + quantile(&spread, axis, 1 - few);
    }
    set_box(grid, low, high, ret);
    ret->confidence = support(start, surface);
    for (int axis = 0; axis < 3; axis++) {
        double fits = plausible(axis, high[axis] - low[axis], ret->size_zyx_mm[axis]);
        ret->confidence = fmin(ret->confidence, fits);
    }
}

bool heart_box_estimate(const struct volume_geometry *grid, const float *hu, struct heart_box *ret,
                        struct err *err)
{
    struct heart_scan scan = {grid, hu};
    struct heart_start starts[HEART_STARTS];
    double best = 0;
    *ret = (struct heart_box){.confidence = 0};
    whole_grid(grid, ret);
    int count = heart_start_seek(&scan, starts);
    for (int i = 0; i < count; i++) {
        struct heart_surface surface;
        struct heart_box box;
        if (!heart_surface_fit(&scan, starts[i].at_mm, &surface, err))
            return false;
        if (surface.held <= 0)
            continue;
        set_from_surface(grid, &starts[i], &surface, &box);
        double merit = box.confidence * surface.held * starts[i].score;
        if (merit <= best)
            continue;
        best = merit;
        *ret = box;
    }
    return true;
}

bool heart_box_grid(const struct volume_geometry *geometry, struct volume_geometry *ret, struct err *err)
{
    const double spacing[3] = {grid_mm, grid_mm, grid_mm};
    return volume_regrid(geometry, spacing, ret, err);
}

bool heart_box_of_mask(const struct volume_geometry *grid, const uint8_t *mask, struct heart_box *ret)
{
    double low[3] = {INFINITY, INFINITY, INFINITY}, high[3] = {-INFINITY, -INFINITY, -INFINITY};
    bool any = false;
    for (int z = 0; z < grid->zyx[0]; z++)
        for (int y = 0; y < grid->zyx[1]; y++)
            for (int x = 0; x < grid->zyx[2]; x++) {
                if (!*mask++)
                    continue;
                const int at[3] = {z, y, x};
                for (int i = 0; i < 3; i++) {
                    low[i] = fmin(low[i], (at[i] - 0.5) * grid->spacing_zyx_mm[i] - margin_mm);
                    high[i] = fmax(high[i], (at[i] + 0.5) * grid->spacing_zyx_mm[i] + margin_mm);
                }
                any = true;
            }
    if (any)
        set_box(grid, low, high, ret);
    else
        whole_grid(grid, ret);
    ret->confidence = 1;
    return any;
}
