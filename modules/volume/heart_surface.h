/* The heart's surface as the nearest smooth one to where soft tissue gives way to fat or lung all round a
 * place within the heart. Part of heart_box.
 *
 * From a centre, rays go out in all directions. On each, every place where the tissue of the heart ends for
 * 4 mm is a border that may be the heart's. A smooth surface (radius as a polynomial of the direction, degree
 * 6) takes of every ray the border nearest to it, is drawn through them again, and so on, what lies far away
 * counting less each time: vessels that leave, the liver that touches, what the field of view cuts.
 * Places are mm along the grid's axes from its first voxel, z, y, x. threads: any. source: ours. */
#ifndef VOLUME_HEART_SURFACE_H
#define VOLUME_HEART_SURFACE_H

#include "volume/volume.h"

enum { HEART_SURFACE_TERMS = 49 };

struct heart_scan {
    const struct volume_geometry *grid;
    const float *hu; /* [z][y][x] */
};

struct heart_surface {
    double centre_mm[3];
    double usual_mm;
    double terms[HEART_SURFACE_TERMS]; /* of the radius in mm, less the usual one */
    double beyond_mm;                  /* what smoothing takes off the tips */
    double held; /* mean weight of the rays: 1, every one has its border on the surface */
};

/* A place that may lie within the heart: a ball of 50 mm has much soft tissue (and blood with contrast) and
 * the shell round it much lung. */
struct heart_start {
    double at_mm[3];
    double soft;    /* share of the ball */
    double lung[2]; /* share of what of the shell is body, in the field of view: to the right, to the left */
    double score;
};
enum { HEART_STARTS = 5 };
/* The best ones that are far apart; their number. */
int heart_start_seek(const struct heart_scan *scan, struct heart_start ret[HEART_STARTS]);

/* errors: ERR_NOMEM. held is 0 when there is no surface. */
bool heart_surface_fit(const struct heart_scan *scan, const double start_mm[3], struct heart_surface *ret,
                       struct err *err);

/* Of a direction (unit length), mm. */
double heart_surface_radius(const struct heart_surface *surface, const double direction[3]);

#endif
