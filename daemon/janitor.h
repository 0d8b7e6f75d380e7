/* Order in the state folder: reconciliation at start, old refusals and free space afterwards. */
#ifndef DAEMON_JANITOR_H
#define DAEMON_JANITOR_H

#include "daemon/service.h"

struct janitor;

/* Before the index opens: false when its file is there but empty though there are objects, which SQLite would
 * take for a new one. errors: ERR_CORRUPT, ERR_IO. */
bool janitor_index_sane(const struct service *service, char *path, struct err *err);

/* Before any room opens: sweep incoming/, put files and rows right in both directions, requeue what ran.
 * errors: those of spool.h and store.h. */
bool janitor_reconcile(struct service *service, struct err *err);

/* owns: caller stops. errors: ERR_NOMEM. */
struct janitor *janitor_start(struct service *service, struct err *err);
void janitor_stop(struct janitor *janitor); /* accepts NULL */

#endif
