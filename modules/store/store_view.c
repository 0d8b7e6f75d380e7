#include "store/store_view.h"

#include "store/connection.h"

#include <stdlib.h>
#include <string.h>

/* Text of unknown character set came in from outside: what is no UTF-8 is shown as far as it is ASCII. */
static json_t *text_json(const char *text)
{
    json_t *json = json_string(text);
    char *ascii = json ? NULL : strdup(text);
    if (!ascii)
        return json;
    for (char *c = ascii; *c; c++)
        if (*c & 0x80)
            *c = '?';
    json = json_string(ascii);
    free(ascii);
    return json;
}

static json_t *column_json(sqlite3_stmt *statement, int column)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        return json_integer(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
        return json_real(sqlite3_column_double(statement, column));
    case SQLITE_NULL:
        return json_null();
    default:
        return text_json(column_text(statement, column));
    }
}

static json_t *row_json(sqlite3_stmt *statement)
{
    json_t *object = json_object();
    for (int i = 0; i < sqlite3_column_count(statement); i++) {
        json_t *value = column_json(statement, i);
        json_object_set_new(object, sqlite3_column_name(statement, i), value ? value : json_null());
    }
    return object;
}

/* All rows of a bound statement; the lock is held. */
static json_t *rows_json(struct store *store, sqlite3_stmt *statement, struct err *err)
{
    json_t *rows = json_array();
    enum row row;
    while ((row = statement_row(store, statement, err)) == ROW_FOUND)
        json_array_append_new(rows, row_json(statement));
    if (row == ROW_NONE)
        return rows;
    json_decref(rows);
    return NULL;
}

json_t *store_view_studies(struct store *store, const struct store_filter *filter, struct err *err)
{
    const char *accession = filter->accession ? filter->accession : "";
    const char *patient_id = filter->patient_id ? filter->patient_id : "";
    const char *study_uid = filter->study_uid ? filter->study_uid : "";
    const char *state = filter->state ? filter->state : "";
    pthread_mutex_lock(&store->lock);
    json_t *rows = rows_json(store,
                             statement_bind(store, SQL_VIEW_STUDIES, "ttttii", accession, patient_id,
                                            study_uid, state, filter->since_ms, (int64_t)filter->limit),
                             err);
    pthread_mutex_unlock(&store->lock);
    return rows;
}

static bool add_rows(struct store *store, json_t *study, const char *key, enum statement which, int64_t id,
                     bool single, struct err *err)
{
    json_t *rows = rows_json(store, statement_bind(store, which, "i", id), err);
    if (!rows)
        return false;
    if (single) {
        json_object_set(study, key, json_array_get(rows, 0));
        json_decref(rows);
    } else {
        json_object_set_new(study, key, rows);
    }
    return true;
}

static json_t *view_study(struct store *store, int64_t id, struct err *err)
{
    json_t *rows = rows_json(store, statement_bind(store, SQL_VIEW_STUDY, "i", id), err);
    if (!rows)
        return NULL;
    json_t *study = json_array_size(rows) ? json_incref(json_array_get(rows, 0)) : json_null();
    json_decref(rows);
    if (json_is_null(study))
        return study;
    if (add_rows(store, study, "objects", SQL_VIEW_OBJECTS, id, true, err) &&
        add_rows(store, study, "series", SQL_VIEW_SERIES, id, false, err) &&
        add_rows(store, study, "sources", SQL_SOURCE_OF, id, false, err) &&
        add_rows(store, study, "jobs", SQL_VIEW_JOBS, id, false, err) &&
        add_rows(store, study, "results", SQL_VIEW_RESULTS, id, false, err) &&
        add_rows(store, study, "deliveries", SQL_VIEW_DELIVERIES, id, false, err) &&
        add_rows(store, study, "withdrawals", SQL_VIEW_WITHDRAWALS, id, false, err))
        return study;
    json_decref(study);
    return NULL;
}

json_t *store_view_study(struct store *store, int64_t study, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    json_t *view = view_study(store, study, err);
    pthread_mutex_unlock(&store->lock);
    return view;
}

static json_t *view_rows(struct store *store, enum statement which, int64_t first, int64_t second,
                         struct err *err)
{
    pthread_mutex_lock(&store->lock);
    json_t *rows = rows_json(store, statement_bind(store, which, second ? "ii" : "i", first, second), err);
    pthread_mutex_unlock(&store->lock);
    return rows;
}

json_t *store_view_delivery(struct store *store, int64_t delivery, struct err *err)
{
    json_t *rows = view_rows(store, SQL_VIEW_DELIVERY, delivery, 0, err);
    json_t *first = rows && json_array_size(rows) ? json_incref(json_array_get(rows, 0)) : NULL;
    if (rows && !first)
        first = json_null();
    json_decref(rows);
    return first;
}

json_t *store_view_parked(struct store *store, const char *destination, int limit, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    json_t *rows =
        rows_json(store, statement_bind(store, SQL_VIEW_PARKED, "ti", destination, (int64_t)limit), err);
    pthread_mutex_unlock(&store->lock);
    return rows;
}

json_t *store_view_destinations(struct store *store, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    json_t *rows = rows_json(store, statement_bind(store, SQL_VIEW_DESTINATIONS, ""), err);
    pthread_mutex_unlock(&store->lock);
    return rows;
}

json_t *store_view_events(struct store *store, int64_t study, struct err *err)
{
    return view_rows(store, SQL_VIEW_EVENTS, study, 0, err);
}

json_t *store_view_refusals(struct store *store, int64_t since_ms, int limit, struct err *err)
{
    return view_rows(store, SQL_VIEW_REFUSALS, since_ms, limit, err);
}

json_t *store_view_reports(struct store *store, int64_t study, struct err *err)
{
    return view_rows(store, SQL_VIEW_REPORTS, study, 0, err);
}

static bool add_group(struct store *store, json_t *counts, const char *key, enum statement which,
                      struct err *err)
{
    json_t *group = json_object();
    sqlite3_stmt *statement = statement_bind(store, which, "");
    enum row row;
    json_object_set_new(counts, key, group);
    while ((row = statement_row(store, statement, err)) == ROW_FOUND)
        json_object_set_new(group, column_text(statement, 0),
                            json_integer(sqlite3_column_int64(statement, 1)));
    return row == ROW_NONE;
}

static json_t *view_groups(struct store *store, enum statement studies, enum statement jobs,
                           enum statement deliveries, struct err *err)
{
    json_t *groups = json_object();
    pthread_mutex_lock(&store->lock);
    bool ok = add_group(store, groups, "studies", studies, err) &&
              add_group(store, groups, "jobs", jobs, err) &&
              add_group(store, groups, "deliveries", deliveries, err);
    pthread_mutex_unlock(&store->lock);
    if (ok)
        return groups;
    json_decref(groups);
    return NULL;
}

json_t *store_view_counts(struct store *store, struct err *err)
{
    return view_groups(store, SQL_COUNT_STUDIES, SQL_COUNT_JOBS, SQL_COUNT_DELIVERIES, err);
}

json_t *store_view_oldest(struct store *store, struct err *err)
{
    return view_groups(store, SQL_OLDEST_STUDIES, SQL_OLDEST_JOBS, SQL_OLDEST_DELIVERIES, err);
}
