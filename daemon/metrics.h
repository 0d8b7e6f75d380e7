/* What the service has done since it started, for Prometheus. Counters and histograms are process-wide
 * atomics; what is in the database (states, queues) is read when asked. threads: any. source: Prometheus
 * exposition format 0.0.4. */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include "daemon/service.h"

#include <stdio.h>

enum metric_counter {
    METRIC_ASSOCIATIONS,
    METRIC_ACCEPTS_FAILED, /* for want of descriptors or memory */
    METRIC_OBJECTS_STORED,
    METRIC_OBJECTS_KNOWN, /* came again with the same data set */
    METRIC_ATTEMPTS_FAILED,
    METRIC_RESULTS_ANALYSED,
    METRIC_RESULTS_NOT_ANALYSED,
    METRIC_RESULTS_OUTSIDE_DOMAIN, /* of an encoder; no label was assessed */
    METRIC_REPORTS_DELIVERED,
    METRIC_DELIVERIES_RETRIED,
    METRIC_DELIVERIES_PARKED,
    METRIC_OBJECTS_DROPPED, /* by retention */
    METRIC_STUDIES_WITHDRAWN,
    METRIC_COUNTERS
};

enum metric_histogram {
    METRIC_STORE_SECONDS,  /* C-STORE-RQ read to C-STORE-RSP sent */
    METRIC_JOB_SECONDS,    /* claimed to recorded */
    METRIC_ENCODE_SECONDS, /* of the encoder alone */
    METRIC_SEND_SECONDS,   /* one delivery attempt */
    METRIC_HISTOGRAMS
};

void metrics_count(enum metric_counter counter);
void metrics_add(enum metric_counter counter, int count);
void metrics_observe(enum metric_histogram histogram, double seconds);
/* status as in a refusal's row: "A700", "reject 1,1,3"; NULL when nothing was refused, but an association
 * ended for a time-out. cause: a word of the list in metrics.c. */
void metrics_refused(const char *status, const char *cause);

/* A result that says why nothing was analysed, or a study declined without one. in: reason: any word, those
 * that are not in the list in metrics.c count as "other". */
void metrics_not_analysed(const char *reason);

/* The whole exposition; without what is in the database when that cannot be read. errors: ERR_IO. */
bool metrics_write(struct service *service, FILE *out, struct err *err);

#endif
