/* Who was turned away at the door, written down by a thread of its own: the listener never waits for the
 * database. */
#ifndef DAEMON_DOORBOOK_H
#define DAEMON_DOORBOOK_H

#include "daemon/service.h"

struct doorbook;

/* owns: caller stops. errors: ERR_NOMEM. */
struct doorbook *doorbook_start(struct service *service, struct err *err);
/* What still waits gets a log line only: a locked database delays no stop. Accepts NULL. */
void doorbook_stop(struct doorbook *doorbook);

/* A row, a log line and a count for a connection that was rejected (2,3,2). While 256 wait to be written,
 * another gets no row. word, cause: static. threads: any; returns at once. */
void doorbook_note(struct doorbook *doorbook, const char *address, const char *word, const char *cause);

#endif
