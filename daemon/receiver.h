/* The DICOM listener: one thread that accepts and waits for whole requests, one thread an association. */
#ifndef DAEMON_RECEIVER_H
#define DAEMON_RECEIVER_H

#include "daemon/service.h"

struct receiver;

/* Bind, listen and start. owns: caller stops. errors: ERR_IO (address in use), ERR_NOMEM. */
struct receiver *receiver_start(struct service *service, struct err *err);
/* Take no more, let every association finish its current object, join. Accepts NULL. */
void receiver_stop(struct receiver *receiver);

/* Is an association open that stored into this study? threads: any. */
bool receiver_holds(struct receiver *receiver, const char *study_uid);

#endif
