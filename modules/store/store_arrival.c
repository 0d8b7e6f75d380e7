#include "store/connection.h"

#include <string.h>

struct found_study {
    int64_t id;
    int revision;
    bool exists, receiving, other_patient;
    bool wants_dropped; /* its answer says that dropped images are to come again */
};

static bool find_study(struct store *store, const struct dicom_identity *id, struct found_study *ret,
                       struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, SQL_STUDY_BY_UID, "t", id->study_uid);
    enum row row = statement_row(store, statement, err);
    *ret = (struct found_study){0};
    if (row != ROW_FOUND)
        return row == ROW_NONE;
    ret->exists = true;
    ret->id = sqlite3_column_int64(statement, 0);
    ret->other_patient = strcmp(column_text(statement, 1), id->patient_id) != 0;
    ret->receiving = strcmp(column_text(statement, 2), "receiving") == 0;
    ret->revision = sqlite3_column_int(statement, 3);
    ret->wants_dropped = strcmp(column_text(statement, 4), "pixels_dropped") == 0;
    statement_done(statement);
    return true;
}

static bool add_study(struct store *store, const struct store_object *object, struct found_study *ret,
                      struct err *err)
{
    const struct dicom_identity *id = object->id;
    sqlite3_stmt *statement =
        statement_bind(store, SQL_STUDY_ADD, "tttttti", id->study_uid, id->patient_id, id->issuer,
                       id->accession, id->study_date, id->study_description, object->received_ms);
    if (!statement_run(store, statement, err))
        return false;
    *ret = (struct found_study){sqlite3_last_insert_rowid(store->db), 1, true, true, false};
    return event_add(store, ret->id, "study_opened", object->received_ms, err, "first object from %s",
                     object->peer_ae);
}

enum presence { NOT_HERE, OTHER_CONTENT, SAME_CONTENT };

static bool find_instance(struct store *store, int64_t study, const struct store_object *object,
                          enum presence *ret, struct err *err)
{
    sqlite3_stmt *statement =
        statement_bind(store, SQL_INSTANCE_FIND, "itt", study, object->id->sop_uid, object->data_sha256);
    enum row row = statement_row(store, statement, err);
    *ret = NOT_HERE;
    if (row != ROW_FOUND)
        return row == ROW_NONE;
    *ret = sqlite3_column_int(statement, 0) ? SAME_CONTENT : OTHER_CONTENT;
    statement_done(statement);
    return true;
}

static bool any_row(struct store *store, enum statement which, const char *text, bool *ret, struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, which, "t", text);
    enum row row = statement_row(store, statement, err);
    *ret = row == ROW_FOUND;
    if (row == ROW_FOUND)
        statement_done(statement);
    return row != ROW_FAILED;
}

static bool add_instance(struct store *store, int64_t study, const struct store_object *object,
                         const char *kind, struct err *err)
{
    const struct dicom_identity *id = object->id;
    sqlite3_stmt *statement =
        statement_bind(store, SQL_SERIES_ADD, "ittiti", study, id->series_uid, id->modality,
                       (int64_t)id->series_number, id->series_description, object->received_ms);
    if (statement_row(store, statement, err) != ROW_FOUND)
        return false;
    int64_t series = sqlite3_column_int64(statement, 0);
    statement_done(statement);
    statement =
        statement_bind(store, SQL_INSTANCE_ADD, "iitttttttiitt", study, series, id->sop_uid, id->sop_class,
                       id->transfer_syntax, kind, id->modality, object->data_sha256, object->path,
                       object->size_bytes, object->received_ms, object->peer_ae, object->peer_address);
    return statement_run(store, statement, err);
}

static bool raise_receiving(struct store *store, const struct store_object *object,
                            const struct found_study *study, struct store_put *ret, struct err *err)
{
    if (!statement_run(store, statement_bind(store, SQL_STUDY_RAISE, "i", study->id), err))
        return false;
    if (sqlite3_changes(store->db) == 0) /* raised already, and not completed since */
        return true;
    ret->revision = study->revision + 1;
    return event_add(store, study->id, "revision_raised", object->received_ms, err,
                     "revision %d: an object came again with other content from %s", ret->revision,
                     object->peer_ae);
}

/* Who sent it, and how large it says the study is: what the study waits for follows from these. */
static bool note_source(struct store *store, int64_t study, const struct store_object *object,
                        struct err *err)
{
    sqlite3_stmt *statement;
    if (object->stated_series > 0 || object->stated_objects > 0) {
        statement = statement_bind(store, SQL_STUDY_STATED, "iii", study, (int64_t)object->stated_series,
                                   (int64_t)object->stated_objects);
        if (!statement_run(store, statement, err))
            return false;
    }
    return !object->source ||
           statement_run(store, statement_bind(store, SQL_SOURCE_ADD, "it", study, object->source), err);
}

