/* The stacks of one series. Private to modules/study. */
#ifndef STUDY_SPLIT_H
#define STUDY_SPLIT_H

#include "base/arena.h"
#include "study/study.h"

/* Stacks as they are found, in room that grows. */
struct study_stacks {
    struct study_stack *list;
    int count, room;
};
/* Room for one more, zeroed; NULL: out of memory. Pointers into the list do not outlive the next call. */
struct study_stack *study_stacks_add(struct study_stacks *stacks, struct arena *arena);

/* Cut the images of series number `index` into stacks: frames, series, split_by, series_images and the
 * directions are set. A clean series stays whole. False: out of memory.
 * source: docs/volumes.md, section 2, "Stacks". */
bool study_split(const struct study_series *series, int index, struct arena *arena,
                 struct study_stacks *stacks);

/* What volume_plan could never lay out together, but where it lies: size, format, spacing, image type,
 * kernel, contrast, echo, velocity, frame type; not the inversion time, which is set anew for every slice. */
bool study_split_alike(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b);

#endif
