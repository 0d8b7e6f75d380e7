/* From a job's result to a durable report and its outbox rows. */
#ifndef DAEMON_REPORTER_H
#define DAEMON_REPORTER_H

#include "daemon/service.h"
#include "findings/result.h"

/* Write the report and record result, report and deliveries. sop_uid: of the report; the same in every
 * retry, of which there may be any number: nothing is kept of one that failed. failed: the job's attempts are
 * used up.
 * A job that is no longer ours is left alone. errors: ERR_FULL, ERR_IO, ERR_INPUT (the source object cannot
 * be read), those of store.h; nothing has been recorded then. */
bool reporter_finish(struct service *service, const struct store_job *job, const struct store_inputs *inputs,
                     const struct result *result, const char *sop_uid, bool failed, struct err *err);

/* What is said when no model fits, or all attempts failed. blank: the model's own not-assessed result, or
 * NULL without a model. The result lives in arena. NULL when memory is out. */
struct result *reporter_not_analysed(struct service *service, const struct store_job *job,
                                     const struct result *blank, const char *reason, const char *reason_text,
                                     struct arena *arena);

#endif
