#include "thorax.h"

#include "dice.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

static struct frame turned(struct vec origin, struct vec along)
{
    return frame_along(origin, along, (struct vec){1, 0.01, 0});
}

static void add_wall(const struct patient *patient, struct scene *scene)
{
    double w = patient->chest_half_width_mm, d = patient->chest_half_depth_mm, fat = patient->fat_mm;
    struct frame middle = frame_level((struct vec){0, 0, 0});
    struct frame skin = frame_level((struct vec){0, 3, 0});
    struct shape body = shape_trunk(TISSUE_FAT, skin, w + fat + 17, d + 0.75 * fat + 19, 0.15);
    shape_rind(&body, TISSUE_SKIN, 2);
    scene_add(scene, body);
    for (int side = -1; side <= 1 && patient->female; side += 2) {
        struct frame breast = frame_level((struct vec){side * 0.55 * w, -d - 0.4 * fat - 10, -25});
        scene_add(scene, shape_ellipsoid(TISSUE_SKIN, breast, 52, 26 + fat / 2, 50));
        scene_add(scene, shape_ellipsoid(TISSUE_FAT, breast, 50, 24 + fat / 2, 48));
        breast.origin.y -= 6;
        struct shape gland = shape_ellipsoid(TISSUE_MUSCLE, breast, 26, 9 + fat / 5, 24);
        gland.strength = 0.5f;
        scene_add(scene, gland);
    }
    scene_add(scene, shape_trunk(TISSUE_MUSCLE, frame_level((struct vec){0, 2, 0}), w + 14, d + 14, 0.25));
    for (int side = -1; side <= 1; side += 2) { /* back muscles, and the fat between them and the wall */
        struct frame back = frame_level((struct vec){side * 32, d + 7, 0});
        scene_add(scene, shape_cylinder(TISSUE_FAT, back, 32, 17, 400));
        scene_add(scene, shape_cylinder(TISSUE_MUSCLE, back, 29, 15, 400));
        struct frame blade = frame_level((struct vec){side * 0.68 * w, 0.78 * d + 14, 0});
        scene_add(scene, shape_cylinder(TISSUE_FAT, blade, 34, 7, 200));
    }
    struct shape lungs = shape_trunk(TISSUE_LUNG, middle, w, d, 0.45);
    shape_rind(&lungs, TISSUE_FAT, 3);
    scene_add(scene, lungs);
}

/* A rib goes from the spine round the wall to the front, and down. */
static struct vec rib_point(const struct patient *patient, double z, int side, double part)
{
    double angle = pi / 2 - part * 2.75; /* from the back to the front */
    double up = z - 58 * sin(part * pi / 2);
    double scale = 1 - 0.45 * (up > 0 ? up * up / 32400 : 0);
    double x = cos(angle), y = sin(angle);
    x = copysign(pow(fabs(x), 0.8), x) * (patient->chest_half_width_mm + 5);
    y = copysign(pow(fabs(y), 0.9), y) * (patient->chest_half_depth_mm + 4);
    return (struct vec){side * x * scale, y * scale, up};
}

static void add_ribs(const struct patient *patient, struct scene *scene)
{
    enum { RIBS = 13, STEPS = 14 };
    for (int rib = 0; rib < RIBS; rib++)
        for (int side = -1; side <= 1; side += 2) {
            double z = (190 - 27 * rib) * patient->scale;
            struct vec points[STEPS];
            for (int i = 0; i < STEPS; i++)
                points[i] = rib_point(patient, z, side, 0.12 + 0.88 * i / (STEPS - 1));
            scene_add_path(scene, TISSUE_CARTILAGE, points + STEPS - 4, 4, 5, 5);
            scene_add_path(scene, TISSUE_CORTEX, points, STEPS - 3, 5.2, 5.2);
            scene_add_path(scene, TISSUE_MARROW, points, STEPS - 3, 3.6, 3.6);
        }
}

static void add_vertebra(struct scene *scene, double y, double z, double k)
{
    struct frame body = frame_level((struct vec){0, y, z});
    for (int side = -1; side <= 1; side += 2) {
        struct vec root = {side * 13 * k, y + 12 * k, z + 2}, bend = {side * 14 * k, y + 27 * k, z};
        struct vec tip = {side * 34 * k, y + 33 * k, z + 2}, behind = {0, y + 37 * k, z - 4};
        scene_add(scene, shape_tube(TISSUE_CORTEX, root, bend, 5 * k, 5.5 * k));
        scene_add(scene, shape_tube(TISSUE_CORTEX, bend, tip, 5 * k, 4 * k));
        scene_add(scene, shape_tube(TISSUE_CORTEX, bend, behind, 4.5 * k, 4 * k));
        scene_add(scene, shape_tube(TISSUE_MARROW, bend, tip, 3 * k, 2.5 * k));
    }
    struct vec behind = {0, y + 37 * k, z - 4}, end = {0, y + 43 * k, z - 15};
    scene_add(scene, shape_tube(TISSUE_CORTEX, behind, end, 3.5 * k, 3.5 * k));
    scene_add(scene, shape_cylinder(TISSUE_CORTEX, body, 19 * k, 15 * k, 10.5 * k));
    scene_add(scene, shape_cylinder(TISSUE_MARROW, body, 17.3 * k, 13.4 * k, 9.3 * k));
}

