#include "vessels.h"

#include "dice.h"

#include <math.h>

static const double pi = 3.14159265358979323846;
enum { AORTA_POINTS = 15 };

/* A course with a radius at every point. */
struct course {
    struct vec at[AORTA_POINTS];
    double radius[AORTA_POINTS];
    int count;
};

static void put(struct course *course, struct vec from, const double offset[3], double scale, double radius)
{
    struct vec by = vec_scaled((struct vec){offset[0], offset[1], offset[2]}, scale);
    course->at[course->count] = vec_sum(from, by);
    course->radius[course->count++] = radius;
}

static void add_course(const struct course *course, struct scene *scene, enum tissue tissue, double grown)
{
    for (int i = 0; i + 1 < course->count; i++)
        scene_add(scene, shape_tube(tissue, course->at[i], course->at[i + 1], course->radius[i] + grown,
                                    course->radius[i + 1] + grown));
}

/* source of the radii of arch and descending aorta: README.md, table of normal
 * values */
static struct course aorta_course(const struct heart *heart)
{
    const struct patient *patient = heart->patient;
    double k = patient->scale, r = patient->aorta_mm / 2, usual = 15.5 * k, arch = 13 * k, down = 11.5 * k;
    double wide = r > usual ? (r - usual) * 0.45 : 0;
    struct vec valve = heart_aortic_valve(heart), origin = patient->heart.origin;
    struct course course = {.count = 0};
    put(&course, valve, (double[]){0, 0, 0}, k, 11.5 * k + 0.3 * wide);
    put(&course, valve, (double[]){-3, -1.5, 9}, k, 16.2 * k + wide);
    valve.x -= 0.55 * fmax(0, r - usual);
    put(&course, valve, (double[]){-8, -4, 20}, k, 14.6 * k + 1.6 * wide);
    put(&course, valve, (double[]){-13, -6, 33}, k, r);
    put(&course, valve, (double[]){-15, -4, 47}, k, r);
    put(&course, valve, (double[]){-13, 2, 62}, k, 0.94 * r);
    put(&course, valve, (double[]){-7, 12, 73}, k, (arch + r) / 2);
    put(&course, valve, (double[]){3, 25, 79}, k, arch);
    put(&course, valve, (double[]){13, 40, 76}, k, 0.96 * arch);
    double spine = patient->chest_half_depth_mm - 35;
    double across = 19 * k - origin.x;
    static const double down_z[6] = {64, 45, 10, -40, -90, -160};
    for (int i = 0; i < 6; i++) {
        struct vec at = {origin.x + across + (i < 1 ? 0 : 2 - 1.5 * i), spine, origin.z + down_z[i] * k};
        course.at[course.count] = at;
        course.radius[course.count++] = down;
    }
    return course;
}

/* Flat plates in the wall, at places along the course. */
static void add_wall_calcium(const struct heart *heart, const struct course *course, struct scene *scene)
{
    double severity = heart->patient->findings.severity[AORTIC_WALL_CALCIFICATION];
    if (severity <= 0)
        return;
    struct dice dice = dice_named(heart->patient->seed, "aortic calcium");
    int count = 3 + (int)lround(13 * severity);
    for (int i = 0; i < count; i++) {
        /* root, ascending and arch less often than descending, as in life */
        int segment = dice_chance(&dice, 0.45) ? 2 + dice_below(&dice, 6) : 9 + dice_below(&dice, 4);
        double part = dice_unit(&dice), angle = dice_between(&dice, -pi, pi);
        struct vec at = vec_mix(course->at[segment], course->at[segment + 1], part);
        double radius = course->radius[segment] * (1 - part) + course->radius[segment + 1] * part + 0.6;
        struct vec along = vec_from(course->at[segment], course->at[segment + 1]);
        struct frame frame = frame_along(at, along, (struct vec){cos(angle), sin(angle), 0.1});
        frame.origin = frame_point(&frame, radius, 0, 0);
        double size = 0.7 + 0.6 * severity;
        double along_mm = dice_between(&dice, 2, 6) * size; /* in this order: arguments have none */
        double round_mm = dice_between(&dice, 2, 4.5) * size, thick_mm = dice_between(&dice, 0.9, 1.4) * size;
        struct shape plate = shape_ellipsoid(TISSUE_CALCIUM, frame, thick_mm, round_mm, along_mm);
        plate.strength = (float)dice_between(&dice, 0.6, 1);
        scene_add(scene, plate);
    }
}

