/* Study transitions out of `receiving`: complete when quiet, forced, or by the force timer, and never while
 * an association that stored into the study is open. One thread. */
#ifndef DAEMON_ASSEMBLER_H
#define DAEMON_ASSEMBLER_H

#include "daemon/receiver.h"
#include "daemon/service.h"

struct assembler;

/* Called on the assembler's thread when jobs were queued. */
typedef void (*assembler_jobs_queued)(void *context);

/* receiver may be set later with assembler_watch: until then nothing is complete. owns: caller stops. */
struct assembler *assembler_start(struct service *service, assembler_jobs_queued queued, void *context,
                                  struct err *err);
void assembler_watch(struct assembler *assembler, struct receiver *receiver);
void assembler_wake(struct assembler *assembler); /* any thread */
void assembler_stop(struct assembler *assembler); /* accepts NULL */

#endif
