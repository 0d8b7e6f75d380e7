/* Retention: the files of finished studies go when the configuration says so, and what was given up is
 * removed. Results, embeddings, findings and reports stay. */
#ifndef DAEMON_KEEPER_H
#define DAEMON_KEEPER_H

#include "daemon/receiver.h"
#include "daemon/service.h"

struct keeper;

/* Before any room opens: remove what had been given up when the last process ended. errors: store.h. */
bool keeper_clear(struct service *service, struct err *err);

/* owns: caller stops, before the receiver, which is borrowed. errors: ERR_NOMEM. */
struct keeper *keeper_start(struct service *service, struct receiver *receiver, struct err *err);
void keeper_stop(struct keeper *keeper); /* accepts NULL */

#endif