static void add_spine(const struct patient *patient, struct scene *scene)
{
    double k = patient->scale, y = patient->chest_half_depth_mm - 14 * k;
    struct frame front = frame_level((struct vec){0, y + 4, 0});
    scene_add(scene, shape_cylinder(TISSUE_FAT, front, 27 * k, 24 * k, 400));
    scene_add(scene,
              shape_cylinder(TISSUE_DISC, frame_level((struct vec){0, y, 0}), 18.5 * k, 14.5 * k, 400));
    for (int i = -9; i <= 9; i++)
        add_vertebra(scene, y, (i * 26 - 3) * k, k);
    struct frame canal = frame_level((struct vec){0, y + 22 * k, 0});
    scene_add(scene, shape_cylinder(TISSUE_FAT, canal, 9 * k, 8 * k, 400));
    scene_add(scene, shape_cylinder(TISSUE_NERVE, canal, 6.5 * k, 6 * k, 400));
}

static void add_front(const struct patient *patient, struct scene *scene)
{
    double d = patient->chest_half_depth_mm, k = patient->scale;
    struct vec low = {0, -d - 3, -75 * k}, high = {0, -d + 4, 110 * k};
    struct frame bone = turned(vec_mix(low, high, 0.5), vec_from(low, high));
    double half = vec_length(vec_from(low, high)) / 2;
    scene_add(scene,
              shape_ellipsoid(TISSUE_FAT, frame_level((struct vec){0, -d + 4, 10}), 26 * k, 12, 150 * k));
    scene_add(scene, shape_cylinder(TISSUE_CORTEX, bone, 17 * k, 6, half));
    scene_add(scene, shape_cylinder(TISSUE_MARROW, bone, 15.5 * k, 4.6, half - 1));
}

/* Branching vessels from the root of a lung outwards. */
static void add_tree(struct scene *scene, struct dice *dice, struct vec from, struct vec along, double radius,
                     int depth)
{
    double length = 9 + 2.6 * depth + 4 * dice_unit(dice);
    struct vec to = vec_sum(from, vec_scaled(along, length));
    scene_add(scene, shape_tube(TISSUE_LUNG_VESSEL, from, to, radius, 0.85 * radius));
    for (int child = 0; child < 2 && depth > 0; child++) {
        struct vec turn = {0.55 * dice_normal(dice), 0.55 * dice_normal(dice), 0.55 * dice_normal(dice)};
        double thinner = child ? dice_between(dice, 0.5, 0.75) : dice_between(dice, 0.7, 0.85);
        add_tree(scene, dice, to, vec_unit(vec_sum(along, turn)), radius * thinner, depth - 1);
    }
}

static void add_lung_vessels(const struct patient *patient, struct scene *scene)
{
    static const double ways[7][3] = {{0.7, -0.5, 0.5},   {0.9, 0.2, 0.35}, {0.6, 0.5, -0.6},
                                      {0.8, -0.4, -0.45}, {0.5, 0.1, 0.85}, {0.7, 0.7, -0.1},
                                      {0.45, 0.2, -0.9}};
    struct dice dice = dice_named(patient->seed, "lung vessels");
    double k = patient->scale;
    struct vec o = patient->heart.origin;
    for (int side = -1; side <= 1; side += 2)
        for (int i = 0; i < 7; i++) {
            struct vec way = vec_unit((struct vec){side * ways[i][0], ways[i][1], ways[i][2]});
            struct vec from = {(side < 0 ? -50 : 52) * k, o.y + (side < 0 ? 24 : 32) * k,
                               o.z + (24 + 14 * ways[i][2]) * k};
            add_tree(scene, &dice, from, way, 4.2 * k, 5);
        }
}

static void add_airways(const struct patient *patient, struct scene *scene)
{
    double k = patient->scale;
    struct vec o = patient->heart.origin;
    struct vec top = {-3, o.y + 28 * k, o.z + 190 * k}, fork = {-3, o.y + 36 * k, o.z + 72 * k};
    struct vec right = {-36 * k, o.y + 40 * k, o.z + 47 * k}, left = {42 * k, o.y + 44 * k, o.z + 43 * k};
    for (int pass = 0; pass < 2; pass++) {
        enum tissue tissue = pass ? TISSUE_AIRWAY : TISSUE_CARTILAGE;
        double wall = pass ? 0 : 1.4;
        scene_add(scene, shape_tube(tissue, top, fork, 8.5 * k + wall, 8.5 * k + wall));
        scene_add(scene, shape_tube(tissue, fork, right, 7 * k + wall, 5.5 * k + wall));
        scene_add(scene, shape_tube(tissue, fork, left, 6 * k + wall, 5 * k + wall));
    }
}

