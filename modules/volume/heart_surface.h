/* The heart's surface: the smooth closed one that runs through where its tissue ends, all round a place
 * within it. Part of heart_box.
 *
 * Rays go out from a centre in all directions. Wherever on one of them tissue ends for 4 mm, and the fat that
 * belongs to the heart behind it, is a border that may be the heart's. The surface (radius as a polynomial of
 * degree 6 of the direction) takes of every ray the border nearest to it, is drawn through all of them again,
 * and so on; what lies far from it counts less each time: vessels that leave, the liver that touches, what
 * the field of view cuts. Then all of it begins once more from the middle of what the surface holds.
 * Places are mm along the grid's axes from its first voxel, z, y, x. threads: any.
 * source: ours; numbers in docs/volumes.md. */
#ifndef VOLUME_HEART_SURFACE_H
#define VOLUME_HEART_SURFACE_H

#include "volume/heart_start.h"

enum { HEART_SURFACE_TERMS = 49 };

struct heart_surface {
    double centre_mm[3];
    double usual_mm;                   /* radius before anything is known of the shape */
    double terms[HEART_SURFACE_TERMS]; /* of the radius in mm, less the usual one */
    double beyond_mm;                  /* what smoothing takes off the tips */
    double held; /* mean weight of the rays: 1, every one has its border on the surface */
};

/* held is 0 when there is no surface. errors: ERR_NOMEM. */
bool heart_surface_fit(const struct heart_scan *scan, const double start_mm[3], struct heart_surface *ret,
                       struct err *err);

/* Of a direction (unit length), mm. */
double heart_surface_radius(const struct heart_surface *surface, const double direction[3]);

#endif
