/* Deliveries to a [peer]: one association each. threads: any. */
#ifndef DAEMON_COURIER_DICOM_H
#define DAEMON_COURIER_DICOM_H

#include "daemon/attempt.h"
#include "daemon/service.h"

/* A [peer] as DICOM calls it. Borrows from both. */
struct dicom_peer courier_dicom_peer(const struct config *config, const struct config_peer *to);

/* The result's report, in the best class that the peer negotiates: first the one it took last, on 0122 the
 * next. A copy in another class is made on first need and persisted before it is sent. */
void courier_dicom_send(struct service *service, const struct config *config, const struct config_peer *to,
                        const struct store_delivery *delivery, struct arena *arena, struct attempt *ret);

/* How long that takes at most, by its own time-outs. */
int64_t courier_dicom_own_ms(const struct config *config);

#endif
