#include "shape.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { TUBE_LENGTH = 0, TUBE_FROM, TUBE_TO };
enum { CYLINDER_HALF = 0 };
enum { TRUNK_WIDTH = 0, TRUNK_DEPTH, TRUNK_ROUND, TRUNK_NARROWING };
enum { PLATE_RADIUS = 0, PLATE_WIDTH, PLATE_HALF };
enum { BLOB_SMOOTH = 0, BLOB_GROWN, BLOB_CUT };
enum { WALL_THICKNESS = 3, WALL_SEPTUM, LAYER_INNER, LAYER_OUTER };
/* a layer's sector lies in part 1: centre = cosine and sine of the angle,
 * cosine of half_angle; radius = z's middle, z's half, unused */

static const float far = 1e6f;

static inline float smaller(float a, float b)
{
    return a < b ? a : b;
}

static inline float larger(float a, float b)
{
    return a > b ? a : b;
}

/* Distances of several points at once, for the compiler to take them in one
 * go. */
#define LANEWISE(name)                                                                                       \
    static void name##_lanes(const struct shape *shape, const struct shape_points *at,                       \
                             float out[SHAPE_LANES])                                                         \
    {                                                                                                        \
        for (int i = 0; i < SHAPE_LANES; i++)                                                                \
            out[i] = name(shape, (const float[3]){at->axis[0][i], at->axis[1][i], at->axis[2][i]});          \
    }

static struct shape shape_of(enum tissue tissue, struct frame frame)
{
    return (struct shape){.tissue = tissue, .frame = frame, .strength = 1, .safety = 0.8f};
}

static void bound(struct shape *shape, double x, double y, double z)
{
    const float half[3] = {(float)x, (float)y, (float)z};
    for (int axis = 0; axis < 3; axis++) {
        shape->low[axis] = -half[axis];
        shape->high[axis] = half[axis];
    }
}

/* source: Inigo Quilez, "ellipsoid - distance": first-order estimate k0 (k0 -
 * 1) / k1 */
static inline float ellipsoid_distance(const struct ellipsoid *part, const float xyz[3])
{
    float x = (xyz[0] - part->centre[0]) * part->inverse[0],
          y = (xyz[1] - part->centre[1]) * part->inverse[1];
    float z = (xyz[2] - part->centre[2]) * part->inverse[2], inner = x * x + y * y + z * z;
    x *= part->inverse[0];
    y *= part->inverse[1];
    z *= part->inverse[2];
    float slope = x * x + y * y + z * z, middle = -part->radius[0];
    float distance = (inner - sqrtf(inner)) / sqrtf(slope);
    return inner > 1e-8f ? distance : middle;
}

static inline float melt(float a, float b, float width)
{
    float near = width - fabsf(a - b);
    float low = a < b ? a : b, melted = low - near * near / (4 * width);
    return near > 0 ? melted : low;
}

static float blob_distance(const struct shape *shape, const float xyz[3])
{
    float distance = ellipsoid_distance(&shape->parts[0], xyz);
    for (int i = 1; i < shape->part_count; i++)
        distance = melt(distance, ellipsoid_distance(&shape->parts[i], xyz), shape->extra[BLOB_SMOOTH]);
    distance -= shape->extra[BLOB_GROWN];
    float cut = shape->extra[BLOB_CUT] - xyz[2];
    return distance > cut ? distance : cut;
}

static void blob_distance_lanes(const struct shape *shape, const struct shape_points *at, float *restrict out)
{
    float smooth = shape->extra[BLOB_SMOOTH], grown = shape->extra[BLOB_GROWN], cut = shape->extra[BLOB_CUT];
    float other[SHAPE_LANES];
    for (int part = 0; part < shape->part_count; part++) {
        const struct ellipsoid ellipsoid = shape->parts[part];
        float *to = part ? other : out;
        for (int i = 0; i < SHAPE_LANES; i++)
            to[i] = ellipsoid_distance(&ellipsoid,
                                       (const float[3]){at->axis[0][i], at->axis[1][i], at->axis[2][i]});
        for (int i = 0; part && i < SHAPE_LANES; i++)
            out[i] = melt(out[i], other[i], smooth);
    }
    for (int i = 0; i < SHAPE_LANES; i++) {
        float distance = out[i] - grown, below = cut - at->axis[2][i];
        out[i] = distance > below ? distance : below;
    }
}

