/* How one attempt at a delivery ended: what each kind of sender tells the courier, which records it. */
#ifndef DAEMON_ATTEMPT_H
#define DAEMON_ATTEMPT_H

#include "daemon/outcome.h"
#include "store/store.h"

struct attempt {
    enum outcome_delivery outcome;
    int status;                        /* of DIMSE; -1: the destination gave none */
    const struct store_report *report; /* what was sent; NULL: no DICOM report. The delivery's arena */
    char cause[300]; /* may hold the destination's own words: for the row, not for the log */
};

void attempt_conclude(struct attempt *attempt, enum outcome_delivery outcome, int status, const char *cause);

#endif
