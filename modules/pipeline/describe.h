/* What a run saw and did, written into its result. Part of the pipeline.
 * errors of all: ERR_NOMEM. Everything lives in the arena. */
#ifndef PIPELINE_DESCRIBE_H
#define PIPELINE_DESCRIBE_H

#include "base/arena.h"
#include "base/err.h"
#include "findings/result.h"
#include "pipeline/exam.h"
#include "pipeline/grounded.h"
#include "pipeline/model.h"
#include "pipeline/source.h"
#include "study/study.h"
#include "volume/volume.h"

/* A warning when files were left out. */
bool describe_skipped(struct result *result, const struct source *source, struct arena *arena,
                      struct err *err);

/* The series table, and the modality of what was chosen, else of the study. */
bool describe_series(struct result *result, const struct study_choice *choice, struct arena *arena,
                     struct err *err);

/* Size and spacing of the volume as acquired, its warnings. */
bool describe_plan(struct result *result, const struct volume_plan *plan, struct arena *arena,
                   struct err *err);

/* Warnings: the phase taken of several, and phase percentages too far apart within a phase (`spread` of
 * prepare_choose_phase). */
bool describe_phase(struct result *result, const struct volume_plan *plan, int phase, double spread,
                    struct arena *arena, struct err *err);

/* A warning when segmentations show a heart that could not be used; reason: heart_find's. */
bool describe_unused_heart(struct result *result, const char *reason, struct arena *arena, struct err *err);

/* The size of what the encoder gets; warnings when organs have no mask, or several. */
bool describe_grounded(struct result *result, const struct grounded *grounded, struct arena *arena,
                       struct err *err);

/* The objects that fed the encoder in order of position, the key slice (the middle one), the manifest (the
 * volume's, the phase and what was done to the values, as one digest). */
bool describe_used(struct result *result, const struct volume_plan *plan, int phase,
                   const struct preprocess *preprocess, struct arena *arena, struct err *err);

/* After it: the segmentations whose masks were taken, as objects too and in the manifest. */
bool describe_segmentations(struct result *result, const struct grounded *grounded, struct arena *arena,
                            struct err *err);

/* The views, present and missing; how many frames the encoder gets; the size and spacing of the key view (the
 * short-axis cine, else the first there is); warnings: every view that is missing, those of the views' stacks
 * and volumes, a long axis that is no 4-chamber view, reconstructions that differ, and, of an examination
 * that was made into frames, phases and slices that are not those of the model. */
bool describe_exam(struct result *result, const struct exam *exam, const struct frames *frames, bool made,
                   struct arena *arena, struct err *err);

/* After it: the objects whose frames were used, view by view; the key slice (the first frame of the key view
 * that the encoder got); the manifest of all views and of what was done to the values. */
bool describe_exam_used(struct result *result, const struct exam *exam, const struct preprocess *preprocess,
                        struct arena *arena, struct err *err);

/* Not analysed, and why; the chosen series is no longer taken. */
bool describe_declined(struct result *result, const struct err *why, struct arena *arena, struct err *err);

#endif
