#include "fixture.h"

#include "store/migrations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_file(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void an_empty_database_is_brought_to_the_newest_schema(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "PRAGMA user_version"), migration_count);
    assert_string_equal(ask_text(f, "PRAGMA journal_mode"), "wal");
    assert_string_equal(ask_text(f, "PRAGMA integrity_check"), "ok");
    assert_int_equal(ask(f, "SELECT count(*) FROM study"), 0);
    assert_true(store_probe(f->store, &f->err));
}

static void opening_again_migrates_nothing_and_loses_nothing(void **state)
{
    struct fixture *f = *state;
    put(f, (struct arrival){0});
    reopen(f);
    assert_int_equal(ask(f, "PRAGMA user_version"), migration_count);
    assert_int_equal(ask(f, "SELECT count(*) FROM study"), 1);
}

/* As a database of the first release is, with a report delivered and one that waits. */
static const char *const first_release =
    "INSERT INTO study (id, study_uid, patient_id, issuer, accession, study_date, description, state,"
    " first_object_ms, last_object_ms, receiving_ms) VALUES (7, '1.2.1', 'P1', '', 'ACC', '20260101', '',"
    " 'encoded', 1, 2, 1);"
    "INSERT INTO job (id, study_id, revision, model, live, state, created_ms)"
    " VALUES (3, 7, 2, 'demo', 1, 'done', 3);"
    "INSERT INTO result (id, job_id, study_id, revision, model, analysed, reason, json, created_ms)"
    " VALUES (5, 3, 7, 2, 'demo', 1, '', '{}', 4);"
    "INSERT INTO delivery (id, result_id, destination, state, attempts, next_ms, status, cause, sop_uid,"
    " updated_ms) VALUES (11, 5, 'PACS', 'delivered', 2, 9, 0, '', '1.9.1', 10),"
    " (12, 5, 'ARCHIVE', 'pending', 1, 20, NULL, 'down', '', 10)";