struct shape shape_blob(enum tissue tissue, struct frame frame, double smooth_mm)
{
    struct shape shape = shape_of(tissue, frame);
    shape.distance = blob_distance;
    shape.distances = blob_distance_lanes;
    shape.extra[BLOB_SMOOTH] = (float)smooth_mm;
    shape.extra[BLOB_CUT] = -far;
    for (int axis = 0; axis < 3; axis++) {
        shape.low[axis] = far;
        shape.high[axis] = -far;
    }
    return shape;
}

void shape_part(struct shape *blob, double x, double y, double z, double rx, double ry, double rz)
{
    assert(blob->part_count < SHAPE_PARTS);
    struct ellipsoid *part = &blob->parts[blob->part_count++];
    *part = (struct ellipsoid){{(float)x, (float)y, (float)z},
                               {(float)rx, (float)ry, (float)rz},
                               {(float)(1 / rx), (float)(1 / ry), (float)(1 / rz)}};
    float least = far, most = 0, room = blob->extra[BLOB_SMOOTH] / 2;
    for (int axis = 0; axis < 3; axis++) {
        least = fminf(least, part->radius[axis]);
        most = fmaxf(most, part->radius[axis]);
        blob->low[axis] = fminf(blob->low[axis], part->centre[axis] - part->radius[axis] - room);
        blob->high[axis] = fmaxf(blob->high[axis], part->centre[axis] + part->radius[axis] + room);
    }
    blob->safety = fminf(blob->safety, 0.95f * least / most);
}

/* The estimate grows an ellipsoid by a little more than mm along its long axis.
 */
static void widen(struct shape *shape, double mm)
{
    for (int axis = 0; axis < 3; axis++) {
        shape->low[axis] -= (float)mm * 1.5f;
        shape->high[axis] += (float)mm * 1.5f;
    }
}

struct shape shape_grown(const struct shape *blob, double mm)
{
    struct shape shape = *blob;
    shape.extra[BLOB_GROWN] += (float)mm;
    widen(&shape, mm);
    return shape;
}

void shape_rind(struct shape *shape, enum tissue tissue, double mm)
{
    assert(shape->rind_count < SHAPE_RINDS);
    shape->rinds[shape->rind_count++] = (struct rind){tissue, (float)mm};
    widen(shape, mm);
}

void shape_cut(struct shape *blob, double at)
{
    blob->extra[BLOB_CUT] = (float)at;
    blob->low[2] = fmaxf(blob->low[2], (float)at);
}

struct shape shape_ellipsoid(enum tissue tissue, struct frame frame, double rx, double ry, double rz)
{
    struct shape shape = shape_blob(tissue, frame, 0);
    shape_part(&shape, 0, 0, 0, rx, ry, rz);
    return shape;
}

static float tube_distance(const struct shape *shape, const float xyz[3])
{
    float along = xyz[2] / shape->extra[TUBE_LENGTH];
    along = along < 0 ? 0 : along > 1 ? 1 : along;
    float dz = xyz[2] - along * shape->extra[TUBE_LENGTH];
    float radius = shape->extra[TUBE_FROM] + along * (shape->extra[TUBE_TO] - shape->extra[TUBE_FROM]);
    return sqrtf(xyz[0] * xyz[0] + xyz[1] * xyz[1] + dz * dz) - radius;
}

LANEWISE(tube_distance)

struct shape shape_tube(enum tissue tissue, struct vec from, struct vec to, double from_radius,
                        double to_radius)
{
    struct vec along = vec_from(from, to);
    double length = vec_length(along);
    if (length < 1e-3) {
        along = (struct vec){0, 0, 1};
        length = 1e-3;
    }
    struct vec across = fabs(along.x) < 0.9 * length ? (struct vec){1, 0, 0} : (struct vec){0, 1, 0};
    struct shape shape = shape_of(tissue, frame_along(from, along, across));
    shape.distance = tube_distance;
    shape.distances = tube_distance_lanes;
    shape.safety = 0.9f;
    shape.extra[TUBE_LENGTH] = (float)length;
    shape.extra[TUBE_FROM] = (float)from_radius;
    shape.extra[TUBE_TO] = (float)to_radius;
    double most = fmax(from_radius, to_radius);
    bound(&shape, most, most, most);
    shape.high[2] = (float)(length + most);
    return shape;
}

