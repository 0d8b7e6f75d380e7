/* Shapes in the order they are painted: later ones lie on top of earlier ones.
 */
#ifndef PHANTOM_SCENE_H
#define PHANTOM_SCENE_H

#include "shape.h"

#include <stdbool.h>
#include <stddef.h>

struct scene {
    struct shape *shapes;
    int count, size;
    bool out_of_memory; /* a shape could not be kept: what is painted is wrong */
};

void scene_add(struct scene *scene, struct shape shape);
/* A tube through points, its radius going evenly from the first to the last; 2
 * points or more. */
void scene_add_path(struct scene *scene, enum tissue tissue, const struct vec *points, int count,
                    double from_radius, double to_radius);
void scene_done(struct scene *scene); /* frees; a zeroed scene is an empty one */

/* A picture's plane: pixel (row, column) lies at origin + row * down + column *
 * right; both are unit directions times the spacing. `layers` planes over the
 * thickness are averaged. */
struct plane {
    struct vec origin, right, down; /* mm */
    int rows, columns;
    double thickness_mm;
    int layers;
};

struct vec plane_normal(const struct plane *plane); /* unit, right x down */

/* The plane through `centre` (the picture's middle) with unit directions right
 * and down. */
struct plane plane_at(struct vec centre, struct vec right, struct vec down, int rows, int columns,
                      double spacing_mm);

/* Paint the scene over what is in `image` [row][column], as one thin plane
 * moved by `off` along its normal. palette: grey values by tissue. false when
 * memory is out. */
bool scene_paint(const struct scene *scene, const struct plane *plane, double off,
                 const float palette[TISSUE_COUNT], double blur_mm, float *image);

#endif
