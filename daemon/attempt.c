#include "daemon/attempt.h"

#include <stdio.h>

void attempt_conclude(struct attempt *attempt, enum outcome_delivery outcome, int status, const char *cause)
{
    attempt->outcome = outcome;
    attempt->status = status;
    snprintf(attempt->cause, sizeof attempt->cause, "%s", cause);
}
