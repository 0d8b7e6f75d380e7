#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* by `date -u -d ... +%s` */
static const int64_t NOVEMBER = 1795256130123; /* 2026-11-21T10:15:30.123Z */
static const int64_t LEAP_DAY = 1709251199999; /* 2024-02-29T23:59:59.999Z */

static void clocks_run(void **state)
{
    int64_t begin = clock_monotonic_ms(), seconds = time(NULL);
    int64_t now = clock_unix_ms() / 1000;
    assert_true(now >= seconds && now <= seconds + 5);
    const struct timespec pause = {0, 20 * 1000 * 1000};
    nanosleep(&pause, NULL);
    int64_t passed = clock_monotonic_ms() - begin;
    assert_true(passed >= 19 && passed < 5000);
}

static void iso_is_utc_to_the_millisecond(void **state)
{
    char text[CLOCK_ISO_SIZE];
    clock_iso(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    clock_iso(NOVEMBER, text);
    assert_string_equal(text, "2026-11-21T10:15:30.123Z");
    clock_iso(LEAP_DAY, text);
    assert_string_equal(text, "2024-02-29T23:59:59.999Z");
}

static void dicom_has_a_date_and_a_time(void **state)
{
    char date[9], moment[11];
    clock_dicom(NOVEMBER, date, moment);
    assert_string_equal(date, "20261121");
    assert_string_equal(moment, "101530.123");
    clock_dicom(LEAP_DAY + 1, date, moment);
    assert_string_equal(date, "20240301");
    assert_string_equal(moment, "000000.000");
}

static void the_time_zone_of_the_machine_does_not_matter(void **state)
{
    char text[CLOCK_ISO_SIZE], date[9], moment[11];
    setenv("TZ", "NPT-5:45", 1);
    tzset();
    clock_iso(NOVEMBER, text);
    clock_dicom(NOVEMBER, date, moment);
    int age = clock_age_days("20240229", LEAP_DAY);
    unsetenv("TZ");
    tzset();
    assert_string_equal(text, "2026-11-21T10:15:30.123Z");
    assert_string_equal(moment, "101530.123");
    assert_int_equal(age, 0);
}

static void age_is_in_whole_days(void **state)
{
    /* by Python's datetime */
    assert_int_equal(clock_age_days("20261121", NOVEMBER), 0);
    assert_int_equal(clock_age_days("20261120", NOVEMBER), 1);
    assert_int_equal(clock_age_days("20240229", NOVEMBER), 996);
    assert_int_equal(clock_age_days("19000101", NOVEMBER), 46345);
    assert_int_equal(clock_age_days("20240229", LEAP_DAY), 0);
    assert_int_equal(clock_age_days("20240229", LEAP_DAY + 1), 1);
    assert_int_equal(clock_age_days("20261122", NOVEMBER), 0);
    assert_int_equal(clock_age_days("99991231", NOVEMBER), 0);
}

static void what_is_no_date_is_minus_one(void **state)
{
    static const char *const bad[] = {"",         "2026",     "202611211", "2026-11-", "2026112x",
                                      " 2026112", "20261301", "20260001",  "20261100", "20261132",
                                      "20260230", "20260431", "20250229",  "19000229", "18991231",
                                      "+2026112", "-2026112", "00000000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (clock_age_days(bad[i], NOVEMBER) != -1)
            fail_msg("%s is %d days old", bad[i], clock_age_days(bad[i], NOVEMBER));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_run),
        cmocka_unit_test(iso_is_utc_to_the_millisecond),
        cmocka_unit_test(dicom_has_a_date_and_a_time),
        cmocka_unit_test(the_time_zone_of_the_machine_does_not_matter),
        cmocka_unit_test(age_is_in_whole_days),
        cmocka_unit_test(what_is_no_date_is_minus_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