/* An input object renews the timers of a receiving study and reopens any other. Other content under a known
 * UID raises the revision of a receiving study too, but only once until it is complete. */
static bool input_arrived(struct store *store, const struct store_object *object,
                          const struct found_study *study, struct store_put *ret, struct err *err)
{
    int64_t now_ms = object->received_ms;
    if (!note_source(store, study->id, object, err) ||
        !statement_run(store, statement_bind(store, SQL_STUDY_TOUCH, "ii", study->id, now_ms), err))
        return false;
    if (study->receiving)
        return ret->outcome != STORE_CHANGED || raise_receiving(store, object, study, ret, err);
    ret->reopened = true;
    ret->revision = study->revision + 1;
    const char *why = ret->outcome == STORE_CHANGED ? "an object came again with other content"
                      : ret->outcome == STORE_SAME  ? "an object that was gone came again"
                                                    : "late object";
    return statement_run(store, statement_bind(store, SQL_STUDY_REOPEN, "ii", study->id, now_ms), err) &&
           event_add(store, study->id, "revision_raised", now_ms, err, "revision %d: %s from %s",
                     ret->revision, why, object->peer_ae);
}

/* It was dropped after the study had its answer: kept again, which asks for no other answer, unless the last
 * one says that it was missed. */
static bool restore(struct store *store, const struct store_object *object, int64_t study, bool *ret,
                    struct err *err)
{
    sqlite3_stmt *statement = statement_bind(store, SQL_KEEP_RESTORE, "itti", study, object->id->sop_uid,
                                             object->data_sha256, object->received_ms);
    if (!statement_run(store, statement, err))
        return false;
    *ret = sqlite3_changes(store->db) > 0;
    return (
        !*ret ||
        statement_run(store, statement_bind(store, SQL_STUDY_TOUCH, "ii", study, object->received_ms), err));
}

/* The same data set again: nothing to do, unless its file had been lost or dropped, or other content had come
 * since. */
static bool put_same(struct store *store, const struct store_object *object, const struct found_study *study,
                     struct store_put *ret, struct err *err)
{
    const char *sop_uid = object->id->sop_uid;
    bool restored;
    if (!restore(store, object, study->id, &restored, err))
        return false;
    sqlite3_stmt *statement =
        statement_bind(store, SQL_INSTANCE_AGE_OTHERS, "itt", study->id, sop_uid, object->data_sha256);
    if (!statement_run(store, statement, err))
        return false;
    if (sqlite3_changes(store->db) > 0)
        ret->outcome = STORE_CHANGED;
    statement = statement_bind(store, SQL_INSTANCE_RENEW, "itt", study->id, sop_uid, object->data_sha256);
    if (!statement_run(store, statement, err))
        return false;
    bool renewed = sqlite3_changes(store->db) > 0 || (restored && study->wants_dropped);
    return !renewed || !object->feeds_encoder || input_arrived(store, object, study, ret, err);
}

static bool put_new(struct store *store, const struct store_object *object, const struct found_study *study,
                    struct store_put *ret, struct err *err)
{
    bool own;
    if (!any_row(store, SQL_REPORT_OWN, object->id->sop_uid, &own, err))
        return false;
    const char *kind = own ? "own" : object->feeds_encoder ? "input" : "other";
    if (ret->outcome == STORE_CHANGED &&
        !statement_run(store, statement_bind(store, SQL_INSTANCE_AGE, "it", study->id, object->id->sop_uid),
                       err))
        return false;
    if (!add_instance(store, study->id, object, kind, err))
        return false;
    if (own)
        return event_add(store, study->id, "own_report_returned", object->received_ms, err,
                         "from %s; kept, not analysed", object->peer_ae);
    return !object->feeds_encoder || input_arrived(store, object, study, ret, err);
}

static bool was_withdrawn(struct store *store, const struct dicom_identity *id, bool *ret, struct err *err)
{
    sqlite3_stmt *statement =
        statement_bind(store, SQL_WITHDRAWN_ASK, "ttt", id->study_uid, id->sop_uid, id->patient_id);
    enum row row = statement_row(store, statement, err);
    *ret = row == ROW_FOUND;
    if (row == ROW_FOUND)
        statement_done(statement);
    return row != ROW_FAILED;
}

