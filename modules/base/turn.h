/* Turns among processes that were given one descriptor: what takes every core is done by one at a time.
 *
 * A lock on a file in memory that nobody can write (fcntl(2), F_SETLK): the kernel gives it back when its
 * holder ends, however it ends. It orders work and guards nothing, so whoever has waited long enough goes on
 * without it: one that keeps it costs each study of the others that much. threads: one of a process at a
 * time. */
#ifndef BASE_TURN_H
#define BASE_TURN_H

#include "base/err.h"

enum { TURN_MOST_S = 120 }; /* nobody waits longer */

/* A descriptor to hand on, close-on-exec. owns: the caller closes. -1 with err: ERR_IO, ERR_NOMEM. */
int turn_make(struct err *err);

/* Wait for it, so many seconds at most. fd 0: there is none to wait for. out: whether it was given. */
bool turn_take(int fd, int most_s);
void turn_give(int fd);

#endif
