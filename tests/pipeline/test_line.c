#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/line.h"

#include <stdlib.h>
#include <string.h>

static void add(struct line *line, const char *text)
{
    struct err err = ERR_INIT;
    assert_true(line_append(line, text, strlen(text), &err));
}

static void a_line_comes_out_when_it_is_whole(void **state)
{
    struct line line = {0};
    assert_null(line_take(&line));
    add(&line, "one");
    assert_null(line_take(&line));
    add(&line, " two\n");
    assert_string_equal(line_take(&line), "one two");
    assert_null(line_take(&line));
    line_done(&line);
}

static void several_lines_in_one_piece(void **state)
{
    struct line line = {0};
    add(&line, "a\n\nbc\nd");
    assert_string_equal(line_take(&line), "a");
    assert_string_equal(line_take(&line), "");
    assert_string_equal(line_take(&line), "bc");
    assert_null(line_take(&line));
    add(&line, "e\n");
    assert_string_equal(line_take(&line), "de");
    line_done(&line);
}

static void a_line_without_end_is_refused(void **state)
{
    struct line line = {0};
    struct err err = ERR_INIT;
    enum { PIECE = 1 << 20 };
    char *piece = malloc(PIECE);
    memset(piece, 'x', PIECE);
    for (int i = 0; i < LINE_MAX_BYTES / PIECE; i++)
        assert_true(line_append(&line, piece, PIECE, &err));
    assert_false(line_append(&line, piece, PIECE, &err));
    assert_int_equal(err.code, ERR_INPUT);
    free(piece);
    line_done(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_comes_out_when_it_is_whole),
        cmocka_unit_test(several_lines_in_one_piece),
        cmocka_unit_test(a_line_without_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
