/* What is in a study: its series, the stacks of images they hold, and which of them may be analysed. */
#ifndef STUDY_STUDY_H
#define STUDY_STUDY_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/dicom_records.h"
#include "study/study_rules.h"

/* One series with its objects and the verdict on it. */
struct study_series {
    const struct dicom_head **heads;
    int head_count;
    bool taken;
    const char *reason; /* "chosen", "not_chosen", "other_modality", "other_object", "no_pixels",
                           "single_image", "no_geometry", "incomplete_concatenation", "colour_image",
                           "no_uid", "no_rule", "joined", "not_joined", the role of a rule that takes nothing
                           ("localizer", "derived",
                           ...); or why its best stack could not be used: study_leave */
    const char *role;   /* of its stack that was taken, else of its best; "" when it has none */
    const char *why;    /* by which rule; "" when none spoke */
};

/* Images of one technique and direction: what is laid out as one volume. Most series are one stack; one with
 * two kernels is two; slices that came as one series each are joined to one. */
struct study_stack {
    struct dicom_frame_ref *frames; /* no order */
    int frame_count;
    const int *series; /* indices into study_choice.series; several when it is joined */
    int series_count;
    const char *role; /* what it shows: a word of the rules, "cta", "calcium_score", "cine", ...; "" none */
    const char *why;
    const char *reason; /* why it may not be analysed; NULL: it may */
    double rank;        /* larger is better */
    double standing; /* the same without what preferences add for each image, position, ..., and of strays */
    struct study_shape shape;
    const char *split_by; /* what sets it apart from the rest of its series, "kernel"; NULL: it is whole */
    int series_images;    /* images of all its series */
    int series_largest;   /* images of the largest stack of its series */
    int images_said;      /* images that should be there as they say themselves; 0: no more than there are */
    int images_there;     /* of these */
    int left_out;         /* joined: slices of the same name, role and direction that are not in it */
};

struct study_choice {
    struct study_series *series; /* in order of series number, then UID */
    int series_count;
    struct study_stack *stacks; /* [all_count]: first what may be analysed, best first, then what may not */
    int stack_count;            /* that may be analysed */
    int all_count;
    const char *reason; /* when there is none: the most telling reason ("no_series" without any); else NULL */
};

/* Sort a study's objects into series and stacks for a model that takes `modality`.
 * in:  heads of one study, any order, side objects included. modality "CT" or "MR"; NULL: either, to look at
 *      rather than to analyse: then what the rules leave will do too, after all others, if it has at least
 *      two images. rules: borrowed as long as the choice.
 * out: *ret lives in arena; no series is taken yet. Having none is not an error. errors: ERR_NOMEM.
 * source: docs/volumes.md, section 2. */
bool study_choose(const struct dicom_head *const *heads, int head_count, const char *modality,
                  const struct study_rules *rules, struct arena *arena, struct study_choice **ret,
                  struct err *err);

/* A stack is analysed, and with it its series: "chosen". Several may be, one after the other. */
void study_take(struct study_choice *choice, const struct study_stack *stack);
/* A stack cannot be used after all; reason lives as long as the choice. A series keeps its first. */
void study_leave(struct study_choice *choice, const struct study_stack *stack, const char *reason);

#endif
