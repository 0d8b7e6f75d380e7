/* The start of a worker process, from fork to exec. Part of worker_process; nobody else includes it. */
#ifndef PIPELINE_WORKER_SPAWN_H
#define PIPELINE_WORKER_SPAWN_H

#include "pipeline/worker_process.h"

/* out: *ret_pid to be reaped and *ret_socket (close-on-exec) to be closed by the caller; untouched on
 * failure. errors: ERR_IO (also when the binary cannot be executed), ERR_NOMEM. */
bool worker_spawn(const char *path, const struct worker_options *options, pid_t *ret_pid, int *ret_socket,
                  struct err *err);

#endif
