/* Which series of a study is analysed, and why the others are not. */
#ifndef STUDY_STUDY_H
#define STUDY_STUDY_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/dicom_records.h"

/* One series with its objects and the verdict on it. */
struct study_series {
    const struct dicom_head **heads;
    int head_count;
    bool candidate; /* may be analysed */
    bool chosen;
    const char *reason; /* "chosen", "not_chosen", "other_modality", "other_object", "localizer", "derived",
                           "no_pixels", "single_image", "no_geometry", "colour_image", "no_uid" */
    double rank;        /* larger is better, among candidates */
};

struct study_choice {
    struct study_series *series; /* in order of series number, then UID */
    int series_count;
    struct study_series *chosen; /* NULL when none fits */
    const char *reason; /* when none fits: the most telling reason ("no_series" without any); else NULL */
};

/* Sort a study's objects into series and choose the one to analyse for a model that takes `modality`.
 * in:  heads of one study, any order, side objects included. modality "CT" or "MR"; NULL chooses a series of
 *      either to look at rather than to analyse, and then takes derived ones, after all others.
 * out: *ret lives in arena. Choosing none is not an error. errors: ERR_NOMEM.
 * source: docs/volumes.md, table of CT and MR roles. */
bool study_choose(const struct dicom_head *const *heads, int head_count, const char *modality,
                  struct arena *arena, struct study_choice **ret, struct err *err);

#endif
