/* Whoever does many pieces of work, perhaps several at a time. modules/ start no thread: an owner of threads
 * hands its crew in. */
#ifndef BASE_CREW_H
#define BASE_CREW_H

#include "base/err.h"

/* One piece. seat: 0 to seats - 1, and no two pieces sit on the same one at a time, so that room may be kept
 * by seat; seat 0 is the caller's thread. Pieces may not ask the crew for more. */
typedef bool (*crew_piece)(void *work, int seat, int number, struct err *err);

struct crew {
    int seats;
    bool (*run)(void *self, int count, crew_piece piece, void *work, struct err *err);
    void *self;
};

/* Seats of a crew, at least 1. NULL: the caller alone. */
int crew_seats(const struct crew *crew);

/* Do pieces 0 to count - 1, begun in this order, and wait for them. After one has failed none is begun.
 * out:     false and the error of the lowest piece that failed: the one that would have failed alone too.
 * threads: one run at a time per crew. errors: those of the piece. */
bool crew_run(const struct crew *crew, int count, crew_piece piece, void *work, struct err *err);

#endif
