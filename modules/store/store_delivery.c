#include "store/connection.h"

#include <stdio.h>
#include <string.h>

bool store_due_delivery(struct store *store, const char *destination, int64_t now_ms, bool *found,
                        struct store_delivery *ret, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    sqlite3_stmt *statement = statement_bind(store, SQL_DELIVERY_DUE, "ti", destination, now_ms);
    enum row row = statement_row(store, statement, err);
    *found = row == ROW_FOUND;
    if (row == ROW_FOUND) {
        ret->id = sqlite3_column_int64(statement, 0);
        ret->result = sqlite3_column_int64(statement, 1);
        ret->study = sqlite3_column_int64(statement, 2);
        ret->attempts = sqlite3_column_int(statement, 3);
        snprintf(ret->preferred_class, UID_SIZE, "%s", column_text(statement, 4));
        bool objects = strcmp(column_text(statement, 5), "objects") == 0;
        ret->what = objects ? STORE_WHAT_OBJECTS : STORE_WHAT_RESULT;
        ret->revision = sqlite3_column_int(statement, 6);
        ret->sent_upto = sqlite3_column_int64(statement, 7);
        statement_done(statement);
    }
    pthread_mutex_unlock(&store->lock);
    return row != ROW_FAILED;
}

bool forward_add(struct store *store, int64_t study, int revision, const char *const *destinations, int count,
                 int64_t now_ms, struct err *err)
{
    for (int i = 0; i < count; i++)
        if (!statement_run(store,
                           statement_bind(store, SQL_DELIVERY_ADD_OBJECTS, "iiti", study, (int64_t)revision,
                                          destinations[i], now_ms),
                           err))
            return false;
    return true;
}

bool store_forward_objects(struct store *store, int64_t study, int revision, const char *const *destinations,
                           int count, int64_t now_ms, struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(store,
                           forward_add(store, study, revision, destinations, count, now_ms, err) &&
                               study_refresh(store, study, now_ms, err),
                           err);
}

static bool copy_report(sqlite3_stmt *statement, struct arena *arena, struct store_report **ret,
                        struct err *err)
{
    struct store_report *report = ARENA_NEW(arena, struct store_report);
    if (!report)
        return err_fail(err, ERR_NOMEM, "no memory for a report row");
    report->sop_class = arena_strdup(arena, column_text(statement, 0));
    report->sop_uid = arena_strdup(arena, column_text(statement, 1));
    report->series_uid = arena_strdup(arena, column_text(statement, 2));
    report->path = arena_strdup(arena, column_text(statement, 3));
    report->sha256 = arena_strdup(arena, column_text(statement, 4));
    *ret = report;
    return true;
}

bool store_find_report(struct store *store, int64_t result, const char *sop_class, struct arena *arena,
                       struct store_report **ret, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    sqlite3_stmt *statement = statement_bind(store, SQL_REPORT_FIND, "it", result, sop_class);
    enum row row = statement_row(store, statement, err);
    bool ok = row != ROW_FAILED;
    *ret = NULL;
    if (row == ROW_FOUND) {
        ok = copy_report(statement, arena, ret, err);
        statement_done(statement);
    }
    pthread_mutex_unlock(&store->lock);
    return ok;
}

bool store_result_json(struct store *store, int64_t result, struct arena *arena, const char **ret,
                       struct err *err)
{
    pthread_mutex_lock(&store->lock);
    sqlite3_stmt *statement = statement_bind(store, SQL_RESULT_JSON, "i", result);
    enum row row = statement_row(store, statement, err);
    bool ok = row != ROW_FAILED;
    *ret = NULL;
    if (row == ROW_FOUND) {
        *ret = arena_strdup(arena, column_text(statement, 0));
        ok = *ret || err_fail(err, ERR_NOMEM, "no memory for a result");
        statement_done(statement);
    }
    pthread_mutex_unlock(&store->lock);
    return ok;
}

struct change {
    const char *state, *cause, *sop_uid;
    int status; /* -1 when the peer gave none */
    int64_t next_ms, now_ms;
};

static bool set_delivery(struct store *store, const struct store_delivery *delivery,
                         const struct change *change, struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, SQL_DELIVERY_SET, "itintti", delivery->id, change->state,
                                             change->next_ms, change->cause, change->sop_uid, change->now_ms);
    if (change->status >= 0)
        sqlite3_bind_int(statement, 4, change->status);
    return statement_run(store, statement, err);
}

static bool say_delivered(struct store *store, const struct store_delivery *delivery, const char *destination,
                          const struct store_report *report, const struct change *change, struct err *err)
{
    bool originals = delivery->what == STORE_WHAT_OBJECTS;
    const char *kind = originals ? "objects_delivered" : report ? "report_delivered" : "annotation_delivered";
    char status[24] = "";
    if (change->status >= 0)
        snprintf(status, sizeof status, ", status 0x%04x", (unsigned)change->status);
    return event_add(store, delivery->study, kind, change->now_ms, err, "to %s%s%s%s", destination, status,
                     *change->cause ? ", " : "", change->cause);
}

