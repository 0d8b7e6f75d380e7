#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/cardioscribe-file-XXXXXX";
static struct err err;

static const char *in_folder(const char *name)
{
    static char paths[4][200];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_file(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void assert_error(bool ok, enum err_code code, const char *word)
{
    assert_false(ok);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, word))
        fail_msg("no \"%s\" in: %s", word, err.text);
    err = (struct err)ERR_INIT;
}

/* ---- what reaches the disk, in order: f a file's fsync, d a folder's, r a rename (linked with --wrap) ----
 */

static struct {
    char order[16];
    ino_t synced; /* the last */
    int fail_at;  /* the call that fails, from 1; 0: none */
    int error;
} disk;

static bool note(char call)
{
    size_t count = strlen(disk.order);
    assert_true(count + 1 < sizeof disk.order);
    disk.order[count] = call;
    errno = disk.error;
    return (int)count + 1 != disk.fail_at;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    disk.synced = status.st_ino;
    return note(S_ISDIR(status.st_mode) ? 'd' : 'f') ? __real_fsync(fd) : -1;
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    return note('r') ? __real_rename(from, to) : -1;
}

static ino_t inode_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_ino;
}

static int fresh(void **state)
{
    err = (struct err)ERR_INIT;
    memset(&disk, 0, sizeof disk);
    return 0;
}

/* ---- read ---- */

static void a_file_is_read_whole_with_a_nul_behind_it(void **state)
{
    size_t size = 0;
    write_file(in_folder("five"), "ab\0de", 5);
    char *bytes = file_read(in_folder("five"), 100, &size, &err);
    assert_non_null(bytes);
    assert_int_equal(size, 5);
    assert_memory_equal(bytes, "ab\0de", 6);
    free(bytes);
    write_file(in_folder("empty"), "", 0);
    bytes = file_read(in_folder("empty"), 0, &size, &err);
    assert_int_equal(size, 0);
    assert_string_equal(bytes, "");
    free(bytes);
}

static void the_limit_is_the_largest_size_that_is_read(void **state)
{
    write_file(in_folder("five"), "abcde", 5);
    char *bytes = file_read(in_folder("five"), 5, NULL, &err);
    assert_string_equal(bytes, "abcde");
    free(bytes);
    size_t size = 77;
    assert_error(file_read(in_folder("five"), 4, &size, &err), ERR_INPUT, "at most 4 bytes");
    assert_int_equal(size, 77);
}

static void what_is_no_regular_file_is_refused(void **state)
{
    assert_error(file_read(folder, 100, NULL, &err), ERR_INPUT, folder);
    assert_error(file_read("/dev/zero", 100, NULL, &err), ERR_INPUT, "/dev/zero");
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    alarm(10); /* nobody ever writes into it */
    assert_error(file_read(in_folder("pipe"), 100, NULL, &err), ERR_INPUT, "pipe");
    alarm(0);
}

static void what_is_not_there_is_an_io_error(void **state)
{
    assert_error(file_read(in_folder("absent"), 100, NULL, &err), ERR_IO, strerror(ENOENT));
    assert_error(file_read("", 100, NULL, &err), ERR_IO, strerror(ENOENT));
}

