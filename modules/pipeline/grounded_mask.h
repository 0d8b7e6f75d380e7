/* Organ masks out of a study's segmentation objects. Part of the pipeline. */
#ifndef PIPELINE_GROUNDED_MASK_H
#define PIPELINE_GROUNDED_MASK_H

#include "pipeline/grounded.h"

/* Paint the organs' numbers from 1 into numbers[z][y][x] of the grid, zeroed by the caller, and fill reasons,
 * objects and overlaps of *ret. A segmentation must share its
 * Frame of Reference UID with an image of the plan; with any of them, for some anonymisers give each image
 * its own. errors: ERR_NOMEM, ERR_IO. */
bool grounded_mask(const struct organ_config *organs, const struct segments *segments,
                   const struct source *source, const struct volume_plan *plan,
                   const struct volume_geometry *grid, struct arena *arena, uint8_t *numbers,
                   struct grounded *ret, struct err *err);

#endif
