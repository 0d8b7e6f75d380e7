#include "store/store_withdraw.h"

#include "store/connection.h"

#include <stdio.h>
#include <string.h>

struct found {
    int64_t study; /* 0: not here */
    bool receiving, other_patient;
    char patient_id[65 * 4]; /* the note's, or the study's */
};

static bool find(struct store *store, const struct store_withdrawal *what, struct found *ret, struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, SQL_STUDY_BY_UID, "t", what->study_uid);
    enum row row = statement_row(store, statement, err);
    *ret = (struct found){0};
    snprintf(ret->patient_id, sizeof ret->patient_id, "%s", what->patient_id ? what->patient_id : "");
    if (row != ROW_FOUND)
        return row == ROW_NONE;
    if (!what->patient_id)
        snprintf(ret->patient_id, sizeof ret->patient_id, "%s", column_text(statement, 1));
    ret->study = sqlite3_column_int64(statement, 0);
    ret->other_patient = what->patient_id && strcmp(column_text(statement, 1), what->patient_id) != 0;
    ret->receiving = strcmp(column_text(statement, 2), "receiving") == 0;
    statement_done(statement);
    return true;
}

static bool run_on(struct store *store, enum statement which, int64_t study, struct err *err)
{
    return statement_run(store, statement_bind(store, which, "i", study), err);
}

static bool add_trace(struct store *store, const struct store_withdrawal *what, const struct found *found,
                      int64_t now_ms, int64_t *ret, struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, SQL_WITHDRAWAL_ADD, "ttittttttt", what->study_uid,
                                             found->patient_id, now_ms, what->via, what->code, what->reason,
                                             what->who, what->address, what->said_by, what->note_uid);
    if (!statement_run(store, statement, err))
        return false;
    *ret = sqlite3_last_insert_rowid(store->db);
    return true;
}

/* *ret: how many had not been named before. */
static bool name_objects(struct store *store, const struct store_withdrawal *what, const struct found *found,
                         int64_t trace, int *ret, struct err *err)
{
    *ret = 0;
    if (what->count == 0) {
        sqlite3_stmt *all = statement_bind(store, SQL_WITHDRAWN_ADD_ALL, "ttii", what->study_uid,
                                           found->patient_id, trace, found->study);
        bool ok = statement_run(store, all, err);
        *ret = sqlite3_changes(store->db);
        return ok;
    }
    for (int i = 0; i < what->count; i++) {
        sqlite3_stmt *one = statement_bind(store, SQL_WITHDRAWN_ADD, "ttti", what->study_uid,
                                           what->sop_uids[i], found->patient_id, trace);
        if (!statement_run(store, one, err))
            return false;
        *ret += sqlite3_changes(store->db);
    }
    return true;
}

/* Of what feeds the encoder and counts; masks alone are nothing to analyse. */
struct inputs {
    int named, named_images, images;
};

static bool count_inputs(struct store *store, const struct found *found, const char *study_uid,
                         struct inputs *ret, struct err *err)
{
    sqlite3_stmt *statement =
        statement_bind(store, SQL_WITHDRAWN_INPUTS, "itt", found->study, study_uid, found->patient_id);
    if (statement_row(store, statement, err) != ROW_FOUND)
        return false;
    ret->named = sqlite3_column_int(statement, 0);
    ret->named_images = sqlite3_column_int(statement, 1);
    ret->images = sqlite3_column_int(statement, 2);
    statement_done(statement);
    return true;
}

static bool count_delivered(struct store *store, int64_t study, int *ret, struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, SQL_WITHDRAW_DELIVERED, "i", study);
    if (statement_row(store, statement, err) != ROW_FOUND)
        return false;
    *ret = sqlite3_column_int(statement, 0);
    statement_done(statement);
    return true;
}

/* Nothing that was made of these images is made or sent any more. */
static bool take_back_answers(struct store *store, int64_t study, int64_t now_ms, struct err *err)
{
    return run_on(store, SQL_WITHDRAW_JOBS, study, err) &&
           statement_run(store, statement_bind(store, SQL_WITHDRAW_DELIVERIES, "ii", study, now_ms), err);
}

