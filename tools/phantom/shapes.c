#include "shapes.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* An ellipsoid; later entries of a patient's list lie on top of earlier ones. */
struct ellipsoid {
    double centre[3], radius[3]; /* x, y, z in mm; radius[2] of TALL reaches through the whole scan */
    int hounsfield;
};

enum { TALL = 100000, HEART_FIRST = 10, SHAPE_COUNT = 23 };

struct shapes {
    struct ellipsoid list[SHAPE_COUNT];
};

// clang-format off
/* source of the Hounsfield values: textbook ranges (fat -100, muscle 50, lung -850, bone 300 to 700) and a
 * contrast-filled heart as in CT coronary angiography (300 to 400). */
static const struct ellipsoid chest[SHAPE_COUNT] = {
    {{   0,   0,   0}, {150, 108, TALL}, -100}, /* skin and fat */
    {{   0,   0,   0}, {140,  98, TALL},   50}, /* muscle of the wall */
    {{ -66,   2,   5}, { 58,  80,  130}, -850}, /* right lung */
    {{  68,   4,   5}, { 56,  78,  130}, -850}, /* left lung */
    {{   0,  78,   0}, { 21,  17, TALL},  320}, /* vertebral body */
    {{   0,  97,   0}, {  8,   7, TALL},   30}, /* spinal canal */
    {{   0, -88,   0}, { 17,   6, TALL},  300}, /* sternum */
    {{  24,  52,   0}, { 12,  12, TALL},  360}, /* descending aorta */
    {{  -2,  20,  70}, { 14,  10,   40}, -950}, /* trachea */
    {{ -95,  10, -95}, { 60,  70,   60},   80}, /* dome of the liver */
    {{  22, -22, -10}, { 64,  52,   58},  -80}, /* epicardial fat: the heart's first shape */
    {{  22, -22, -10}, { 61,  49,   55},   20}, /* pericardium and fluid film */
    {{  22, -22, -10}, { 58,  46,   52},  -80}, /* fat within */
    {{  38, -20, -22}, { 38,  34,   36},  110}, /* left ventricle: muscle */
    {{  36, -18, -20}, { 25,  22,   25},  370}, /* left ventricle: blood */
    {{   2, -38, -24}, { 34,  22,   30},  105}, /* right ventricle: muscle */
    {{   1, -38, -23}, { 30,  18,   26},  290}, /* right ventricle: blood */
    {{  16,  14,  10}, { 31,  18,   21},  350}, /* left atrium */
    {{ -24, -16,   0}, { 21,  24,   28},  270}, /* right atrium */
    {{   4,  -8,  26}, { 15,  15,   60},  380}, /* root of the aorta and ascending aorta */
    {{  28, -30,  32}, { 13,  13,   22},  300}, /* pulmonary trunk */
    {{  38, -54, -14}, {  2,   2,   30},  390}, /* left anterior descending artery */
    {{ -14, -34,  12}, {  2,   2,   24},  390}, /* right coronary artery */
};
// clang-format on

static uint64_t mix(uint64_t value)
{
    /* source: the finaliser of SplitMix64 (Steele, Lea, Flood 2014), public domain reference code */
    value += 0x9E3779B97F4A7C15U;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9U;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBU;
    return value ^ (value >> 31);
}

static double unit(uint64_t seed, uint64_t number)
{
    return (double)(mix(mix(seed) ^ number) >> 11) / 9007199254740992.0; /* 2^53 */
}

double shapes_noise(uint64_t seed, uint64_t voxel)
{
    double sum = 0; /* four uniform numbers have variance 1/3: scaled to 1 */
    for (uint64_t i = 0; i < 4; i++)
        sum += unit(seed, voxel * 4 + i);
    return (sum - 2.0) * sqrt(3.0);
}

struct shapes *shapes_new(uint64_t seed)
{
    struct shapes *shapes = malloc(sizeof *shapes);
    if (!shapes)
        return NULL;
    uint64_t own = mix(seed ^ 0x5348415045U);
    double scale = 0.94 + 0.12 * unit(own, 0);
    double shift[3] = {6 * unit(own, 1) - 3, 6 * unit(own, 2) - 3, 8 * unit(own, 3) - 4};
    for (int i = 0; i < SHAPE_COUNT; i++) {
        struct ellipsoid *shape = &shapes->list[i];
        *shape = chest[i];
        for (int axis = 0; axis < 3 && i >= HEART_FIRST; axis++) {
            shape->centre[axis] += shift[axis];
            shape->radius[axis] *= scale;
        }
    }
    return shapes;
}

void shapes_free(struct shapes *shapes)
{
    free(shapes);
}

static bool inside(const struct ellipsoid *shape, const double xyz[3])
{
    double sum = 0;
    for (int axis = 0; axis < 3; axis++) {
        double part = (xyz[axis] - shape->centre[axis]) / shape->radius[axis];
        sum += part * part;
    }
    return sum <= 1.0;
}

int shapes_hounsfield(const struct shapes *shapes, const double xyz_lps_mm[3])
{
    if (!inside(&shapes->list[0], xyz_lps_mm))
        return -1000;
    for (int i = SHAPE_COUNT - 1; i > 0; i--)
        if (inside(&shapes->list[i], xyz_lps_mm))
            return shapes->list[i].hounsfield;
    return shapes->list[0].hounsfield;
}
