/* Where to begin looking for the heart: balls of soft tissue among lung. Part of heart_box.
 * threads: any. source: ours; numbers in docs/volumes.md. */
#ifndef VOLUME_HEART_START_H
#define VOLUME_HEART_START_H

#include "volume/volume.h"

struct heart_scan {
    const struct volume_geometry *grid;
    const float *hu; /* [z][y][x]; what is not finite counts as outside the field of view */
};

/* Much soft tissue (and blood with contrast) in a ball of 50 mm, and much lung in the shell round it. */
struct heart_start {
    double at_mm[3]; /* along the grid's axes from its first voxel, z, y, x */
    double soft;     /* share of the ball */
    double
        lung[2]; /* to the right and to the left: share of what of the shell is body, in the field of view */
    double score;
};

enum { HEART_STARTS = 5 };

/* The best ones that are 60 mm apart; their number. */
int heart_start_seek(const struct heart_scan *scan, struct heart_start ret[HEART_STARTS]);

#endif