static float cylinder_distance(const struct shape *shape, const float xyz[3])
{
    const float *radius = shape->parts[0].radius;
    float x = xyz[0] / radius[0], y = xyz[1] / radius[1];
    float k0 = sqrtf(x * x + y * y);
    x /= radius[0];
    y /= radius[1];
    float k1 = sqrtf(x * x + y * y);
    float side = k1 > 1e-6f ? k0 * (k0 - 1) / k1 : -smaller(radius[0], radius[1]);
    float end = fabsf(xyz[2]) - shape->extra[CYLINDER_HALF];
    return side > end ? side : end;
}

LANEWISE(cylinder_distance)

struct shape shape_cylinder(enum tissue tissue, struct frame frame, double rx, double ry, double half_length)
{
    struct shape shape = shape_of(tissue, frame);
    shape.distance = cylinder_distance;
    shape.distances = cylinder_distance_lanes;
    shape.parts[0].radius[0] = (float)rx;
    shape.parts[0].radius[1] = (float)ry;
    shape.extra[CYLINDER_HALF] = (float)half_length;
    shape.safety = (float)(0.95 * fmin(rx, ry) / fmax(rx, ry));
    bound(&shape, rx, ry, half_length);
    return shape;
}

static float trunk_distance(const struct shape *shape, const float xyz[3])
{
    float up = xyz[2] > 0 ? xyz[2] / 180 : 0;
    float scale = 1 - shape->extra[TRUNK_NARROWING] * up * up;
    scale = scale > 0.3f ? scale : 0.3f;
    float round = shape->extra[TRUNK_ROUND];
    float x = fabsf(xyz[0]) / scale - shape->extra[TRUNK_WIDTH] + round;
    float y = fabsf(xyz[1]) / scale - shape->extra[TRUNK_DEPTH] + round;
    float inner = x > y ? x : y;
    x = x > 0 ? x : 0;
    y = y > 0 ? y : 0;
    return (sqrtf(x * x + y * y) + (inner < 0 ? inner : 0) - round) * scale;
}

LANEWISE(trunk_distance)

struct shape shape_trunk(enum tissue tissue, struct frame frame, double half_width, double half_depth,
                         double narrowing)
{
    struct shape shape = shape_of(tissue, frame);
    shape.distance = trunk_distance;
    shape.distances = trunk_distance_lanes;
    shape.extra[TRUNK_WIDTH] = (float)half_width;
    shape.extra[TRUNK_DEPTH] = (float)half_depth;
    shape.extra[TRUNK_ROUND] = (float)(0.92 * half_depth);
    shape.extra[TRUNK_NARROWING] = (float)narrowing;
    shape.safety = 0.75f;
    bound(&shape, half_width, half_depth, 1000);
    return shape;
}

static float plate_distance(const struct shape *shape, const float xyz[3])
{
    float y = xyz[1] + shape->extra[PLATE_RADIUS];
    float ring =
        fabsf(sqrtf(xyz[0] * xyz[0] + y * y) - shape->extra[PLATE_RADIUS]) - shape->extra[PLATE_HALF];
    float side = fabsf(xyz[0]) - shape->extra[PLATE_WIDTH];
    return ring > side ? ring : side;
}

LANEWISE(plate_distance)

struct shape shape_plate(enum tissue tissue, struct frame frame, double radius, double half_width,
                         double thickness)
{
    struct shape shape = shape_of(tissue, frame);
    shape.distance = plate_distance;
    shape.distances = plate_distance_lanes;
    shape.extra[PLATE_RADIUS] = (float)radius;
    shape.extra[PLATE_WIDTH] = (float)half_width;
    shape.extra[PLATE_HALF] = (float)(thickness / 2);
    double sag = radius - sqrt(radius * radius - half_width * half_width);
    bound(&shape, half_width, thickness, 1000);
    shape.low[1] = (float)(-sag - thickness);
    return shape;
}

/* Thickness of the wall seen from its axis: `septum` more at +x, fading to the
 * sides and towards the apex. */
