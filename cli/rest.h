/* Requests to the daemon. libcurl stays behind this header. */
#ifndef CLI_REST_H
#define CLI_REST_H

#include "base/err.h"

#include <jansson.h>
#include <stddef.h>

struct rest;

/* in: url without a path ("http://127.0.0.1:8042"), token_file NULL or a file that holds a bearer token
 * and that nobody but its owner may touch.
 * owns: the caller closes. errors: ERR_IO (token file), ERR_INPUT (a file that others may read, a token with
 * control characters), ERR_NOMEM. */
struct rest *rest_open(const char *url, const char *token_file, struct err *err);
void rest_close(struct rest *rest); /* accepts NULL */

/* GET when method is "GET", POST without a body when "POST".
 * in:     path begins with '/'; what the user typed in it has been escaped with rest_escape.
 * out:    *ret_status is the HTTP status, *ret_body the whole answer (NUL behind it; the caller frees).
 * errors: ERR_PEER (nobody answers, or not within 60 s), ERR_INPUT (more than 256 MiB), ERR_NOMEM. */
bool rest_ask(struct rest *rest, const char *method, const char *path, long *ret_status, char **ret_body,
              size_t *ret_size, struct err *err);

/* A text made fit for a path or a query. owns: caller frees. NULL: no memory. */
char *rest_escape(struct rest *rest, const char *text);

#endif
