#include "volume/heart_surface.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;
static const double near_mm = 12, step_mm = 2; /* along a ray */
static const double least_mm = 25;             /* of the first border */
static const double within_mm = 40;            /* of the centre: blood, mostly */
static const float contrast_hu = 150;          /* of blood */
/* Where tissue ends: muscle and blood with contrast, but no fluid; without, anything but fat. */
static const double lit_hu = 20, plain_hu = -20;
/* What follows. Fluid shows where the heart's fat ends; lung does but for the pericardium and the fat outside
 * it; where more fat follows, nothing does. */
static const double fluid_low_hu = -25, fluid_high_hu = 35, lung_hu = -450;
static const double fat_mm = 5, fat_least_mm = 2, fat_most_mm = 10, before_lung_mm = 6.5, lung_within_mm = 25;
/* Great vessels leave the heart upward: rays with this cosine and more count for less. */
static const double vessels_from = 0.65, vessels_weight = 0.2;
static const double wide_mm = 30, narrow_mm = 5; /* off the surface and counting half, at first and at last */
static const double narrowing = 0.75, stiffness = 0.1;
static const double tips_share = 0.13, tips_less_mm = 6; /* smoothing takes more off a large heart's tips */
enum { RAYS = 400, STEPS = 59, BORDERS = 12, TERMS = HEART_SURFACE_TERMS, ROUNDS = 8, STIFF_ROUNDS = 2 };
enum { CENTRINGS = 4, CENTRED_MM = 3, FEW_RAYS = 60 };

struct ray {
    double direction[3];
    double terms[TERMS]; /* of its direction */
    double borders[BORDERS];
    int border_count;
    double radius, weight; /* of the surface; of the border taken */
};

struct fit {
    const struct heart_scan *scan;
    double centre_mm[3];
    bool lit; /* blood has contrast */
    float profiles[RAYS][STEPS];
    struct ray rays[RAYS];
    double usual_mm;     /* distance of the first border */
    double terms[TERMS]; /* of what the surface lies beyond it */
};

/* Monomials of degrees 5 and 6, which on the unit sphere span those of all lower degrees too. */
static void find_terms(const double direction[3], double terms[TERMS])
{
    double powers[3][7];
    int term = 0;
    for (int axis = 0; axis < 3; axis++) {
        powers[axis][0] = 1;
        for (int i = 1; i < 7; i++)
            powers[axis][i] = powers[axis][i - 1] * direction[axis];
    }
    for (int degree = 5; degree <= 6; degree++)
        for (int i = 0; i <= degree; i++)
            for (int j = 0; j <= degree - i; j++)
                terms[term++] = powers[0][i] * powers[1][j] * powers[2][degree - i - j];
}

/* Evenly over the sphere, a golden angle from each to the next. */
static void place_rays(struct fit *fit)
{
    for (int i = 0; i < RAYS; i++) {
        double z = 1 - 2 * (i + 0.5) / RAYS, across = sqrt(1 - z * z), angle = pi * (1 + sqrt(5)) * (i + 0.5);
        struct ray *ray = &fit->rays[i];
        ray->direction[0] = z;
        ray->direction[1] = across * sin(angle);
        ray->direction[2] = across * cos(angle);
        find_terms(ray->direction, ray->terms);
    }
}

/* NAN outside the voxels' middles, and where a value is not finite. */
static float sample(const struct heart_scan *scan, const double at_mm[3])
{
    const int *zyx = scan->grid->zyx;
    size_t first[3], next[3];
    float part[3], sum = 0;
    for (int axis = 0; axis < 3; axis++) {
        double at = at_mm[axis] / scan->grid->spacing_zyx_mm[axis];
        if (!(at >= 0 && at <= zyx[axis] - 1))
            return NAN;
        first[axis] = (size_t)at;
        next[axis] = first[axis] + 1 < (size_t)zyx[axis] ? first[axis] + 1 : first[axis];
        part[axis] = (float)(at - (double)first[axis]);
    }
    for (int corner = 0; corner < 8; corner++) {
        size_t index = 0;
        float weight = 1;
        for (int axis = 0; axis < 3; axis++) {
            bool far = corner >> axis & 1;
            index = index * (size_t)zyx[axis] + (far ? next[axis] : first[axis]);
            weight *= far ? part[axis] : 1 - part[axis];
        }
        sum += weight * scan->hu[index];
    }
    return isfinite(sum) ? sum : NAN;
}

