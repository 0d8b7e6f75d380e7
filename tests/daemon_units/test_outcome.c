#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "daemon/outcome.h"

#include <string.h>

/* What we answer to a C-STORE. source: PS3.4 table B.2-1 (A7xx out of resources, Cxxx cannot understand),
 * PS3.7 C.5 (0110 processing failure) */
static void every_error_has_its_status(void **state)
{
    static const struct {
        enum err_code code;
        uint16_t status;
        enum log_level level;
    } cases[] = {
        {ERR_NONE, 0x0000, LOG_INFO},           {ERR_INPUT, 0xC000, LOG_WARNING},
        {ERR_UNSUPPORTED, 0xC000, LOG_WARNING}, {ERR_FULL, 0xA700, LOG_ERROR},
        {ERR_BUSY, 0xA700, LOG_WARNING},        {ERR_IO, 0xA700, LOG_ERROR},
        {ERR_PEER, 0x0110, LOG_WARNING},        {ERR_CORRUPT, 0xA700, LOG_ERROR},
        {ERR_NOMEM, 0xA700, LOG_ERROR},         {ERR_CANCELLED, 0xA700, LOG_INFO},
        {ERR_BUG, 0x0110, LOG_ERROR},
    };
    assert_int_equal(sizeof cases / sizeof *cases, ERR_BUG + 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct outcome *outcome = outcome_of(cases[i].code);
        assert_int_equal(cases[i].code, i);
        if (outcome->dimse_status != cases[i].status || outcome->level != cases[i].level)
            fail_msg("%s is %04X", err_code_name(cases[i].code), outcome->dimse_status);
    }
}

/* Error Comment is LO: at most 64 characters, no backslash. source: PS3.7 table C.5, PS3.5 6.2 */
static void every_failure_has_a_comment_that_fits(void **state)
{
    for (int code = ERR_NONE; code <= ERR_BUG; code++) {
        const char *comment = outcome_of((enum err_code)code)->dimse_comment;
        assert_non_null(comment);
        assert_int_equal(strlen(comment) > 0, code != ERR_NONE);
        assert_true(strlen(comment) <= 64);
        assert_null(strchr(comment, '\\'));
    }
}

/* What a failure of ours must never look like to the sender. */
static void only_no_error_is_success_or_a_warning(void **state)
{
    for (int code = ERR_NONE + 1; code <= ERR_BUG; code++) {
        uint16_t status = outcome_of((enum err_code)code)->dimse_status;
        assert_int_not_equal(status, 0);
        assert_int_not_equal(status & 0xF000, 0xB000);
        assert_int_not_equal(outcome_of_status(status), OUTCOME_STORED);
    }
}

/* What the answer to our own C-STORE makes of a delivery. source: PS3.4 B.2.3, PS3.7 C.5 */
static void every_status_decides_a_delivery(void **state)
{
    static const struct {
        uint16_t status;
        enum outcome_delivery delivery;
    } cases[] = {
        {0x0000, OUTCOME_STORED},      {0xB000, OUTCOME_STORED},    /* coercion of data elements */
        {0xB006, OUTCOME_STORED},                                   /* elements discarded */
        {0xB007, OUTCOME_STORED},                                   /* data set does not match SOP class */
        {0x0111, OUTCOME_STORED},                                   /* duplicate SOP instance */
        {0x0122, OUTCOME_OTHER_CLASS},                              /* SOP class not supported */
        {0x0117, OUTCOME_REFUSED},                                  /* invalid SOP instance */
        {0x0124, OUTCOME_REFUSED},                                  /* not authorized */
        {0xA900, OUTCOME_REFUSED},     {0xA9FF, OUTCOME_REFUSED},   /* data set does not match SOP class */
        {0xC000, OUTCOME_REFUSED},     {0xC123, OUTCOME_REFUSED},   /* cannot understand */
        {0xCFFF, OUTCOME_REFUSED},     {0xA700, OUTCOME_TRY_LATER}, /* out of resources */
        {0xA7FF, OUTCOME_TRY_LATER},   {0x0110, OUTCOME_TRY_LATER}, /* processing failure */
        {0x0210, OUTCOME_TRY_LATER},   {0x0211, OUTCOME_TRY_LATER}, /* unrecognized operation */
        {0xFE00, OUTCOME_TRY_LATER},   {0xD000, OUTCOME_TRY_LATER}, {0x0001, OUTCOME_TRY_LATER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (outcome_of_status(cases[i].status) != cases[i].delivery)
            fail_msg("%04X is %d", cases[i].status, (int)outcome_of_status(cases[i].status));
}

/* The five that mean the object is there are all there are: nothing else may end a delivery as done. */
static void no_other_status_counts_as_stored(void **state)
{
    int stored = 0;
    for (unsigned status = 0; status <= 0xFFFF; status++)
        stored += outcome_of_status((uint16_t)status) == OUTCOME_STORED;
    assert_int_equal(stored, 5);
}

static void waiting_doubles_up_to_the_longest(void **state)
{
    static const int64_t longest_s[] = {10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600};
    for (int attempt = 0; attempt < 12; attempt++) {
        assert_int_equal(outcome_backoff_ms(attempt, 10, 3600, 1), longest_s[attempt] * 1000);
        assert_int_equal(outcome_backoff_ms(attempt, 10, 3600, 0), longest_s[attempt] * 500);
        assert_int_equal(outcome_backoff_ms(attempt, 10, 3600, 0.5), longest_s[attempt] * 750);
    }
}

static void many_attempts_and_large_limits_do_not_overflow(void **state)
{
    assert_int_equal(outcome_backoff_ms(INT32_MAX, 10, 3600, 1), 3600 * 1000);
    assert_int_equal(outcome_backoff_ms(INT32_MAX, 1, INT32_MAX, 1), (int64_t)INT32_MAX * 1000);
    assert_int_equal(outcome_backoff_ms(INT32_MAX, INT32_MAX, INT32_MAX, 1), (int64_t)INT32_MAX * 1000);
}

static void a_first_wait_beyond_the_longest_is_cut(void **state)
{
    assert_int_equal(outcome_backoff_ms(0, 7200, 3600, 1), 3600 * 1000);
    assert_int_equal(outcome_backoff_ms(5, 7200, 3600, 0), 1800 * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_status),
        cmocka_unit_test(every_failure_has_a_comment_that_fits),
        cmocka_unit_test(only_no_error_is_success_or_a_warning),
        cmocka_unit_test(every_status_decides_a_delivery),
        cmocka_unit_test(no_other_status_counts_as_stored),
        cmocka_unit_test(waiting_doubles_up_to_the_longest),
        cmocka_unit_test(many_attempts_and_large_limits_do_not_overflow),
        cmocka_unit_test(a_first_wait_beyond_the_longest_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
