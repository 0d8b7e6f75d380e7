/* Which system calls this process may make: a seccomp allow-list.
 * source: libseccomp; seccomp(2). */
#ifndef WORKER_FILTER_H
#define WORKER_FILTER_H

#include "base/err.h"

/* From here on every thread of the process may read, compute, answer and end. Any other system call kills the
 * process with SIGSYS: sockets, new threads and processes, exec, ptrace, signals to others, opening for
 * writing, new executable memory, and all that is not named in filter.c. Writing is possible to `out`,
 * standard output and error, and WORKER_PASSED_FD only. errors: ERR_IO when the kernel will not do it; the
 * process must not work then. ERR_NOMEM. */
bool filter_close(int out, struct err *err);

#endif