static double length_at(int step)
{
    return near_mm + step * step_mm;
}

/* Take the profiles. Blood has contrast when three of ten samples near the centre are that bright. */
static void look(struct fit *fit)
{
    int bright = 0, count = 0;
    for (int i = 0; i < RAYS; i++)
        for (int step = 0; step < STEPS; step++) {
            double at[3];
            for (int axis = 0; axis < 3; axis++)
                at[axis] = fit->centre_mm[axis] + fit->rays[i].direction[axis] * length_at(step);
            float hu = fit->profiles[i][step] = sample(fit->scan, at);
            if (length_at(step) < within_mm && !isnan(hu)) {
                bright += hu > contrast_hu;
                count++;
            }
        }
    fit->lit = bright * 10 > count * 3;
}

/* Where the fat ends that lies round the heart's tissue. */
static double fat_ends(const float *profile, int step, double ends)
{
    for (int i = step + 1; i + 1 < STEPS && length_at(i) < ends + lung_within_mm; i++) {
        double here = (double)profile[i], next = (double)profile[i + 1], at = length_at(i);
        if (isnan(here) || here > fluid_high_hu)
            break;
        if (here < lung_hu)
            return fmax(ends + fat_least_mm, fmin(at - before_lung_mm, ends + fat_most_mm));
        if (at >= ends + fat_least_mm && at < ends + fat_most_mm && here > fluid_low_hu &&
            next > fluid_low_hu && next < fluid_high_hu)
            return at - 1;
    }
    return ends + fat_mm;
}

/* Where a ray leaves tissue for two steps at least. What lies outside the field of view ends nothing. */
static void find_borders(const struct fit *fit, const float *profile, struct ray *ray)
{
    double threshold = fit->lit ? lit_hu : plain_hu;
    ray->border_count = 0;
    for (int step = 0; step + 2 < STEPS && ray->border_count < BORDERS; step++) {
        double here = (double)profile[step], next = (double)profile[step + 1];
        if (here <= threshold || !(next <= threshold) || !((double)profile[step + 2] <= threshold))
            continue;
        double part = isnan(here) ? 0 : (here - threshold) / (here - next);
        ray->borders[ray->border_count++] = fat_ends(profile, step, length_at(step) + part * step_mm);
    }
}

