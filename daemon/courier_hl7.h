/* Deliveries to an [hl7]: one connection, one message, one answer. What the answers mean:
 * docs/annotations.md. threads: any. */
#ifndef DAEMON_COURIER_HL7_H
#define DAEMON_COURIER_HL7_H

#include "daemon/attempt.h"
#include "daemon/service.h"

void courier_hl7_send(struct service *service, const struct config *config, const struct config_hl7 *to,
                      const struct store_delivery *delivery, struct arena *arena, struct attempt *ret);

/* How long that takes at most, by its own time-outs. */
int64_t courier_hl7_own_ms(const struct config *config, const struct config_hl7 *to);

#endif
