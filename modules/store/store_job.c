#include "store/connection.h"

#include <stdio.h>
#include <string.h>

bool store_requeue_running(struct store *store, int *ret_count, struct err *err)
{
    if (!transaction_begin(store, err))
        return false;
    bool ok = statement_run(store, statement_bind(store, SQL_JOB_REQUEUE, ""), err);
    *ret_count = sqlite3_changes(store->db);
    ok = ok && statement_run(store, statement_bind(store, SQL_STUDY_WAIT, ""), err);
    return transaction_end(store, ok, err);
}

/* Reads the next queued job; one whose study has moved on is superseded instead of started. */
static bool next_job(struct store *store, struct arena *arena, struct store_job **ret, struct err *err)
{
    *ret = NULL;
    for (;;) {
        sqlite3_stmt *statement = statement_bind(store, SQL_JOB_NEXT, "");
        enum row row = statement_row(store, statement, err);
        if (row != ROW_FOUND)
            return row == ROW_NONE;
        int64_t id = sqlite3_column_int64(statement, 0);
        struct store_job *job = ARENA_NEW(arena, struct store_job);
        bool superseded = sqlite3_column_int(statement, 2) < sqlite3_column_int(statement, 9);
        if (job && !superseded) {
            *job = (struct store_job){.id = id,
                                      .study = sqlite3_column_int64(statement, 1),
                                      .revision = sqlite3_column_int(statement, 2),
                                      .attempts = sqlite3_column_int(statement, 3),
                                      .live = sqlite3_column_int(statement, 4) != 0,
                                      .model = arena_strdup(arena, column_text(statement, 5)),
                                      .reason = arena_strdup(arena, column_text(statement, 6)),
                                      .started_by = arena_strdup(arena, column_text(statement, 7)),
                                      .study_uid = arena_strdup(arena, column_text(statement, 8)),
                                      .expected = arena_strdup(arena, column_text(statement, 10)),
                                      .expected_missing = sqlite3_column_int(statement, 11) != 0};
            *ret = job;
        }
        statement_done(statement);
        if (!superseded)
            return *ret || err_fail(err, ERR_NOMEM, "no memory for a job");
        statement =
            statement_bind(store, SQL_JOB_SET_STATE, "itti", id, "superseded", "newer_revision", (int64_t)0);
        if (!statement_run(store, statement, err))
            return false;
    }
}

static bool claim_job(struct store *store, int64_t now_ms, int64_t lease_ms, struct arena *arena,
                      struct store_job **ret, struct err *err)
{
    if (!statement_run(store, statement_bind(store, SQL_JOB_OVERDUE, "i", now_ms), err) ||
        !statement_run(store, statement_bind(store, SQL_STUDY_WAIT, ""), err) ||
        !next_job(store, arena, ret, err))
        return false;
    if (!*ret)
        return true;
    struct store_job *job = *ret;
    sqlite3_stmt *statement =
        statement_bind(store, SQL_JOB_SET_STATE, "itti", job->id, "running", job->reason, now_ms + lease_ms);
    return statement_run(store, statement, err) && study_refresh(store, job->study, now_ms, err);
}

bool store_claim_job(struct store *store, int64_t now_ms, int64_t lease_ms, struct arena *arena,
                     struct store_job **ret, struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(store, claim_job(store, now_ms, lease_ms, arena, ret, err), err);
}

static bool read_inputs(struct store *store, int64_t study, struct arena *arena, struct store_inputs *ret,
                        struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, SQL_INSTANCE_INPUTS, "i", study);
    int capacity = 0;
    enum row row;
    while ((row = statement_row(store, statement, err)) == ROW_FOUND) {
        if (ret->count == capacity) {
            struct store_input *grown = ARENA_ARRAY(arena, struct store_input, 2 * (size_t)capacity + 256);
            if (!grown)
                break;
            if (ret->count)
                memcpy(grown, ret->items, (size_t)ret->count * sizeof *grown);
            ret->items = grown;
            capacity = 2 * capacity + 256;
        }
        struct store_input *input = &ret->items[ret->count++];
        input->path = arena_strdup(arena, column_text(statement, 0));
        snprintf(input->sop_class, UID_SIZE, "%s", column_text(statement, 1));
        snprintf(input->sop_uid, UID_SIZE, "%s", column_text(statement, 2));
        snprintf(input->series_uid, UID_SIZE, "%s", column_text(statement, 3));
    }
    statement_done(statement);
    return row == ROW_NONE ||
           (row == ROW_FOUND && err_fail(err, ERR_NOMEM, "no memory for a list of inputs"));
}