/* Fat between the lungs, the gullet. */
static void add_mediastinum(const struct patient *patient, struct scene *scene)
{
    double k = patient->scale, d = patient->chest_half_depth_mm;
    struct vec o = patient->heart.origin;
    struct shape fat = shape_blob(TISSUE_FAT, frame_level(o), 14);
    shape_part(&fat, -4 * k - 0.6 * o.x, 2 * k, 62 * k, 40 * k, 40 * k, 70 * k);
    shape_part(&fat, 3 * k - 0.7 * o.x, -d + 22 * k - o.y, 40 * k, 17 * k, 22 * k, 90 * k);
    scene_add(scene, fat);
    scene_add(scene, shape_cylinder(TISSUE_FAT, frame_level((struct vec){4 * k, d - 45 * k, 0}), 25 * k,
                                    20 * k, 220));
    double y = d - 43 * k;
    for (int i = 0; i < 2; i++)
        scene_add(scene,
                  shape_cylinder(i ? TISSUE_OESOPHAGUS : TISSUE_FAT, frame_level((struct vec){5 * k, y, 0}),
                                 (i ? 9 : 11) * k, (i ? 5 : 7) * k, 200));
    scene_add(scene, shape_cylinder(TISSUE_AIRWAY, frame_level((struct vec){5 * k, y - 1, 60}), 2, 1, 90));
}

static void add_abdomen(const struct patient *patient, struct scene *scene)
{
    struct dice dice = dice_named(patient->seed, "abdomen");
    double k = patient->scale, w = patient->chest_half_width_mm, d = patient->chest_half_depth_mm;
    double up = patient->breath_mm + patient->heart.origin.z + 20 * k;
    struct shape dome = shape_blob(TISSUE_FAT, frame_level((struct vec){0, 4, up}), 16);
    shape_part(&dome, -0.45 * w, 0, -152 * k, 0.62 * w, 0.98 * d, 100 * k);
    shape_part(&dome, 0.45 * w, 4, -164 * k, 0.6 * w, 0.95 * d, 96 * k);
    shape_part(&dome, 0, 0, -190 * k, 1.02 * w, 1.0 * d, 100 * k);
    shape_rind(&dome, TISSUE_MUSCLE, 2.5);
    scene_add(scene, dome);
    struct frame liver = frame_level((struct vec){-0.42 * w, 0, up - 152 * k});
    struct shape body = shape_blob(TISSUE_LIVER, liver, 20);
    shape_part(&body, 0, 0, 0, 0.58 * w, 0.9 * d, 96 * k);
    shape_part(&body, 0.45 * w, -0.35 * d, 2 * k, 0.42 * w, 0.45 * d, 74 * k);
    scene_add(scene, body);
    for (int i = 0; i < 7; i++) {
        struct vec from = {-0.2 * w, 0.25 * d, up - 120 * k};
        struct vec to = {from.x + dice_between(&dice, -0.55, 0.3) * w, dice_between(&dice, -0.7, 0.6) * d,
                         up - dice_between(&dice, 75, 150) * k};
        scene_add(scene, shape_tube(TISSUE_LIVER_VESSEL, from, to, 3.5, 1.5));
    }
    struct frame spleen = frame_along((struct vec){0.68 * w, 0.5 * d, up - 118 * k},
                                      (struct vec){0.3, 0.4, 1}, (struct vec){1, 0, 0});
    scene_add(scene, shape_ellipsoid(TISSUE_SPLEEN, spleen, 24 * k, 34 * k, 44 * k));
    double full = dice_between(&dice, 0.7, 1.15);
    struct frame stomach = frame_level((struct vec){0.42 * w, -0.05 * d, up - 125 * k});
    scene_add(scene, shape_ellipsoid(TISSUE_STOMACH, stomach, 38 * k * full, 46 * k * full, 44 * k * full));
    stomach.origin.y -= 14 * k * full;
    scene_add(scene, shape_ellipsoid(TISSUE_AIRWAY, stomach, 31 * k * full, 26 * k * full, 36 * k * full));
}

static void add_table(const struct patient *patient, struct scene *scene)
{
    struct dice dice = dice_named(patient->seed, "table");
    double back = patient->chest_half_depth_mm + 0.75 * patient->fat_mm + 26;
    double half = dice_between(&dice, 195, 225), radius = dice_between(&dice, 420, 900);
    struct frame top = frame_level((struct vec){4 * dice_normal(&dice), back + 6, 0});
    scene_add(scene, shape_plate(TISSUE_FAT, top, radius, half, 8)); /* mattress */
    top.origin.y += 5;
    scene_add(scene, shape_plate(TISSUE_TABLE, top, radius, half, 3));
    top.origin.y += dice_between(&dice, 35, 60);
    scene_add(scene, shape_plate(TISSUE_TABLE, top, radius * 0.7, half * 0.9, 3));
}

void thorax_add(const struct patient *patient, bool table, struct scene *scene)
{
    if (table)
        add_table(patient, scene);
    add_wall(patient, scene);
    add_ribs(patient, scene);
    add_lung_vessels(patient, scene);
    add_abdomen(patient, scene);
    add_front(patient, scene);
    add_mediastinum(patient, scene);
    add_spine(patient, scene);
    add_airways(patient, scene);
}
