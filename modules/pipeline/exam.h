/* An MR examination as the video a space-time tower takes: its views, found among the study's stacks, laid
 * out, and the frames of each. Part of the pipeline. source: docs/model-folder.md, key preprocess.frames;
 * docs/volumes.md, section "Views". */
#ifndef PIPELINE_EXAM_H
#define PIPELINE_EXAM_H

#include "encoder/encoder.h"
#include "pipeline/model.h"
#include "pipeline/source.h"
#include "study/study.h"
#include "study/study_views.h"
#include "volume/volume.h"

struct exam_view {
    const struct frames_view *wish;
    const char *reason; /* why it is missing, a stable word; NULL: it is there, and so is what follows */
    const char *how;    /* study_look.how */
    const struct study_stack *stack;
    const struct volume_plan *plan;   /* of the whole stack */
    const struct volume_plan *picked; /* one phase whose slices are the view's different frames, in order */
    int frames;                       /* in the video: as many, or the one repeated, or blank; 0: left out */
};

struct exam {
    struct study_choice *choice;
    struct exam_view *views; /* in the model's order */
    int view_count, frames;  /* frames of all */
};

/* Find and lay out the views. Of a view's candidates the first that can be laid out and has the frames is
 * taken. A view is missing as "not_found" (no stack shows it), "phase_count" or "slice_count" (policy exact;
 * or a cine of one phase), "volume_too_large", or for a reason of volume_plan or of the gate (chosen.h),
 * which holds for every view.
 * out:    *ret in arena: its choice also when this fails, its views also with "missing_view".
 * errors: ERR_INPUT "missing_view" (as configured, or all are), the study's most telling reason when it has
 *         no stack at all; ERR_NOMEM. */
bool exam_find(const struct source *source, const struct preprocess *preprocess, struct arena *arena,
               struct exam *ret, struct err *err);

/* Decode the frames and make the input: each view's middle square, resized to the encoder's, grey of 8 bits
 * between percentiles of all its frames; frames.n of the video uniformly; frames.double_resize; normalised.
 * Where the video is shorter than frames.n, the end is zeros, and so are blank frames.
 * out: values live in arena. errors: those of prepare_voxels and grey_range; ERR_NOMEM. */
bool exam_prepare(const struct exam *exam, const struct model *model, struct source *source,
                  struct arena *arena, struct encoder_input *ret, struct err *err);

/* Frames of the video that the encoder gets, into places[n]: the middle one of each of n equal parts.
 * returns how many: n, or all of a shorter video.
 * source: CMR-CLIP's data loader, which has it from m-bain/frozen-in-time, sampling "uniform". */
int exam_sample(int frames, int n, int *places);

#endif