static bool put(struct store *store, const struct store_object *object, struct store_put *ret,
                struct err *err)
{
    struct found_study study;
    bool withdrawn;
    enum presence presence = NOT_HERE;
    if (!find_study(store, object->id, &study, err) || !was_withdrawn(store, object->id, &withdrawn, err))
        return false;
    bool conflict = study.exists && study.other_patient;
    if (conflict || withdrawn) {
        *ret =
            (struct store_put){conflict ? STORE_CONFLICT : STORE_WITHDRAWN, study.id, study.revision, false};
        return true;
    }
    if (!study.exists && !add_study(store, object, &study, err))
        return false;
    if (!find_instance(store, study.id, object, &presence, err))
        return false;
    static const enum store_outcome outcomes[] = {STORE_NEW, STORE_CHANGED, STORE_SAME};
    *ret = (struct store_put){outcomes[presence], study.id, study.revision, false};
    return presence == SAME_CONTENT ? put_same(store, object, &study, ret, err)
                                    : put_new(store, object, &study, ret, err);
}

bool store_put(struct store *store, const struct store_object *object, struct store_put *ret, struct err *err)
{
    return transaction_begin(store, err) && transaction_end(store, put(store, object, ret, err), err);
}

bool store_object_current(struct store *store, const char *path, bool *ret, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    bool ok = any_row(store, SQL_INSTANCE_PATH, path, ret, err);
    pthread_mutex_unlock(&store->lock);
    return ok;
}

bool store_path_known(struct store *store, const char *path, bool *ret, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    bool ok = any_row(store, SQL_INSTANCE_ANY_PATH, path, ret, err) &&
              (*ret || any_row(store, SQL_REPORT_PATH, path, ret, err));
    pthread_mutex_unlock(&store->lock);
    return ok;
}

bool store_refuse(struct store *store, const struct store_refusal *refusal, int64_t now_ms, int64_t *ret_id,
                  struct err *err)
{
    if (!transaction_begin(store, err))
        return false;
    sqlite3_stmt *statement = statement_bind(store, SQL_REFUSAL_ADD, "ittttttt", now_ms, refusal->peer_ae,
                                             refusal->peer_address, refusal->study_uid, refusal->sop_class,
                                             refusal->sop_uid, refusal->status, refusal->cause);
    bool ok = statement_run(store, statement, err);
    int64_t id = sqlite3_last_insert_rowid(store->db);
    if (!transaction_end(store, ok, err))
        return false;
    *ret_id = id;
    return true;
}

bool store_forget_refusals(struct store *store, int64_t before_ms, struct err *err)
{
    return transaction_begin(store, err) &&
           transaction_end(
               store, statement_run(store, statement_bind(store, SQL_REFUSAL_FORGET, "i", before_ms), err),
               err);
}

/* A page of files. */
struct file_row {
    int64_t id;
    bool lost, there;
};

static int read_page(struct store *store, int64_t after, store_file_exists exists, void *context,
                     struct file_row *rows, int max, struct err *err)
{
    int count = 0;
    enum row row = ROW_NONE;
    sqlite3_stmt *statement = statement_bind(store, SQL_INSTANCE_FILES, "i", after);
    while (count < max && (row = statement_row(store, statement, err)) == ROW_FOUND) {
        rows[count].id = sqlite3_column_int64(statement, 0);
        rows[count].there = exists(context, column_text(statement, 1));
        rows[count++].lost = sqlite3_column_int(statement, 2) != 0;
    }
    statement_done(statement);
    return row == ROW_FAILED ? -1 : count;
}

static bool check_page(struct store *store, store_file_exists exists, void *context, int64_t *after,
                       int *ret_lost, bool *more, struct err *err)
{
    enum { PAGE = 1000 };
    struct file_row rows[PAGE];
    int count = read_page(store, *after, exists, context, rows, PAGE, err);
    for (int i = 0; i < count; i++) {
        *after = rows[i].id;
        if (rows[i].there == !rows[i].lost)
            continue;
        *ret_lost += !rows[i].there;
        int64_t lost = !rows[i].there;
        if (!statement_run(store, statement_bind(store, SQL_INSTANCE_SET_LOST, "ii", rows[i].id, lost), err))
            return false;
    }
    *more = count == PAGE;
    return count >= 0;
}

bool store_check_files(struct store *store, store_file_exists exists, void *context, int *ret_lost,
                       struct err *err)
{
    int64_t after = 0;
    bool ok = true;
    *ret_lost = 0;
    for (bool more = true; ok && more;)
        ok = transaction_begin(store, err) &&
             transaction_end(store, check_page(store, exists, context, &after, ret_lost, &more, err), err);
    return ok;
}
