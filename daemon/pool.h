/* The worker pool: one thread and one worker process a slot, jobs claimed by lease. */
#ifndef DAEMON_POOL_H
#define DAEMON_POOL_H

#include "daemon/service.h"

struct pool;

/* Ask a worker about every configured model (name, modality), then start the slots. config: its models'
 * modality is filled in; it stays "" for one that does not open, which makes readiness false. owns: caller
 * stops. errors: ERR_IO (no worker program), ERR_NOMEM. */
struct pool *pool_start(struct service *service, struct config *config, struct err *err);
/* Kill running workers, join. Their jobs go back to the queue when the service starts again. Accepts NULL. */
void pool_stop(struct pool *pool);

#endif
