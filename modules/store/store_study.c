#include "store/connection.h"

#include <stdio.h>
#include <string.h>

static bool start_study(struct store *store, const struct store_start *start, const char *state,
                        const char *reason, int64_t now_ms, bool *ret_started, struct err *err)
{
    sqlite3_stmt *statement = statement_bind(
        store, SQL_STUDY_START, "iittttii", start->study, (int64_t)start->revision, state, reason,
        start->cause, start->expected, (int64_t)start->expected_missing, start->last_object_ms);
    if (!statement_run(store, statement, err))
        return false;
    *ret_started = sqlite3_changes(store->db) == 1;
    return !*ret_started || forward_add(store, start->study, start->revision, start->forward,
                                        start->forward_count, now_ms, err);
}

static bool queue_study(struct store *store, const struct store_start *start,
                        const struct store_new_job *jobs, int job_count, int64_t now_ms, bool *ret_started,
                        struct err *err)
{
    int64_t study = start->study, revision = start->revision;
    if (!start_study(store, start, "queued", "", now_ms, ret_started, err))
        return false;
    if (!*ret_started)
        return true;
    if (!event_add(store, study, "study_complete", now_ms, err, "revision %d, %s%s%s", start->revision,
                   start->cause, *start->expected ? "; expected: " : "", start->expected) ||
        !statement_run(store, statement_bind(store, SQL_JOB_SUPERSEDE, "ii", study, revision), err))
        return false;
    for (int i = 0; i < job_count; i++) {
        sqlite3_stmt *statement =
            statement_bind(store, SQL_JOB_ADD, "iititii", study, revision, jobs[i].model,
                           (int64_t)jobs[i].live, jobs[i].reason, now_ms, (int64_t)jobs[i].priority);
        if (!statement_run(store, statement, err) ||
            !event_add(
                store, study, "job_queued", now_ms, err, "%s%s",
                *jobs[i].model ? "model " : "no model: ", *jobs[i].model ? jobs[i].model : jobs[i].reason))
            return false;
    }
    return true;
}

bool store_queue_study(struct store *store, const struct store_start *start, const struct store_new_job *jobs,
                       int job_count, int64_t now_ms, bool *ret_started, struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(store, queue_study(store, start, jobs, job_count, now_ms, ret_started, err), err);
}

static bool decline_study(struct store *store, const struct store_start *start, const char *reason,
                          int64_t now_ms, bool *ret_started, struct err *err)
{
    struct store_start declined = *start;
    declined.cause = declined.expected = "";
    declined.expected_missing = false;
    return start_study(store, &declined, "declined", reason, now_ms, ret_started, err) &&
           (!*ret_started ||
            event_add(store, start->study, "study_declined", now_ms, err, "%s; no report is sent", reason));
}

bool store_decline_study(struct store *store, const struct store_start *start, const char *reason,
                         int64_t now_ms, bool *ret_started, struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(store, decline_study(store, start, reason, now_ms, ret_started, err), err);
}

static bool study_state(struct store *store, int64_t study, char state[16], int *revision, bool *found,
                        struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, SQL_STUDY_STATE, "i", study);
    enum row row = statement_row(store, statement, err);
    *found = row == ROW_FOUND;
    if (row != ROW_FOUND)
        return row == ROW_NONE;
    snprintf(state, 16, "%s", column_text(statement, 0));
    *revision = sqlite3_column_int(statement, 1);
    statement_done(statement);
    return true;
}

static bool force_study(struct store *store, int64_t study, int64_t now_ms, enum store_force *ret,
                        struct err *err)
{
    char state[16];
    int revision;
    bool found;
    *ret = STORE_FORCE_UNKNOWN;
    if (!study_state(store, study, state, &revision, &found, err))
        return false;
    if (!found)
        return true;
    bool again = strcmp(state, "declined") == 0 || strcmp(state, "parked") == 0;
    *ret = again || strcmp(state, "receiving") == 0 ? STORE_FORCE_ACCEPTED : STORE_FORCE_NOT_NOW;
    if (*ret == STORE_FORCE_NOT_NOW)
        return true;
    if (again && !statement_run(store, statement_bind(store, SQL_STUDY_REOPEN, "ii", study, now_ms), err))
        return false;
    return statement_run(store, statement_bind(store, SQL_STUDY_FORCE, "i", study), err) &&
           event_add(store, study, "forced", now_ms, err, "%s",
                     again ? "analysed again as a new revision" : "end of study called by an operator");
}

bool store_force_study(struct store *store, int64_t study, int64_t now_ms, enum store_force *ret,
                       struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(store, force_study(store, study, now_ms, ret, err), err);
}

struct summary {
    int queued, running, failed, deliveries, pending, parked;
    bool analysed;
    char failed_reason[200], declined_reason[200], parked_cause[200];
    char unsaid_reason[200]; /* why none of the results that were analysed says anything; "": one does */
};

static bool summarise(struct store *store, int64_t study, int revision, struct summary *sum, struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, SQL_JOB_SUMMARY, "ii", study, (int64_t)revision);
    if (statement_row(store, statement, err) != ROW_FOUND)
        return false;
    sum->queued = sqlite3_column_int(statement, 0);
    sum->running = sqlite3_column_int(statement, 1);
    sum->failed = sqlite3_column_int(statement, 2);
    sum->analysed = sqlite3_column_int(statement, 3) != 0;
    snprintf(sum->failed_reason, sizeof sum->failed_reason, "%s", column_text(statement, 4));
    snprintf(sum->declined_reason, sizeof sum->declined_reason, "%s", column_text(statement, 5));
    snprintf(sum->unsaid_reason, sizeof sum->unsaid_reason, "%s", column_text(statement, 6));
    statement_done(statement);
    statement = statement_bind(store, SQL_DELIVERY_SUMMARY, "ii", study, (int64_t)revision);
    if (statement_row(store, statement, err) != ROW_FOUND)
        return false;
    sum->deliveries = sqlite3_column_int(statement, 0);
    sum->pending = sqlite3_column_int(statement, 1);
    sum->parked = sqlite3_column_int(statement, 2);
    snprintf(sum->parked_cause, sizeof sum->parked_cause, "%s", column_text(statement, 3));
    statement_done(statement);
    return true;
}

/* The state diagram of docs/architecture.md, right of `receiving`. */
static const char *state_of(const struct summary *sum, const char **reason)
{
    *reason = "";
    if (sum->running)
        return "encoding";
    if (sum->queued)
        return "queued";
    if (sum->failed)
        return *reason = sum->failed_reason, "parked";
    if (!sum->analysed)
        return *reason = sum->declined_reason, "declined";
    if (sum->parked)
        return *reason = sum->parked_cause, "undelivered";
    *reason = sum->unsaid_reason;
    return sum->pending || !sum->deliveries ? "encoded" : "delivered";
}

bool study_refresh(struct store *store, int64_t study, int64_t now_ms, struct err *err)
{
    char before[16];
    int revision;
    bool found;
    struct summary sum = {0};
    const char *reason;
    if (!study_state(store, study, before, &revision, &found, err))
        return false;
    if (!found || strcmp(before, "receiving") == 0 || strcmp(before, "withdrawn") == 0)
        return true;
    if (!summarise(store, study, revision, &sum, err))
        return false;
    const char *state = state_of(&sum, &reason);
    if (strcmp(state, before) == 0)
        return true;
    return statement_run(store, statement_bind(store, SQL_STUDY_SET_STATE, "itt", study, state, reason),
                         err) &&
           event_add(store, study, state, now_ms, err, "%s", reason);
}
