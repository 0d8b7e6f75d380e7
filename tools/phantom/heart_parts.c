#include "heart.h"

#include "dice.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

/* Fluid gathers where a lying patient's lowest point is: behind and below. Fat
 * lies round the sac. */
static void add_sac(const struct heart *heart, struct scene *scene)
{
    double thick = heart->patient->effusion_mm;
    struct shape fluid = shape_grown(&heart->sac, 0.64 * thick);
    fluid.tissue = TISSUE_FLUID;
    fluid.frame.origin = vec_sum(fluid.frame.origin, (struct vec){0.05 * thick, 0.29 * thick, -0.2 * thick});
    shape_rind(&fluid, TISSUE_PERICARDIUM, 1.3);
    shape_rind(&fluid, TISSUE_FAT, 1 + 0.6 * heart->patient->heart_fat_mm);
    scene_add(scene, fluid);
    scene_add(scene, heart->sac);
}

static struct shape right_atrium(const struct heart *heart)
{
    double a = heart->patient->atria_scale, s = heart->size, b = heart->base_mm;
    struct shape blood = shape_blob(TISSUE_RIGHT_BLOOD, heart->patient->heart, 10);
    shape_part(&blood, 34 * s, 13 * s, b / 2 - 22 * a, 22 * a, 24 * a, 22 * a + b / 2);
    shape_part(&blood, 30 * s, -14 * s, b / 2 - 17 * a, 12 * a, 13 * a, 11 * a);
    return blood;
}

static struct shape left_atrium(const struct heart *heart)
{
    double a = heart->patient->atria_scale, b = heart->base_mm;
    struct shape blood = shape_blob(TISSUE_LEFT_BLOOD, heart->patient->heart, 8);
    shape_part(&blood, -4 * a, 4 * a, b / 2 - 23 * a, 26 * a, 24 * a, 21 * a + b / 2);
    shape_part(&blood, -26 * a, -16 * a, -12 * a, 9 * a, 12 * a, 8 * a);
    return blood;
}

struct vec heart_chamber(const struct heart *heart, enum chamber chamber)
{
    struct shape blood = chamber == CHAMBER_LV   ? heart->lv
                         : chamber == CHAMBER_RV ? heart->rv
                         : chamber == CHAMBER_LA ? left_atrium(heart)
                                                 : right_atrium(heart);
    const float *at = blood.parts[0].centre;
    return frame_point(&blood.frame, (double)at[0], (double)at[1], (double)at[2]);
}

/* The ring between atrium and ventricle, closed but for what the atrium and the
 * outflow open. */
static void add_ring(const struct heart *heart, struct scene *scene)
{
    struct frame frame = heart->patient->heart;
    frame.origin = frame_point(&frame, 0, 0, heart->base_mm - 1);
    double across = 0.86 * heart->outer_mm;
    scene_add(scene, shape_cylinder(TISSUE_MYOCARDIUM, frame, across, across, 2.5));
}

/* Two muscles and their chords, in the cavity. */
static void add_papillary(const struct heart *heart, struct scene *scene)
{
    double length = heart->length_mm - heart->base_mm;
    for (int side = -1; side <= 1; side += 2) {
        double angle = pi + side * 0.75, z = heart->base_mm + 0.55 * length;
        double across = 0.72 * heart->radius_mm;
        struct frame frame = heart->patient->heart;
        frame.origin = frame_point(&frame, across * cos(angle), across * sin(angle), z);
        double thick = 0.45 * heart->wall_mm + 0.5;
        scene_add(scene, shape_ellipsoid(TISSUE_MYOCARDIUM, frame, thick, thick, 0.2 * length));
    }
}

/* Leaflets between atrium and ventricle: shut in systole, hanging into the
 * ventricle in diastole. */
static void add_valves(const struct heart *heart, struct scene *scene)
{
    double shut = heart->contraction > 0.15 ? 1 : 0;
    double r = 0.86 * heart->radius_mm / heart->size;
    for (int side = -1; side <= 1; side += 2) {
        struct vec edge = heart_point(heart, side * r * 0.75, side * r * -0.5, 0);
        struct vec tip = shut > 0 ? heart_point(heart, side * 1.5, side * -1, 4)
                                  : heart_point(heart, side * r * 0.5, side * r * -0.33, 17);
        scene_add(scene, shape_tube(TISSUE_VALVE, edge, tip, 0.9, 0.7));
    }
}

