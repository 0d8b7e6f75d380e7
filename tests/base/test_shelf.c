#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "base/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIECES = 5 };

static const char key[DIGEST_HEX_SIZE] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char other[DIGEST_HEX_SIZE] = "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const size_t sizes[PIECES] = {1, 64, 100000, 3, 5000};
static struct err err;

static int make(void)
{
    err = (struct err)ERR_INIT;
    int fd = shelf_make(&err);
    if (fd < 0)
        print_message("%s\n", err.text);
    assert_true(fd >= 0);
    return fd;
}

/* In a process of its own, as it is meant; true: it ended in order. */
static bool in_child(bool (*run)(int fd), int fd)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(run(fd) ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool lay(struct shelf *shelf, int count, int salt)
{
    for (int i = 0; i < count; i++) {
        void *piece = shelf_next(shelf, sizes[i]);
        if (!piece || (uintptr_t)piece % 64 != 0)
            return false;
        memset(piece, salt + i, sizes[i]);
    }
    return true;
}

static bool fill(int fd)
{
    struct err e = ERR_INIT;
    struct shelf *shelf = shelf_fill(fd, key);
    return shelf && !shelf_is_full(shelf) && lay(shelf, PIECES, 1) && shelf_bytes(shelf) == 0 &&
           shelf_finish(shelf, &e) && shelf_bytes(shelf) > 105068; /* and ends with it mapped */
}

static bool fill_half_and_die(int fd)
{
    struct shelf *shelf = shelf_fill(fd, key);
    if (shelf && lay(shelf, 3, 100))
        kill(getpid(), SIGKILL);
    return false;
}

static bool holds(const unsigned char *piece, size_t size, int value)
{
    for (size_t i = 0; piece && i < size; i++)
        if (piece[i] != value)
            return false;
    return piece != NULL;
}

static bool take(int fd)
{
    struct err e = ERR_INIT;
    struct shelf *shelf = shelf_take(fd, key);
    bool ok = shelf_is_full(shelf);
    for (int i = 0; ok && i < PIECES; i++)
        ok = holds(shelf_next(shelf, sizes[i]), sizes[i], 1 + i);
    ok = ok && shelf_finish(shelf, &e) && !shelf_next(shelf, 1) && !shelf_next(shelf, SIZE_MAX);
    shelf_close(shelf);
    return ok;
}

static int make_sealed(uint64_t *ret_bytes)
{
    int fd = make();
    assert_true(in_child(fill, fd));
    fd = shelf_seal(fd, ret_bytes, &err);
    if (fd < 0)
        print_message("%s\n", err.text);
    assert_true(fd >= 0);
    return fd;
}

static void what_one_lays_every_other_takes(void **state)
{
    uint64_t bytes = 0;
    struct stat status;
    int fd = make_sealed(&bytes);
    for (int i = 0; i < 3; i++)
        assert_true(in_child(take, fd));
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal((uint64_t)status.st_size, bytes);
    assert_in_range(bytes, 105068, 106000);               /* of the pieces, and no more */
    assert_true(status.st_blocks * 512 <= 106000 + 4096); /* what holes were there are gone */
    close(fd);
}

static void what_is_sealed_nobody_changes(void **state)
{
    uint64_t bytes = 0;
    char path[32];
    int fd = make_sealed(&bytes);
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(errno, EBADF);
    assert_true(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map, bytes, PROT_READ | PROT_WRITE), -1);
    munmap(map, bytes);
    /* Even one who finds a way to open it for writing. */
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_RDWR | O_CLOEXEC);
    assert_true(again >= 0);
    assert_int_equal(write(again, "x", 1), -1);
    assert_int_equal(errno, EPERM);
    assert_true(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0) == MAP_FAILED);
    assert_int_equal(ftruncate(again, 0), -1);
    assert_int_equal(ftruncate(again, 1 << 20), -1);
    assert_int_equal(fcntl(again, F_GET_SEALS) & 0x1f,
                     F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    assert_true(in_child(take, fd));
    close(again);
    close(fd);
}

static void who_dies_over_it_leaves_no_shelf(void **state)
{
    int fd = make();
    uint64_t bytes = 7;
    assert_false(in_child(fill_half_and_die, fd));
    assert_null(shelf_take(fd, key));
    assert_int_equal(shelf_seal(fd, &bytes, &err), -1);
    assert_int_equal(err.code, ERR_INPUT);
    assert_int_equal(bytes, 7);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed */
}

