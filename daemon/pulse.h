/* Is every part of the service still going? Each thread that must never stop says, before it does the next
 * thing, how long that may take by its own time-outs; who has not spoken again service.stuck_after_s after
 * that is stuck. main tells systemd that all is well only while nobody is. threads: any; a pulse belongs to
 * one thread. */
#ifndef DAEMON_PULSE_H
#define DAEMON_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { PULSE_NAME = 100, PULSE_MAX = 192 };

struct pulse {
    char name[PULSE_NAME];
    atomic_llong within_ms; /* when it is to be heard again, monotonic; 0: nothing is expected */
};

struct pulse_board {
    struct pulse pulses[PULSE_MAX];
    atomic_int count;
};

/* A new one, of which nothing is expected yet. name: of the room, for log and readiness. Pulses are never
 * given back: PULSE_MAX is above the number of threads that any configuration starts. */
struct pulse *pulse_new(struct pulse_board *board, const char *room, const char *which)
    __attribute__((nonnull));

/* I am here, and what I do next takes at most so long. NULL is accepted: nobody watches. */
void pulse_beat(struct pulse *pulse, int64_t own_ms);
/* What comes next may take for ever: I wait to be asked. */
void pulse_rest(struct pulse *pulse);

/* The one that has been stuck longest, and for how long beyond its own time-outs; NULL: none. */
const struct pulse *pulse_stuck(struct pulse_board *board, int64_t after_ms, int64_t *ret_late_ms);

#endif
