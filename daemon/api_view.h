/* What REST shows: the index's views, made fit for a reader. Times are ISO 8601 UTC ("*_ms" of the index
 * becomes "*_at"), yes/no is true/false, and a study says in one sentence where it is and why.
 * owns: the caller decrefs. threads: any. errors: as store/store.h; NULL then. */
#ifndef DAEMON_API_VIEW_H
#define DAEMON_API_VIEW_H

#include "daemon/service.h"
#include "store/store_view.h"

#include <jansson.h>

/* The row number a request means by `id`: a row number of a study, or a Study Instance UID. *ret is 0 when
 * there is no such study. */
bool api_view_find_study(struct service *service, const char *id, int64_t *ret, struct err *err);

/* {"studies": [...]} */
json_t *api_view_studies(struct service *service, const struct store_filter *filter, struct err *err);

/* One study: its row, `explanation`, objects, series[], jobs[], results[] (each the stored result with id,
 * revision, model_section, report, created_at in front), findings[] of the newest revision that has results,
 * deliveries[]. Embeddings only when asked. JSON null when there is no such study. */
json_t *api_view_study(struct service *service, int64_t study, bool with_embedding, struct err *err);

/* {"study": id, "events": [...]} */
json_t *api_view_events(struct service *service, int64_t study, struct err *err);

/* {"refusals": [...]} */
json_t *api_view_refusals(struct service *service, int64_t since_ms, int limit, struct err *err);

/* What runs here: version, uptime, counts, models, peers, workers, free bytes. */
json_t *api_view_status(struct service *service, struct err *err);

#endif
