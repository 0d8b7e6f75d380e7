#include "vessels.h"

#include "dice.h"

#include <math.h>
#include <stddef.h>

static const double pi = 3.14159265358979323846;

enum { POINTS_MAX = 220, KNOTS_MAX = 12, ARTERIES = 3 };
static const double step_mm = 1.5;

/* An artery's middle line in steps of step_mm. */
struct artery {
    struct vec at[POINTS_MAX];
    double radius[POINTS_MAX];
    int count;
};

/* A curve through knots (Catmull-Rom), its radius going evenly from the first
 * to the last. */
static struct vec between_knots(const struct vec *knots, int count, int i, double t)
{
    struct vec a = knots[i > 0 ? i - 1 : 0], b = knots[i], c = knots[i + 1];
    struct vec d = knots[i + 2 < count ? i + 2 : count - 1];
    double weights[4] = {((-t + 2) * t - 1) * t / 2, ((3 * t - 5) * t * t + 2) / 2,
                         ((-3 * t + 4) * t + 1) * t / 2, (t - 1) * t * t / 2};
    return vec_sum(vec_sum(vec_scaled(a, weights[0]), vec_scaled(b, weights[1])),
                   vec_sum(vec_scaled(c, weights[2]), vec_scaled(d, weights[3])));
}

static void follow(struct artery *artery, const struct vec *knots, int count, double from_mm, double to_mm)
{
    artery->count = 0;
    for (int i = 0; i + 1 < count; i++) {
        int steps = (int)(vec_length(vec_from(knots[i], knots[i + 1])) / step_mm) + 1;
        for (int j = 0; j < steps && artery->count < POINTS_MAX; j++)
            artery->at[artery->count++] = between_knots(knots, count, i, (double)j / steps);
    }
    for (int i = 0; i < artery->count; i++)
        artery->radius[i] = (from_mm + (to_mm - from_mm) * i / artery->count) / 2;
}

static void add_artery(const struct artery *artery, struct scene *scene)
{
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i + 1 < artery->count; i++)
            scene_add(scene, shape_tube(pass ? TISSUE_CORONARY_BLOOD : TISSUE_VESSEL_WALL, artery->at[i],
                                        artery->at[i + 1], artery->radius[i] + (pass ? 0 : 0.5),
                                        artery->radius[i + 1] + (pass ? 0 : 0.5)));
}

/* source of the courses: front groove, left and right grooves between atria and
 * ventricles, back groove */
static void lay_left_front(const struct heart *heart, struct artery *artery)
{
    double length = heart->length_mm - heart->base_mm;
    struct vec knots[8] = {heart_point(heart, 2, -25, -10), heart_point(heart, -2, -33, -4)};
    for (int i = 0; i < 6; i++)
        knots[i + 2] = heart_surface(heart, -1.15 + 0.05 * i, length * (0.08 + 0.185 * i), 2.6);
    follow(artery, knots, 8, 3.9 * heart->patient->scale, 1.9);
}

static void lay_circumflex(const struct heart *heart, struct artery *artery)
{
    struct vec knots[7] = {heart_point(heart, -2, -33, -4)};
    for (int i = 0; i < 6; i++)
        knots[i + 1] = heart_surface(heart, -1.9 - 0.42 * i, -1 + 2.5 * i, 4.5);
    follow(artery, knots, 7, 3.3 * heart->patient->scale, 1.8);
}

static void lay_right(const struct heart *heart, struct artery *artery)
{
    struct vec knots[KNOTS_MAX] = {heart_point(heart, 22, -19, -9), heart_point(heart, 36, -24, -4)};
    int count = 2;
    for (int i = 0; i < 6; i++) {
        double angle = -0.75 + 0.42 * i;
        knots[count++] = heart_point(heart, 25 + 32 * cos(angle), 4 + 33 * sin(angle), -1 + 0.4 * i);
    }
    double length = heart->length_mm - heart->base_mm;
    for (int i = 0; i < 3; i++)
        knots[count++] = heart_surface(heart, 1.15, length * (0.08 + 0.25 * i), 2.6);
    follow(artery, knots, count, 3.7 * heart->patient->scale, 1.7);
}

