#include "scene.h"

#include <math.h>
#include <stdlib.h>

void scene_add(struct scene *scene, struct shape shape)
{
    if (scene->count == scene->size) {
        int size = scene->size * 2 + 64;
        struct shape *moved = realloc(scene->shapes, (size_t)size * sizeof *moved);
        scene->out_of_memory = scene->out_of_memory || !moved;
        if (!moved)
            return;
        scene->shapes = moved;
        scene->size = size;
    }
    scene->shapes[scene->count++] = shape;
}

void scene_add_path(struct scene *scene, enum tissue tissue, const struct vec *points, int count,
                    double from_radius, double to_radius)
{
    for (int i = 0; i + 1 < count; i++) {
        double from = from_radius + (to_radius - from_radius) * i / (count - 1);
        double to = from_radius + (to_radius - from_radius) * (i + 1) / (count - 1);
        scene_add(scene, shape_tube(tissue, points[i], points[i + 1], from, to));
    }
}

void scene_done(struct scene *scene)
{
    free(scene->shapes);
    *scene = (struct scene){0};
}

struct vec plane_normal(const struct plane *plane)
{
    return vec_unit(vec_cross(plane->right, plane->down));
}

struct plane plane_at(struct vec centre, struct vec right, struct vec down, int rows, int columns,
                      double spacing_mm)
{
    struct plane plane = {.right = vec_scaled(right, spacing_mm), .down = vec_scaled(down, spacing_mm)};
    plane.rows = rows;
    plane.columns = columns;
    plane.layers = 1;
    struct vec corner =
        vec_sum(vec_scaled(plane.right, -(columns - 1) / 2.0), vec_scaled(plane.down, -(rows - 1) / 2.0));
    plane.origin = vec_sum(centre, corner);
    return plane;
}

/* How far the shape's box reaches from its own origin along a direction of the
 * patient. */
static void extent(const struct shape *shape, struct vec direction, double ret[2])
{
    ret[0] = ret[1] = 0;
    for (int axis = 0; axis < 3; axis++) {
        double part = vec_dot(direction, shape->frame.axis[axis]);
        double one = part * (double)shape->low[axis], other = part * (double)shape->high[axis];
        ret[0] += fmin(one, other);
        ret[1] += fmax(one, other);
    }
}

/* The rows of the plane on which the shape may lie; false when it lies wholly
 * before or behind the plane. */
static bool rows_of(const struct shape *shape, const struct plane *plane, struct vec origin, double blur_mm,
                    int rows[2])
{
    double range[2];
    struct vec normal = plane_normal(plane), from = vec_from(origin, shape->frame.origin);
    extent(shape, normal, range);
    double ahead = vec_dot(from, normal);
    if (ahead + range[0] > blur_mm || ahead + range[1] < -blur_mm)
        return false;
    double spacing = vec_length(plane->down);
    struct vec down = vec_scaled(plane->down, 1 / spacing);
    extent(shape, down, range);
    double below = vec_dot(from, down);
    rows[0] = (int)fmax(0, ceil((below + range[0] - blur_mm) / spacing));
    rows[1] = (int)fmin(plane->rows, floor((below + range[1] + blur_mm) / spacing) + 1);
    return rows[0] < rows[1];
}

bool scene_paint(const struct scene *scene, const struct plane *plane, double off,
                 const float palette[TISSUE_COUNT], double blur_mm, float *image)
{
    if (scene->out_of_memory)
        return false;
    struct vec origin = vec_sum(plane->origin, vec_scaled(plane_normal(plane), off));
    for (int i = 0; i < scene->count; i++) {
        const struct shape *shape = &scene->shapes[i];
        int rows[2];
        if (!rows_of(shape, plane, origin, blur_mm, rows))
            continue;
        struct shape_brush brush = shape_brush(shape, plane->right, (float)blur_mm, palette);
        for (int row = rows[0]; row < rows[1]; row++)
            shape_paint(&brush, vec_sum(origin, vec_scaled(plane->down, row)),
                        image + (size_t)row * (size_t)plane->columns, plane->columns);
    }
    return true;
}
