/* Delivery: one thread and one queue of rows a destination. A report goes out as the persisted file, so a
 * resend has the same SOP Instance UID and the same bytes. */
#ifndef DAEMON_COURIER_H
#define DAEMON_COURIER_H

#include "daemon/service.h"

struct courier;

/* Parks what waits for destinations that are no more, then starts a thread for every destination.
 * owns: caller stops. errors: ERR_NOMEM. */
struct courier *courier_start(struct service *service, struct err *err);

/* Follow the running configuration: start a thread for every new destination. What waits for
 * one that is gone is parked by its own thread, which then idles; at most CONFIG_MAX_DESTINATIONS names in
 * one life of the service, and one more is logged as waiting for a restart. threads: that of courier_start.
 */
void courier_follow(struct courier *courier);
void courier_stop(struct courier *courier); /* accepts NULL */

#endif
