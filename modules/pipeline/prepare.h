/* Numbers on their way to the encoder. Part of the pipeline. */
#ifndef PIPELINE_PREPARE_H
#define PIPELINE_PREPARE_H

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

/* Voxels [z][y][x] of one phase in rescaled units; padding takes the lowest value that was measured, so that
 * it cannot widen the range. errors: those of source_frame; ERR_INPUT "constant_volume" when all is padding.
 */
bool prepare_voxels(const struct volume_plan *plan, int phase, struct source *source, float *voxels,
                    struct err *err);

/* Clip and normalise, in place: minmax (v - min) / (max - min); range01 (v - low) / (high - low) of the clip;
 * meanstd (v - mean) / std. errors: ERR_INPUT "constant_volume" (minmax of one value only), "not_finite".
 * source: docs/model-folder.md, section preprocess. */
bool prepare_values(const struct preprocess *preprocess, float *values, size_t count, struct err *err);

#endif
