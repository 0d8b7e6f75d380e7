/* Deliveries to a [webhook]: one POST each, signed. docs/annotations.md is for who receives them.
 * threads: any. */
#ifndef DAEMON_COURIER_WEBHOOK_H
#define DAEMON_COURIER_WEBHOOK_H

#include "daemon/attempt.h"
#include "daemon/service.h"

void courier_webhook_send(struct service *service, const struct config *config,
                          const struct config_webhook *to, const struct store_delivery *delivery,
                          struct arena *arena, struct attempt *ret);

/* How long that takes at most, by its own time-outs. */
int64_t courier_webhook_own_ms(const struct config *config, const struct config_webhook *to);

#endif
