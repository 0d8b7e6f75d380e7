/* Where a study's results and originals go: the facts of the index and of the objects, held against the
 * rules that run now. Decides and explains; the assembler and the reporter act. threads: any. */
#ifndef DAEMON_ROUTER_H
#define DAEMON_ROUTER_H

#include "daemon/service.h"
#include "findings/result.h"
#include "routing/routing.h"

#include <jansson.h>

/* At the end of the study: priority of its jobs, and the originals that need not wait for a result.
 * An attribute of an object that cannot be read meets no condition, and stops nothing.
 * out: *ret lives in arena. errors: those of store.h, ERR_NOMEM. */
bool router_at_end(struct service *service, int64_t study, struct arena *arena,
                   const struct routing_decision **ret, struct err *err);

/* Of a job's result. failed: its attempts are used up. */
bool router_of_result(struct service *service, const struct store_job *job, const struct result *result,
                      bool failed, struct arena *arena, const struct routing_decision **ret, struct err *err);

/* The destinations of a result, at most CONFIG_MAX_DESTINATIONS: of a live job what the rules deliver to, or
 * every one that receives results when they say nothing. Returns how many. Names are borrowed. */
int router_destinations(const struct config *config, const struct routing_decision *decision, bool live,
                        const char **names);

/* What the rules that run now would do with a study, and why; nothing is sent. {study, revision, rules:
 * {file, count, sha256}, at_end: {priority, forward[], steps[]}, results: [{model, state, reason, live, hold,
 * deliver[], by_default, forward[], priority, steps[]}]}; a step is {rule, why, verdict, because}. Results
 * are those of the study's newest revision. JSON null when there is no such study. owns: caller decrefs. NULL
 * on failure. */
json_t *router_explain(struct service *service, int64_t study, struct err *err);

#endif
