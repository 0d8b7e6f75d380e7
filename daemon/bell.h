/* A bell that wakes rooms before their next look at the database. It outlives the rooms, so that anyone may
 * ring at any time. threads: any. */
#ifndef DAEMON_BELL_H
#define DAEMON_BELL_H

#include <pthread.h>

struct bell {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    unsigned strokes;
};

void bell_init(struct bell *bell);
void bell_done(struct bell *bell);
void bell_ring(struct bell *bell);

/* Until rung since the waiter last returned from here, or the time is over. seen: the waiter's own, 0 at
 * first. */
void bell_wait(struct bell *bell, unsigned *seen, int most_ms);

#endif
