/* Misbehaviour on order, for tests of whoever owns a worker. */
#ifndef WORKER_FAULT_H
#define WORKER_FAULT_H

/* Before the study or tensor job of `line` (pipeline/job.h), do what the environment's
 * CARDIOSCRIBE_WORKER_FAULT says: crash              die of a segmentation fault crash_once:FILE    the same,
 * when FILE does not exist yet; it is created first hang               never answer slow:MS            wait
 * that long first Anything else, and every other job, passes. For tests only. */
void fault_before(const char *line);

#endif
