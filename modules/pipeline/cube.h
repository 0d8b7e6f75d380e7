/* A study as the cube of voxels that a 3D tower takes. Part of the pipeline. source: docs/model-folder.md,
 * section preprocess. */
#ifndef PIPELINE_CUBE_H
#define PIPELINE_CUBE_H

#include "pipeline/grounded.h"

/* One phase of the plan on the model's grid, in canonical orientation, clipped and normalised: the heart's
 * box and a margin, or the whole field of view where the model crops to nothing or the plan is as large as
 * its input already. out: values live in arena; *ret_box is what was cut out (source NULL: the model crops to
 * nothing), ret_segmentations has the objects that said where the heart is. errors: those of heart_find,
 * prepare_sample and prepare_values; ERR_NOMEM. */
bool cube_prepare(const struct model *model, struct source *source, const struct volume_plan *plan, int phase,
                  struct arena *arena, struct encoder_input *ret, struct result_box *ret_box,
                  struct grounded *ret_segmentations, struct err *err);

#endif
