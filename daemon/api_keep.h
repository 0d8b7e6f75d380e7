/* What REST says and does about studies that are withdrawn or whose objects are gone. threads: any. */
#ifndef DAEMON_API_KEEP_H
#define DAEMON_API_KEEP_H

#include "daemon/api_routes.h"

#include <stdio.h>

/* POST /api/v1/studies/{id}/purge */
void api_keep_purge(const struct api_request *request, struct api_answer *answer);

/* Sentences for a study's explanation. in: study: as shown, with readable rows. */
void api_keep_tell_withdrawn(FILE *to, const json_t *study); /* of one in state `withdrawn` */
void api_keep_tell_gone(FILE *to, const json_t *study);      /* of any other; none when nothing is gone */

#endif
