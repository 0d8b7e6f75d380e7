/* A vocabulary and a text. bytes: one of switches, the vocabulary up to a NUL (empty: a small one of ours),
 * the text. */
#include "fuzz.h"
#include "text/wordpiece.h"

#include <stdlib.h>
#include <string.h>

enum { LOWER = 1, SHORT = 2, VOCAB_MAX = 4096 };

static const char small_vocab[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthere\nis\nno\n##is\nster\n##no\n.\n,\n##e\na\n";

static void check_ids(const struct wordpiece *wordpiece, const int *ids, int count, int max_len)
{
    fuzz_must(count >= 2 && count <= max_len, "as many ids as asked for, at least two");
    for (int i = 0; i < count; i++) {
        const char *token = wordpiece_token(wordpiece, ids[i]);
        fuzz_must(token, "an id stands for a token");
        fuzz_touch(token, strlen(token));
    }
    fuzz_must(!strcmp(wordpiece_token(wordpiece, ids[0]), "[CLS]"), "the first is [CLS]");
    fuzz_must(!strcmp(wordpiece_token(wordpiece, ids[count - 1]), "[SEP]"), "the last is [SEP]");
}

static void encode(const struct wordpiece *wordpiece, const char *text, int max_len)
{
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    int *ids, count;
    if (wordpiece_encode(wordpiece, text, max_len, arena, &ids, &count, &err))
        check_ids(wordpiece, ids, count, max_len);
    else
        fuzz_must_refuse(&err);
    arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    struct err err = ERR_INIT;
    const uint8_t *vocab = bytes + 1, *end = bytes + size, *nul = memchr(vocab, '\0', size - 1);
    size_t vocab_size = nul ? (size_t)(nul - vocab) : 0;
    const uint8_t *text_bytes = nul ? nul + 1 : vocab;
    const void *from = vocab_size ? (const void *)vocab : small_vocab;
    struct wordpiece *wordpiece = wordpiece_open(
        fuzz_file(from, vocab_size ? vocab_size : sizeof small_vocab - 1), bytes[0] & LOWER, VOCAB_MAX, &err);
    if (!wordpiece) {
        fuzz_must_refuse(&err);
        return 0;
    }
    char *text = fuzz_text(text_bytes, (size_t)(end - text_bytes));
    encode(wordpiece, text, bytes[0] & SHORT ? 2 + bytes[0] / 4 : 512);
    free(text);
    wordpiece_close(wordpiece);
    return 0;
}
