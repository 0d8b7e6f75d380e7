/* Slices that came as one series each. Private to modules/study. */
#ifndef STUDY_JOIN_H
#define STUDY_JOIN_H

#include "base/arena.h"
#include "study/study_split.h"

/* Add a stack for every set of MR stacks of one position each that together are one: same frame of reference,
 * parallel, alike in technique (but the inversion time) and in the letters of their description, phases no
 * more than two apart, at least three positions on a regular grid. Of two within half a step the later series
 * counts. Where all are no regular stack, each run of series counts in which the slices do not turn back,
 * else in which the series numbers have no gap. All frames come along: volume_plan evens out phases. Those
 * joined get the reason "joined", those like them that are in no stack "not_joined": they do not stand in for
 * it. in: stacks measured and judged; out: the new ones are neither. False: out of memory. source:
 * docs/volumes.md, section 2, "Stacks". */
bool study_join(struct study_stacks *stacks, struct arena *arena);

#endif
