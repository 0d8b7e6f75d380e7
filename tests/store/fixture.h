/* A store in a folder of its own, and short words for what the tests do to it. Every word checks that the
 * store did not fail. Times are milliseconds after an arbitrary start. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "store/store.h"
#include "store/store_view.h"

#include <sqlite3.h>

extern const int64_t start_ms;

struct fixture {
    char folder[40], path[64];
    struct store *store;
    struct arena *arena;
    struct err err;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Close and open again, as after a restart. */
void reopen(struct fixture *f);

/* What arrives. {0} is an input object of study 1.2.1, series 1.2.1.1, patient P1. */
struct arrival {
    const char *study, *series, *sop, *digest, *patient, *date;
    const char *source; /* the sender's section, or NULL */
    int stated_series, stated_objects;
    bool side; /* does not feed the encoder */
    int64_t at_ms;
};
struct store_put put(struct fixture *f, struct arrival arrival);

/* Texts live in the fixture's arena. */
const char *state_of(struct fixture *f, int64_t study);
const char *reason_of(struct fixture *f, int64_t study);
int revision_of(struct fixture *f, int64_t study);
int events_of(struct fixture *f, int64_t study, const char *kind);
/* The single number a query answers. */
int64_t ask(struct fixture *f, const char *sql);
const char *ask_text(struct fixture *f, const char *sql);

/* receiving -> queued with one live job per model; models is NULL-terminated. */
void queue_models(struct fixture *f, int64_t study, int revision, const char *const *models);
void queue_one(struct fixture *f, int64_t study, int revision);
/* receiving -> declined, of revision 1. */
void decline_one(struct fixture *f, int64_t study, const char *reason);

/* A put, queued study whose job has been claimed. */
struct store_job *claimed(struct fixture *f);
struct store_job *claim(struct fixture *f, int64_t at_ms);

/* Finish with a result and a report; destinations is NULL-terminated or NULL. Returns whether stale. */
struct ending {
    bool failed, declined;
    const char *reason;
    const char *const *destinations;
    const char *sop; /* of the report; "1.9.<job>" when NULL */
};
bool finish(struct fixture *f, const struct store_job *job, struct ending ending);

/* A study with a report due at each destination. Returns its number. */
int64_t reported(struct fixture *f, const char *const *destinations);
bool due(struct fixture *f, const char *destination, int64_t at_ms, struct store_delivery *ret);

#endif
