#include "store/store_keep.h"

#include "store/connection.h"

#include <stdio.h>

bool store_keep_next(struct store *store, const struct store_keep_rule *rule, store_study_held held,
                     void *context, struct store_keep *ret, struct err *err)
{
    enum row row;
    *ret = (struct store_keep){0};
    pthread_mutex_lock(&store->lock);
    sqlite3_stmt *statement =
        statement_bind(store, SQL_KEEP_NEXT, "ii", rule->finished_before_ms, rule->delivered_before_ms);
    while ((row = statement_row(store, statement, err)) == ROW_FOUND && !ret->study)
        if (!held(context, column_text(statement, 1)))
            *ret =
                (struct store_keep){sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 2)};
    statement_done(statement);
    pthread_mutex_unlock(&store->lock);
    return row != ROW_FAILED;
}

static bool may_drop(struct store *store, const struct store_keep *keep, bool *ret, struct err *err)
{
    sqlite3_stmt *statement =
        statement_bind(store, SQL_KEEP_MAY_DROP, "ii", keep->study, keep->last_object_ms);
    enum row row = statement_row(store, statement, err);
    *ret = row == ROW_FOUND;
    if (row == ROW_FOUND)
        statement_done(statement);
    return row != ROW_FAILED;
}

static bool finish(struct store *store, int64_t study, const char *why, int64_t now_ms, struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, SQL_KEEP_DROPPED, "i", study);
    if (statement_row(store, statement, err) != ROW_FOUND)
        return false;
    int count = sqlite3_column_int(statement, 0);
    long long bytes = sqlite3_column_int64(statement, 1);
    statement_done(statement);
    return statement_run(store, statement_bind(store, SQL_KEEP_DONE, "i", study), err) &&
           event_add(store, study, "objects_dropped", now_ms, err,
                     "%d objects, %lld bytes, by retention (%s); results and reports stay", count, bytes,
                     why);
}

static bool drop(struct store *store, const struct store_keep *keep, const char *why, int max, int64_t now_ms,
                 bool *ret_more, int *ret_count, struct err *err)
{
    bool may;
    *ret_more = false;
    *ret_count = 0;
    if (!may_drop(store, keep, &may, err))
        return false;
    if (!may)
        return true;
    if (!statement_run(store, statement_bind(store, SQL_KEEP_DROP, "ii", keep->study, (int64_t)max), err))
        return false;
    *ret_count = sqlite3_changes(store->db);
    *ret_more = *ret_count == max;
    return *ret_more || finish(store, keep->study, why, now_ms, err);
}

bool store_keep_drop(struct store *store, const struct store_keep *keep, const char *why, int max,
                     int64_t now_ms, bool *ret_more, int *ret_count, struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(store, drop(store, keep, why, max, now_ms, ret_more, ret_count, err), err);
}

enum { MAX_REMOVED = 256, PATH_ROOM = 160 };

static int read_removals(struct store *store, int max, char paths[][PATH_ROOM], struct err *err)
{
    int count = 0;
    enum row row = ROW_NONE;
    sqlite3_stmt *statement = statement_bind(store, SQL_REMOVAL_NEXT, "i", (int64_t)max);
    while (count < max && (row = statement_row(store, statement, err)) == ROW_FOUND)
        snprintf(paths[count++], PATH_ROOM, "%s", column_text(statement, 0));
    statement_done(statement);
    return row == ROW_FAILED ? -1 : count;
}

static bool remove_files(struct store *store, store_remove take, void *context, int max, int *ret_count,
                         struct err *err)
{
    char paths[MAX_REMOVED][PATH_ROOM];
    int count = read_removals(store, max < MAX_REMOVED ? max : MAX_REMOVED, paths, err);
    *ret_count = 0;
    for (int i = 0; i < count; i++) {
        if (!take(context, paths[i]))
            continue;
        if (!statement_run(store, statement_bind(store, SQL_REMOVAL_DONE, "t", paths[i]), err))
            return false;
        ++*ret_count;
    }
    return count >= 0;
}

bool store_keep_remove(struct store *store, store_remove take, void *context, int max, int *ret_count,
                       struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(store, remove_files(store, take, context, max, ret_count, err), err);
}

/* Asked of every object that comes: what is not in the list costs no transaction. */
bool store_keep_spare(struct store *store, const char *path, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    sqlite3_stmt *statement = statement_bind(store, SQL_REMOVAL_ASK, "t", path);
    enum row row = statement_row(store, statement, err);
    if (row == ROW_FOUND)
        statement_done(statement);
    pthread_mutex_unlock(&store->lock);
    if (row != ROW_FOUND)
        return row == ROW_NONE;
    return transaction_begin(store, err) &&
           transaction_end(
               store, statement_run(store, statement_bind(store, SQL_REMOVAL_DONE, "t", path), err), err);
}

bool store_keep_used(struct store *store, int64_t *ret_bytes, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    sqlite3_stmt *statement = statement_bind(store, SQL_KEEP_USED, "");
    enum row row = statement_row(store, statement, err);
    if (row == ROW_FOUND) {
        *ret_bytes = sqlite3_column_int64(statement, 0);
        statement_done(statement);
    }
    pthread_mutex_unlock(&store->lock);
    return row == ROW_FOUND;
}
