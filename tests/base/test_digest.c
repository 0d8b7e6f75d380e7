#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "base/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* source: FIPS 180-4's examples and NIST's long one; the others by Python's hashlib */
#define OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define OF_ABC     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define OF_56      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
#define OF_MILLION "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
#define OF_RAMP    "2312394bd99545d9de131c24efb781e765ac1aec243f2ed9347597a793a415e9" /* 0..255, 1024 times */
#define OF_TAIL                                                                                              \
    "c4a3840df755c713aa1bc62a434d064a268748d97139cf33d1439ccce1d099a1" /* from its byte 200000               \
                                                                        */

enum { RAMP_SIZE = 256 * 1024 };

static void known_vectors(void **state)
{
    static const char long_text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    char hex[DIGEST_HEX_SIZE];
    digest_bytes("", 0, hex);
    assert_string_equal(hex, OF_NOTHING);
    digest_bytes("abc", 3, hex);
    assert_string_equal(hex, OF_ABC);
    digest_bytes(long_text, strlen(long_text), hex);
    assert_string_equal(hex, OF_56);
}

static void pieces_give_the_digest_of_the_whole(void **state)
{
    char hex[DIGEST_HEX_SIZE], block[1000];
    struct digest *digest = digest_new();
    assert_non_null(digest);
    memset(block, 'a', sizeof block);
    for (int i = 0; i < 1000; i++) {
        digest_update(digest, block, 1);
        digest_update(digest, block, 0);
        digest_update(digest, block, 999);
    }
    digest_finish(digest, hex);
    assert_string_equal(hex, OF_MILLION);
    digest = digest_new();
    digest_finish(digest, hex);
    assert_string_equal(hex, OF_NOTHING);
}

static void an_unfinished_one_can_be_dropped(void **state)
{
    struct digest *digest = digest_new();
    digest_update(digest, "abc", 3);
    digest_free(digest);
    digest_free(NULL);
}

static void a_file_is_digested_from_an_offset(void **state)
{
    char path[] = "/tmp/cardioscribe-digest-XXXXXX", hex[DIGEST_HEX_SIZE];
    struct err err = ERR_INIT;
    FILE *file = fdopen(mkstemp(path), "w");
    for (int i = 0; i < RAMP_SIZE; i++)
        fputc(i & 0xff, file);
    assert_int_equal(fclose(file), 0);
    assert_true(digest_file(path, 0, hex, &err));
    assert_string_equal(hex, OF_RAMP);
    assert_true(digest_file(path, 200000, hex, &err));
    assert_string_equal(hex, OF_TAIL);
    assert_true(digest_file(path, RAMP_SIZE, hex, &err));
    assert_string_equal(hex, OF_NOTHING);
    assert_true(digest_file(path, RAMP_SIZE + 1, hex, &err));
    assert_string_equal(hex, OF_NOTHING);
    assert_int_equal(err.code, ERR_NONE);
    assert_false(digest_file(path, UINT64_MAX, hex, &err));
    assert_int_equal(err.code, ERR_IO);
    unlink(path);
}

/* source: RFC 4231, test cases 2 and 6. */
static void hmac_of_known_vectors(void **state)
{
    static const char short_text[] = "what do ya want for nothing?";
    static const char long_text[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    char hex[DIGEST_HEX_SIZE];
    unsigned char key[131];
    digest_hmac("Jefe", 4, short_text, strlen(short_text), hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    digest_hmac(key, sizeof key, long_text, strlen(long_text), hex);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void what_cannot_be_read_is_an_io_error(void **state)
{
    char hex[DIGEST_HEX_SIZE];
    struct err err = ERR_INIT;
    assert_false(digest_file("/nonexistent/file", 0, hex, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "/nonexistent/file"));
    err = (struct err)ERR_INIT;
    assert_false(digest_file("/tmp", 0, hex, &err));
    assert_int_equal(err.code, ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_vectors),
        cmocka_unit_test(pieces_give_the_digest_of_the_whole),
        cmocka_unit_test(an_unfinished_one_can_be_dropped),
        cmocka_unit_test(a_file_is_digested_from_an_offset),
        cmocka_unit_test(hmac_of_known_vectors),
        cmocka_unit_test(what_cannot_be_read_is_an_io_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
