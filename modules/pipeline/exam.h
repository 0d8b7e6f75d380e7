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
#include "volume/volume_turn.h"

struct exam_view {
    const struct frames_view *wish;
    const char *reason; /* why it is missing, a stable word; NULL: it is there, and so is what follows */
    const struct study_look *look; /* what its stack shows */
    const struct study_stack *stack;
    const struct volume_plan *plan;   /* of the whole stack */
    const struct volume_plan *picked; /* one phase whose slices are the view's different frames, in order */
    struct volume_turn turn;          /* from as acquired to as the encoder sees it */
    const uint8_t *grey; /* of them, turned, [different frames][side][side]; NULL until exam_prepare */
    int frames;          /* in the video: as many, or the one repeated, or blank; 0: left out */
    int sampled;         /* of these, those that the encoder gets */
    const struct study_stack *passed; /* the best that shows it, when that could not be used; else NULL */
    const char *passed_why;
};

struct exam {
    struct study_choice *choice;
    struct exam_view *views; /* in the model's order */
    int view_count, frames;  /* frames of all */
    struct study_look *looks;
    bool *taken; /* [stacks of the choice]: serves for a view, or was tried and cannot be decoded */
};

/* Find and lay out the views; nothing is decoded. Of a view's candidates the first that can be laid out and
 * has the frames is taken. A view is missing as "not_found" (no stack shows it), "phase_count" or
 * "slice_count" (policy exact; or a cine of one phase), "volume_too_large", "not_sampled" (it is there, but
 * the encoder gets none of its frames), or for a reason of volume_plan or of the gate (chosen.h), which holds
 * for every view.
 * out:    *ret in arena: its choice also when this fails, its views also with ERR_INPUT: each has a reason or
 *         is whole.
 * errors: ERR_INPUT "missing_view" (as configured, or all are, or only blank frames would be sampled), the
 *         study's most telling reason when it has no stack at all; ERR_NOMEM. */
bool exam_find(const struct source *source, const struct preprocess *preprocess, struct arena *arena,
               struct exam *ret, struct err *err);

/* Decode the frames and make the input: each view's middle square, resized to the encoder's, grey of 8 bits
 * between percentiles of all its frames; frames.n of the video uniformly; frames.double_resize; normalised.
 * Where the video is shorter than frames.n, the end is zeros, and so are blank frames. A stack whose frames
 * cannot be decoded or are no pictures gives way to the view's next, as in exam_find; the view is missing for
 * the reason of the decoder or grey_range ("unreadable_pixels" and "unsupported" where it has none).
 * Holds one frame a seat at full size, beside what becomes of them.
 * out: values live in arena. errors: "missing_view" as above; ERR_IO, ERR_NOMEM. */
bool exam_prepare(struct exam *exam, const struct model *model, struct source *source, struct arena *arena,
                  struct encoder_input *ret, struct err *err);

/* After a view's stack turned out unusable: take its next candidate, or leave it missing for the first
 * reason; the video is counted again. For exam_prepare. errors: those of exam_find. */
bool exam_replace(struct exam *exam, struct exam_view *view, const char *reason,
                  const struct preprocess *preprocess, struct arena *arena, struct err *err);

/* Frames of the video that the encoder gets, into places[n]: the middle one of each of n equal parts.
 * returns how many: n, or all of a shorter video.
 * source: CMR-CLIP's data loader, which has it from m-bain/frozen-in-time, sampling "uniform". */
int exam_sample(int frames, int n, int *places);

/* Which view a place in the video belongs to; *ret_frame: which of its frames. */
const struct exam_view *exam_at(const struct exam *exam, int place, int *ret_frame);

/* The slice of a view that is taken, from 1, of a short axis counted from the base; 0: all of them. */
int exam_slice(const struct exam_view *view);

#endif
