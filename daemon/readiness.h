/* Can this service do its work now? One verdict a part, for GET /readyz. */
#ifndef DAEMON_READINESS_H
#define DAEMON_READINESS_H

#include "daemon/service.h"

#include <jansson.h>

/* {"ready": bool, "checks": [{"name", "ok", "text"}]}, always with the same names in the same order:
 * database, spool, dictionary, models, listener, workers, rooms. *ret_ready: all are ok and the service is
 * not stopping. owns: caller decrefs. NULL when memory is out. threads: any. Takes no longer than one empty
 * transaction. */
json_t *readiness_view(struct service *service, bool *ret_ready);

#endif
