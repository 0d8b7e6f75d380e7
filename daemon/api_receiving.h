/* What a study waits for while it is being received, for REST. threads: any. */
#ifndef DAEMON_API_RECEIVING_H
#define DAEMON_API_RECEIVING_H

#include "daemon/config.h"

#include <jansson.h>
#include <stdio.h>

/* Into the study as REST shows it, with sources as a list of names: expected and expected_missing as they are
 * now; to the stream: a sentence or two on what it waits for. */
void api_receiving(json_t *study, int64_t receiving_ms, const struct config *config, FILE *to);

#endif
