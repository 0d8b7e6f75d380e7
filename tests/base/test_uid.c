#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "base/uid.h"

#include <string.h>

/* The number behind "2.25." */
__extension__ typedef unsigned __int128 uint128;

static uint128 number_of(const char *uid)
{
    uint128 value = 0;
    assert_int_equal(strncmp(uid, "2.25.", 5), 0);
    for (const char *at = uid + 5; *at; at++)
        value = value * 10 + (unsigned)(*at - '0');
    return value;
}

static void a_new_uid_is_a_random_uuid(void **state)
{
    char uid[UID_SIZE], other[UID_SIZE];
    for (int i = 0; i < 1000; i++) {
        uid_new(uid);
        assert_true(uid_conformant(uid));
        assert_int_equal((int)(number_of(uid) >> 76) & 0xf, 4); /* version; source: RFC 4122 4.1.3 */
        assert_int_equal((int)(number_of(uid) >> 62) & 0x3, 2); /* variant */
        uid_new(other);
        assert_string_not_equal(uid, other);
    }
}

/* By Python: "2.25.%d" % uuid.uuid5(uuid.UUID("6f0e2c8a-41d5-4e39-9b7d-51c30a88e217"), name).int. Reports
 * that are out there carry such UIDs: these values never change. */
static void a_named_uid_stays_for_ever(void **state)
{
    static const struct {
        const char *name, *uid;
    } cases[] = {
        {"", "2.25.307548826489618343983174322390488126826"},
        {"a", "2.25.260738756164023313631710646341003711443"},
        {"report series|1.2.3|2.25.1", "2.25.284209957630302114273700831027039278756"},
        {"\xc3\x89"
         "cho",
         "2.25.286137801523658310616829954657657022541"},
    };
    char uid[UID_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uid_named(cases[i].name, uid);
        assert_string_equal(uid, cases[i].uid);
        assert_true(uid_conformant(uid));
        assert_int_equal((int)(number_of(uid) >> 76) & 0xf, 5);
    }
}

#define DIGITS_60 "123456789012345678901234567890123456789012345678901234567890"

static void valid_and_conformant(void **state)
{
    static const char *const good[] = {"1",       "0",      "1.2.840.10008.1.2", "0.0.0",
                                       "1.2.0.3", "2.25.0", DIGITS_60 "1234",    "1.0.10"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!uid_valid(good[i]) || !uid_conformant(good[i]))
            fail_msg("refused %s", good[i]);
}

static void a_leading_zero_is_valid_but_not_conformant(void **state)
{
    static const char *const odd[] = {"01", "00", "1.02", "1.2.00", "1.2.03.4", "00.1"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        if (!uid_valid(odd[i]) || uid_conformant(odd[i]))
            fail_msg("misjudged %s", odd[i]);
}

static void what_is_no_uid_is_refused(void **state)
{
    static const char *const bad[] = {"",         ".",    ".1",   "1.",      "1..2",
                                      "1.2 ",     " 1.2", "1.a",  "1,2",     "-1.2",
                                      "1.2\n",    "1/2",  "../1", "1.2*",    DIGITS_60 "12345",
                                      "\xd9\xa1", "1\\2", "+1",   "1.2..3.4"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (uid_valid(bad[i]) || uid_conformant(bad[i]))
            fail_msg("accepted %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_uid_is_a_random_uuid),
        cmocka_unit_test(a_named_uid_stays_for_ever),
        cmocka_unit_test(valid_and_conformant),
        cmocka_unit_test(a_leading_zero_is_valid_but_not_conformant),
        cmocka_unit_test(what_is_no_uid_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
