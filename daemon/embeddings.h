/* Text embeddings of the models' prompts, kept in text/ of the state folder (pipeline/text_cache.h): workers
 * read them there, what they had to compute is written here. Losing one costs a worker the time to compute
 * it. threads: any; two that keep the same file write the same bytes, one after the other. */
#ifndef DAEMON_EMBEDDINGS_H
#define DAEMON_EMBEDDINGS_H

#include "daemon/service.h"

#include <jansson.h>

/* The folder, made when it is not there; a failure is logged, and then nothing is kept. */
void embeddings_folder(const struct service *service, char path[PATH_MAX]);

/* Add the folder to a job that names a model. */
void embeddings_offer(const struct service *service, json_t *job);

/* Keep what a worker's answer tells, if anything. Logs what became of it. */
void embeddings_take(const struct service *service, const char *model, const json_t *answer);

/* Remove the files of no model: all but those of `digests`. Logs. */
void embeddings_sweep(const struct service *service, const char *const *digests, int count);

#endif