static float wall_thickness(const struct shape *shape, const float xyz[3])
{
    float across = sqrtf(xyz[0] * xyz[0] + xyz[1] * xyz[1]);
    float facing = across > 1e-3f ? xyz[0] / across : 0;
    const struct ellipsoid *cavity = &shape->parts[0];
    float towards_apex = (xyz[2] - cavity->centre[2]) / cavity->radius[2];
    float fade = 1.1f - towards_apex;
    fade = fade < 0 ? 0 : fade > 1 ? 1 : fade;
    facing = facing > 0 ? facing * facing : 0;
    return shape->extra[WALL_THICKNESS] + shape->extra[WALL_SEPTUM] * facing * fade;
}

static float wall_distance(const struct shape *shape, const float xyz[3])
{
    float distance = ellipsoid_distance(&shape->parts[0], xyz) - wall_thickness(shape, xyz);
    float cut = shape->extra[BLOB_CUT] - xyz[2];
    return distance > cut ? distance : cut;
}

LANEWISE(wall_distance)

struct shape shape_wall(const struct shape *cavity, double thickness, double septum)
{
    struct shape shape = shape_grown(cavity, thickness + septum);
    shape.tissue = TISSUE_MYOCARDIUM;
    shape.extra[BLOB_GROWN] = 0;
    shape.distance = wall_distance;
    shape.distances = wall_distance_lanes;
    shape.extra[WALL_THICKNESS] = (float)thickness;
    shape.extra[WALL_SEPTUM] = (float)septum;
    shape.low[2] = cavity->low[2];
    shape.safety *= 0.7f;
    return shape;
}

static float layer_distance(const struct shape *shape, const float xyz[3])
{
    float from_cavity = ellipsoid_distance(&shape->parts[0], xyz);
    float wall = wall_thickness(shape, xyz);
    float distance = larger(shape->extra[LAYER_INNER] * wall - from_cavity,
                            from_cavity - shape->extra[LAYER_OUTER] * wall);
    const struct ellipsoid *sector = &shape->parts[1];
    float across = sqrtf(xyz[0] * xyz[0] + xyz[1] * xyz[1]);
    float facing = xyz[0] * sector->centre[0] + xyz[1] * sector->centre[1];
    distance = larger(distance, across * sector->centre[2] - facing);
    distance = larger(distance, fabsf(xyz[2] - sector->radius[0]) - sector->radius[1]);
    return larger(distance, shape->extra[BLOB_CUT] - xyz[2]);
}

LANEWISE(layer_distance)

struct shape shape_layer(const struct shape *wall, enum tissue tissue, const double fraction[2], double angle,
                         double half_angle, const double z[2])
{
    struct shape shape = *wall;
    shape.tissue = tissue;
    shape.distance = layer_distance;
    shape.distances = layer_distance_lanes;
    shape.extra[LAYER_INNER] = (float)fraction[0];
    shape.extra[LAYER_OUTER] = (float)fraction[1];
    shape.parts[1] = (struct ellipsoid){
        .centre = {(float)cos(angle), (float)sin(angle), (float)cos(half_angle)},
        .radius = {(float)((z[0] + z[1]) / 2), (float)((z[1] - z[0]) / 2)},
    };
    shape.safety *= 0.7f;
    return shape;
}

static void to_own(const struct shape *shape, struct vec point, float xyz[3])
{
    struct vec local = frame_local(&shape->frame, point);
    xyz[0] = (float)local.x;
    xyz[1] = (float)local.y;
    xyz[2] = (float)local.z;
}

/* The pixels whose centre may be within blur_mm of the shape's box: false when
 * there are none. */
static bool reach(const struct shape_brush *brush, const float start[3], int range[2])
{
    float first = 0, last = (float)range[1] - 1;
    for (int axis = 0; axis < 3; axis++) {
        float low = brush->shape->low[axis] - brush->blur_mm - start[axis],
              high = brush->shape->high[axis] + brush->blur_mm - start[axis];
        if (fabsf(brush->step[axis]) < 1e-7f) {
            if (low > 0 || high < 0)
                return false;
            continue;
        }
        float one = low / brush->step[axis], other = high / brush->step[axis];
        first = larger(first, smaller(one, other));
        last = smaller(last, larger(one, other));
    }
    if (first > last)
        return false;
    range[0] = (int)ceilf(first);
    range[1] = (int)floorf(last) + 1;
    return range[0] < range[1];
}

/* How much of a pixel lies within a surface. */
static inline float covered(float distance, float blur_mm)
{
    float part = 0.5f - distance / blur_mm;
    part = part < 0 ? 0 : part;
    part = part > 1 ? 1 : part;
    return part * part * (3 - 2 * part);
}

