/* A study as the input of an organ-grounded tower: volume in rescaled units, resampled to the model's
 * spacing, clipped and normalised, with the organs' masks from the study's segmentation objects, cropped and
 * padded. Part of the pipeline. source: docs/model-folder.md, section preprocess. */
#ifndef PIPELINE_GROUNDED_H
#define PIPELINE_GROUNDED_H

#include "encoder/encoder.h"
#include "pipeline/model.h"
#include "pipeline/source.h"
#include "volume/volume.h"

struct grounded {
    struct encoder_input input;
    const char **reasons; /* [organs] why an organ has no mask, or NULL; NULL: the model needs no mask */
    const struct dicom_head **objects; /* segmentations whose masks were taken, in order of their UIDs */
    int object_count;
    int overlaps; /* organs in more than one of them: their masks were joined */
};

/* One phase of the plan. out: everything lives in arena.
 * Reasons, each for an organ that none of the study's segmentations gives; the most telling one wins:
 * "no_segmentation" (the study has none), "segmentation_unreadable", "other_frame_of_reference" (than the
 * images), "segmentation_geometry" (volume_mask.h), "segment_code_unknown" (there are segments that the table
 * does not know), "organ_not_segmented", and "organ_without_voxels".
 * errors: ERR_INPUT "volume_too_large", those of prepare_sample and prepare_values; ERR_NOMEM,
 * ERR_IO. */
bool grounded_prepare(const struct model *model, struct source *source, const struct volume_plan *plan,
                      int phase, struct arena *arena, struct grounded *ret, struct err *err);

/* The same organs, with our reasons in place of the encoder's "organ_not_in_mask". */
bool grounded_explain(const struct grounded *grounded, struct encoder_output *output, struct arena *arena,
                      struct err *err);

#endif
