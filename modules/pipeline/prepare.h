/* Numbers on their way to the encoder. Part of the pipeline. */
#ifndef PIPELINE_PREPARE_H
#define PIPELINE_PREPARE_H

#include "base/arena.h"
#include "base/err.h"
#include "pipeline/model.h"
#include "pipeline/source.h"
#include "volume/volume.h"

#include <stddef.h>

/* The phase to analyse: the one nearest to 75 % of the RR interval when every frame says its percentage; else
 * the first. Where the percentages within a phase are more than 5 points apart, the phases were not told
 * apart by them: the first then. out: *ret_spread is the widest distance within a phase, 0 when not all say.
 */
int prepare_choose_phase(const struct volume_plan *plan, double *ret_spread);

enum { PREPARE_MAX_PHASE_SPREAD = 5 }; /* points of percent; source: docs/volumes.md */

/* One phase in rescaled units: every voxel of the plan, in arena, or the values at the voxels of a grid
 * (volume.h). Padding, and what lies outside the field of view, is air (-1024 HU) in CT; in MR the lowest
 * value there is otherwise, so that it cannot widen the range.
 * errors: those of volume_fill and volume_sample with source_reader; ERR_INPUT "constant_volume" when all of
 * it is padding or outside, "volume_too_large" (more than VOLUME_HELD_MAX voxels). */
float *prepare_voxels(const struct volume_plan *plan, int phase, struct source *source, struct arena *arena,
                      struct err *err);
bool prepare_sample(const struct volume_plan *plan, int phase, struct source *source,
                    const struct volume_geometry *grid, float *values, struct err *err);

/* Clip and normalise, in place: minmax (v - min) / (max - min); range01 (v - low) / (high - low) of the clip;
 * meanstd (v - mean) / std. errors: ERR_INPUT "constant_volume" (minmax of one value only), "not_finite".
 * source: docs/model-folder.md, section preprocess. */
bool prepare_values(const struct preprocess *preprocess, float *values, size_t count, struct err *err);

#endif