static bool read_counts(struct store *store, int64_t study, struct store_inputs *ret, struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, SQL_INSTANCE_COUNTS, "i", study);
    if (statement_row(store, statement, err) != ROW_FOUND)
        return false;
    ret->lost_count = sqlite3_column_int(statement, 0);
    ret->other_count = sqlite3_column_int(statement, 1);
    statement_done(statement);
    return true;
}

bool store_job_inputs(struct store *store, int64_t study, struct arena *arena, struct store_inputs *ret,
                      struct err *err)
{
    *ret = (struct store_inputs){0};
    return transaction_begin(store, err) &&
           transaction_end(
               store, read_inputs(store, study, arena, ret, err) && read_counts(store, study, ret, err), err);
}

static bool return_job(struct store *store, const struct store_job *job, const char *reason,
                       const char *detail, int64_t now_ms, struct err *err)
{
    return statement_run(store, statement_bind(store, SQL_JOB_RETURN, "it", job->id, reason), err) &&
           event_add(store, job->study, "attempt_failed", now_ms, err, "attempt %d of model %s: %s (%s)",
                     job->attempts + 1, job->model, reason, detail) &&
           study_refresh(store, job->study, now_ms, err);
}

bool store_return_job(struct store *store, const struct store_job *job, const char *reason,
                      const char *detail, int64_t now_ms, struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(store, return_job(store, job, reason, detail, now_ms, err), err);
}

bool store_release_job(struct store *store, const struct store_job *job, int64_t now_ms, struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(store,
                           statement_run(store, statement_bind(store, SQL_JOB_RELEASE, "i", job->id), err) &&
                               study_refresh(store, job->study, now_ms, err),
                           err);
}

bool store_job_runs(struct store *store, const struct store_job *job, bool *ret, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    sqlite3_stmt *statement = statement_bind(store, SQL_JOB_RUNS, "i", job->id);
    enum row row = statement_row(store, statement, err);
    *ret = row == ROW_FOUND;
    if (row == ROW_FOUND)
        statement_done(statement);
    pthread_mutex_unlock(&store->lock);
    return row != ROW_FAILED;
}

bool store_renew_job(struct store *store, const struct store_job *job, int64_t lease_until_ms,
                     struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(
               store,
               statement_run(store, statement_bind(store, SQL_JOB_RENEW, "ii", job->id, lease_until_ms), err),
               err);
}

static bool fail_job(struct store *store, const struct store_job *job, const char *reason, const char *detail,
                     int64_t now_ms, struct err *err)
{
    return statement_run(store,
                         statement_bind(store, SQL_JOB_FINISH, "itti", job->id, "failed", reason, (int64_t)1),
                         err) &&
           event_add(store, job->study, "no_report", now_ms, err, "%s: %s", reason, detail) &&
           study_refresh(store, job->study, now_ms, err);
}

bool store_fail_job(struct store *store, const struct store_job *job, const char *reason, const char *detail,
                    int64_t now_ms, struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(store, fail_job(store, job, reason, detail, now_ms, err), err);
}

bool store_predecessor(struct store *store, int64_t study, const char *model, int revision, bool *found,
                       struct store_document *ret, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    sqlite3_stmt *statement =
        statement_bind(store, SQL_REPORT_BEFORE, "iti", study, model, (int64_t)revision);
    enum row row = statement_row(store, statement, err);
    *found = row == ROW_FOUND;
    if (row == ROW_FOUND) {
        snprintf(ret->sop_class, UID_SIZE, "%s", column_text(statement, 0));
        snprintf(ret->sop_uid, UID_SIZE, "%s", column_text(statement, 1));
        snprintf(ret->series_uid, UID_SIZE, "%s", column_text(statement, 2));
        statement_done(statement);
    }
    pthread_mutex_unlock(&store->lock);
    return row != ROW_FAILED;
}

