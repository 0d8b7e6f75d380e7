/* A study as the cube of voxels that a 3D tower takes. Part of the pipeline. source: docs/model-folder.md,
 * section preprocess. */
#ifndef PIPELINE_CUBE_H
#define PIPELINE_CUBE_H

#include "encoder/encoder.h"
#include "pipeline/model.h"
#include "pipeline/source.h"
#include "volume/volume.h"

/* One phase of the plan on the model's grid, in canonical orientation, clipped and normalised.
 * out: its values live in arena. errors: those of prepare_sample and prepare_values; ERR_NOMEM. */
bool cube_prepare(const struct model *model, struct source *source, const struct volume_plan *plan, int phase,
                  struct arena *arena, struct encoder_input *ret, struct err *err);

#endif
