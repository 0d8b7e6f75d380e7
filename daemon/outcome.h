/* What an error means to those outside, in one table. */
#ifndef DAEMON_OUTCOME_H
#define DAEMON_OUTCOME_H

#include "base/err.h"
#include "daemon/log.h"

#include <stdint.h>

struct outcome {
    uint16_t dimse_status;     /* of a C-STORE we answer. source: PS3.4 table B.2-1 */
    const char *dimse_comment; /* Error Comment */
    const char *cause;         /* a word for metrics_refused */
    enum log_level level;
};

/* Borrowed, static. */
const struct outcome *outcome_of(enum err_code code);

/* What to do after a C-STORE-RSP to us. source: PS3.4 B.2.3; standards for classes of status in
 * docs/architecture.md. */
enum outcome_delivery { OUTCOME_STORED, OUTCOME_TRY_LATER, OUTCOME_OTHER_CLASS, OUTCOME_REFUSED };
enum outcome_delivery outcome_of_status(uint16_t status);

/* Wait before attempt `attempt` + 1 (attempt from 0), milliseconds: doubles from first_s to at most max_s, of
 * which a random part between half and all is taken. random: 0..1. */
int64_t outcome_backoff_ms(int attempt, int first_s, int max_s, double random);

#endif