static bool mark_delivered(struct store *store, const struct store_delivery *delivery,
                           const char *destination, const struct store_report *report,
                           const struct change *change, struct err *err)
{
    if (!set_delivery(store, delivery, change, err) ||
        !say_delivered(store, delivery, destination, report, change, err) ||
        !study_refresh(store, delivery->study, change->now_ms, err))
        return false;
    if (delivery->what == STORE_WHAT_OBJECTS)
        return true;
    return statement_run(
        store,
        report ? statement_bind(store, SQL_DESTINATION_SET, "tt", destination, report->sop_class)
               : statement_bind(store, SQL_DELIVERY_SUPERSEDE, "ii", delivery->id, change->now_ms),
        err);
}

bool store_delivered(struct store *store, const struct store_delivery *delivery, const char *destination,
                     const struct store_report *report, int status, const char *note, int64_t now_ms,
                     struct err *err)
{
    struct change change = {"delivered", note, report ? report->sop_uid : "", status, now_ms, now_ms};
    return transaction_begin(store, err) &&
           transaction_end(store, mark_delivered(store, delivery, destination, report, &change, err), err);
}

static bool mark_failed(struct store *store, const struct store_delivery *delivery,
                        const struct change *change, const char *event, struct err *err)
{
    return set_delivery(store, delivery, change, err) &&
           event_add(store, delivery->study, event, change->now_ms, err, "attempt %d: %s",
                     delivery->attempts + 1, change->cause) &&
           study_refresh(store, delivery->study, change->now_ms, err);
}

bool store_retry_delivery(struct store *store, const struct store_delivery *delivery, int status,
                          const char *cause, int64_t next_ms, int64_t now_ms, struct err *err)
{
    struct change change = {"pending", cause, "", status, next_ms, now_ms};
    return transaction_begin(store, err) &&
           transaction_end(store, mark_failed(store, delivery, &change, "delivery_retry", err), err);
}

bool store_park_delivery(struct store *store, const struct store_delivery *delivery, int status,
                         const char *cause, int64_t now_ms, struct err *err)
{
    struct change change = {"parked", cause, "", status, now_ms, now_ms};
    return transaction_begin(store, err) &&
           transaction_end(store, mark_failed(store, delivery, &change, "delivery_parked", err), err);
}

static bool requeue(struct store *store, int64_t delivery, int64_t now_ms, bool *found, struct err *err)
{
    if (!statement_run(store, statement_bind(store, SQL_DELIVERY_REQUEUE, "ii", delivery, now_ms), err))
        return false;
    *found = sqlite3_changes(store->db) == 1;
    if (!*found)
        return true;
    sqlite3_stmt *statement = statement_bind(store, SQL_DELIVERY_STUDY, "i", delivery);
    if (statement_row(store, statement, err) != ROW_FOUND)
        return false;
    int64_t study = sqlite3_column_int64(statement, 0);
    statement_done(statement);
    return event_add(store, study, "delivery_requeued", now_ms, err, "delivery %lld by an operator",
                     (long long)delivery) &&
           study_refresh(store, study, now_ms, err);
}

bool store_requeue_delivery(struct store *store, int64_t delivery, int64_t now_ms, bool *found,
                            struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(store, requeue(store, delivery, now_ms, found, err), err);
}

static bool unrouted(struct store *store, const char *const *destinations, int count, char name[64],
                     bool *found, struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, SQL_DELIVERY_DESTINATIONS, "");
    enum row row = ROW_NONE;
    *found = false;
    while (!*found && (row = statement_row(store, statement, err)) == ROW_FOUND) {
        *found = true;
        for (int i = 0; i < count; i++)
            *found &= strcmp(destinations[i], column_text(statement, 0)) != 0;
        snprintf(name, 64, "%s", column_text(statement, 0));
    }
    statement_done(statement);
    return row != ROW_FAILED;
}

static bool park_all(struct store *store, const char *destination, int64_t now_ms, int *parked,
                     struct err *err)
{
    static const int64_t any_time = INT64_MAX / 2;
    struct store_delivery delivery;
    for (bool found = true; found; *parked += found) {
        if (!store_due_delivery(store, destination, any_time, &found, &delivery, err))
            return false;
        if (found &&
            !store_park_delivery(store, &delivery, -1, "the destination is not configured", now_ms, err))
            return false;
    }
    return true;
}

bool store_park_unrouted(struct store *store, const char *const *destinations, int count, int64_t now_ms,
                         int *ret_parked, struct err *err)
{
    char name[64];
    *ret_parked = 0;
    for (bool found = true; found;) {
        pthread_mutex_lock(&store->lock);
        bool ok = unrouted(store, destinations, count, name, &found, err);
        pthread_mutex_unlock(&store->lock);
        if (!ok || (found && !park_all(store, name, now_ms, ret_parked, err)))
            return false;
    }
    return true;
}
