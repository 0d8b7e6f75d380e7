/* The worker pool: one thread and one worker process a slot, jobs claimed by lease. */
#ifndef DAEMON_POOL_H
#define DAEMON_POOL_H

#include "daemon/service.h"

struct pool;

/* Ask a worker about every configured model: which objects feed one is to be known before any is recorded.
 * config: its models' modality and need of masks are filled in; the former stays "" for one that does not
 * open, which makes readiness false. No thread is started. owns: caller stops. errors: ERR_IO (no worker
 * program), ERR_NOMEM. */
struct pool *pool_open(struct service *service, struct config *config, struct err *err);
/* Start the slots, which claim jobs. errors: ERR_NOMEM. */
bool pool_start(struct pool *pool, struct err *err);
/* Kill running workers, join. Their jobs go back to the queue when the service starts again. Accepts NULL. */
void pool_stop(struct pool *pool);

#endif
