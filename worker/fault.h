/* Misbehaviour on order, for tests of whoever owns a worker. */
#ifndef WORKER_FAULT_H
#define WORKER_FAULT_H

/* Before any sandbox: what a later fault needs. */
void fault_prepare(void);

/* Before the study or tensor job of `line` (pipeline/job.h), and inside the sandbox, do what the
 * environment's CARDIOSCRIBE_WORKER_FAULT says: crash            die of a segmentation fault crash_once:FILE
 * the same, once for each FILE; it is created, and its first byte says whether abort            call abort()
 *   hang             never answer
 *   spin             never answer, computing
 *   slow:MS          wait that long first
 *   alloc            take memory until there is none (only under a limit), then abort
 *   open:PATH        open for reading; end with errno as exit code, 90 when it could be opened
 *   write:PATH       open for writing
 *   socket, connect, exec, fork, thread, ptrace, kill, map_code
 *                    what a hostile file's code would try next; end with exit code 91 when it was possible
 * With @TEXT behind it, only jobs whose line has TEXT in it are hit. Anything else, and every other job,
 * passes. For tests only. */
void fault_before(const char *line);

#endif
