/* What every room of the daemon works with. Built by main before the first room opens; of the pointers only
 * `config`, `rulebook` and `routebook` change afterwards. Flags are written by the room named and read by
 * readiness. */
#ifndef DAEMON_SERVICE_H
#define DAEMON_SERVICE_H

#include "daemon/bell.h"
#include "daemon/config.h"
#include "daemon/pulse.h"
#include "daemon/routebook.h"
#include "daemon/rulebook.h"
#include "report/report.h"
#include "spool/spool.h"
#include "store/store.h"

#include <stdatomic.h>
#include <stdint.h>

/* The running configuration is immutable; a reload (daemon/main.c) publishes another one through the atomic
 * pointer. A room reads it once for each decision, and may keep what it found there: every configuration that
 * was ever published stays valid until the service has stopped. */
struct service {
    const struct config *_Atomic config;
    const struct rulebook *_Atomic rulebook;   /* as config: published by a reload, valid until the end */
    const struct routebook *_Atomic routebook; /* likewise */
    struct store *store;
    struct spool *spool;
    const struct report_codes *codes;
    struct bell arrivals;      /* something may be complete: rung for the assembler */
    struct bell jobs;          /* jobs were queued: for the pool */
    struct bell outbox;        /* something is due: for the couriers */
    struct bell removals;      /* files were given up: for the keeper */
    struct pulse_board pulses; /* of every thread that must never stop */
    atomic_bool stopping;      /* main: signals came, rooms wind down */
    atomic_bool dictionary_ok; /* main */
    atomic_bool listener_ok;   /* receiver */
    atomic_int workers_ready;  /* pool: slots whose worker answered */
    atomic_int models_ready;   /* main: model folders that opened */
    atomic_llong packed_bytes; /* main: of memory that all workers share, packed weights */
    int64_t started_ms;
};

#endif
