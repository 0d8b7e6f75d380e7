#include "heart.h"

#include <math.h>

static const double pi = 3.14159265358979323846;
/* The cavity is an ellipsoid cut at the mitral plane: its middle lies at this
 * part of its length. */
static const double middle = 0.35;
enum { SHORTENING_PERCENT = 15 }; /* of the length, at an ejection fraction of 0.63 */

/* Volume of an ellipsoid of revolution, half length c, cut at distance h below
 * its middle, in mm3. */
static double cut_volume(double radius, double half_length, double cut)
{
    double h = cut / half_length;
    return pi * radius * radius * half_length * (2.0 / 3 + h - h * h * h / 3);
}

static double cavity_radius(double volume_ml, double length)
{
    return sqrt(volume_ml * 1000 / cut_volume(1, (1 - middle) * length, middle * length));
}

static double muscle_volume(double radius, double length, double wall)
{
    return cut_volume(radius + wall, (1 - middle) * length + wall, middle * length) -
           cut_volume(radius, (1 - middle) * length, middle * length);
}

/* The wall that has the muscle's volume round another cavity. */
static double wall_of(double volume, double radius, double length)
{
    double low = 0, high = 60;
    for (int i = 0; i < 40; i++) {
        double wall = (low + high) / 2;
        if (muscle_volume(radius, length, wall) < volume)
            low = wall;
        else
            high = wall;
    }
    return low;
}

static struct shape left_ventricle(const struct heart *heart)
{
    double length = heart->length_mm - heart->base_mm;
    struct shape cavity = shape_blob(TISSUE_LEFT_BLOOD, heart->patient->heart, 0);
    shape_part(&cavity, 0, 0, heart->base_mm + middle * length, heart->radius_mm, heart->radius_mm,
               (1 - middle) * length);
    shape_cut(&cavity, heart->base_mm);
    return cavity;
}

static double right_middle(const struct heart *heart)
{
    return 0.72 * heart->outer_mm + 0.4 * heart->septum_mm;
}

static struct shape right_ventricle(const struct heart *heart, double width)
{
    double s = heart->size, b = heart->base_mm, length = heart->length_mm - b;
    struct shape cavity = shape_blob(TISSUE_RIGHT_BLOOD, heart->patient->heart, 14);
    double x = right_middle(heart);
    shape_part(&cavity, x, 4 * s, b + 0.36 * length, 30 * s * width, 34 * s * sqrt(width), 0.53 * length);
    shape_part(&cavity, x, -23 * s, b + 8 * s, 17 * s * width, 19 * s, 21 * s);
    shape_part(&cavity, 20 * s, -36 * s, b - 6 * s, 13 * s, 13 * s, 13 * s);
    return cavity;
}

/* Round the left ventricle, the right one, its outflow and the atria. */
static struct shape fat_surface(const struct heart *heart, double width)
{
    double s = heart->size, gap = heart->patient->heart_fat_mm, b = heart->base_mm;
    double outer = heart->outer_mm + gap, length = heart->length_mm - b, x = right_middle(heart);
    struct shape sac = shape_blob(TISSUE_HEART_FAT, heart->patient->heart, 18);
    shape_part(&sac, 0, 0, b + middle * length, outer, outer, (1 - middle) * length + heart->wall_mm + gap);
    double out = 2 + gap;
    shape_part(&sac, x, 4 * s, b + 0.36 * length, 30 * s * width + out, 34 * s * sqrt(width) + out,
               0.53 * length + out);
    double a = heart->patient->atria_scale;
    shape_part(&sac, 17 * a, 6 * a, -20 * a, 46 * a + gap, 32 * a + gap, 27 * a + gap);
    shape_part(&sac, 22 * s, -28 * s, -4 * s, 19 * s + gap, 21 * s + gap, 20 * s + gap);
    return sac;
}

static void shape_moment(struct heart *heart)
{
    const struct patient *patient = heart->patient;
    double radius = cbrt(patient->lv_edv_ml * 1000 /
                         cut_volume(1, (1 - middle) * patient->lv_slimness, middle * patient->lv_slimness));
    heart->length_mm = radius * patient->lv_slimness;
    heart->size = (radius / 26 + heart->length_mm / 87) / 2;
    double ejected = patient->lv_ef * heart->contraction;
    heart->base_mm = heart->length_mm * SHORTENING_PERCENT / 100 * ejected / 0.63;
    double muscle = muscle_volume(radius, heart->length_mm, patient->wall_mm);
    double length = heart->length_mm - heart->base_mm;
    heart->radius_mm = cavity_radius(patient->lv_edv_ml * (1 - ejected), length);
    heart->wall_mm = wall_of(muscle, heart->radius_mm, length);
    heart->septum_mm = patient->septum_mm * heart->wall_mm / patient->wall_mm;
    heart->outer_mm = heart->radius_mm + heart->wall_mm;
}

void heart_at(const struct patient *patient, double contraction, struct heart *heart)
{
    *heart = (struct heart){.patient = patient, .contraction = contraction / 2};
    shape_moment(heart);
    /* the sac moves half as far as the muscle: what the ventricles lose, the
     * atria gain */
    double change = patient->rv_width[1] - patient->rv_width[0];
    shape_moment(heart);
    heart->sac = fat_surface(heart, patient->rv_width[0] + contraction / 2 * change);
    heart->contraction = contraction;
    shape_moment(heart);
    double width = patient->rv_width[0] + contraction * change;
    heart->lv = left_ventricle(heart);
    heart->lv_wall = shape_wall(&heart->lv, heart->wall_mm, heart->septum_mm);
    heart->rv = right_ventricle(heart, width);
}

