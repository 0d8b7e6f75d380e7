#include "store/connection.h"

#include "store/migrations.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUSY_MS = 3000 };

static const char *const sql_texts[] = {
#define S(name, sql) sql,
#include "store/statements.h"
#undef S
};

static enum err_code code_of(int sqlite_code)
{
    switch (sqlite_code & 0xff) {
    case SQLITE_FULL:
        return ERR_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
    case SQLITE_ERROR:
        return ERR_BUG;
    default:
        return ERR_IO;
    }
}

bool store_failed(struct store *store, const char *what, struct err *err)
{
    int code = sqlite3_extended_errcode(store->db);
    if (code_of(code) == ERR_CORRUPT)
        store->damaged = true;
    return err_fail(err, code_of(code), "database: %s: %s (%d)", what, sqlite3_errmsg(store->db), code);
}

static bool execute(struct store *store, const char *sql, const char *what, struct err *err)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK || store_failed(store, what, err);
}

static bool schema_version(struct store *store, int *ret, struct err *err)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        store_failed(store, "read the schema version", err);
        sqlite3_finalize(statement);
        return false;
    }
    *ret = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return true;
}

static bool migrate_to(struct store *store, int version, struct err *err)
{
    char set_version[40];
    snprintf(set_version, sizeof set_version, "PRAGMA user_version = %d", version);
    if (execute(store, "BEGIN IMMEDIATE", "begin a migration", err) &&
        execute(store, migrations[version - 1], "migrate", err) &&
        execute(store, set_version, "set the schema version", err) &&
        execute(store, "COMMIT", "commit a migration", err))
        return true;
    sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

static bool migrate(struct store *store, struct err *err)
{
    int version;
    if (!schema_version(store, &version, err))
        return false;
    if (version > migration_count)
        return err_fail(err, ERR_CORRUPT, "database: schema %d is newer than this program's %d", version,
                        migration_count);
    while (version < migration_count)
        if (!migrate_to(store, ++version, err))
            return false;
    return true;
}

/* Reads every page: better not to start than to find the damage a week later. */
static bool check(struct store *store, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    bool read = sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL) == SQLITE_OK &&
                sqlite3_step(statement) == SQLITE_ROW;
    bool ok = read ? strcmp(column_text(statement, 0), "ok") == 0 : store_failed(store, "check", err);
    if (read && !ok)
        err_fail(err, ERR_CORRUPT, "database: damaged: %s", column_text(statement, 0));
    sqlite3_finalize(statement);
    return ok;
}

static bool prepare(struct store *store, struct err *err)
{
    for (int i = 0; i < STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v3(store->db, sql_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i],
                               NULL) != SQLITE_OK)
            return store_failed(store, sql_texts[i], err);
    return true;
}

/* A migration may make a table anew: foreign keys are watched afterwards only. */
static bool connect_and_prepare(struct store *store, const char *path, struct err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, &store->db, flags, NULL) != SQLITE_OK)
        return store_failed(store, "open", err);
    sqlite3_busy_timeout(store->db, BUSY_MS);
    return execute(store, "PRAGMA journal_mode = WAL", "switch to WAL", err) &&
           execute(store, "PRAGMA synchronous = FULL", "set synchronous", err) && check(store, err) &&
           migrate(store, err) && execute(store, "PRAGMA foreign_keys = ON", "set foreign keys", err) &&
           prepare(store, err);
}

struct store *store_open(const char *path, struct err *err)
{
    struct store *store = calloc(1, sizeof *store);
    if (!store) {
        err_fail(err, ERR_NOMEM, "no memory for the database");
        return NULL;
    }
    pthread_mutex_init(&store->lock, NULL);
    if (connect_and_prepare(store, path, err))
        return store;
    store_close(store);
    return NULL;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->db);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

sqlite3_stmt *statement_bind(struct store *store, enum statement which, const char *format, ...)
{
    sqlite3_stmt *statement = store->statements[which];
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    va_list ap;
    va_start(ap, format);
    for (int i = 0; format[i]; i++) {
        if (format[i] == 't')
            sqlite3_bind_text(statement, i + 1, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
        else if (format[i] == 'i')
            sqlite3_bind_int64(statement, i + 1, va_arg(ap, int64_t));
        else if (format[i] == 'd')
            sqlite3_bind_double(statement, i + 1, va_arg(ap, double));
    }
    va_end(ap);
    return statement;
}

void statement_done(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
}

bool statement_run(struct store *store, sqlite3_stmt *statement, struct err *err)
{
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        ;
    if (code != SQLITE_DONE)
        store_failed(store, sqlite3_sql(statement), err);
    sqlite3_reset(statement);
    return code == SQLITE_DONE;
}

enum row statement_row(struct store *store, sqlite3_stmt *statement, struct err *err)
{
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        return ROW_FOUND;
    if (code != SQLITE_DONE)
        store_failed(store, sqlite3_sql(statement), err);
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? ROW_NONE : ROW_FAILED;
}

bool transaction_begin(struct store *store, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    if (store->damaged)
        err_fail(err, ERR_CORRUPT, "database: it is damaged; restore it and start again");
    else if (statement_run(store, statement_bind(store, SQL_BEGIN, ""), err))
        return true;
    pthread_mutex_unlock(&store->lock);
    return false;
}

bool transaction_end(struct store *store, bool ok, struct err *err)
{
    ok = ok && statement_run(store, statement_bind(store, SQL_COMMIT, ""), err);
    if (!ok) {
        struct err ignored = ERR_INIT;
        if (!sqlite3_get_autocommit(store->db))
            statement_run(store, statement_bind(store, SQL_ROLLBACK, ""), &ignored);
    }
    pthread_mutex_unlock(&store->lock);
    return ok;
}

/* An empty transaction would touch no file. */
bool store_probe(struct store *store, struct err *err)
{
    char same_version[40];
    snprintf(same_version, sizeof same_version, "PRAGMA user_version = %d", migration_count);
    return transaction_begin(store, err) &&
           transaction_end(store, execute(store, same_version, "write", err), err);
}

const char *column_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? text : "";
}

bool event_add(struct store *store, int64_t study, const char *kind, int64_t now_ms, struct err *err,
               const char *fmt, ...)
{
    char detail[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    return statement_run(store, statement_bind(store, SQL_EVENT_ADD, "iitt", study, now_ms, kind, detail),
                         err);
}
