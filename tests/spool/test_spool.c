#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "spool/spool.h"

#include "base/file.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
    char folder[64];
    struct spool *spool;
    struct err err;
};
static struct place the;

static int setup(void **state)
{
    the = (struct place){.err = ERR_INIT};
    strcpy(the.folder, "/tmp/cardioscribe-spool-XXXXXX");
    assert_non_null(mkdtemp(the.folder));
    the.spool = spool_open(the.folder, &the.err);
    assert_non_null(the.spool);
    *state = &the;
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    return remove(path);
}

static int teardown(void **state)
{
    spool_close(the.spool);
    return nftw(the.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* A file that has arrived and been committed at objects/ab/. */
static void commit_one(struct place *p, const char *key, const char *text, char relative[SPOOL_RELATIVE_SIZE])
{
    char incoming[PATH_MAX];
    spool_incoming(p->spool, incoming);
    write_text(incoming, text);
    spool_object_path(key, relative);
    if (!spool_commit(p->spool, incoming, relative, &p->err))
        fail_msg("%s", p->err.text);
}

static void opening_makes_the_folders(void **state)
{
    struct place *p = *state;
    char path[PATH_MAX];
    static const char *const parts[] = {"incoming", "reports", "objects/00", "objects/ff", "lock"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        spool_path(p->spool, parts[i], path);
        assert_true(is_there(path));
    }
    struct stat status;
    spool_path(p->spool, "objects/7f", path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0007, 0); /* patient data: nothing for others */
}

static void a_second_process_is_kept_out_until_the_first_ends(void **state)
{
    struct place *p = *state;
    struct err err = ERR_INIT;
    assert_null(spool_open(p->folder, &err));
    assert_int_equal(err.code, ERR_BUSY);
    spool_close(p->spool);
    p->spool = spool_open(p->folder, &p->err);
    assert_non_null(p->spool);
}

static void the_lock_ends_with_a_process_that_was_killed(void **state)
{
    struct place *p = *state;
    spool_close(p->spool);
    p->spool = NULL;
    pid_t child = fork();
    if (child == 0) {
        struct err err = ERR_INIT;
        if (spool_open(p->folder, &err))
            abort(); /* without closing */
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    p->spool = spool_open(p->folder, &p->err);
    assert_non_null(p->spool);
}

static void incoming_names_are_never_the_same(void **state)
{
    struct place *p = *state;
    char first[PATH_MAX], second[PATH_MAX];
    spool_incoming(p->spool, first);
    spool_incoming(p->spool, second);
    assert_string_not_equal(first, second);
    assert_non_null(strstr(first, "/incoming/"));
}

static void a_committed_file_is_at_its_place_and_nowhere_else(void **state)
{
    struct place *p = *state;
    char relative[SPOOL_RELATIVE_SIZE], path[PATH_MAX];
    int swept;
    commit_one(p, "abcdef", "content", relative);
    assert_string_equal(relative, "objects/ab/abcdef.dcm");
    spool_path(p->spool, relative, path);
    size_t size;
    char *back = file_read(path, 100, &size, &p->err);
    assert_string_equal(back, "content");
    free(back);
    assert_true(spool_sweep(p->spool, &swept, &p->err));
    assert_int_equal(swept, 0);
    assert_true(is_there(path));
}

static void a_commit_of_nothing_fails_and_makes_nothing(void **state)
{
    struct place *p = *state;
    char incoming[PATH_MAX], relative[SPOOL_RELATIVE_SIZE], path[PATH_MAX];
    spool_incoming(p->spool, incoming);
    spool_object_path("abcdef", relative);
    assert_false(spool_commit(p->spool, incoming, relative, &p->err));
    assert_int_equal(p->err.code, ERR_IO);
    spool_path(p->spool, relative, path);
    assert_false(is_there(path));
}

static void a_commit_that_cannot_move_leaves_the_incoming_file(void **state)
{
    struct place *p = *state;
    char incoming[PATH_MAX];
    spool_incoming(p->spool, incoming);
    write_text(incoming, "content");
    assert_false(spool_commit(p->spool, incoming, "objects/zz/none.dcm", &p->err));
    assert_int_equal(p->err.code, ERR_IO);
    assert_true(is_there(incoming));
}

static void a_sweep_removes_what_was_half_received_and_nothing_else(void **state)
{
    struct place *p = *state;
    char relative[SPOOL_RELATIVE_SIZE], path[PATH_MAX], incoming[PATH_MAX];
    int swept;
    commit_one(p, "abcdef", "kept", relative);
    for (int i = 0; i < 3; i++) {
        spool_incoming(p->spool, incoming);
        write_text(incoming, "half");
    }
    assert_true(spool_sweep(p->spool, &swept, &p->err));
    assert_int_equal(swept, 3);
    assert_false(is_there(incoming));
    spool_path(p->spool, relative, path);
    assert_true(is_there(path));
}

struct seen {
    int count, stop_after;
    char names[8][SPOOL_RELATIVE_SIZE];
};

static bool see(void *context, const char *relative, struct err *err)
{
    struct seen *seen = context;
    assert_true(seen->count < 8);
    strcpy(seen->names[seen->count++], relative);
    return seen->count != seen->stop_after || err_fail(err, ERR_CANCELLED, "enough");
}

static void a_walk_sees_objects_then_reports(void **state)
{
    struct place *p = *state;
    char relative[SPOOL_RELATIVE_SIZE], path[PATH_MAX], incoming[PATH_MAX];
    struct seen seen = {0};
    commit_one(p, "ffee", "1", relative);
    commit_one(p, "00aa", "2", relative);
    spool_report_path("1.2.3", relative);
    spool_path(p->spool, relative, path);
    write_text(path, "3");
    spool_incoming(p->spool, incoming);
    write_text(incoming, "half");
    assert_true(spool_walk(p->spool, see, &seen, &p->err));
    assert_int_equal(seen.count, 3);
    assert_string_equal(seen.names[0], "objects/00/00aa.dcm");
    assert_string_equal(seen.names[1], "objects/ff/ffee.dcm");
    assert_string_equal(seen.names[2], relative); /* no UID in a path */
    assert_null(strstr(relative, "1.2.3"));
}

static void a_walk_stops_when_told(void **state)
{
    struct place *p = *state;
    char relative[SPOOL_RELATIVE_SIZE];
    struct seen seen = {.stop_after = 1};
    commit_one(p, "ffee", "1", relative);
    commit_one(p, "00aa", "2", relative);
    assert_false(spool_walk(p->spool, see, &seen, &p->err));
    assert_int_equal(seen.count, 1);
    assert_int_equal(p->err.code, ERR_CANCELLED);
}

static void names_from_outside_are_cut_to_their_place(void **state)
{
    char relative[SPOOL_RELATIVE_SIZE], key[300];
    memset(key, 'a', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    spool_object_path(key, relative);
    assert_int_equal(strlen(relative), strlen("objects/aa/") + 64 + strlen(".dcm"));
    spool_report_path(key, relative);
    assert_int_equal(strlen(relative), strlen("reports/") + 64 + strlen(".dcm"));
}

static void discard_removes_and_forgives_absence(void **state)
{
    struct place *p = *state;
    char incoming[PATH_MAX];
    spool_incoming(p->spool, incoming);
    write_text(incoming, "x");
    spool_discard(incoming);
    assert_false(is_there(incoming));
    spool_discard(incoming);
}

static void what_is_set_aside_is_out_of_its_place_and_swept(void **state)
{
    struct place *p = *state;
    char relative[SPOOL_RELATIVE_SIZE], path[PATH_MAX], aside[PATH_MAX];
    int count;
    commit_one(p, "cdef", "bytes", relative);
    spool_path(p->spool, relative, path);
    assert_true(spool_set_aside(p->spool, relative, aside, &p->err));
    assert_false(is_there(path));
    assert_true(is_there(aside));
    assert_true(spool_sweep(p->spool, &count, &p->err)); /* as after a crash */
    assert_int_equal(count, 1);
    assert_false(is_there(aside));
    assert_true(spool_set_aside(p->spool, relative, aside, &p->err));
    assert_string_equal(aside, "");
}

static void free_bytes_are_those_of_the_file_system(void **state)
{
    struct place *p = *state;
    uint64_t bytes;
    struct statvfs status;
    assert_true(spool_free_bytes(p->spool, &bytes, &p->err));
    assert_int_equal(statvfs(p->folder, &status), 0);
    uint64_t now = (uint64_t)status.f_bavail * status.f_frsize, slack = (uint64_t)1 << 30;
    assert_true(bytes + slack > now && bytes < now + slack); /* others write too */
}

static void a_probe_sees_a_room_that_is_gone_and_leaves_nothing(void **state)
{
    static const char *const rooms[] = {"incoming", "objects", "reports"};
    struct place *p = *state;
    char path[PATH_MAX], aside[PATH_MAX];
    assert_true(spool_probe(p->spool, &p->err));
    for (int i = 0; i < 3; i++) {
        struct err err = ERR_INIT;
        spool_path(p->spool, rooms[i], path);
        spool_path(p->spool, "aside", aside);
        assert_int_equal(rename(path, aside), 0);
        assert_false(spool_probe(p->spool, &err));
        assert_int_equal(err.code, ERR_IO);
        assert_non_null(strstr(err.text, rooms[i]));
        assert_int_equal(rename(aside, path), 0);
        strcat(path, "/.probe");
        assert_int_not_equal(access(path, F_OK), 0);
    }
}

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
    struct err err = ERR_INIT;
    char path[PATH_MAX];
    struct place *p = *state;
    spool_path(p->spool, "file", path);
    write_text(path, "no folder");
    assert_null(spool_open(path, &err));
    assert_int_equal(err.code, ERR_IO);
    strcat(path, "/below");
    assert_null(spool_open(path, &err));
    assert_int_equal(err.code, ERR_IO);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
    struct err err = ERR_INIT;
    static char path[PATH_MAX];
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    assert_null(spool_open(path, &err));
    assert_int_equal(err.code, ERR_INPUT);
    spool_close(NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(opening_makes_the_folders),
        T(a_second_process_is_kept_out_until_the_first_ends),
        T(the_lock_ends_with_a_process_that_was_killed),
        T(incoming_names_are_never_the_same),
        T(a_committed_file_is_at_its_place_and_nowhere_else),
        T(a_commit_of_nothing_fails_and_makes_nothing),
        T(a_commit_that_cannot_move_leaves_the_incoming_file),
        T(a_sweep_removes_what_was_half_received_and_nothing_else),
        T(a_walk_sees_objects_then_reports),
        T(a_walk_stops_when_told),
        T(names_from_outside_are_cut_to_their_place),
        T(discard_removes_and_forgives_absence),
        T(what_is_set_aside_is_out_of_its_place_and_swept),
        T(free_bytes_are_those_of_the_file_system),
        T(a_probe_sees_a_room_that_is_gone_and_leaves_nothing),
        T(a_folder_that_cannot_be_made_is_an_error),
        T(a_path_that_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
