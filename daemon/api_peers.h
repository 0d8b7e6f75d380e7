/* Routes about peers. threads: any. */
#ifndef DAEMON_API_PEERS_H
#define DAEMON_API_PEERS_H

#include "daemon/api_routes.h"

/* An echo waits so long at most to connect, to agree, for the answer, and to release. */
enum { API_PEERS_STEP_S = 10, API_PEERS_OWN_MS = 4 * 1000 * API_PEERS_STEP_S };

/* {"peers": [...]}: each with its settings as they are in effect, and its deliveries by state. */
void api_peers_list(const struct api_request *request, struct api_answer *answer);

/* C-ECHO to the peer that the path names, with its own settings: 200 when it answers, 502 when it does not,
 * 503 while another is under way. */
void api_peers_echo(const struct api_request *request, struct api_answer *answer);

#endif
