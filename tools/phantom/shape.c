#include "shape.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

enum { TUBE_LENGTH = 0, TUBE_FROM, TUBE_TO };
enum { CYLINDER_HALF = 0 };
enum { TRUNK_WIDTH = 0, TRUNK_DEPTH, TRUNK_ROUND, TRUNK_NARROWING };
enum { PLATE_RADIUS = 0, PLATE_WIDTH, PLATE_HALF };
enum { BLOB_SMOOTH = 0, BLOB_GROWN, BLOB_CUT };
enum { WALL_THICKNESS = 3, WALL_SEPTUM, LAYER_INNER, LAYER_OUTER };
/* a layer's sector lies in part 1: centre = cosine and sine of the angle,
 * cosine of half_angle; radius = z's middle, z's half, unused */

static const float far = 1e6f;

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
static float ellipsoid_distance(const struct ellipsoid *part, const float xyz[3])
{
    float x = (xyz[0] - part->centre[0]) * part->inverse[0],
          y = (xyz[1] - part->centre[1]) * part->inverse[1];
    float z = (xyz[2] - part->centre[2]) * part->inverse[2], inner = x * x + y * y + z * z;
    x *= part->inverse[0];
    y *= part->inverse[1];
    z *= part->inverse[2];
    float slope = x * x + y * y + z * z;
    return inner > 1e-8f ? (inner - sqrtf(inner)) / sqrtf(slope) : -part->radius[0];
}

static float melt(float a, float b, float width)
{
    float near = width - fabsf(a - b);
    float low = a < b ? a : b;
    return near > 0 ? low - near * near / (4 * width) : low;
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

struct shape shape_blob(enum tissue tissue, struct frame frame, double smooth_mm)
{
    struct shape shape = shape_of(tissue, frame);
    shape.distance = blob_distance;
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
    float side = k1 > 1e-6f ? k0 * (k0 - 1) / k1 : -fminf(radius[0], radius[1]);
    float end = fabsf(xyz[2]) - shape->extra[CYLINDER_HALF];
    return side > end ? side : end;
}

struct shape shape_cylinder(enum tissue tissue, struct frame frame, double rx, double ry, double half_length)
{
    struct shape shape = shape_of(tissue, frame);
    shape.distance = cylinder_distance;
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

struct shape shape_trunk(enum tissue tissue, struct frame frame, double half_width, double half_depth,
                         double narrowing)
{
    struct shape shape = shape_of(tissue, frame);
    shape.distance = trunk_distance;
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

struct shape shape_plate(enum tissue tissue, struct frame frame, double radius, double half_width,
                         double thickness)
{
    struct shape shape = shape_of(tissue, frame);
    shape.distance = plate_distance;
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

struct shape shape_wall(const struct shape *cavity, double thickness, double septum)
{
    struct shape shape = shape_grown(cavity, thickness + septum);
    shape.tissue = TISSUE_MYOCARDIUM;
    shape.extra[BLOB_GROWN] = 0;
    shape.distance = wall_distance;
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
    float distance =
        fmaxf(shape->extra[LAYER_INNER] * wall - from_cavity, from_cavity - shape->extra[LAYER_OUTER] * wall);
    const struct ellipsoid *sector = &shape->parts[1];
    float across = sqrtf(xyz[0] * xyz[0] + xyz[1] * xyz[1]);
    float facing = xyz[0] * sector->centre[0] + xyz[1] * sector->centre[1];
    distance = fmaxf(distance, across * sector->centre[2] - facing);
    distance = fmaxf(distance, fabsf(xyz[2] - sector->radius[0]) - sector->radius[1]);
    return fmaxf(distance, shape->extra[BLOB_CUT] - xyz[2]);
}

struct shape shape_layer(const struct shape *wall, enum tissue tissue, const double fraction[2], double angle,
                         double half_angle, const double z[2])
{
    struct shape shape = *wall;
    shape.tissue = tissue;
    shape.distance = layer_distance;
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
static bool reach(const struct shape *shape, const float start[3], const float step[3], float blur_mm,
                  int range[2])
{
    float first = 0, last = (float)range[1] - 1;
    for (int axis = 0; axis < 3; axis++) {
        float low = shape->low[axis] - blur_mm - start[axis],
              high = shape->high[axis] + blur_mm - start[axis];
        if (fabsf(step[axis]) < 1e-7f) {
            if (low > 0 || high < 0)
                return false;
            continue;
        }
        float one = low / step[axis], other = high / step[axis];
        first = fmaxf(first, fminf(one, other));
        last = fminf(last, fmaxf(one, other));
    }
    if (first > last)
        return false;
    range[0] = (int)ceilf(first);
    range[1] = (int)floorf(last) + 1;
    return range[0] < range[1];
}

/* From outside to inside; for a pixel that lies so far from every surface,
 * count > 1 of them. */
static void cover(const struct shape *shape, float distance, float blur_mm, const float palette[TISSUE_COUNT],
                  float *row, int count)
{
    float grown = 0;
    for (int i = 0; i < shape->rind_count; i++)
        grown += shape->rinds[i].mm;
    for (int i = shape->rind_count; i >= 0; i--) {
        float part = 0.5f - (distance - grown) / blur_mm;
        part = part < 0 ? 0 : part > 1 ? 1 : part * part * (3 - 2 * part);
        float value = palette[i ? shape->rinds[i - 1].tissue : shape->tissue];
        for (int pixel = 0; part > 0 && pixel < count; pixel++)
            row[pixel] += part * shape->strength * (value - row[pixel]);
        grown -= i ? shape->rinds[i - 1].mm : 0;
    }
}

/* Distance to the nearest of the surfaces: the shape's and its rinds'. */
static float nearest(const struct shape *shape, float distance)
{
    float least = fabsf(distance), grown = 0;
    for (int i = 0; i < shape->rind_count; i++) {
        grown += shape->rinds[i].mm;
        float other = fabsf(distance - grown);
        least = least < other ? least : other;
    }
    return least;
}

void shape_paint(const struct shape *shape, struct vec start, struct vec step, float blur_mm,
                 const float palette[TISSUE_COUNT], float *row, int count)
{
    float at[3], on[3], xyz[3], outer = blur_mm / 2;
    int range[2] = {0, count};
    to_own(shape, start, at);
    to_own(shape, vec_sum(shape->frame.origin, step), on);
    if (!reach(shape, at, on, blur_mm, range))
        return;
    for (int i = 0; i < shape->rind_count; i++)
        outer += shape->rinds[i].mm;
    float leap = shape->safety / (float)vec_length(step);
    for (int i = range[0]; i < range[1];) {
        for (int axis = 0; axis < 3; axis++)
            xyz[axis] = at[axis] + (float)i * on[axis];
        float distance = shape->distance(shape, xyz);
        float room = (nearest(shape, distance) - blur_mm / 2) * leap;
        int next = i + (room > 1 ? (int)room : 1);
        next = next < range[1] ? next : range[1];
        if (distance < outer)
            cover(shape, distance, blur_mm, palette, row + i, next - i);
        i = next;
    }
}

double shape_distance(const struct shape *shape, struct vec point)
{
    float xyz[3];
    to_own(shape, point, xyz);
    return (double)shape->distance(shape, xyz);
}