static void add_branch(const struct heart *heart, struct scene *scene, const double from[2],
                       const double to[2])
{
    double length = heart->length_mm - heart->base_mm;
    struct vec knots[5];
    for (int i = 0; i < 5; i++)
        knots[i] = heart_surface(heart, from[0] + (to[0] - from[0]) * i / 4,
                                 length * (from[1] + (to[1] - from[1]) * i / 4), 2.2);
    struct artery artery;
    follow(&artery, knots, 5, 2.2, 1.3);
    add_artery(&artery, scene);
}

/* ---- disease ---- */

/* The lumen narrows over `length` points round the middle; soft plaque takes
 * the room. */
static void narrow(struct artery *artery, int middle, int length, double fraction, struct scene *scene)
{
    for (int i = 0; i < artery->count; i++) {
        double off = fabs((double)(i - middle)) / length;
        if (off >= 1)
            continue;
        double lost = fraction * 0.5 * (1 + cos(pi * off * off));
        struct vec at = artery->at[i];
        double radius = artery->radius[i];
        scene_add(scene, shape_tube(TISSUE_PLAQUE, at, artery->at[i + 1 < artery->count ? i + 1 : i],
                                    radius + 0.4 + 0.6 * fraction * (1 - off), radius + 0.4));
        artery->radius[i] = radius * (1 - lost);
    }
}

static void add_plaque(const struct artery *artery, int at, double severity, struct dice *dice,
                       struct scene *scene)
{
    double angle = dice_between(dice, -pi, pi);
    struct vec along = vec_from(artery->at[at], artery->at[at + 1]);
    struct vec across = {cos(angle), sin(angle), 0.2};
    struct frame frame = frame_along(artery->at[at], along, across);
    frame.origin = frame_point(&frame, artery->radius[at] + 0.3, 0, 0);
    double size = (0.75 + 0.5 * severity) * dice_between(dice, 0.75, 1.25);
    struct shape plaque =
        shape_ellipsoid(TISSUE_CALCIUM, frame, 0.95 * size, 1.3 * size, dice_between(dice, 1.6, 4) * size);
    plaque.strength = (float)dice_between(dice, 0.5, 1);
    scene_add(scene, plaque);
}

/* Plaques lie in the first 60 % of an artery, most of them in the left front
 * one. */
static void add_calcium(const struct artery *arteries, const struct patient *patient, struct scene *scene)
{
    double severity = patient->findings.severity[CORONARY_CALCIFICATION];
    if (severity <= 0)
        return;
    struct dice dice = dice_named(patient->seed, "coronary calcium");
    int count = 2 + (int)lround(14 * severity);
    for (int i = 0; i < count; i++) {
        double chance = dice_unit(&dice);
        const struct artery *artery = &arteries[chance < 0.5 ? 0 : chance < 0.7 ? 1 : 2];
        int at = 4 + dice_below(&dice, artery->count * 6 / 10);
        add_plaque(artery, at, severity, &dice, scene);
    }
}

void coronary_add(const struct heart *heart, struct scene *scene)
{
    struct artery arteries[ARTERIES];
    lay_left_front(heart, &arteries[0]);
    lay_circumflex(heart, &arteries[1]);
    lay_right(heart, &arteries[2]);
    add_branch(heart, scene, (double[]){-1.15, 0.26}, (double[]){-2.0, 0.75});
    add_branch(heart, scene, (double[]){-2.7, 0.05}, (double[]){-3.0, 0.7});
    if (heart->patient->stenosis > 0) {
        struct dice dice = dice_named(heart->patient->seed, "stenosis");
        double chance = dice_unit(&dice);
        struct artery *artery = &arteries[chance < 0.5 ? 0 : chance < 0.75 ? 1 : 2];
        int middle = (int)(artery->count * dice_between(&dice, 0.18, 0.45));
        narrow(artery, middle, 4 + dice_below(&dice, 4), heart->patient->stenosis, scene);
    }
    for (int i = 0; i < ARTERIES; i++)
        add_artery(&arteries[i], scene);
    add_calcium(arteries, heart->patient, scene);
}
