/* Study transitions out of `receiving`: complete when quiet, forced, or by the force timer, and never while
 * an association that stored into the study is open. One thread. */
#ifndef DAEMON_ASSEMBLER_H
#define DAEMON_ASSEMBLER_H

#include "daemon/receiver.h"
#include "daemon/service.h"

struct assembler;

/* receiver is borrowed until assembler_stop. owns: caller stops. errors: ERR_NOMEM. */
struct assembler *assembler_start(struct service *service, struct receiver *receiver, struct err *err);
void assembler_stop(struct assembler *assembler); /* accepts NULL */

#endif
