/* What is in a study: its series, the stacks of images they hold, and which of them may be analysed. */
#ifndef STUDY_STUDY_H
#define STUDY_STUDY_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/dicom_records.h"

/* One series with its objects and the verdict on it. */
struct study_series {
    const struct dicom_head **heads;
    int head_count;
    bool taken;
    const char *reason; /* "chosen", "not_chosen", "other_modality", "other_object", "localizer", "derived",
                           "no_pixels", "single_image", "no_geometry", "colour_image", "no_uid"; or why its
                           stack could not be used: study_leave */
};

/* Images of one technique and direction: what is laid out as one volume. */
struct study_stack {
    struct dicom_frame_ref *frames; /* no order */
    int frame_count;
    int series;       /* index into study_choice.series */
    const char *role; /* what it shows: a word of the rules, "cta", "calcium_score", "cine", ... */
    double rank;      /* larger is better */
};

struct study_choice {
    struct study_series *series; /* in order of series number, then UID */
    int series_count;
    struct study_stack *stacks; /* what may be analysed, best first */
    int stack_count;
    const char *reason; /* when there is none: the most telling reason ("no_series" without any); else NULL */
};

/* Sort a study's objects into series and stacks for a model that takes `modality`.
 * in:  heads of one study, any order, side objects included. modality "CT" or "MR"; NULL: either, to look at
 *      rather than to analyse, and then derived ones too, after all others.
 * out: *ret lives in arena; no series is taken yet. Having none is not an error. errors: ERR_NOMEM.
 * source: docs/volumes.md, table of CT and MR roles. */
bool study_choose(const struct dicom_head *const *heads, int head_count, const char *modality,
                  struct arena *arena, struct study_choice **ret, struct err *err);

/* A stack is analysed, and with it its series: "chosen". */
void study_take(struct study_choice *choice, const struct study_stack *stack);
/* A stack cannot be used after all; reason lives as long as the choice. */
void study_leave(struct study_choice *choice, const struct study_stack *stack, const char *reason);

#endif
