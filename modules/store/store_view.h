/* Read-only views of the index as JSON, for REST. Text that is not UTF-8 shows a ? for each byte beyond
 * ASCII. owns: the caller decrefs. threads: any. errors: as store.h.
 */
#ifndef STORE_STORE_VIEW_H
#define STORE_STORE_VIEW_H

#include "store/store.h"

#include <jansson.h>

/* Filters are NULL or "" when not asked. since_ms: last object at or after. limit: 1 to 1000. */
struct store_filter {
    const char *accession, *patient_id, *study_uid, *state;
    int64_t since_ms;
    int limit;
};

/* [{id, study_uid, patient_id, accession, study_date, description, state, reason, revision, started_by,
 *   first_object_ms, last_object_ms, objects}], newest first. */
json_t *store_view_studies(struct store *store, const struct store_filter *filter, struct err *err);

/* One study as in its table (forced: 0 or 1; receiving_ms: since when this revision) with series[], objects
 * (counts), results[] (each with its report and result JSON text under "json"), deliveries[], jobs[],
 * withdrawals[]. JSON null when there is no such study. */
json_t *store_view_study(struct store *store, int64_t study, struct err *err);

/* {id, destination, state}; JSON null when there is no such delivery. */
json_t *store_view_delivery(struct store *store, int64_t delivery, struct err *err);

/* Deliveries that were given up, oldest first: [{id, study, study_uid, what, revision, model, destination,
 * attempts, status, cause, updated_ms}]. destination: "" for all. limit: from 1. */
json_t *store_view_parked(struct store *store, const char *destination, int limit, struct err *err);

/* Of each destination that was ever sent something: [{name, pending, delivered, parked, sr_class}]: how many
 * deliveries, and the SR class that it took (null: none yet). */
json_t *store_view_destinations(struct store *store, struct err *err);

/* [{id, at_ms, kind, detail}], oldest first. */
json_t *store_view_events(struct store *store, int64_t study, struct err *err);

/* [{id, at_ms, peer_ae, peer_address, study_uid, sop_class, sop_uid, status, cause}], newest first. */
json_t *store_view_refusals(struct store *store, int64_t since_ms, int limit, struct err *err);

/* The newest reports of a study: [{path, sop_uid, sop_class, revision, model, sha256}], newest first. */
json_t *store_view_reports(struct store *store, int64_t study, struct err *err);

/* {"studies": {state: n}, "jobs": {state: n}, "deliveries": {state: n}} */
json_t *store_view_counts(struct store *store, struct err *err);

/* As store_view_counts, of the states in which something waits for us: since when the oldest does, Unix
 * milliseconds. A study: its last object; a job: when it was made; a delivery: when its result was. */
json_t *store_view_oldest(struct store *store, struct err *err);

#endif
