/* The frames of a series on their way to a plan. Private to modules/volume. */
#ifndef VOLUME_STACK_H
#define VOLUME_STACK_H

#include "volume/volume.h"

/* One frame with what sorting needs. */
struct stack_frame {
    const struct dicom_head *head;
    const struct dicom_frame *at;
    int frame;    /* from 0 */
    double along; /* mm along the normal */
    int position; /* number of its slice position, from 0 */
    double time;  /* the key that ranks phases */
};

struct stack {
    struct arena *arena;
    struct stack_frame *frames; /* after stack_sort: by position, then time */
    int frame_count;
    double normal[3];
    double *positions; /* mm along the normal, ascending, [position_count] */
    int position_count;
    int phases;
    int least_positions; /* see volume_plan */
    const char **warnings;
    int warning_count;
    struct volume_slice *slices; /* [phase][z], after stack_grid */
    int depth;
    double spacing_mm;
};

enum { STACK_MAX_WARNINGS = 16, STACK_MAX_SLICES = 4096 };

/* Note a warning; text "word: sentence". Silently full after STACK_MAX_WARNINGS. errors: ERR_NOMEM. */
bool stack_warn(struct stack *stack, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Steps of volume_plan, in this order. Each declines with the reasons of its rows in docs/volumes.md. */
bool stack_collect(struct stack *stack, const struct dicom_frame_ref *frames, int frame_count,
                   struct err *err);
bool stack_sort(struct stack *stack, struct err *err); /* positions, duplicates, phases */
bool stack_check_kinds(struct stack *stack, struct err *err);
bool stack_grid(struct stack *stack, struct err *err); /* gaps, tilt, spacing, slices */

static inline double stack_dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

#endif
