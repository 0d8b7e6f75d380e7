/* A body of one tissue with a smooth surface, known by the distance of any
 * point to that surface.
 *
 * Distances are in mm, below 0 inside; they are near enough to true ones to
 * blur an edge by, and |distance| times `safety` is never more than the true
 * distance, so that rows are painted by leaps. */
#ifndef PHANTOM_SHAPE_H
#define PHANTOM_SHAPE_H

#include "geometry.h"
#include "tissue.h"

enum { SHAPE_PARTS = 4, SHAPE_RINDS = 2, SHAPE_LANES = 8 };

/* Points that are measured together. */
struct shape_points {
    float axis[3][SHAPE_LANES];
};

struct shape {
    float (*distance)(const struct shape *shape, const float xyz[3]); /* in the shape's own frame */
    void (*distances)(const struct shape *shape, const struct shape_points *at, float ret[SHAPE_LANES]);
    enum tissue tissue;
    float strength; /* 1: covers what lies under it; less: mixes with it */
    float safety;
    struct frame frame;
    float low[3], high[3]; /* own frame: nothing of the shape lies outside */
    struct ellipsoid {
        float centre[3], radius[3], inverse[3]; /* 1 / radius */
    } parts[SHAPE_PARTS];
    int part_count;
    struct rind {
        enum tissue tissue;
        float mm;
    } rinds[SHAPE_RINDS]; /* round the shape, from inside to outside */
    int rind_count;
    float extra[8]; /* by kind, see shape.c */
};

/* Radii along the frame's axes. */
struct shape shape_ellipsoid(enum tissue tissue, struct frame frame, double rx, double ry, double rz);
/* A tapered tube with round ends. */
struct shape shape_tube(enum tissue tissue, struct vec from, struct vec to, double from_radius,
                        double to_radius);
/* An elliptic cylinder along the frame's z, from -half to half. */
struct shape shape_cylinder(enum tissue tissue, struct frame frame, double rx, double ry, double half_length);
/* A trunk along z: half width by half depth, corners rounded; narrower above:
 * by `narrowing` at 180 mm. */
struct shape shape_trunk(enum tissue tissue, struct frame frame, double half_width, double half_depth,
                         double narrowing);
/* A bent plate like a CT table's top: an arc about z, open to -y, `half_width`
 * to each side. */
struct shape shape_plate(enum tissue tissue, struct frame frame, double radius, double half_width,
                         double thickness);

/* Ellipsoids grown together; add them with shape_part. smooth_mm: how far they
 * melt. */
struct shape shape_blob(enum tissue tissue, struct frame frame, double smooth_mm);
void shape_part(struct shape *blob, double x, double y, double z, double rx, double ry, double rz);
/* The blob grown by so many mm. */
struct shape shape_grown(const struct shape *blob, double mm);
/* Lay so many mm of another tissue round the shape and the rinds it has: one
 * painting for all of them. */
void shape_rind(struct shape *shape, enum tissue tissue, double mm);
/* Cut away what lies below the plane z = at of the blob's frame. */
void shape_cut(struct shape *blob, double at);

/* The muscle round a cavity (a blob of one part, cut): thickness everywhere,
 * `septum` more towards +x at the base. And a layer of that muscle: from the
 * fraction `inner` of its thickness to `outer`, within half_angle of the
 * direction `angle` (radians, 0 is +x, pi/2 is +y), from z = low to z = high.
 */
struct shape shape_wall(const struct shape *cavity, double thickness, double septum);
struct shape shape_layer(const struct shape *wall, enum tissue tissue, const double fraction[2], double angle,
                         double half_angle, const double z[2]);

/* A shape ready to be painted in rows of one direction: what does not change
 * from row to row. Surfaces from outside to inside, the rinds' first. */
struct shape_brush {
    const struct shape *shape; /* borrowed */
    float step[3];             /* from pixel to pixel, own frame */
    float blur_mm, leap, outer;
    int surfaces;
    float grown[SHAPE_RINDS + 1], value[SHAPE_RINDS + 1];
};

/* Pixels lie `step` apart (patient coordinates); edges are blurred over
 * blur_mm. palette: grey values by tissue. */
struct shape_brush shape_brush(const struct shape *shape, struct vec step, float blur_mm,
                               const float palette[TISSUE_COUNT]);
/* Paint one row of pixels, the first at start. */
void shape_paint(const struct shape_brush *brush, struct vec start, float *row, int count);

/* Distance of a point of the patient. */
double shape_distance(const struct shape *shape, struct vec point);

#endif