/* From outside to inside; `count` pixels that lie so far from every surface. */
static void fill(const struct shape_brush *brush, float distance, float *row, int count)
{
    for (int i = 0; i < brush->surfaces; i++) {
        float part = covered(distance - brush->grown[i], brush->blur_mm) * brush->shape->strength;
        float value = brush->value[i];
        if (part <= 0)
            continue;
        for (int pixel = 0; pixel < count; pixel++)
            row[pixel] += part * (value - row[pixel]);
    }
}

/* The same where every pixel has a distance of its own. */
static void cover(const struct shape_brush *brush, const float distance[SHAPE_LANES], float row[SHAPE_LANES])
{
    float strength = brush->shape->strength;
    for (int i = 0; i < brush->surfaces; i++) {
        float grown = brush->grown[i], value = brush->value[i];
        for (int pixel = 0; pixel < SHAPE_LANES; pixel++) {
            float part = covered(distance[pixel] - grown, brush->blur_mm) * strength;
            row[pixel] += part * (value - row[pixel]);
        }
    }
}

/* So many pixels on from one at this distance nothing changes. */
static int leap_of(const struct shape_brush *brush, float distance)
{
    float least = far;
    for (int i = 0; i < brush->surfaces; i++)
        least = smaller(least, fabsf(distance - brush->grown[i]));
    return (int)((least - brush->blur_mm / 2) * brush->leap);
}

static void paint_lanes(const struct shape_brush *brush, const float distance[SHAPE_LANES], float *row,
                        int count)
{
    float least = distance[0], piece[SHAPE_LANES] = {0};
    for (int i = 1; i < SHAPE_LANES; i++)
        least = smaller(least, distance[i]);
    if (least >= brush->outer)
        return;
    if (count == SHAPE_LANES) {
        cover(brush, distance, row);
        return;
    }
    memcpy(piece, row, (size_t)count * sizeof piece[0]);
    cover(brush, distance, piece);
    memcpy(row, piece, (size_t)count * sizeof piece[0]);
}

struct shape_brush shape_brush(const struct shape *shape, struct vec step, float blur_mm,
                               const float palette[TISSUE_COUNT])
{
    struct shape_brush brush = {.shape = shape, .blur_mm = blur_mm, .surfaces = shape->rind_count + 1};
    to_own(shape, vec_sum(shape->frame.origin, step), brush.step);
    float grown = 0;
    for (int i = 0; i < shape->rind_count; i++)
        grown += shape->rinds[i].mm;
    brush.outer = blur_mm / 2 + grown;
    for (int i = 0; i < brush.surfaces; i++) {
        int rind = shape->rind_count - 1 - i; /* -1: the shape itself */
        brush.grown[i] = grown;
        brush.value[i] = palette[rind < 0 ? shape->tissue : shape->rinds[rind].tissue];
        grown -= rind < 0 ? 0 : shape->rinds[rind].mm;
    }
    brush.leap = shape->safety / (float)vec_length(step);
    return brush;
}

void shape_paint(const struct shape_brush *brush, struct vec start, float *row, int count)
{
    const struct shape *shape = brush->shape;
    float at[3], distance[SHAPE_LANES];
    int range[2] = {0, count};
    to_own(shape, start, at);
    if (!reach(brush, at, range))
        return;
    for (int i = range[0]; i < range[1];) {
        struct shape_points points;
        for (int axis = 0; axis < 3; axis++)
            for (int lane = 0; lane < SHAPE_LANES; lane++)
                points.axis[axis][lane] = at[axis] + (float)(i + lane) * brush->step[axis];
        int left = range[1] - i, lanes = left < SHAPE_LANES ? left : SHAPE_LANES;
        shape->distances(shape, &points, distance);
        paint_lanes(brush, distance, row + i, lanes);
        i += lanes;
        int leap = leap_of(brush, distance[lanes - 1]) - 1;
        leap = leap < range[1] - i ? leap : range[1] - i;
        if (leap <= 0)
            continue;
        if (distance[lanes - 1] < brush->outer)
            fill(brush, distance[lanes - 1], row + i, leap);
        i += leap;
    }
}

double shape_distance(const struct shape *shape, struct vec point)
{
    float xyz[3];
    to_own(shape, point, xyz);
    return (double)shape->distance(shape, xyz);
}