struct vec heart_point(const struct heart *heart, double x, double y, double z)
{
    double s = heart->size;
    return frame_point(&heart->patient->heart, x * s, y * s, heart->base_mm + z * s);
}

struct vec heart_surface(const struct heart *heart, double angle, double z, double over)
{
    double length = heart->length_mm - heart->base_mm;
    double from_middle = (z - middle * length) / ((1 - middle) * length + heart->wall_mm);
    double facing = cos(angle) > 0 ? cos(angle) * cos(angle) : 0;
    double fade = fmin(1, fmax(0, 1.1 - (z - middle * length) / ((1 - middle) * length)));
    double radius = heart->outer_mm * sqrt(fmax(0, 1 - from_middle * from_middle));
    radius += over + heart->septum_mm * facing * fade;
    return frame_point(&heart->patient->heart, radius * cos(angle), radius * sin(angle), heart->base_mm + z);
}

struct vec heart_aortic_valve(const struct heart *heart)
{
    return heart_point(heart, 11, -13, -5 - 0.3 * heart->base_mm);
}

struct vec heart_pulmonary_valve(const struct heart *heart)
{
    return heart_point(heart, 18, -38, -12 - 0.3 * heart->base_mm);
}

/* ---- counting ---- */

enum { GRID_MM = 3 };

/* The next points of a row of the grid, which ends before `end`; returns how many. */
static int next_points(struct shape_points *at, float *x, float y, float z, float end)
{
    int count = 0;
    for (int i = 0; i < SHAPE_LANES; i++) {
        count += *x < end;
        at->axis[0][i] = *x;
        at->axis[1][i] = y;
        at->axis[2][i] = z;
        *x += GRID_MM;
    }
    return count;
}

static double count_ml(const struct shape *inside, const struct shape *outside, double from_z)
{
    int count = 0;
    struct shape_points at;
    float in[SHAPE_LANES], out[SHAPE_LANES] = {0};
    for (float z = fmaxf(inside->low[2], (float)from_z); z < inside->high[2]; z += GRID_MM)
        for (float y = inside->low[1]; y < inside->high[1]; y += GRID_MM)
            for (float x = inside->low[0]; x < inside->high[0];) {
                int points = next_points(&at, &x, y, z, inside->high[0]);
                inside->distances(inside, &at, in);
                if (outside)
                    outside->distances(outside, &at, out);
                for (int i = 0; i < points; i++)
                    count += in[i] < 0 && !(out[i] < 0);
            }
    return count * (GRID_MM * GRID_MM * GRID_MM) / 1000.0;
}

double heart_lv_ml(const struct heart *heart)
{
    return count_ml(&heart->lv, NULL, -1000);
}

double heart_rv_ml(const struct heart *heart)
{
    return count_ml(&heart->rv, &heart->lv_wall, heart->base_mm);
}

double heart_wall_ml(const struct heart *heart)
{
    return count_ml(&heart->lv_wall, &heart->lv, -1000);
}

static double width_for(struct patient *patient, double contraction, double volume_ml)
{
    double low = 0.2, high = 3;
    for (int i = 0; i < 12; i++) {
        double width = (low + high) / 2;
        patient->rv_width[0] = patient->rv_width[1] = width;
        struct heart heart;
        heart_at(patient, contraction, &heart);
        if (heart_rv_ml(&heart) < volume_ml)
            low = width;
        else
            high = width;
    }
    return (low + high) / 2;
}

void heart_solve(struct patient *patient)
{
    double diastole = width_for(patient, 0, patient->rv_edv_ml);
    double systole = width_for(patient, 1, patient->rv_edv_ml * (1 - patient->rv_ef));
    patient->rv_width[0] = diastole;
    patient->rv_width[1] = systole;
}

void heart_box(const struct heart *heart, struct vec *low, struct vec *high, double *ret_ml)
{
    const struct shape *sac = &heart->sac;
    int count = 0;
    struct shape_points at;
    float distance[SHAPE_LANES];
    *low = (struct vec){1e6, 1e6, 1e6};
    *high = (struct vec){-1e6, -1e6, -1e6};
    for (float z = sac->low[2]; z < sac->high[2]; z += GRID_MM)
        for (float y = sac->low[1]; y < sac->high[1]; y += GRID_MM)
            for (float x = sac->low[0]; x < sac->high[0];) {
                int points = next_points(&at, &x, y, z, sac->high[0]);
                sac->distances(sac, &at, distance);
                for (int i = 0; i < points; i++) {
                    if (distance[i] >= 0)
                        continue;
                    count++;
                    struct vec in = frame_point(&sac->frame, (double)at.axis[0][i], (double)y, (double)z);
                    *low = (struct vec){fmin(low->x, in.x), fmin(low->y, in.y), fmin(low->z, in.z)};
                    *high = (struct vec){fmax(high->x, in.x), fmax(high->y, in.y), fmax(high->z, in.z)};
                }
            }
    *ret_ml = count * (GRID_MM * GRID_MM * GRID_MM) / 1000.0;
}
