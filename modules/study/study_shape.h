/* How the images of a stack lie. Private to modules/study. */
#ifndef STUDY_SHAPE_H
#define STUDY_SHAPE_H

#include "base/arena.h"
#include "study/study.h"

#include <math.h>
#include <string.h>

/* Fill stack->shape from its frames; directions stays as it is. False: out of memory. */
bool study_shape_measure(struct study_stack *stack, struct arena *arena);

/* Slice positions of frames that lie in one direction. The same places are those within 0.01 mm or 1 % of the
 * median step, as in docs/volumes.md, section 3. */
struct study_places {
    double *along;    /* mm along the normal, [positions], ascending */
    int positions;    /* 0 when a frame has no position */
    int fewest, most; /* images at one of them */
    double *images;   /* at each, [positions] */
    double first, last;
};
bool study_shape_places(const struct dicom_frame_ref *frames, int count, const double normal[3],
                        struct arena *arena, struct study_places *ret);

static inline const struct dicom_frame *study_frame(const struct dicom_frame_ref *ref)
{
    return &ref->head->frames[ref->frame];
}

/* What Image Type or, of an enhanced frame, its own type says. */
static inline const char *study_type(const struct dicom_frame_ref *ref)
{
    return study_frame(ref)->type ? study_frame(ref)->type : ref->head->image_type;
}

static inline bool study_grey(const struct dicom_head *head)
{
    return head->samples_per_pixel == 1 && strncmp(head->photometric, "MONOCHROME", 10) == 0;
}

/* row x column, unit length; false without an orientation. */
static inline bool study_normal(const struct dicom_frame *at, double normal[3])
{
    const double *r = at->row_lps, *c = at->column_lps;
    normal[0] = r[1] * c[2] - r[2] * c[1];
    normal[1] = r[2] * c[0] - r[0] * c[2];
    normal[2] = r[0] * c[1] - r[1] * c[0];
    double length = sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]);
    for (int i = 0; i < 3; i++)
        normal[i] = length > 0.1 ? normal[i] / length : 0;
    return at->has_orientation && length > 0.1;
}

static inline double study_along(const struct dicom_frame *at, const double normal[3])
{
    return at->position_lps[0] * normal[0] + at->position_lps[1] * normal[1] +
           at->position_lps[2] * normal[2];
}

#endif
