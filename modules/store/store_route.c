#include "store/store_route.h"

#include "store/connection.h"

#include <stdio.h>

enum { SERIES_MAX = 1000 };

static bool read_study(struct store *store, int64_t study, struct arena *arena, bool *found,
                       struct store_sent_study *ret, struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, SQL_ROUTE_STUDY, "i", study);
    enum row row = statement_row(store, statement, err);
    *found = row == ROW_FOUND;
    if (row != ROW_FOUND)
        return row == ROW_NONE;
    ret->description = arena_strdup(arena, column_text(statement, 0));
    ret->revision = sqlite3_column_int(statement, 1);
    statement_done(statement);
    return ret->description || err_fail(err, ERR_NOMEM, "no memory for a study");
}

static bool read_series(struct store *store, int64_t study, struct arena *arena, struct store_sent_study *ret,
                        struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, SQL_ROUTE_SERIES, "i", study);
    bool complete = true;
    enum row row;
    while ((row = statement_row(store, statement, err)) == ROW_FOUND && complete) {
        struct store_sent_series *one = &ret->series[ret->series_count++];
        one->modality = arena_strdup(arena, column_text(statement, 0));
        one->description = arena_strdup(arena, column_text(statement, 1));
        one->peer_ae = arena_strdup(arena, column_text(statement, 2));
        one->path = arena_strdup(arena, column_text(statement, 3));
        complete = one->modality && one->description && one->peer_ae && one->path;
    }
    statement_done(statement);
    return row != ROW_FAILED && (complete || err_fail(err, ERR_NOMEM, "no memory for a list of series"));
}

bool store_sent_study(struct store *store, int64_t study, struct arena *arena, bool *found,
                      struct store_sent_study *ret, struct err *err)
{
    *ret = (struct store_sent_study){.series = ARENA_ARRAY(arena, struct store_sent_series, SERIES_MAX)};
    if (!ret->series)
        return err_fail(err, ERR_NOMEM, "no memory for a list of series");
    pthread_mutex_lock(&store->lock);
    bool ok = read_study(store, study, arena, found, ret, err) &&
              (!*found || read_series(store, study, arena, ret, err));
    pthread_mutex_unlock(&store->lock);
    return ok;
}

/* Columns: id, path, class, transfer syntax, size. Rows beyond `max` are counted only. */
static bool read_originals(struct store *store, sqlite3_stmt *statement, struct arena *arena, int max,
                           struct store_original **ret, int *ret_count, struct err *err)
{
    struct store_original *list = ARENA_ARRAY(arena, struct store_original, (size_t)max);
    bool complete = list != NULL;
    enum row row = ROW_NONE;
    *ret_count = 0;
    while (complete && (row = statement_row(store, statement, err)) == ROW_FOUND) {
        if ((*ret_count)++ >= max)
            continue;
        struct store_original *one = &list[*ret_count - 1];
        one->id = sqlite3_column_int64(statement, 0);
        one->path = arena_strdup(arena, column_text(statement, 1));
        snprintf(one->sop_class, UID_SIZE, "%s", column_text(statement, 2));
        snprintf(one->transfer_syntax, UID_SIZE, "%s", column_text(statement, 3));
        one->size_bytes = sqlite3_column_int64(statement, 4);
        complete = one->path != NULL;
    }
    statement_done(statement);
    *ret = list;
    return row != ROW_FAILED && (complete || err_fail(err, ERR_NOMEM, "no memory for a list of originals"));
}

bool store_originals(struct store *store, int64_t study, int64_t after, struct arena *arena,
                     struct store_original **ret, int *ret_count, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    bool ok = read_originals(
        store, statement_bind(store, SQL_ORIGINALS, "iii", study, after, (int64_t)STORE_ORIGINALS), arena,
        STORE_ORIGINALS, ret, ret_count, err);
    pthread_mutex_unlock(&store->lock);
    return ok;
}

bool store_original_kinds(struct store *store, int64_t study, int64_t after, struct arena *arena, int max,
                          struct store_original **ret, int *ret_count, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    bool ok = read_originals(store, statement_bind(store, SQL_ORIGINAL_KINDS, "ii", study, after), arena, max,
                             ret, ret_count, err);
    pthread_mutex_unlock(&store->lock);
    return ok;
}

/* The single number of a bound statement; none is 0. */
static bool read_number(struct store *store, sqlite3_stmt *statement, int64_t *ret, struct err *err)
{
    enum row row = statement_row(store, statement, err);
    *ret = row == ROW_FOUND ? sqlite3_column_int64(statement, 0) : 0;
    statement_done(statement);
    return row != ROW_FAILED;
}

bool store_sent_upto(struct store *store, int64_t study, const char *destination, int64_t *ret,
                     struct err *err)
{
    pthread_mutex_lock(&store->lock);
    bool ok =
        read_number(store, statement_bind(store, SQL_DELIVERY_SENT, "it", study, destination), ret, err);
    pthread_mutex_unlock(&store->lock);
    return ok;
}

bool store_set_sent_upto(struct store *store, int64_t delivery, int64_t upto, struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(
               store,
               statement_run(store, statement_bind(store, SQL_DELIVERY_SET_SENT, "ii", delivery, upto), err),
               err);
}

bool store_next_parked(struct store *store, const char *destination, int64_t after, int64_t *ret,
                       struct err *err)
{
    pthread_mutex_lock(&store->lock);
    bool ok = read_number(store, statement_bind(store, SQL_DELIVERY_NEXT_PARKED, "ti", destination, after),
                          ret, err);
    pthread_mutex_unlock(&store->lock);
    return ok;
}
