/* A crew of threads: every piece once, one a seat, and the error one thread alone would have met. */
#include "threads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

enum { SEATS = 4, PIECES = 1000 };

struct work {
    atomic_int done[PIECES], sitting[SEATS], crowded, begun;
    int fails_from, fails_each;
};

static int set_up(void **state)
{
    struct err err = ERR_INIT;
    *state = threads_start(SEATS, &err);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    threads_stop(*state);
    return 0;
}

static bool piece(void *argument, int seat, int number, struct err *err)
{
    struct work *work = argument;
    atomic_fetch_add(&work->begun, 1);
    if (atomic_fetch_add(&work->sitting[seat], 1) != 0)
        atomic_store(&work->crowded, 1);
    if (number % 100 == 0)
        usleep(1000);
    atomic_fetch_add(&work->done[number], 1);
    atomic_fetch_sub(&work->sitting[seat], 1);
    if (work->fails_each && number >= work->fails_from && number % work->fails_each == 0)
        return err_fail(err, ERR_INPUT, "piece %d", number);
    return true;
}

static void every_piece_is_done_once(void **state)
{
    const struct crew *crew = threads_crew(*state);
    struct err err = ERR_INIT;
    assert_int_equal(crew_seats(crew), SEATS);
    for (int count = 0; count <= PIECES; count = count * 3 + 1) {
        struct work work = {0};
        assert_true(crew_run(crew, count, piece, &work, &err));
        for (int i = 0; i < PIECES; i++)
            assert_int_equal(work.done[i], i < count);
        assert_int_equal(work.crowded, 0);
    }
}

static bool meet(void *argument, int seat, int number, struct err *err)
{
    atomic_int *here = argument;
    atomic_fetch_add(here, 1);
    while (atomic_load(here) < SEATS) /* for ever, unless all sit at once */
        usleep(100);
    return true;
}

static void pieces_run_at_the_same_time(void **state)
{
    struct err err = ERR_INIT;
    atomic_int here = 0;
    assert_true(crew_run(threads_crew(*state), SEATS, meet, &here, &err));
}

static void the_lowest_failure_is_told(void **state)
{
    for (int round = 0; round < 200; round++) {
        struct err err = ERR_INIT;
        struct work work = {.fails_from = 37, .fails_each = 1};
        assert_false(crew_run(threads_crew(*state), PIECES, piece, &work, &err));
        assert_string_equal(err.text, "piece 37");
        assert_in_range(work.begun, 38, 37 + SEATS);
        for (int i = 0; i <= 37; i++)
            assert_int_equal(work.done[i], 1);
    }
}

static void a_crew_goes_on_after_a_failure(void **state)
{
    struct err err = ERR_INIT;
    struct work failing = {.fails_each = 1}, work = {0};
    assert_false(crew_run(threads_crew(*state), PIECES, piece, &failing, &err));
    assert_true(crew_run(threads_crew(*state), PIECES, piece, &work, &err));
    for (int i = 0; i < PIECES; i++)
        assert_int_equal(work.done[i], 1);
}

static void nobody_else_is_needed(void **state)
{
    struct err err = ERR_INIT;
    struct work work = {0}, failing = {.fails_from = 5, .fails_each = 2};
    assert_int_equal(crew_seats(NULL), 1);
    assert_true(crew_run(NULL, 10, piece, &work, &err));
    assert_int_equal(work.begun, 10);
    assert_false(crew_run(NULL, 10, piece, &failing, &err));
    assert_string_equal(err.text, "piece 6");
    assert_int_equal(failing.begun, 7);
}

static void a_crew_may_be_one_thread(void **state)
{
    struct err err = ERR_INIT;
    struct work work = {0};
    struct threads *threads = threads_start(1, &err);
    assert_non_null(threads);
    assert_true(crew_run(threads_crew(threads), 10, piece, &work, &err));
    assert_int_equal(work.begun, 10);
    threads_stop(threads);
    threads_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_is_done_once),   cmocka_unit_test(pieces_run_at_the_same_time),
        cmocka_unit_test(the_lowest_failure_is_told), cmocka_unit_test(a_crew_goes_on_after_a_failure),
        cmocka_unit_test(nobody_else_is_needed),      cmocka_unit_test(a_crew_may_be_one_thread)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
