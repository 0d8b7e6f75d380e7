/* The frames of a series on their way to a plan. Private to modules/volume. */
#ifndef VOLUME_STACK_H
#define VOLUME_STACK_H

#include "volume/volume.h"

enum { STACK_ACQUIRED, STACK_SHOWN };

/* One frame with what sorting needs. */
struct stack_frame {
    const struct dicom_head *head;
    const struct dicom_frame *at;
    int frame;             /* from 0 */
    double along;          /* mm along the normal */
    double aside_yx_mm[2]; /* of its first pixel, along the columns and rows of stack.axes */
    int position;          /* number of its slice position, from 0 */
    double clock_s[2];     /* Acquisition Time, Content Time: seconds of the day the stack began */
    double time;           /* the key that ranks phases */
};

struct stack {
    struct arena *arena;
    struct stack_frame *frames; /* after stack_sort: by position, then time */
    int frame_count;
    const struct dicom_frame *axes; /* whose rows and columns count: the same in any order of frames */
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
    bool tilted;         /* after stack_tilt: a gantry tilt is sheared away */
    double low_yx_mm[2]; /* aside of the volume's first pixel */
    int grown_yx[2];     /* rows and columns that the shear adds */
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
bool stack_tilt(struct stack *stack, struct err *err); /* slices shifted sideways */
bool stack_grid(struct stack *stack, struct err *err); /* gaps, spacing, slices */

/* Part of stack_sort: K images at each position become K phases. stack_phases ranks them by the first key
 * that tells those of every position apart, stack_spare leaves out second takes or evens out phases where
 * their number varies. */
bool stack_phases(struct stack *stack, struct err *err);
bool stack_spare(struct stack *stack, int fewest, int most, struct err *err);

/* Frames of one object in order, objects by UID. */
int stack_by_uid(const struct stack_frame *a, const struct stack_frame *b);
/* Is `a` the later of two takes of one slice? */
bool stack_newer(const struct stack_frame *a, const struct stack_frame *b);

/* 0.62499999 is 0.625: what lies within a nanometre of a multiple of 1e-4 mm is meant to be it. */
double stack_rounded(double spacing_mm);

static inline double stack_dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

#endif
