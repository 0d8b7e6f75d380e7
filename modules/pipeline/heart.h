/* The part of a CT volume that a cube is cut from: the heart's box. Part of the pipeline.
 * source: docs/volumes.md, "The heart's box". */
#ifndef PIPELINE_HEART_H
#define PIPELINE_HEART_H

#include "pipeline/grounded.h"

/* The first of these that there is, and whose box a heart may have:
 *   "segmentation"   heart, myocardium or chambers in segmentations of the study (confidence 1)
 *   "estimate"       heart_box.h, on the volume of every fourth millimetre
 *   "field_of_view"  everything (confidence 0)
 * out: *ret_box, without a margin; *ret_segmentations has the objects that gave it, in arena; or, where there
 *      are segmentations and none did, why (reasons[0], grounded.h; NULL: it is too small for a heart).
 * errors: those of prepare_sample and volume_regrid; ERR_NOMEM, ERR_IO. */
bool heart_find(struct source *source, const struct volume_plan *plan, int phase, struct arena *arena,
                struct result_box *ret_box, struct grounded *ret_segmentations, struct err *err);

/* Does a segmentation have a segment that heart_find would take? */
bool heart_is_named(const struct dicom_segmentation *record);

/* Put a margin on every side, as far as the field of view reaches. */
bool heart_widen(const struct volume_plan *plan, double margin_mm, struct result_box *box, struct err *err);

#endif
