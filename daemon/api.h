/* The REST interface. libmicrohttpd stays behind this header, with threads of its own.
 *
 * GET  /healthz                          this process answers
 * GET  /readyz                           daemon/readiness.h; 200 or 503
 * GET  /api/v1/status                    counts, models, peers, workers
 * GET  /api/v1/studies                   ?accession= patient_id= study_uid= state= since= limit=
 * GET  /api/v1/studies/{id}              ?embedding=1; {id}: row number or Study Instance UID
 * GET  /api/v1/studies/{id}/events
 * GET  /api/v1/studies/{id}/report       ?revision= model=; application/dicom
 * POST /api/v1/studies/{id}/force
 * GET  /api/v1/refusals                  ?since= limit=
 * POST /api/v1/deliveries/{id}/retry
 *
 * Everything is in docs/openapi.yaml. HEAD answers as GET. Errors are {"error": {"code", "text"}}. With
 * api.token_sha256 every request but GET /healthz needs "Authorization: Bearer TOKEN", a token with one of
 * these digests. Without it, requests must name this machine in Host, so that a web page that resolves its
 * own name to 127.0.0.1 reads nothing. Nothing is logged here, and nothing is kept. */
#ifndef DAEMON_API_H
#define DAEMON_API_H

#include "daemon/service.h"

#include <stdio.h>

struct api;

/* Listen on config api.address:api.port. A force and a retry ring the rooms' bells; service is borrowed until
 * api_stop. Signals must be blocked already: the threads inherit the mask.
 * errors: ERR_IO (address in use), ERR_NOMEM. */
struct api *api_start(struct service *service, struct err *err);

/* Answer what is being answered, close, join. Accepts NULL. */
void api_stop(struct api *api);

/* One line a route: method, blank, path as in docs/openapi.yaml. */
void api_print_routes(FILE *out);

#endif