static void add_veins(const struct heart *heart, struct scene *scene)
{
    const struct patient *patient = heart->patient;
    double k = patient->scale, a = patient->atria_scale;
    struct vec o = patient->heart.origin;
    struct vec right = frame_point(&patient->heart, 34 * heart->size, 10 * heart->size, -24 * a);
    double aside = 0.9 * fmax(0, patient->aorta_mm / 2 - 15.5 * k); /* a wide aorta pushes it */
    struct vec cava[4] = {vec_sum(right, (struct vec){2 * k, 2 * k, 10 * k}),
                          vec_sum(right, (struct vec){2 * k - aside, 3 * k, 32 * k}),
                          {o.x - 40 * k - aside, o.y + 2 * k, o.z + 70 * k},
                          {o.x - 36 * k, o.y - 2 * k, o.z + 120 * k}};
    scene_add_path(scene, TISSUE_VESSEL_WALL, cava + 1, 3, 11 * k, 10 * k);
    scene_add_path(scene, TISSUE_SUPERIOR_BLOOD, cava, 4, 10 * k, 8.7 * k);
    struct vec inferior[3] = {vec_sum(right, (struct vec){-1 * k, 5 * k, -14 * k}),
                              vec_sum(right, (struct vec){2 * k, 13 * k, -36 * k}),
                              vec_sum(right, (struct vec){8 * k, 26 * k, -110 * k})};
    scene_add_path(scene, TISSUE_INFERIOR_BLOOD, inferior, 3, 11 * k, 12 * k);
    struct vec left = frame_point(&patient->heart, -4 * a, 4 * a, -24 * a);
    static const double ends[4][3] = {{-52, 14, 16}, {-50, 24, -14}, {46, 22, 22}, {44, 34, -8}};
    static const double roots[4][3] = {{-14, 6, 8}, {-14, 10, -6}, {14, 8, 9}, {12, 12, -5}};
    for (int i = 0; i < 4; i++) {
        struct vec from = vec_sum(left, vec_scaled((struct vec){roots[i][0], roots[i][1], roots[i][2]}, a));
        struct vec to = vec_sum(left, vec_scaled((struct vec){ends[i][0], ends[i][1], ends[i][2]}, k));
        scene_add(scene, shape_tube(TISSUE_LEFT_BLOOD, from, to, 7 * k, 4.5 * k));
    }
}

/* Aorta and trunk lie side by side: what one grows, the other gives way. */
static struct course trunk_course(const struct heart *heart)
{
    double k = heart->patient->scale, r = heart->patient->pulmonary_mm / 2,
           aorta = heart->patient->aorta_mm / 2;
    double aside = fmax(0, (aorta - 13 * k) * 0.45) + fmax(0, (r - 12 * k) * 0.8) + 3 * k;
    struct vec valve = heart_pulmonary_valve(heart),
               over = vec_sum(valve, (struct vec){aside, -0.2 * aside, 0});
    struct course trunk = {.count = 0};
    put(&trunk, vec_mix(valve, over, 0.5), (double[]){0, 0, 0}, k, 0.9 * r);
    put(&trunk, over, (double[]){4, 5, 10}, k, r);
    put(&trunk, over, (double[]){8, 14, 20}, k, r);
    put(&trunk, over, (double[]){9, 24, 26}, k, 0.96 * r);
    return trunk;
}

static void add_pulmonary(const struct heart *heart, struct scene *scene)
{
    double k = heart->patient->scale, branch = 0.37 * heart->patient->pulmonary_mm;
    struct vec o = heart->patient->heart.origin;
    struct course trunk = trunk_course(heart);
    struct vec fork = trunk.at[3];
    struct course right = {.count = 0}, left = {.count = 0};
    put(&right, fork, (double[]){-2, 2, 0}, k, branch);
    put(&right, (struct vec){o.x - 8 * k, fork.y + 7 * k, fork.z}, (double[]){0, 0, 0}, k, branch);
    put(&right, (struct vec){o.x - 32 * k, fork.y + 9 * k, fork.z - 3 * k}, (double[]){0, 0, 0}, k, branch);
    put(&right, (struct vec){o.x - 52 * k, fork.y + 16 * k, fork.z - 14 * k}, (double[]){0, 0, 0}, k,
        0.7 * branch);
    put(&left, fork, (double[]){1, 2, 1}, k, branch);
    put(&left, fork, (double[]){12, 16, 5}, k, branch);
    put(&left, fork, (double[]){22, 28, -4}, k, 0.8 * branch);
    put(&left, fork, (double[]){26, 33, -22}, k, 0.6 * branch);
    const struct course *all[3] = {&right, &left, &trunk};
    for (int i = 0; i < 3; i++)
        add_course(all[i], scene, TISSUE_VESSEL_WALL, 1);
    for (int i = 0; i < 3; i++)
        add_course(all[i], scene, TISSUE_PULMONARY_BLOOD, 0);
}

void vessels_add(const struct heart *heart, struct scene *scene)
{
    add_veins(heart, scene);
    add_pulmonary(heart, scene);
    struct course aorta = aorta_course(heart);
    add_course(&aorta, scene, TISSUE_VESSEL_WALL, 1.6);
    add_course(&aorta, scene, TISSUE_AORTIC_BLOOD, 0);
    add_wall_calcium(heart, &aorta, scene);
    /* out of the ventricle into the root, through the wall's round end */
    scene_add(scene, shape_tube(TISSUE_AORTIC_BLOOD, heart_point(heart, 6, -8, 10), aorta.at[0],
                                9 * heart->size, aorta.radius[0] - 0.5));
}

void vessels_places(const struct heart *heart, struct vec *ret_aorta, struct vec *ret_trunk)
{
    struct course aorta = aorta_course(heart), trunk = trunk_course(heart);
    *ret_aorta = vec_mix(aorta.at[3], aorta.at[4], 0.5);
    *ret_trunk = vec_mix(trunk.at[1], trunk.at[2], 0.5);
}
