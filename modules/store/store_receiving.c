#include "store/connection.h"

#include <stdio.h>
#include <string.h>

/* The names of the peers that sent a study, as a list in the arena. */
static bool read_sources(struct store *store, struct store_receiving *study, struct arena *arena,
                         struct err *err)
{
    enum { MAX_SOURCES = 64 };
    const char *names[MAX_SOURCES];
    sqlite3_stmt *statement = statement_bind(store, SQL_SOURCE_OF, "i", study->study);
    int count = 0;
    bool whole = true;
    enum row row = ROW_NONE;
    while (count < MAX_SOURCES && (row = statement_row(store, statement, err)) == ROW_FOUND) {
        names[count] = arena_strdup(arena, column_text(statement, 0));
        whole &= names[count++] != NULL;
    }
    statement_done(statement);
    if (row == ROW_FAILED)
        return false;
    study->sources = ARENA_ARRAY(arena, const char *, (size_t)count + 1);
    if (!study->sources || !whole)
        return err_fail(err, ERR_NOMEM, "no memory for the sources of a study");
    memcpy(study->sources, names, (size_t)count * sizeof *names);
    study->source_count = count;
    return true;
}

static int read_receiving(struct store *store, int64_t after, int64_t now_ms, struct store_receiving *studies,
                          int max, struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, SQL_STUDY_RECEIVING, "ii", after, now_ms);
    int count = 0;
    enum row row = ROW_NONE;
    while (count < max && (row = statement_row(store, statement, err)) == ROW_FOUND) {
        struct store_receiving *study = &studies[count++];
        *study = (struct store_receiving){.study = sqlite3_column_int64(statement, 0),
                                          .revision = sqlite3_column_int(statement, 1),
                                          .forced = sqlite3_column_int(statement, 2) != 0,
                                          .receiving_ms = sqlite3_column_int64(statement, 3),
                                          .last_object_ms = sqlite3_column_int64(statement, 4),
                                          .newest_series_ms = sqlite3_column_int64(statement, 5),
                                          .stated_series = sqlite3_column_int(statement, 6),
                                          .stated_objects = sqlite3_column_int(statement, 7)};
        snprintf(study->study_date, sizeof study->study_date, "%s", column_text(statement, 8));
        snprintf(study->study_uid, UID_SIZE, "%s", column_text(statement, 9));
    }
    statement_done(statement);
    return row == ROW_FAILED ? -1 : count;
}

int store_receiving(struct store *store, int64_t after, int64_t now_ms, struct arena *arena,
                    struct store_receiving *studies, int max, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    int count = read_receiving(store, after, now_ms, studies, max, err);
    for (int i = 0; i < count; i++)
        if (!read_sources(store, &studies[i], arena, err))
            count = -1;
    pthread_mutex_unlock(&store->lock);
    return count;
}

static int read_series(struct store *store, int64_t study, struct arena *arena, struct store_series *series,
                       int max, struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, SQL_SERIES_INPUT, "i", study);
    int count = 0;
    enum row row = ROW_NONE;
    while (count < max && (row = statement_row(store, statement, err)) == ROW_FOUND) {
        struct store_series *one = &series[count++];
        snprintf(one->series_uid, sizeof one->series_uid, "%s", column_text(statement, 0));
        one->modality = arena_strdup(arena, column_text(statement, 1));
        one->description = arena_strdup(arena, column_text(statement, 2));
        one->input_count = sqlite3_column_int(statement, 3);
        one->dropped_count = sqlite3_column_int(statement, 4);
    }
    statement_done(statement);
    return row == ROW_FAILED ? -1 : count;
}

bool store_input_series(struct store *store, int64_t study, struct arena *arena, struct store_series **ret,
                        int *ret_count, struct err *err)
{
    enum { MAX_SERIES = 1000 };
    struct store_series *series = ARENA_ARRAY(arena, struct store_series, MAX_SERIES);
    if (!series)
        return err_fail(err, ERR_NOMEM, "no memory for a list of series");
    pthread_mutex_lock(&store->lock);
    int count = read_series(store, study, arena, series, MAX_SERIES, err);
    pthread_mutex_unlock(&store->lock);
    *ret = series;
    *ret_count = count;
    return count >= 0;
}

bool store_count_objects(struct store *store, int64_t study, int *ret_series, int *ret_objects,
                         struct err *err)
{
    pthread_mutex_lock(&store->lock);
    sqlite3_stmt *statement = statement_bind(store, SQL_INSTANCE_TOTAL, "i", study);
    bool ok = statement_row(store, statement, err) == ROW_FOUND;
    if (ok) {
        *ret_series = sqlite3_column_int(statement, 0);
        *ret_objects = sqlite3_column_int(statement, 1);
        statement_done(statement);
    }
    pthread_mutex_unlock(&store->lock);
    return ok;
}
