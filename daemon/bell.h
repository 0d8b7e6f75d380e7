/* A bell one room rings to wake another before its next look at the database. */
#ifndef DAEMON_BELL_H
#define DAEMON_BELL_H

#include <pthread.h>
#include <stdbool.h>

struct bell {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    bool ringing;
};

void bell_init(struct bell *bell);
void bell_done(struct bell *bell);
void bell_ring(struct bell *bell);              /* any thread; remembered until somebody waits */
void bell_wait(struct bell *bell, int most_ms); /* until rung, or the time is over */

#endif
