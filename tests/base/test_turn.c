/* Turns among real processes: never two at once, and given back by whoever is killed. */
#include "base/turn.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { PROCESSES = 4, ROUNDS = 25 };

static void rest(long ms)
{
    nanosleep(&(struct timespec){0, ms * 1000000L}, NULL);
}

static int made(void)
{
    struct err err = ERR_INIT;
    int fd = turn_make(&err);
    assert_true(fd > 0);
    return fd;
}

static void there_are_never_two_at_once(void **state)
{
    int fd = made(), ended = 0;
    volatile int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            for (int round = 0; round < ROUNDS; round++) {
                if (!turn_take(fd, TURN_MOST_S))
                    _exit(1);
                int seen = *shared;
                rest(1);
                *shared = seen + 1;
                turn_give(fd);
            }
            _exit(0);
        }
    for (int i = 0; i < PROCESSES; i++) {
        assert_true(wait(&ended) > 0);
        assert_int_equal(ended, 0);
    }
    assert_int_equal(*shared, PROCESSES * ROUNDS);
    munmap((void *)(uintptr_t)shared, 4096);
    close(fd);
}

static void who_is_killed_gives_it_back(void **state)
{
    int fd = made(), told[2];
    char byte;
    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    if (child == 0) {
        bool taken = turn_take(fd, TURN_MOST_S);
        _exit(write(told[1], taken ? "y" : "n", 1) == 1 ? pause() : 1);
    }
    assert_int_equal(read(told[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_false(turn_take(fd, 1)); /* who has waited goes on */
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(turn_take(fd, 0));
    close(fd);
    close(told[0]);
    close(told[1]);
}

static void nobody_can_write_to_it_and_none_is_no_turn(void **state)
{
    int fd = made();
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(ftruncate(fd, 1), -1);
    assert_false(turn_take(0, TURN_MOST_S));
    turn_give(0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_never_two_at_once),
        cmocka_unit_test(who_is_killed_gives_it_back),
        cmocka_unit_test(nobody_can_write_to_it_and_none_is_no_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
