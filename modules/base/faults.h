/* Failures kept one after the other, for a check that goes on after the first. */
#ifndef BASE_FAULTS_H
#define BASE_FAULTS_H

#include "base/arena.h"
#include "base/err.h"

enum { FAULTS_KEPT = 10000 };

struct fault {
    struct err err;
    const struct fault *next;
};

struct faults {
    struct arena *arena;
    const struct fault *first, **end;
    int count; /* all, those beyond FAULTS_KEPT too */
};

/* owns: the faults live in arena. */
void faults_init(struct faults *faults, struct arena *arena);

/* Keep what is wrong with the thing that is checked (ERR_INPUT, ERR_UNSUPPORTED), clear err and say true: go
 * on. False, err untouched, when it is another failure, or `faults` is NULL: nobody asked for more than one.
 */
bool faults_pass(struct faults *faults, struct err *err);

#endif