/* ---- folders ---- */

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static void a_folder_is_made_with_its_parents(void **state)
{
    struct stat status;
    mode_t before = umask(0);
    bool made = file_make_folder(in_folder("a/b/c"), &err);
    umask(before);
    assert_true(made);
    assert_int_equal(stat(in_folder("a/b"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0750);
    assert_int_equal(stat(in_folder("a/b/c"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0750);
}

static void a_folder_that_is_there_stays_as_it_is(void **state)
{
    struct stat status;
    assert_int_equal(mkdir(in_folder("mine"), 0700), 0);
    assert_true(file_make_folder(in_folder("mine"), &err));
    assert_true(file_make_folder(in_folder("mine/"), &err));
    assert_true(file_make_folder(in_folder("mine//deep"), &err));
    assert_true(is_folder(in_folder("mine/deep")));
    assert_int_equal(stat(in_folder("mine"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_true(file_make_folder("/", &err));
}

static void a_file_in_the_way_is_an_error(void **state)
{
    write_file(in_folder("file"), "", 0);
    assert_error(file_make_folder(in_folder("file"), &err), ERR_IO, strerror(EEXIST));
    assert_error(file_make_folder(in_folder("file/below"), &err), ERR_IO, strerror(ENOTDIR));
    assert_int_equal(symlink("/nonexistent", in_folder("dangling")), 0);
    assert_error(file_make_folder(in_folder("dangling"), &err), ERR_IO, "dangling");
}

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
    static char longer[10000], deep[10000];
    memset(longer, 'x', sizeof longer - 1);
    memset(deep, '/', sizeof deep - 1);
    assert_error(file_make_folder("", &err), ERR_IO, strerror(ENOENT));
    assert_error(file_make_folder("/proc/cardioscribe", &err), ERR_IO, "/proc/cardioscribe");
    assert_error(file_make_folder(longer, &err), ERR_INPUT, "too long");
    assert_error(file_sync_folder_of(deep, &err), ERR_INPUT, "too long");
}

/* ---- durable ---- */

static void files_and_folders_are_synced(void **state)
{
    write_file(in_folder("one"), "1", 1);
    assert_true(file_sync(in_folder("one"), &err));
    assert_int_equal(disk.synced, inode_of(in_folder("one")));
    assert_true(file_sync(folder, &err));
    assert_int_equal(disk.synced, inode_of(folder));
    assert_true(file_sync_folder_of("in_the_working_folder", &err));
    assert_int_equal(disk.synced, inode_of("."));
    assert_true(file_sync_folder_of(in_folder("not there yet"), &err));
    assert_int_equal(disk.synced, inode_of(folder));
    assert_true(file_sync_folder_of("/in_the_root", &err));
    assert_int_equal(disk.synced, inode_of("/"));
    assert_string_equal(disk.order, "fdddd");
}

static void what_cannot_be_synced_is_an_io_error(void **state)
{
    assert_error(file_sync(in_folder("absent"), &err), ERR_IO, strerror(ENOENT));
    assert_error(file_sync_folder_of(in_folder("absent/x"), &err), ERR_IO, strerror(ENOENT));
    assert_error(file_sync("/proc/version", &err), ERR_IO, "fsync /proc/version");
}

static void a_commit_moves_a_file_and_replaces(void **state)
{
    write_file(in_folder("part"), "new", 3);
    write_file(in_folder("whole"), "old bytes", 9);
    assert_true(file_commit(in_folder("part"), in_folder("whole"), &err));
    assert_int_equal(access(in_folder("part"), F_OK), -1);
    char *bytes = file_read(in_folder("whole"), 100, NULL, &err);
    assert_string_equal(bytes, "new");
    free(bytes);
    assert_int_equal(mkdir(in_folder("beside"), 0700), 0);
    assert_true(file_commit(in_folder("whole"), in_folder("beside/whole"), &err));
    assert_int_equal(access(in_folder("beside/whole"), F_OK), 0);
}

static void a_commit_syncs_the_file_renames_and_syncs_the_folder(void **state)
{
    write_file(in_folder("part"), "1", 1);
    assert_int_equal(mkdir(in_folder("objects"), 0700), 0);
    assert_true(file_commit(in_folder("part"), in_folder("objects/whole"), &err));
    assert_string_equal(disk.order, "frd");
    assert_int_equal(disk.synced, inode_of(in_folder("objects")));
}

static void a_full_disk_is_told_at_every_step(void **state)
{
    static const char *const orders[] = {"f", "fr", "frd"};
    for (int step = 1; step <= 3; step++) {
        fresh(NULL);
        write_file(in_folder("part"), "1", 1);
        unlink(in_folder("whole"));
        disk.fail_at = step;
        disk.error = step == 2 ? EDQUOT : ENOSPC;
        assert_error(file_commit(in_folder("part"), in_folder("whole"), &err), ERR_FULL,
                     strerror(disk.error));
        assert_string_equal(disk.order, orders[step - 1]);
        assert_int_equal(access(in_folder("whole"), F_OK), step == 3 ? 0 : -1);
    }
}

static void a_commit_that_fails_leaves_the_file(void **state)
{
    write_file(in_folder("kept"), "1", 1);
    assert_error(file_commit(in_folder("absent"), in_folder("x"), &err), ERR_IO, strerror(ENOENT));
    assert_int_equal(access(in_folder("x"), F_OK), -1);
    assert_error(file_commit(in_folder("kept"), in_folder("no/folder"), &err), ERR_IO, "rename");
    assert_int_equal(mkdir(in_folder("taken"), 0700), 0);
    assert_error(file_commit(in_folder("kept"), in_folder("taken"), &err), ERR_IO, strerror(EISDIR));
    assert_int_equal(access(in_folder("kept"), F_OK), 0);
}

/* ---- */

static int make_folder(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int drop(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    return remove(path);
}

static int remove_folder(void **state)
{
    return nftw(folder, drop, 8, FTW_DEPTH | FTW_PHYS);
}

#define T(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_file_is_read_whole_with_a_nul_behind_it),
        T(the_limit_is_the_largest_size_that_is_read),
        T(what_is_no_regular_file_is_refused),
        T(what_is_not_there_is_an_io_error),
        T(a_folder_is_made_with_its_parents),
        T(a_folder_that_is_there_stays_as_it_is),
        T(a_file_in_the_way_is_an_error),
        T(a_folder_that_cannot_be_made_is_an_error),
        T(files_and_folders_are_synced),
        T(what_cannot_be_synced_is_an_io_error),
        T(a_commit_moves_a_file_and_replaces),
        T(a_commit_syncs_the_file_renames_and_syncs_the_folder),
        T(a_full_disk_is_told_at_every_step),
        T(a_commit_that_fails_leaves_the_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