static void a_database_of_the_first_release_keeps_its_deliveries(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    bool found;
    sqlite3 *db;
    char path[80];
    store_close(f->store);
    snprintf(path, sizeof path, "%s/index.db", f->folder);
    unlink(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, migrations[0], NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, first_release, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 1", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    f->store = store_open(path, &f->err);
    assert_non_null(f->store);
    assert_int_equal(ask(f, "PRAGMA user_version"), migration_count);
    assert_int_equal(ask(f, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    assert_int_equal(
        ask(f, "SELECT count(*) FROM delivery WHERE id = 11 AND what = 'result' AND study_id = 7"
               " AND revision = 2 AND result_id = 5 AND destination = 'PACS' AND state = 'delivered'"
               " AND attempts = 2 AND status = 0 AND sop_uid = '1.9.1' AND created_ms = 4"),
        1);
    assert_int_equal(ask(f,
                         "SELECT count(*) FROM study WHERE id = 7 AND expected = '' AND expected_missing = 0"
                         " AND stated_series = 0 AND stated_objects = 0"),
                     1);
    assert_true(store_due_delivery(f->store, "ARCHIVE", 20, &found, &delivery, &f->err));
    assert_true(found);
    assert_int_equal(delivery.what, STORE_WHAT_RESULT);
    assert_int_equal(delivery.id, 12);
    assert_int_equal(delivery.study, 7);
    assert_int_equal(delivery.revision, 2);
    assert_int_equal(delivery.attempts, 1);
}

static void a_file_that_is_no_database_is_refused_and_left_as_it_is(void **state)
{
    struct fixture *f = *state;
    char path[80], bytes[8192], back[8192];
    struct err err = ERR_INIT;
    memset(bytes, 'x', sizeof bytes);
    snprintf(path, sizeof path, "%s/other.db", f->folder);
    write_file(path, bytes, sizeof bytes);
    assert_null(store_open(path, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    FILE *file = fopen(path, "r");
    assert_int_equal(fread(back, 1, sizeof back, file), sizeof back);
    fclose(file);
    assert_memory_equal(back, bytes, sizeof bytes);
    unlink(path);
}

static void a_damaged_database_is_refused_and_not_recreated(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    put(f, (struct arrival){0});
    store_close(f->store);
    f->store = NULL;
    struct stat before, after;
    assert_int_equal(stat(f->path, &before), 0);
    FILE *file = fopen(f->path, "r+");
    char noise[4000];
    memset(noise, 0xA5, sizeof noise);
    fseek(file, 100, SEEK_SET); /* the schema's page, behind the header */
    fwrite(noise, 1, sizeof noise - 8, file);
    fclose(file);
    assert_null(store_open(f->path, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_int_equal(stat(f->path, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
}

static void an_index_page_nobody_reads_at_the_start_is_missed_all_the_same(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    put(f, (struct arrival){0});
    int64_t page = ask(f, "SELECT rootpage FROM sqlite_master WHERE name = 'refusal_by_time'");
    store_close(f->store);
    f->store = NULL;
    FILE *file = fopen(f->path, "r+");
    char noise[4096];
    memset(noise, 0xA5, sizeof noise);
    fseek(file, (long)(page - 1) * 4096, SEEK_SET);
    fwrite(noise, 1, sizeof noise, file);
    fclose(file);
    assert_null(store_open(f->path, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
}

/* Another connection writes, so that ours must read its pages again. */
static void damage_behind_its_back(struct fixture *f)
{
    sqlite3 *db;
    char noise[8192];
    memset(noise, 0xA5, sizeof noise);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "PRAGMA user_version = 1; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    FILE *file = fopen(f->path, "r+");
    struct stat status;
    assert_int_equal(fstat(fileno(file), &status), 0);
    fseek(file, 4096, SEEK_SET);
    for (long at = 4096; at + (long)sizeof noise <= status.st_size; at += sizeof noise)
        fwrite(noise, 1, sizeof noise, file);
    fclose(file);
}

static void damage_once_seen_ends_all_writing(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    int64_t id = 4711;
    struct store_refusal refusal = {"", "", "", "", "", "A700", ""};
    put(f, (struct arrival){0});
    damage_behind_its_back(f);
    assert_false(store_refuse(f->store, &refusal, start_ms, &id, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_int_equal(id, 4711); /* no row, no number */
    assert_false(store_probe(f->store, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_non_null(strstr(err.text, "damaged"));
}

static void a_probe_writes(void **state)
{
    struct fixture *f = *state;
    struct stat before, after;
    char path[80];
    snprintf(path, sizeof path, "%s-wal", f->path);
    put(f, (struct arrival){0});
    assert_int_equal(stat(path, &before), 0);
    assert_true(store_probe(f->store, &f->err));
    assert_int_equal(stat(path, &after), 0);
    assert_true(after.st_size > before.st_size);
    assert_int_equal(ask(f, "PRAGMA user_version"), migration_count);
}

static void a_probe_is_busy_while_another_process_holds_the_database(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_false(store_probe(f->store, &err));
    assert_int_equal(err.code, ERR_BUSY);
    sqlite3_close(db);
    assert_true(store_probe(f->store, &err));
}

static void a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    store_close(f->store);
    f->store = NULL;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 9999", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_null(store_open(f->path, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_non_null(strstr(err.text, "9999"));
}

/* Root may write anywhere, so the attempt is made as nobody. */
static int open_as_nobody(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        struct err err = ERR_INIT;
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
            _exit(200);
        struct store *store = store_open(path, &err);
        _exit(store ? 100 : (int)err.code);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_read_only_folder_is_an_io_error(void **state)
{
    struct fixture *f = *state;
    char path[80];
    store_close(f->store); /* takes -wal and -shm away */
    f->store = NULL;
    snprintf(path, sizeof path, "%s/new.db", f->folder);
    chmod(f->path, 0444);
    chmod(f->folder, 0555);
    assert_int_equal(open_as_nobody(f->path), ERR_IO); /* an old database */
    assert_int_equal(open_as_nobody(path), ERR_IO);
    chmod(f->folder, 0755);
}

static void a_missing_folder_is_an_io_error(void **state)
{
    struct err err = ERR_INIT;
    assert_null(store_open("/nonexistent/folder/index.db", &err));
    assert_int_equal(err.code, ERR_IO);
}

static void a_reader_elsewhere_does_not_disturb(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;
    put(f, (struct arrival){0});
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    /* as a backup is one */
    assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT * FROM study", NULL, NULL, NULL), SQLITE_OK);
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(db);
    assert_int_equal(ask(f, "SELECT count(*) FROM instance"), 2);
}

static void close_accepts_null(void **state)
{
    store_close(NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_empty_database_is_brought_to_the_newest_schema),
        T(opening_again_migrates_nothing_and_loses_nothing),
        T(a_database_of_the_first_release_keeps_its_deliveries),
        T(a_file_that_is_no_database_is_refused_and_left_as_it_is),
        T(a_damaged_database_is_refused_and_not_recreated),
        T(an_index_page_nobody_reads_at_the_start_is_missed_all_the_same),
        T(damage_once_seen_ends_all_writing),
        T(a_probe_writes),
        T(a_probe_is_busy_while_another_process_holds_the_database),
        T(a_newer_schema_is_refused),
        T(a_read_only_folder_is_an_io_error),
        T(a_missing_folder_is_an_io_error),
        T(a_reader_elsewhere_does_not_disturb),
        T(close_accepts_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
