#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "daemon/api_input.h"

#include <string.h>

static void escapes_are_decoded(void **state)
{
    char text[32];
    assert_true(api_input_decode("A%20b%2Bc%C3%a9", text, sizeof text));
    assert_string_equal(text, "A b+c\xc3\xa9");
    assert_true(api_input_decode("", text, sizeof text));
    assert_string_equal(text, "");
}

static void what_is_malformed_is_refused(void **state)
{
    char text[32];
    static const char *const bad[] = {"%",   "%4",  "%zz", "a%2",       "%00", "a%0Ab",  "\x01",
                                      "%7f", "%ff", "%C3", "%ED%A0%80", "%-1", "a%C0%80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (api_input_decode(bad[i], text, sizeof text))
            fail_msg("accepted %s", bad[i]);
}

static void a_value_fits_or_is_refused(void **state)
{
    char text[5];
    assert_true(api_input_decode("abcd", text, sizeof text));
    assert_true(api_input_decode("%61bcd", text, sizeof text));
    assert_string_equal(text, "abcd");
    assert_false(api_input_decode("abcde", text, sizeof text));
}

static void numbers_are_digits_in_their_range(void **state)
{
    long number;
    assert_true(api_input_number("1", 1, 1000, &number));
    assert_int_equal(number, 1);
    assert_true(api_input_number("1000", 1, 1000, &number));
    static const char *const bad[] = {"",   "0",  "1001", "-1",  "+1",
                                      " 1", "1 ", "0x1",  "1.0", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (api_input_number(bad[i], 1, 1000, &number))
            fail_msg("accepted %s", bad[i]);
}

static void a_row_number_is_at_most_18_digits(void **state)
{
    int64_t row;
    assert_true(api_input_row("999999999999999999", &row));
    assert_int_equal(row, 999999999999999999);
    assert_false(api_input_row("1999999999999999999", &row));
    assert_false(api_input_row("1.2", &row));
    assert_false(api_input_row("", &row));
}

static void times_are_read_in_each_form(void **state)
{
    /* by `date -u -d ... +%s` */
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"1700000000123", 1700000000123},
                {"0", 0},
                {"2026-11-21", 1795219200000},
                {"2026-11-21T10:15", 1795256100000},
                {"2026-11-21T10:15:30", 1795256130000},
                {"2026-11-21T10:15:30Z", 1795256130000},
                {"2026-11-21T10:15:30.5Z", 1795256130500},
                {"2026-11-21T10:15:30.123456Z", 1795256130123},
                {"2026-11-21T11:15:30+01:00", 1795256130000},
                {"2026-11-21T04:45:30-05:30", 1795256130000},
                {"2024-02-29", 1709164800000}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t ms = -1;
        if (!api_input_time(good[i].text, &ms) || ms != good[i].ms)
            fail_msg("%s gave %lld", good[i].text, (long long)ms);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "yesterday",
                                      "-1",
                                      "2026-11",
                                      "2026-13-01",
                                      "2026-02-30",
                                      "2025-02-29",
                                      "2026-11-21T",
                                      "2026-11-21T25:00",
                                      "2026-11-21T10",
                                      "2026-11-21T10:15:30.Z",
                                      "2026-11-21T10:15:30+1",
                                      "2026-11-21T10:15:30 01:00",
                                      "2026-11-21T10:15:30Zx",
                                      "2026-11-21 10:15",
                                      "26-11-21",
                                      "1700000000123456789"};
    int64_t ms;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (api_input_time(bad[i], &ms))
            fail_msg("accepted %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(what_is_malformed_is_refused),
        cmocka_unit_test(a_value_fits_or_is_refused),
        cmocka_unit_test(numbers_are_digits_in_their_range),
        cmocka_unit_test(a_row_number_is_at_most_18_digits),
        cmocka_unit_test(times_are_read_in_each_form),
        cmocka_unit_test(what_is_no_time_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
