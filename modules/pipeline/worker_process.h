/* A worker as its owner sees it: a child process that answers one job at a time, within a time limit.
 *
 * The child starts from a clean table: no descriptor but its line, stderr, at most one more, its shelves and
 * its turn, and room for few; an environment of PATH, LANG and DCMDICTPATH; signals at their defaults; its
 * own process group; no new privileges, no core dumps, no bytes written to files (except with pass_fd, and
 * where stderr is a file). It then closes its own sandbox (docs/sandbox.md). One socket pair carries jobs and
 * answers (job.h).
 *
 * threads: start, call and stop belong to one thread at a time. The kernel kills the child when the thread
 * that started it ends (PR_SET_PDEATHSIG), so start it from a thread that outlives it. worker_process_kill
 *          may come from any thread while the process is not yet stopped.
 * stops:   worker_process_kill raises a flag that the running call and every later one sees; the child is
 *          killed and reaped by the owning thread only, so a process number is never reused under a signal.
 */
#ifndef PIPELINE_WORKER_PROCESS_H
#define PIPELINE_WORKER_PROCESS_H

#include "base/err.h"

#include <jansson.h>
#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

struct worker_process;

struct worker_options {
    const char *path; /* the worker binary; NULL: as worker_process_find */
    int threads;      /* that decode and encode; 0: one per core */
    const char *isa;  /* no wider vectors than these in products (tile_limit); NULL: what the processor has */
    int pass_fd;      /* a descriptor above 2 the child gets as WORKER_PASSED_FD; 0: none */

    /* Shelves (base/shelf.h): the child gets shelf i as WORKER_SHELF_FD + i. At most WORKER_SHELVES_MOST; 0:
     * none at that place. Borrowed for the call. */
    const int *shelf_fds;
    int shelf_count;
    int turn_fd; /* of a turn (base/turn.h), which the child gets as WORKER_TURN_FD; 0: none */

    /* RLIMIT_DATA of the child (weights it packs for itself count, those on a shelf and mapped ones do not);
     * 0: none. Not set in builds with the address or thread sanitizer, whose shadow memory counts. */
    uint64_t data_limit_bytes;

    /* Files and folders the child may read, with all they hold: what a job names must lie in them. Those that
     * do not exist are skipped. Borrowed for the call. */
    const char *const *read_roots;
    int read_root_count;
};

enum {
    WORKER_PASSED_FD = 3,
    WORKER_SHELF_FD = 4,
    WORKER_SHELVES_MOST = 16,
    WORKER_TURN_FD = WORKER_SHELF_FD + WORKER_SHELVES_MOST
};

/* Where the worker binary is: `option` when given, else the environment's CARDIOSCRIBE_WORKER, else beside
 * the running executable (same folder, ../worker/, ../libexec/cardioscribe/). errors: ERR_IO when none of
 * them can be executed. */
bool worker_process_find(const char *option, char path[PATH_MAX], struct err *err);

/* Start a worker. owns: the caller stops it. errors: ERR_IO (also when the binary cannot be executed),
 * ERR_NOMEM. */
struct worker_process *worker_process_start(const struct worker_options *options, struct err *err);

/* Send one job and wait for its answer.
 * in:     job is borrowed; timeout_ms counts from the call, 0 or less: no limit.
 * out:    *ret_answer, an object with "ok" true; the caller drops the reference.
 * errors: what the worker refused, with its own code, reason and text (the worker stays usable);
 *         ERR_PEER "worker_crashed", the text naming signal or exit code; ERR_PEER "worker_timeout";
 *         ERR_PEER "worker_garbled" for an answer that is none; ERR_CANCELLED "worker_killed"; ERR_NOMEM.
 *         After every reason that begins with "worker_" the process is gone: stop it and start another. */
bool worker_process_call(struct worker_process *worker, const json_t *job, int timeout_ms,
                         json_t **ret_answer, struct err *err);

/* Whether the process can still take jobs (it has neither ended nor been killed). */
bool worker_process_alive(struct worker_process *worker);

/* The version of Landlock that holds it to its read_roots; 0: the kernel has none, so that it can read what
 * its user can (but nothing else, and tell nobody but its owner); -1: not known before its first answer. */
int worker_process_landlock(const struct worker_process *worker);

pid_t worker_process_pid(const struct worker_process *worker);

/* Bytes of memory it holds for itself now, without what is mapped from files (weights, programs) or shared
 * (packed weights on a shelf); 0 when it is gone. source: proc(5), RssAnon. */
uint64_t worker_process_memory_bytes(const struct worker_process *worker);
/* The most it ever held at once, what is mapped included. source: proc(5), VmHWM (ru_maxrss would count what
 * forked it, too). */
uint64_t worker_process_peak_bytes(const struct worker_process *worker);

/* Make the running call, and every later one, end at once with ERR_CANCELLED. Any thread. */
void worker_process_kill(struct worker_process *worker);

/* End the process (line closed, then after at most half a second killed), reap it, free. Accepts NULL. */
void worker_process_stop(struct worker_process *worker);

#endif
