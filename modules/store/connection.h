/* Inside modules/store only: the connection, its lock, and statements by name. */
#ifndef STORE_CONNECTION_H
#define STORE_CONNECTION_H

#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

enum statement {
#define S(name, sql) SQL_##name,
#include "store/statements.h"
#undef S
    STATEMENT_COUNT
};

struct store {
    sqlite3 *db;
    pthread_mutex_t lock;
    atomic_bool damaged; /* seen to be; nothing is written any more */
    sqlite3_stmt *statements[STATEMENT_COUNT];
};

/* Lock and BEGIN IMMEDIATE. After false nothing is held. */
bool transaction_begin(struct store *store, struct err *err);
/* COMMIT when ok, else ROLLBACK; unlock. Returns ok and committed. */
bool transaction_end(struct store *store, bool ok, struct err *err);

/* Reset the statement and bind by format: t text, i int64_t, d double, n (no argument) null. */
sqlite3_stmt *statement_bind(struct store *store, enum statement which, const char *format, ...);

/* Run to the end; rows are ignored. */
bool statement_run(struct store *store, sqlite3_stmt *statement, struct err *err);

enum row { ROW_NONE, ROW_FOUND, ROW_FAILED };
/* One row; the statement must be reset (statement_done) when it was found and has been read. */
enum row statement_row(struct store *store, sqlite3_stmt *statement, struct err *err);
void statement_done(sqlite3_stmt *statement);

/* Translate SQLite's last error. Always returns false. */
bool store_failed(struct store *store, const char *what, struct err *err);

/* "" instead of NULL. Borrowed until the statement steps on. */
const char *column_text(sqlite3_stmt *statement, int column);

/* An event row inside a transaction. */
bool event_add(struct store *store, int64_t study, const char *kind, int64_t now_ms, struct err *err,
               const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* store_forward_objects, inside a transaction and without the study's state. */
bool forward_add(struct store *store, int64_t study, int revision, const char *const *destinations, int count,
                 int64_t now_ms, struct err *err);
/* A study's state from its jobs and deliveries, inside a transaction; a receiving or withdrawn study stays as
 * it is. */
bool study_refresh(struct store *store, int64_t study, int64_t now_ms, struct err *err);

#endif