static bool add_result(struct store *store, const struct store_finish *finish, int64_t now_ms,
                       int64_t *ret_id, struct err *err)
{
    const struct store_job *job = finish->job;
    sqlite3_stmt *statement =
        statement_bind(store, SQL_RESULT_ADD, "iiititti", job->id, job->study, (int64_t)job->revision,
                       job->model, (int64_t)finish->analysed, finish->reason, finish->json, now_ms);
    if (!statement_run(store, statement, err))
        return false;
    *ret_id = sqlite3_last_insert_rowid(store->db);
    return true;
}

static bool add_embeddings(struct store *store, int64_t result, const struct store_finish *finish,
                           struct err *err)
{
    for (int i = 0; i < finish->embedding_count; i++) {
        const struct store_embedding *one = &finish->embeddings[i];
        sqlite3_stmt *statement = statement_bind(store, SQL_EMBEDDING_ADD, "itn", result, one->organ);
        sqlite3_bind_blob(statement, 3, one->vector, one->dim * (int)sizeof(float), SQLITE_TRANSIENT);
        if (!statement_run(store, statement, err))
            return false;
    }
    return true;
}

static bool add_findings(struct store *store, int64_t result, const struct store_finish *finish,
                         struct err *err)
{
    for (int i = 0; i < finish->finding_count; i++) {
        const struct store_finding *finding = &finish->findings[i];
        sqlite3_stmt *statement =
            statement_bind(store, SQL_FINDING_ADD, "ittnn", result, finding->label, finding->state);
        if (finding->has_score)
            sqlite3_bind_double(statement, 4, finding->score);
        if (finding->has_probability)
            sqlite3_bind_double(statement, 5, finding->probability);
        if (!statement_run(store, statement, err))
            return false;
    }
    return true;
}

static bool add_report(struct store *store, enum statement which, int64_t result,
                       const struct store_report *report, int64_t now_ms, struct err *err)
{
    return statement_run(store,
                         statement_bind(store, which, "ittttti", result, report->sop_class, report->sop_uid,
                                        report->series_uid, report->path, report->sha256, now_ms),
                         err);
}

bool store_add_report(struct store *store, int64_t result, const struct store_report *report, int64_t now_ms,
                      struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(store, add_report(store, SQL_REPORT_ADD_COPY, result, report, now_ms, err), err);
}

static bool add_deliveries(struct store *store, int64_t result, const struct store_finish *finish,
                           int64_t now_ms, struct err *err)
{
    const struct store_job *job = finish->job;
    for (int i = 0; i < finish->destination_count; i++)
        if (!statement_run(store,
                           statement_bind(store, SQL_DELIVERY_ADD, "iiitii", job->study,
                                          (int64_t)job->revision, result, finish->destinations[i], now_ms,
                                          (int64_t)finish->priority),
                           err))
            return false;
    return forward_add(store, job->study, job->revision, finish->forward, finish->forward_count, now_ms, err);
}

static bool finish_job(struct store *store, const struct store_finish *finish, int64_t now_ms,
                       bool *ret_stale, struct err *err)
{
    const struct store_job *job = finish->job;
    int64_t result;
    sqlite3_stmt *statement =
        statement_bind(store, SQL_JOB_FINISH, "itti", job->id, finish->failed ? "failed" : "done",
                       finish->reason, (int64_t)finish->failed);
    if (!statement_run(store, statement, err))
        return false;
    *ret_stale = sqlite3_changes(store->db) == 0;
    if (*ret_stale)
        return true;
    return add_result(store, finish, now_ms, &result, err) && add_embeddings(store, result, finish, err) &&
           add_findings(store, result, finish, err) &&
           add_report(store, SQL_REPORT_ADD, result, &finish->report, now_ms, err) &&
           add_deliveries(store, result, finish, now_ms, err) &&
           event_add(store, job->study, finish->analysed ? "analysed" : "not_analysed", now_ms, err,
                     "revision %d, model %s%s%s", job->revision, *job->model ? job->model : "none",
                     *finish->reason ? ": " : "", finish->reason) &&
           study_refresh(store, job->study, now_ms, err);
}

bool store_finish_job(struct store *store, const struct store_finish *finish, int64_t now_ms, bool *ret_stale,
                      struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(store, finish_job(store, finish, now_ms, ret_stale, err), err);
}
