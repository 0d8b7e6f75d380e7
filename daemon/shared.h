/* What all workers share: the packed weights of every model, once (base/shelf.h), and the turn they encode in
 * (base/turn.h).
 *
 * Weights are packed by a worker of its own that is asked nothing else, before any study: what a hostile file
 * may have made of a worker must not reach another's weights. Once that worker has ended, the shelf is
 * sealed, and only then others are given it, for reading. What could not be packed so, or is of files that
 * changed since, every worker packs for itself; the next start of the service packs anew.
 *
 * threads: made and sealed by main before the first slot starts; afterwards any. */
#ifndef DAEMON_SHARED_H
#define DAEMON_SHARED_H

#include "daemon/config.h"

#include <jansson.h>
#include <stdatomic.h>

/* By a model's place in the configuration, which it keeps whatever is reloaded. Zeroed: none. */
struct shared {
    int fds[CONFIG_MAX_MODELS]; /* 0: none; as worker_options.shelf_fds takes them */
    bool sealed[CONFIG_MAX_MODELS];
    atomic_bool told[CONFIG_MAX_MODELS]; /* that it is not used */
    int turn;                            /* as worker_options.turn_fd takes it; 0: none */
    int turn_wait_s;                     /* after which a study goes on without it */
};

/* A shelf for the worker that is started next. A failure is logged. */
void shared_make(struct shared *shared, const struct config *config, int place);
/* Seal it; that worker has ended. open: it opened the model. out: bytes of memory; 0: none. A failure is
 * logged. */
int64_t shared_seal(struct shared *shared, const struct config *config, int place, bool open);
void shared_done(struct shared *shared);

/* A turn, where the workers' threads are more than the cores: one decodes while another encodes. A failure is
 * logged, and they encode beside each other. */
void shared_turn(struct shared *shared, const struct config *config);

/* Name the shelf and the turn, if there are any, in a job for a model. */
void shared_offer(const struct shared *shared, const struct config *config, const struct config_model *model,
                  json_t *job);
/* Log, once a model, that a worker did not use what it was offered. in: answer may be NULL. */
void shared_note(struct shared *shared, const struct config *config, const struct config_model *model,
                 const json_t *answer);

#endif
