#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "base/arena.h"

#include <string.h>

/* The address sanitizer must answer like malloc when memory is out. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static int set_up(void **state)
{
    *state = arena_new();
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

static void memory_is_zeroed_and_aligned(void **state)
{
    static const size_t sizes[] = {1, 7, 63, 64, 65, 1000, 65535, 65536, 65537, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *bytes = arena_alloc(*state, sizes[i], 1);
        assert_non_null(bytes);
        assert_int_equal((uintptr_t)bytes % 64, 0);
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(bytes[at], 0);
        memset(bytes, 0xff, sizes[i]);
    }
}

/* Enough for many chunks, with larger pieces in between. */
static void pieces_do_not_overlap(void **state)
{
    enum { COUNT = 3000 };
    static unsigned char *pieces[COUNT];
    static size_t sizes[COUNT];
    for (int i = 0; i < COUNT; i++) {
        sizes[i] = i % 500 == 0 ? 70000 : (size_t)(i * 37 % 300) + 1;
        pieces[i] = arena_alloc(*state, sizes[i], 1);
        assert_non_null(pieces[i]);
        memset(pieces[i], i % 251, sizes[i]);
    }
    for (int i = 0; i < COUNT; i++)
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(pieces[i][at], i % 251);
}

static void nothing_is_something_of_its_own(void **state)
{
    char *none = arena_alloc(*state, 0, 8), *nothing = arena_alloc(*state, 8, 0);
    assert_non_null(none);
    assert_non_null(nothing);
    assert_ptr_not_equal(none, nothing);
}

static void a_size_that_overflows_is_refused(void **state)
{
    volatile size_t half = SIZE_MAX / 2 + 1, all = SIZE_MAX;
    assert_null(arena_alloc(*state, half, 2));
    assert_null(arena_alloc(*state, 2, half));
    assert_null(arena_alloc(*state, all, 1)); /* rounding up would be 0 */
    assert_null(arena_alloc(*state, 1, all - 62));
    assert_null(arena_alloc(*state, 1, all - 120)); /* and so would adding what aligns it */
    assert_null(arena_alloc(*state, all, all));
}

static void memory_that_is_out_is_null_and_the_arena_lives_on(void **state)
{
    volatile size_t more_than_there_is = SIZE_MAX / 4;
    assert_null(arena_alloc(*state, more_than_there_is, 1));
    char *text = arena_strdup(*state, "still here");
    assert_string_equal(text, "still here");
}

static void macros_take_types(void **state)
{
    struct pair {
        double a, b;
    };
    struct pair *one = ARENA_NEW(*state, struct pair);
    struct pair *many = ARENA_ARRAY(*state, struct pair, 100);
    one->b = many[99].b = 2;
    assert_true(one->a == 0 && many[0].a == 0 && many[98].b == 0);
}

static void text_is_copied_and_printed(void **state)
{
    char original[] = "text";
    char *copy = arena_strdup(*state, original);
    original[0] = 'n';
    assert_string_equal(copy, "text");
    assert_string_equal(arena_strdup(*state, ""), "");
    assert_string_equal(arena_printf(*state, "%s-%d", copy, 7), "text-7");
    char *wide = arena_printf(*state, "%*d", 200000, 1);
    assert_int_equal(strlen(wide), 200000);
}

static void free_accepts_null(void **state)
{
    arena_free(NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(memory_is_zeroed_and_aligned),
        T(pieces_do_not_overlap),
        T(nothing_is_something_of_its_own),
        T(a_size_that_overflows_is_refused),
        T(memory_that_is_out_is_null_and_the_arena_lives_on),
        T(macros_take_types),
        T(text_is_copied_and_printed),
        cmocka_unit_test(free_accepts_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
