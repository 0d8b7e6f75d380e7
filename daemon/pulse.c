#include "daemon/pulse.h"

#include "base/clock.h"

#include <stdio.h>

struct pulse *pulse_new(struct pulse_board *board, const char *room, const char *which)
{
    int at = atomic_load(&board->count);
    while (at < PULSE_MAX && !atomic_compare_exchange_weak(&board->count, &at, at + 1))
        ;
    if (at == PULSE_MAX)
        return NULL;
    snprintf(board->pulses[at].name, PULSE_NAME, "%s%s%s", room, *which ? " " : "", which);
    return &board->pulses[at];
}

void pulse_beat(struct pulse *pulse, int64_t own_ms)
{
    if (pulse)
        pulse->within_ms = clock_monotonic_ms() + own_ms;
}

void pulse_rest(struct pulse *pulse)
{
    if (pulse)
        pulse->within_ms = 0;
}

const struct pulse *pulse_stuck(struct pulse_board *board, int64_t after_ms, int64_t *ret_late_ms)
{
    const struct pulse *stuck = NULL;
    int64_t now_ms = clock_monotonic_ms();
    *ret_late_ms = after_ms;
    for (int i = 0; i < board->count; i++) {
        int64_t within_ms = board->pulses[i].within_ms;
        if (within_ms == 0 || now_ms - within_ms <= *ret_late_ms)
            continue;
        stuck = &board->pulses[i];
        *ret_late_ms = now_ms - within_ms;
    }
    return stuck;
}
