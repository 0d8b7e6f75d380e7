/* Deliveries of a study's originals to a [peer]: the objects as they came, in the order in which they came,
 * over one association each attempt. threads: any. */
#ifndef DAEMON_COURIER_OBJECTS_H
#define DAEMON_COURIER_OBJECTS_H

#include "daemon/attempt.h"
#include "daemon/service.h"

/* Send what the destination does not have yet: behind the last that it took in this revision or a former one.
 * One that it refuses does not keep the others; the delivery is parked in the end, and begins with the
 * refused one when it is tried again. What was taken is noted every few objects, so that after a crash a few
 * are sent twice, never one not at all. pulse: beaten before each object; may be NULL. */
void courier_objects_send(struct service *service, const struct config *config, const struct config_peer *to,
                          const struct store_delivery *delivery, struct pulse *pulse, struct arena *arena,
                          struct attempt *ret);

#endif
