/* A fixed number of threads that do pieces of work together (base/crew.h). */
#ifndef WORKER_THREADS_H
#define WORKER_THREADS_H

#include "base/crew.h"

struct threads;

/* Start seats - 1 threads; the caller of a run is one of the crew. Before the filter of system calls, which
 * then covers them. owns: the caller stops. errors: ERR_NOMEM, ERR_IO. */
struct threads *threads_start(int seats, struct err *err);

/* Borrowed until threads_stop. */
const struct crew *threads_crew(const struct threads *threads);

/* End them, join, free. While none is in a run. Accepts NULL. */
void threads_stop(struct threads *threads);

#endif