static int by_value(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

/* The usual distance of the first border; 0: too few have one. */
static double usual_radius(const struct fit *fit)
{
    double firsts[RAYS];
    int count = 0;
    for (int i = 0; i < RAYS; i++) {
        const struct ray *ray = &fit->rays[i];
        int first = 0;
        while (first < ray->border_count && ray->borders[first] <= least_mm)
            first++;
        if (first < ray->border_count)
            firsts[count++] = ray->borders[first];
    }
    qsort(firsts, (size_t)count, sizeof *firsts, by_value);
    return count < FEW_RAYS ? 0 : firsts[count / 2];
}

/* The border nearest to the surface so far; -1: none. */
static double nearest(const struct ray *ray)
{
    double best = -1;
    for (int i = 0; i < ray->border_count; i++) {
        if (best < 0 || fabs(ray->borders[i] - ray->radius) < fabs(best - ray->radius))
            best = ray->borders[i];
    }
    return best;
}

/* matrix * terms = side by Cholesky's way, in place; the matrix is positive definite. */
static void solve(double matrix[TERMS][TERMS], double side[TERMS])
{
    for (int i = 0; i < TERMS; i++)
        for (int j = 0; j <= i; j++) {
            double sum = matrix[i][j];
            for (int k = 0; k < j; k++)
                sum -= matrix[i][k] * matrix[j][k];
            matrix[i][j] = i == j ? sqrt(sum) : sum / matrix[j][j];
        }
    for (int i = 0; i < TERMS; i++) {
        for (int k = 0; k < i; k++)
            side[i] -= matrix[i][k] * side[k];
        side[i] /= matrix[i][i];
    }
    for (int i = TERMS - 1; i >= 0; i--) {
        for (int k = i + 1; k < TERMS; k++)
            side[i] -= matrix[k][i] * side[k];
        side[i] /= matrix[i][i];
    }
}

static double sum_of(const double terms[TERMS], const double values[TERMS])
{
    double sum = 0;
    for (int i = 0; i < TERMS; i++)
        sum += terms[i] * values[i];
    return sum;
}

/* Draw the surface through the nearest borders once more. */
static void draw(struct fit *fit, double half_mm, double stiff)
{
    double matrix[TERMS][TERMS] = {{0}}, side[TERMS] = {0};
    for (int i = 0; i < RAYS; i++) {
        struct ray *ray = &fit->rays[i];
        double border = nearest(ray), off = (border - ray->radius) / half_mm;
        double trust = ray->direction[0] > vessels_from ? vessels_weight : 1;
        ray->weight = border < 0 ? 0 : trust / (1 + off * off);
        for (int j = 0; j < TERMS; j++) {
            double part = ray->weight * ray->terms[j];
            side[j] += part * (border - fit->usual_mm);
            for (int k = 0; k <= j; k++)
                matrix[j][k] += part * ray->terms[k];
        }
    }
    for (int j = 0; j < TERMS; j++)
        matrix[j][j] += stiff;
    solve(matrix, side);
    memcpy(fit->terms, side, sizeof side);
    for (int i = 0; i < RAYS; i++)
        fit->rays[i].radius = fit->usual_mm + sum_of(fit->terms, fit->rays[i].terms);
}

static bool wrap(struct fit *fit)
{
    look(fit);
    for (int i = 0; i < RAYS; i++)
        find_borders(fit, fit->profiles[i], &fit->rays[i]);
    double half = wide_mm;
    fit->usual_mm = usual_radius(fit);
    for (int i = 0; i < RAYS; i++)
        fit->rays[i].radius = fit->usual_mm;
    for (int i = 0; fit->usual_mm > 0 && i < ROUNDS; i++, half *= narrowing)
        draw(fit, fmax(half, narrow_mm), i < STIFF_ROUNDS ? 10 * stiffness : stiffness);
    return fit->usual_mm > 0;
}

/* From the centre to the middle of what the surface holds. */
static double off_centre(const struct fit *fit, double ret[3])
{
    double volume = 0;
    memset(ret, 0, 3 * sizeof *ret);
    for (int i = 0; i < RAYS; i++) {
        double radius = fmax(fit->rays[i].radius, near_mm);
        volume += pow(radius, 3) / 3;
        for (int axis = 0; axis < 3; axis++)
            ret[axis] += fit->rays[i].direction[axis] * pow(radius, 4) / 4;
    }
    for (int axis = 0; axis < 3; axis++)
        ret[axis] /= volume;
    return sqrt(ret[0] * ret[0] + ret[1] * ret[1] + ret[2] * ret[2]);
}

static void find(struct fit *fit, struct heart_surface *ret)
{
    double off[3];
    place_rays(fit);
    for (int i = 0;; i++) {
        if (!wrap(fit))
            return;
        if (off_centre(fit, off) < CENTRED_MM || i == CENTRINGS)
            break;
        for (int axis = 0; axis < 3; axis++)
            fit->centre_mm[axis] += off[axis];
    }
    memcpy(ret->centre_mm, fit->centre_mm, sizeof ret->centre_mm);
    ret->usual_mm = fit->usual_mm;
    memcpy(ret->terms, fit->terms, sizeof ret->terms);
    ret->beyond_mm = tips_share * fit->usual_mm - tips_less_mm;
    for (int i = 0; i < RAYS; i++)
        ret->held += fit->rays[i].weight / RAYS;
}

bool heart_surface_fit(const struct heart_scan *scan, const double start_mm[3], struct heart_surface *ret,
                       struct err *err)
{
    struct fit *fit = calloc(1, sizeof *fit);
    *ret = (struct heart_surface){.held = 0};
    if (!fit)
        return err_fail(err, ERR_NOMEM, "no memory to look for the heart");
    fit->scan = scan;
    memcpy(fit->centre_mm, start_mm, sizeof fit->centre_mm);
    find(fit, ret);
    free(fit);
    return true;
}

double heart_surface_radius(const struct heart_surface *surface, const double direction[3])
{
    double terms[TERMS];
    find_terms(direction, terms);
    return surface->usual_mm + sum_of(surface->terms, terms) + surface->beyond_mm;
}
