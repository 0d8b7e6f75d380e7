/* Reading what a request asks for. What returns false has set the answer. threads: any. */
#ifndef DAEMON_API_REQUEST_H
#define DAEMON_API_REQUEST_H

#include "daemon/api_routes.h"

/* The parameter's value, or NULL. Borrowed. */
const char *api_request_value(const struct api_request *request, const char *name);

/* A whole number; `initial` when not given. */
bool api_request_number(const struct api_request *request, const char *name, long initial, long min, long max,
                        long *ret, struct api_answer *answer);

/* The parameter "since"; 0 when not given. */
bool api_request_since(const struct api_request *request, int64_t *ret_ms, struct api_answer *answer);

/* The row number of the study in the path. */
bool api_request_study(const struct api_request *request, int64_t *ret, struct api_answer *answer);

#endif
