/* The stack of a study that is analysed: the best that can be laid out in space and that the model takes.
 * Part of the pipeline. */
#ifndef PIPELINE_CHOSEN_H
#define PIPELINE_CHOSEN_H

#include "pipeline/model.h"
#include "pipeline/source.h"
#include "study/study.h"
#include "volume/volume.h"

struct chosen {
    struct study_choice *choice;     /* NULL when it could not even be made */
    const struct study_stack *stack; /* of the choice */
    struct volume_plan *plan;        /* "passed_over" and "split" are among its warnings; when nothing was
                                        chosen: of the best, if that could be laid out, else NULL */
};

/* in:  limits: the model's modality and gate; NULL: any modality, no gate, to look at rather than to analyse.
 * out: *ret in arena, its choice also when this fails: then every series has its reason. When the best stack
 *      is declined the next is tried; the error is that of the best.
 * errors: ERR_INPUT: the study's most telling reason (study.h), those of volume_plan, "volume_too_large",
 * those of the gate (docs/model-folder.md): "other_role", "not_gated", "incomplete_series", "lossy_images",
 * "too_few_slices", "spacing_too_coarse", "field_too_small", "stack_too_short"; ERR_NOMEM. */
bool chosen_find(const struct source *source, const struct preprocess *limits, struct arena *arena,
                 struct chosen *ret, struct err *err);

/* The model's gate, before a stack is laid out and after. limits NULL: none but the size. errors: ERR_INPUT
 * as above. */
bool chosen_gate_stack(const struct study_stack *stack, const struct preprocess *limits, struct err *err);
bool chosen_gate_volume(const struct volume_geometry *geometry, const struct preprocess *limits,
                        struct err *err);

/* Warnings that a stack brings besides those of its plan: "incomplete", "left_out", "split". Returns how
 * many. */
enum { CHOSEN_NOTES = 3, CHOSEN_NOTE_SIZE = 160 };
int chosen_notes(const struct study_stack *stack, char notes[CHOSEN_NOTES][CHOSEN_NOTE_SIZE]);

/* The error of a choice in which no stack may be analysed. modality: as study_choose got it. Always false. */
bool chosen_none(const struct study_choice *choice, const char *modality, struct err *err);

#endif
