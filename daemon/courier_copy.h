/* A result's report in another form: a class that a peer takes, a page as an image. threads: any. */
#ifndef DAEMON_COURIER_COPY_H
#define DAEMON_COURIER_COPY_H

#include "daemon/service.h"

struct courier_copy {
    const char *sop_class;
    bool own_series; /* a series of its own, of a UID that follows from the report's */
    /* Write the copy that `to` describes, from the report's file, into `incoming`. */
    bool (*write)(const char *from, const struct store_report *to, const char *incoming, struct arena *arena,
                  struct err *err);
};

/* Made on first need and persisted before anything is sent, so that a resend is the same object. *ret lives
 * in the arena. errors: ERR_CORRUPT (the result has no report), those of `write`, spool.h and store.h. */
bool courier_copy_find(struct service *service, int64_t result, const struct courier_copy *form,
                       struct arena *arena, struct store_report **ret, struct err *err);

#endif