static bool take_back_study(struct store *store, const struct store_withdrawal *what, int64_t study,
                            struct store_withdraw *ret, int64_t now_ms, struct err *err)
{
    ret->outcome = STORE_WITHDREW_STUDY;
    return run_on(store, SQL_WITHDRAWN_OWN, study, err) && take_back_answers(store, study, now_ms, err) &&
           run_on(store, SQL_WITHDRAW_RESULTS, study, err) &&
           run_on(store, SQL_WITHDRAW_EMBEDDINGS, study, err) &&
           run_on(store, SQL_WITHDRAW_FINDINGS, study, err) &&
           run_on(store, SQL_WITHDRAW_REPORTS, study, err) &&
           statement_run(store, statement_bind(store, SQL_WITHDRAW_STUDY, "it", study, what->via), err) &&
           event_add(store, study, "withdrawn", now_ms, err,
                     "by %s at %s: %s; %d objects, %d deliveries had left", what->who, what->address,
                     what->reason, ret->objects, ret->delivered);
}

static bool take_back_objects(struct store *store, const struct store_withdrawal *what,
                              const struct found *found, bool inputs, struct store_withdraw *ret,
                              int64_t now_ms, struct err *err)
{
    int64_t study = found->study;
    ret->outcome = STORE_WITHDREW_OBJECTS;
    ret->reopened = inputs && !found->receiving;
    if (!event_add(store, study, "objects_withdrawn", now_ms, err, "by %s at %s: %s; %d objects", what->who,
                   what->address, what->reason, ret->objects))
        return false;
    if (inputs && !take_back_answers(store, study, now_ms, err))
        return false;
    return !ret->reopened ||
           (statement_run(store, statement_bind(store, SQL_STUDY_REOPEN, "ii", study, now_ms), err) &&
            event_add(store, study, "revision_raised", now_ms, err, "images were withdrawn by %s",
                      what->who));
}

static bool take_back(struct store *store, const struct store_withdrawal *what, const struct found *found,
                      int64_t now_ms, struct store_withdraw *ret, struct err *err)
{
    struct inputs inputs;
    int64_t study = found->study;
    if (!count_inputs(store, found, what->study_uid, &inputs, err) ||
        !count_delivered(store, study, &ret->delivered, err) ||
        !statement_run(
            store,
            statement_bind(store, SQL_WITHDRAWN_NAMED, "itt", study, what->study_uid, found->patient_id),
            err))
        return false;
    ret->objects = sqlite3_changes(store->db);
    if (what->count == 0 || (inputs.named_images > 0 && inputs.named_images == inputs.images))
        return take_back_study(store, what, study, ret, now_ms, err);
    if (ret->objects > 0)
        return take_back_objects(store, what, found, inputs.named > 0, ret, now_ms, err);
    return event_add(store, study, "withdrawn_ahead", now_ms, err,
                     "by %s at %s: %s; the objects have not come", what->who, what->address, what->reason);
}

static bool withdraw(struct store *store, const struct store_withdrawal *what, int64_t now_ms,
                     struct store_withdraw *ret, struct err *err)
{
    struct found found;
    int64_t trace;
    int fresh;
    if (!find(store, what, &found, err))
        return false;
    *ret = (struct store_withdraw){.study = found.study};
    ret->outcome = found.other_patient ? STORE_WITHDREW_CONFLICT : STORE_WITHDREW_NOTHING;
    if (found.other_patient || (!found.study && what->count == 0))
        return true;
    ret->outcome = STORE_WITHDREW_AHEAD;
    if (!add_trace(store, what, &found, now_ms, &trace, err) ||
        !name_objects(store, what, &found, trace, &fresh, err))
        return false;
    if (fresh == 0) {
        ret->outcome = STORE_WITHDREW_BEFORE;
        return run_on(store, SQL_WITHDRAWAL_DROP, trace, err);
    }
    if (found.study && !take_back(store, what, &found, now_ms, ret, err))
        return false;
    int64_t whole = ret->outcome == STORE_WITHDREW_STUDY;
    return statement_run(
        store, statement_bind(store, SQL_WITHDRAWAL_SET, "iii", trace, whole, (int64_t)ret->objects), err);
}

bool store_withdraw(struct store *store, const struct store_withdrawal *withdrawal, int64_t now_ms,
                    struct store_withdraw *ret, struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(store, withdraw(store, withdrawal, now_ms, ret, err), err);
}
