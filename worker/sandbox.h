/* The worker gives up what it does not need, for good, before it reads a byte from outside. docs/sandbox.md
 */
#ifndef WORKER_SANDBOX_H
#define WORKER_SANDBOX_H

#include "base/err.h"

struct sandbox {
    const char *const *read_roots; /* files and folders that may be read; borrowed */
    int read_root_count;
    int threads;          /* of the matrix library, and as many that decode; 0: one per core */
    int out;              /* the descriptor answers go to */
    struct threads *pool; /* set by sandbox_enter: those that decode; the caller stops it */
    int landlock_abi;     /* set by sandbox_enter: 0 when the kernel cannot restrict which files are read */
};

/* Load what libraries need, drop capabilities, restrict files, start the threads, close the filter: in this
 * order, because Landlock covers only threads started after it. Call once, while there is but one thread.
 * errors: ERR_IO, ERR_NOMEM; the process must then end. */
bool sandbox_enter(struct sandbox *sandbox, struct err *err);

#endif