static void the_next_one_fills_it_anew(void **state)
{
    int fd = make();
    uint64_t bytes;
    assert_false(in_child(fill_half_and_die, fd));
    assert_true(in_child(fill, fd));
    fd = shelf_seal(fd, &bytes, &err);
    assert_true(fd >= 0 && in_child(take, fd));
    close(fd);
    /* Nor does one who begins anew and dies leave what was finished before. */
    fd = make();
    assert_true(in_child(fill, fd));
    assert_false(in_child(fill_half_and_die, fd));
    assert_int_equal(shelf_seal(fd, &bytes, &err), -1);
}

static void who_still_writes_keeps_it_from_being_sealed(void **state)
{
    int fd = make();
    uint64_t bytes;
    struct shelf *shelf = shelf_fill(fd, key);
    assert_true(lay(shelf, PIECES, 1) && shelf_finish(shelf, &err));
    assert_int_equal(shelf_seal(fd, &bytes, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    shelf_close(shelf);
}

static void another_key_is_not_taken(void **state)
{
    uint64_t bytes;
    int fd = make_sealed(&bytes);
    assert_null(shelf_take(fd, other));
    close(fd);
}

static void what_is_left_over_is_a_bug(void **state)
{
    uint64_t bytes;
    int fd = make_sealed(&bytes);
    struct shelf *shelf = shelf_take(fd, key);
    assert_non_null(shelf_next(shelf, sizes[0]));
    assert_null(shelf_next(shelf, bytes));
    assert_false(shelf_finish(shelf, &err));
    assert_int_equal(err.code, ERR_BUG);
    assert_int_equal(shelf_bytes(shelf), 0);
    shelf_close(shelf);
    close(fd);
    assert_false(shelf_is_full(NULL));
    assert_int_equal(shelf_bytes(NULL), 0);
    shelf_close(NULL);
}

/* A finished shelf with `count` bytes at `at` replaced, cut or grown by `more`: neither sealed nor taken. */
static void check_damaged(off_t at, const void *with, size_t count, off_t size)
{
    int fd = make();
    struct stat status;
    uint64_t bytes;
    assert_true(in_child(fill, fd));
    int whole = shelf_seal(dup(fd), &bytes, &err);
    assert_true(whole >= 0);
    unsigned char copy[120000];
    assert_int_equal(fstat(whole, &status), 0);
    assert_int_equal(read(whole, copy, sizeof copy), status.st_size);
    close(whole);
    close(fd);
    fd = memfd_create("damaged", MFD_CLOEXEC);
    assert_int_equal(write(fd, copy, (size_t)status.st_size), status.st_size);
    assert_true(in_child(take, fd)); /* so far it is good */
    if (count)
        assert_int_equal(pwrite(fd, with, count, at), count);
    assert_int_equal(ftruncate(fd, size < 0 ? status.st_size + size : size > 0 ? size : status.st_size), 0);
    assert_null(shelf_take(fd, key));
    close(fd);
}

static void damaged_ones_are_not_taken(void **state)
{
    const uint64_t wrong[] = {0, 1, 64, UINT64_MAX, UINT64_MAX - 63, SHELF_MOST_BYTES, 1 << 20};
    check_damaged(0, "C", 1, 0);
    check_damaged(0, "", 1, 0);
    check_damaged(20, "x", 1, 0); /* in the key */
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_damaged(88, &wrong[i], sizeof wrong[i], 0); /* the number of bytes */
    check_damaged(0, NULL, 0, -64);
    check_damaged(0, NULL, 0, 10);
    check_damaged(0, NULL, 0, 95);
    check_damaged(0, NULL, 0, 200000);
    int empty = memfd_create("empty", MFD_CLOEXEC);
    assert_null(shelf_take(empty, key));
    assert_null(shelf_fill(empty, key));
    close(empty);
    assert_null(shelf_fill(empty, key));
    assert_null(shelf_take(empty, key)); /* no descriptor at all */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_lays_every_other_takes),
        cmocka_unit_test(what_is_sealed_nobody_changes),
        cmocka_unit_test(who_dies_over_it_leaves_no_shelf),
        cmocka_unit_test(the_next_one_fills_it_anew),
        cmocka_unit_test(who_still_writes_keeps_it_from_being_sealed),
        cmocka_unit_test(another_key_is_not_taken),
        cmocka_unit_test(what_is_left_over_is_a_bug),
        cmocka_unit_test(damaged_ones_are_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
