/* Points, directions and frames in DICOM's patient coordinates: millimetres, x
 * to the left, y to the back, z to the head (LPS). */
#ifndef PHANTOM_GEOMETRY_H
#define PHANTOM_GEOMETRY_H

#include <math.h>

struct vec {
    double x, y, z;
};

/* A place and three unit axes at right angles to each other. */
struct frame {
    struct vec origin, axis[3];
};

static inline struct vec vec_sum(struct vec a, struct vec b)
{
    return (struct vec){a.x + b.x, a.y + b.y, a.z + b.z};
}

static inline struct vec vec_scaled(struct vec a, double by)
{
    return (struct vec){a.x * by, a.y * by, a.z * by};
}

static inline struct vec vec_from(struct vec a, struct vec b) /* from a to b */
{
    return (struct vec){b.x - a.x, b.y - a.y, b.z - a.z};
}

static inline double vec_dot(struct vec a, struct vec b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static inline struct vec vec_cross(struct vec a, struct vec b)
{
    return (struct vec){a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

static inline double vec_length(struct vec a)
{
    return sqrt(vec_dot(a, a));
}

static inline struct vec vec_unit(struct vec a)
{
    return vec_scaled(a, 1 / vec_length(a));
}

static inline struct vec vec_mix(struct vec a, struct vec b, double part) /* part 0: a, 1: b */
{
    return vec_sum(vec_scaled(a, 1 - part), vec_scaled(b, part));
}

/* Where a point of the frame lies in the patient, and the way back. */
static inline struct vec frame_point(const struct frame *frame, double x, double y, double z)
{
    struct vec at = vec_sum(vec_scaled(frame->axis[0], x), vec_scaled(frame->axis[1], y));
    return vec_sum(frame->origin, vec_sum(at, vec_scaled(frame->axis[2], z)));
}

static inline struct vec frame_local(const struct frame *frame, struct vec point)
{
    struct vec from = vec_from(frame->origin, point);
    return (struct vec){vec_dot(from, frame->axis[0]), vec_dot(from, frame->axis[1]),
                        vec_dot(from, frame->axis[2])};
}

/* The patient's own axes at a point. */
static inline struct frame frame_level(struct vec origin)
{
    return (struct frame){origin, {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
}

/* z along the direction given, x as near to `across` as a right angle allows.
 */
static inline struct frame frame_along(struct vec origin, struct vec along, struct vec across)
{
    struct frame frame = {.origin = origin};
    frame.axis[2] = vec_unit(along);
    double part = vec_dot(across, frame.axis[2]);
    frame.axis[0] = vec_unit(vec_sum(across, vec_scaled(frame.axis[2], -part)));
    frame.axis[1] = vec_cross(frame.axis[2], frame.axis[0]);
    return frame;
}

#endif
