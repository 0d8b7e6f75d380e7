/* What REST says of routing: where a study goes and why, and what was given up. See docs/openapi.yaml. */
#ifndef DAEMON_API_ROUTE_H
#define DAEMON_API_ROUTE_H

#include "daemon/api_routes.h"

/* The rules that run now, held against a study; sends nothing. */
void api_route_explain(const struct api_request *request, struct api_answer *answer);

/* Deliveries that were given up, of one destination or of all. */
void api_route_parked(const struct api_request *request, struct api_answer *answer);

/* Put all of a destination back into its queue. */
void api_route_retry_all(const struct api_request *request, struct api_answer *answer);

#endif
