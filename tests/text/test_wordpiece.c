#include "text/wordpiece.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/test_wordpieceXXXXXX";

static void write_vocab(const char *text)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

/* Tokens joined by spaces. */
static void expect(const char *text, bool lower, int max_len, const char *wanted)
{
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    struct wordpiece *wordpiece = wordpiece_open(path, lower, 100, &err);
    char got[1000] = "";
    int *ids, count;
    assert_non_null(wordpiece);
    assert_true(wordpiece_encode(wordpiece, text, max_len, arena, &ids, &count, &err));
    for (int i = 0; i < count; i++) {
        strcat(got, i ? " " : "");
        strcat(got, wordpiece_token(wordpiece, ids[i]));
    }
    assert_string_equal(got, wanted);
    assert_null(wordpiece_token(wordpiece, -1));
    assert_null(wordpiece_token(wordpiece, 100));
    wordpiece_close(wordpiece);
    arena_free(arena);
}

static void cuts_the_longest_pieces(void **state)
{
    write_vocab("[PAD]\n[UNK]\n[CLS]\n[SEP]\ncardio\n##megaly\n##meg\nthere\n.\n##s\ne\n");
    expect("Cardiomegaly.", true, 64, "[CLS] cardio ##megaly . [SEP]");
    expect("cardiomegalys there", true, 64, "[CLS] cardio ##megaly ##s there [SEP]");
    expect("cardioX there", true, 64, "[CLS] [UNK] there [SEP]");
    expect("There", false, 64, "[CLS] [UNK] [SEP]");
    expect("é É", true, 64, "[CLS] e e [SEP]");
    expect("é", false, 64, "[CLS] [UNK] [SEP]");
    expect("", true, 64, "[CLS] [SEP]");
    expect("[SEP]", true, 64, "[CLS] [UNK] [UNK] [UNK] [SEP]");
}

static void keeps_the_first_pieces_that_fit(void **state)
{
    write_vocab("[UNK]\n[CLS]\n[SEP]\ncardio\n##megaly\n");
    expect("cardiomegaly cardio", true, 4, "[CLS] cardio ##megaly [SEP]");
    expect("cardiomegaly cardio", true, 3, "[CLS] cardio [SEP]");
    expect("cardiomegaly cardio", true, 2, "[CLS] [SEP]");
}

static void takes_special_ids_from_the_vocabulary(void **state)
{
    write_vocab("a\n[SEP]\r\n[UNK]\r\n[CLS]"); /* no newline at the end, some carriage returns */
    expect("a b", true, 64, "[CLS] a [UNK] [SEP]");
}

static void refuses_a_vocabulary_without_special_tokens(void **state)
{
    static const char *const bad[] = {"", "[UNK]\n[CLS]\n", "[CLS]\n[SEP]\n", "[UNK]\n[SEP]\n"};
    for (int i = 0; i < 4; i++) {
        struct err err = ERR_INIT;
        write_vocab(bad[i]);
        assert_null(wordpiece_open(path, true, 100, &err));
        assert_int_equal(err.code, ERR_INPUT);
    }
    struct err err = ERR_INIT;
    write_vocab("[UNK]\n[CLS]\n[SEP]\na\n");
    assert_null(wordpiece_open(path, true, 3, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_null(wordpiece_open("/nonexistent", true, 3, &err));
    assert_int_equal(err.code, ERR_IO);
}

static void refuses_text_that_is_no_utf8(void **state)
{
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    int *ids, count;
    write_vocab("[UNK]\n[CLS]\n[SEP]\na\n");
    struct wordpiece *wordpiece = wordpiece_open(path, true, 100, &err);
    assert_false(wordpiece_encode(wordpiece, "a\xff", 64, arena, &ids, &count, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_string_equal(err.reason, "text_not_utf8");
    wordpiece_close(wordpiece);
    arena_free(arena);
}

int main(void)
{
    close(mkstemp(path));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_the_longest_pieces),
        cmocka_unit_test(keeps_the_first_pieces_that_fit),
        cmocka_unit_test(takes_special_ids_from_the_vocabulary),
        cmocka_unit_test(refuses_a_vocabulary_without_special_tokens),
        cmocka_unit_test(refuses_text_that_is_no_utf8),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
