/* The packed weights of every model, once for all workers (base/shelf.h).
 *
 * Each is packed by a worker of its own that is asked nothing else, before any study: what a hostile file may
 * have made of a worker must not reach another's weights. Once that worker has ended, the shelf is sealed,
 * and only then others are given it, for reading. What could not be packed so, or is of files that changed
 * since, every worker packs for itself; the next start of the service packs anew.
 *
 * threads: made and sealed by main before the first slot starts; afterwards any. */
#ifndef DAEMON_PACKED_H
#define DAEMON_PACKED_H

#include "daemon/config.h"

#include <jansson.h>
#include <stdatomic.h>

/* By a model's place in the configuration, which it keeps whatever is reloaded. Zeroed: none. */
struct packed {
    int fds[CONFIG_MAX_MODELS]; /* 0: none; as worker_options.shelf_fds takes them */
    bool sealed[CONFIG_MAX_MODELS];
    atomic_bool told[CONFIG_MAX_MODELS]; /* that it is not used */
};

/* A shelf for the worker that is started next. A failure is logged. */
void packed_make(struct packed *packed, const struct config *config, int place);
/* Seal it; that worker has ended. open: it opened the model. out: bytes of memory; 0: none. A failure is
 * logged. */
int64_t packed_seal(struct packed *packed, const struct config *config, int place, bool open);
void packed_done(struct packed *packed);

/* Name the shelf, if there is one, in a job for a model. */
void packed_offer(const struct packed *packed, const struct config *config, const struct config_model *model,
                  json_t *job);
/* Log, once a model, that a worker did not use what it was offered. in: answer may be NULL. */
void packed_note(struct packed *packed, const struct config *config, const struct config_model *model,
                 const json_t *answer);

#endif
