/* What every room of the daemon works with. Built by main before the first room opens; the pointers do not
 * change afterwards. Flags are written by the room named and read by readiness. */
#ifndef DAEMON_SERVICE_H
#define DAEMON_SERVICE_H

#include "daemon/bell.h"
#include "daemon/config.h"
#include "report/report.h"
#include "spool/spool.h"
#include "store/store.h"

#include <stdatomic.h>
#include <stdint.h>

struct service {
    const struct config *config;
    struct store *store;
    struct spool *spool;
    const struct report_codes *codes;
    struct bell arrivals;      /* something may be complete: rung for the assembler */
    struct bell jobs;          /* jobs were queued: for the pool */
    struct bell outbox;        /* something is due: for the couriers */
    atomic_bool stopping;      /* main: signals came, rooms wind down */
    atomic_bool dictionary_ok; /* main */
    atomic_bool listener_ok;   /* receiver */
    atomic_int workers_ready;  /* pool: slots whose worker answered */
    atomic_int models_ready;   /* main: model folders that opened */
    int64_t started_ms;
};

#endif