void heart_add(const struct heart *heart, struct scene *scene)
{
    struct shape left = left_atrium(heart), right = right_atrium(heart), rv = heart->rv;
    shape_rind(&rv, TISSUE_MYOCARDIUM, 3 + 1.5 * heart->patient->findings.severity[PULMONARY_HYPERTENSION]);
    shape_rind(&right, TISSUE_MYOCARDIUM, 1.6);
    shape_rind(&left, TISSUE_MYOCARDIUM, 2);
    add_sac(heart, scene);
    scene_add(scene, rv);
    scene_add(scene, right);
    add_ring(heart, scene);
    scene_add(scene, left);
    scene_add(scene, heart->lv_wall);
    scene_add(scene, heart->lv);
    add_papillary(heart, scene);
    scene_add(scene, shape_tube(TISSUE_LEFT_BLOOD, heart_point(heart, 5, -7, 13), heart_aortic_valve(heart),
                                9.5 * heart->size, 10 * heart->size));
    add_valves(heart, scene);
}

/* Territories of the three arteries in the heart's frame. source: AHA
 * 17-segment model, assignment of segments (Cerqueira 2002); the septum lies at
 * 0, the inferior wall at pi/2. */
static const struct {
    double angle, low, high; /* low, high: parts of the length from base to apex */
} territories[3] = {{-0.7, 0.35, 1.1}, {1.35, 0.05, 0.65}, {2.6, 0.05, 0.7}};

static void add_ischemic(const struct heart *heart, struct scene *scene, double severity)
{
    struct dice dice = dice_named(heart->patient->seed, "scar");
    int at = dice_below(&dice, 3);
    double length = heart->length_mm - heart->base_mm;
    double half = (22 + 30 * severity) * pi / 180;
    double deep = 0.3 + 0.6 * severity, reach = 0.5 + 0.5 * severity;
    double low = territories[at].low, high = low + (territories[at].high - low) * reach;
    double z[2] = {heart->base_mm + low * length, heart->base_mm + high * length};
    struct shape scar = shape_layer(&heart->lv_wall, TISSUE_SCAR, (double[2]){0, deep},
                                    territories[at].angle + 0.2 * dice_normal(&dice), half, z);
    scene_add(scene, scar);
}

/* Spots within the wall, not touching the cavity. */
static void add_patchy(const struct heart *heart, struct scene *scene, double severity)
{
    struct dice dice = dice_named(heart->patient->seed, "patches");
    int count = 2 + (int)lround(5 * severity);
    double length = heart->length_mm - heart->base_mm;
    for (int i = 0; i < count; i++) {
        double z0 = heart->base_mm + dice_between(&dice, 0.1, 0.7) * length;
        double z[2] = {z0, z0 + dice_between(&dice, 10, 14 + 10 * severity)};
        double fraction[2] = {dice_between(&dice, 0.3, 0.45), dice_between(&dice, 0.7, 0.95)};
        double half_angle =
            dice_between(&dice, 0.15, 0.22 + 0.2 * severity); /* in this order: arguments have none */
        double angle = dice_between(&dice, -pi, pi);
        struct shape patch = shape_layer(&heart->lv_wall, TISSUE_SCAR, fraction, angle, half_angle, z);
        patch.strength = (float)dice_between(&dice, 0.65, 0.95);
        scene_add(scene, patch);
    }
}

static void add_diffuse(const struct heart *heart, struct scene *scene, double severity)
{
    double z[2] = {heart->base_mm - 5, heart->length_mm + 20};
    struct shape whole = shape_layer(&heart->lv_wall, TISSUE_SCAR, (double[2]){0, 1}, 0, pi, z);
    whole.strength = (float)(0.12 + 0.3 * severity);
    scene_add(scene, whole);
    struct shape inner =
        shape_layer(&heart->lv_wall, TISSUE_SCAR, (double[2]){0, 0.35 + 0.25 * severity}, 0, pi, z);
    inner.strength = (float)(0.25 + 0.4 * severity);
    scene_add(scene, inner);
}

void heart_add_scars(const struct heart *heart, struct scene *scene)
{
    const double *severity = heart->patient->findings.severity;
    if (severity[LGE_DIFFUSE] > 0)
        add_diffuse(heart, scene, severity[LGE_DIFFUSE]);
    if (severity[LGE_ISCHEMIC] > 0)
        add_ischemic(heart, scene, severity[LGE_ISCHEMIC]);
    if (severity[LGE_PATCHY] > 0)
        add_patchy(heart, scene, severity[LGE_PATCHY]);
}
