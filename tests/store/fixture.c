#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const int64_t start_ms = 1700000000000;

static struct fixture the;

static void open_store(struct fixture *f)
{
    f->store = store_open(f->path, &f->err);
    if (!f->store)
        fail_msg("%s", f->err.text);
}

int fixture_setup(void **state)
{
    the = (struct fixture){.err = ERR_INIT};
    strcpy(the.folder, "/tmp/cardioscribe-store-XXXXXX");
    assert_non_null(mkdtemp(the.folder));
    snprintf(the.path, sizeof the.path, "%s/index.db", the.folder);
    the.arena = arena_new();
    assert_non_null(the.arena);
    open_store(&the);
    *state = &the;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    static const char *const endings[] = {"", "-wal", "-shm"};
    char path[80];
    store_close(f->store);
    arena_free(f->arena);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", f->path, endings[i]);
        unlink(path);
    }
    rmdir(f->folder);
    return 0;
}

void reopen(struct fixture *f)
{
    store_close(f->store);
    open_store(f);
}

static void copy(char *to, size_t size, const char *given, const char *otherwise)
{
    snprintf(to, size, "%s", given ? given : otherwise);
}

struct store_put put(struct fixture *f, struct arrival arrival)
{
    struct dicom_identity id = {.sop_class = "1.2.840.10008.5.1.4.1.1.2",
                                .transfer_syntax = "1.2.840.10008.1.2.1",
                                .accession = "ACC",
                                .series_number = 3};
    char path[200];
    copy(id.study_uid, sizeof id.study_uid, arrival.study, "1.2.1");
    copy(id.series_uid, sizeof id.series_uid, arrival.series, "1.2.1.1");
    copy(id.sop_uid, sizeof id.sop_uid, arrival.sop, "1.2.1.1.1");
    copy(id.patient_id, sizeof id.patient_id, arrival.patient, "P1");
    copy(id.study_date, sizeof id.study_date, arrival.date, "20260101");
    copy(id.modality, sizeof id.modality, arrival.side ? "SR" : "CT", "");
    const char *digest = arrival.digest ? arrival.digest : "aa";
    snprintf(path, sizeof path, "objects/%s-%s-%s", id.study_uid, id.sop_uid, digest);
    struct store_object object = {.id = &id,
                                  .feeds_encoder = !arrival.side,
                                  .data_sha256 = digest,
                                  .path = path,
                                  .size_bytes = 100,
                                  .received_ms = start_ms + arrival.at_ms,
                                  .peer_ae = "SCANNER",
                                  .peer_address = "127.0.0.1",
                                  .source = arrival.source,
                                  .stated_series = arrival.stated_series,
                                  .stated_objects = arrival.stated_objects};
    struct store_put ret;
    if (!store_put(f->store, &object, &ret, &f->err))
        fail_msg("%s", f->err.text);
    return ret;
}

/* Questions go through a second connection: they see what is committed. */
static sqlite3_stmt *question(struct fixture *f, sqlite3 **db, const char *sql)
{
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open_v2(f->path, db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(*db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(*db));
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    return statement;
}

int64_t ask(struct fixture *f, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement = question(f, &db, sql);
    int64_t answer = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return answer;
}

const char *ask_text(struct fixture *f, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement = question(f, &db, sql);
    const char *answer = arena_strdup(f->arena, (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return answer;
}

const char *state_of(struct fixture *f, int64_t study)
{
    return ask_text(f, arena_printf(f->arena, "SELECT state FROM study WHERE id = %lld", (long long)study));
}

const char *reason_of(struct fixture *f, int64_t study)
{
    return ask_text(f, arena_printf(f->arena, "SELECT reason FROM study WHERE id = %lld", (long long)study));
}

int revision_of(struct fixture *f, int64_t study)
{
    return (int)ask(f,
                    arena_printf(f->arena, "SELECT revision FROM study WHERE id = %lld", (long long)study));
}

int events_of(struct fixture *f, int64_t study, const char *kind)
{
    return (int)ask(f,
                    arena_printf(f->arena, "SELECT count(*) FROM event WHERE study_id = %lld AND kind = '%s'",
                                 (long long)study, kind));
}

void queue_models(struct fixture *f, int64_t study, int revision, const char *const *models)
{
    struct store_new_job jobs[8];
    int count = 0;
    for (; models[count]; count++)
        jobs[count] = (struct store_new_job){models[count], true, ""};
    const struct store_start start = {
        .study = study, .revision = revision, .last_object_ms = -1, .cause = "quiet", .expected = ""};
    bool started;
    if (!store_queue_study(f->store, &start, jobs, count, start_ms + 90000, &started, &f->err))
        fail_msg("%s", f->err.text);
}

void decline_one(struct fixture *f, int64_t study, const char *reason)
{
    const struct store_start start = {
        .study = study, .revision = 1, .last_object_ms = -1, .cause = "quiet", .expected = "x"};
    bool started;
    if (!store_decline_study(f->store, &start, reason, start_ms, &started, &f->err))
        fail_msg("%s", f->err.text);
    assert_true(started);
}

void queue_one(struct fixture *f, int64_t study, int revision)
{
    queue_models(f, study, revision, (const char *const[]){"demo", NULL});
}

struct store_job *claim(struct fixture *f, int64_t at_ms)
{
    struct store_job *job;
    if (!store_claim_job(f->store, start_ms + at_ms, 60000, f->arena, &job, &f->err))
        fail_msg("%s", f->err.text);
    return job;
}

struct store_job *claimed(struct fixture *f)
{
    struct store_put at = put(f, (struct arrival){0});
    queue_one(f, at.study, 1);
    struct store_job *job = claim(f, 100000);
    assert_non_null(job);
    return job;
}

bool finish(struct fixture *f, const struct store_job *job, struct ending ending)
{
    static const float vector[] = {0.6f, 0.8f};
    static const struct store_embedding embeddings[] = {{"heart", vector, 2}, {"lung", vector, 2}};
    static const struct store_finding findings[] = {{"effusion", "undetermined", true, false, 0.5, 0}};
    int destinations = 0;
    while (ending.destinations && ending.destinations[destinations])
        destinations++;
    const char *sop = ending.sop ? ending.sop : arena_printf(f->arena, "1.9.%lld", (long long)job->id);
    struct store_finish finish = {
        .job = job,
        .failed = ending.failed,
        .analysed = !ending.failed && !ending.declined, /* with a reason: nothing is said of it */
        .reason = ending.reason ? ending.reason : "",
        .json = "{\"analysed\": true, \"findings\": []}",
        .embeddings = embeddings,
        .embedding_count = 2,
        .findings = findings,
        .finding_count = 1,
        .report = {"1.2.840.10008.5.1.4.1.1.88.34", sop, "1.9.0",
                   arena_printf(f->arena, "reports/%s.dcm", sop), "ff"},
        .destinations = ending.destinations,
        .destination_count = destinations,
    };
    bool stale;
    if (!store_finish_job(f->store, &finish, start_ms + 120000, &stale, &f->err))
        fail_msg("%s", f->err.text);
    return stale;
}

int64_t reported(struct fixture *f, const char *const *destinations)
{
    struct store_job *job = claimed(f);
    assert_false(finish(f, job, (struct ending){.destinations = destinations}));
    return job->study;
}

bool due(struct fixture *f, const char *destination, int64_t at_ms, struct store_delivery *ret)
{
    bool found;
    if (!store_due_delivery(f->store, destination, start_ms + at_ms, &found, ret, &f->err))
        fail_msg("%s", f->err.text);
    return found;
}
