/* A picture of what the encoder saw, for a radiologist to look at. Part of the pipeline.
 *
 * A volume: three planes of the source, isotropic, at a window for reading, through the middle of
 * result.box (without one, of the field of view), with the box drawn; below them three planes of the
 * encoder's own input, with the outlines of organ masks. Pictures and examinations: every picture the encoder
 * got. All as a radiologist hangs them: axial planes from the feet, coronal ones from the front, sagittal
 * ones from the left; pictures as acquired. Nothing on it names a patient. docs/picture.md says what stands
 * where. */
#ifndef PIPELINE_PREVIEW_H
#define PIPELINE_PREVIEW_H

#include "base/arena.h"
#include "base/err.h"
#include "findings/result.h"
#include "pipeline/exam.h"
#include "pipeline/model.h"
#include "pipeline/source.h"
#include "volume/volume.h"

/* A study that was analysed. Borrowed for the call. */
struct preview {
    const struct model *model;
    const struct result *result;
    const struct encoder_input *input;
    struct source *source;
    const struct volume_plan *plan; /* of the volume, or of the pictures the encoder got */
    int phase;
    const struct exam *exam; /* NULL: it was no examination in views */
};

/* Write it as a PNG to an open descriptor. errors: ERR_IO, ERR_FULL; those of volume_sample; ERR_NOMEM. */
bool preview_write(const struct preview *preview, int fd, struct arena *arena, struct err *err);

#endif
