/* Where the heart lies in a CT of the chest: a deterministic estimate, for cropping. It is no segmentation
 * and says nothing about the heart.
 *
 * On a coarse grid in canonical orientation, Hounsfield units. A ball of soft tissue among lung is where to
 * begin; round it, a smooth closed surface is drawn through the places where soft tissue gives way to fat or
 * lung (heart_surface.h). The box holds all of what the surface does but the tips.
 * source: ours; docs/volumes.md has the steps, what was measured, and where it fails. */
#ifndef VOLUME_HEART_BOX_H
#define VOLUME_HEART_BOX_H

#include "volume/volume.h"

struct heart_box {
    double centre_lps[3];  /* mm */
    double size_zyx_mm[3]; /* along the grid's axes */
    double confidence; /* 0..1: how much of what the steps rely on was there, and whether the size is one a
                          heart has; HEART_BOX_CONFIDENT and above: to be used */
};

#define HEART_BOX_CONFIDENT 0.5

/* The grid to estimate on: the whole field of view, voxels of about 4 mm. errors: those of volume_regrid. */
bool heart_box_grid(const struct volume_geometry *geometry, struct volume_geometry *ret, struct err *err);

/* in:  hu [z][y][x] of such a grid. out: the box, clipped to the grid; confidence 0 (and the whole grid) when
 *      there is nothing to go by. threads: any. errors: ERR_NOMEM. */
bool heart_box_estimate(const struct volume_geometry *grid, const float *hu, struct heart_box *ret,
                        struct err *err);

/* The box of all voxels that are not 0. False: there is none. */
bool heart_box_of_mask(const struct volume_geometry *grid, const uint8_t *mask, struct heart_box *ret);

#endif
