/* Merges, a vocabulary and a text. bytes: one of switches, the merges up to a NUL (empty: a few of ours), the
 * vocabulary up to a NUL (empty: the one that follows from the merges), the text. */
#include "fuzz.h"
#include "text/bpe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SHORT = 1, TOKENS_MAX = 4096 };

static const char small_merges[] =
    "#version: 0.2\nt h\nth e\nthe r\nther e</w>\ni s</w>\n\303\204 \302\267</w>\na a\naa a\n";

struct part {
    const uint8_t *bytes;
    size_t size;
};

/* Cuts off what stands before the first NUL. */
static struct part cut(struct part *rest)
{
    const uint8_t *nul = memchr(rest->bytes, '\0', rest->size);
    struct part part = {rest->bytes, nul ? (size_t)(nul - rest->bytes) : 0};
    size_t taken = nul ? part.size + 1 : 0;
    *rest = (struct part){rest->bytes + taken, rest->size - taken};
    return part;
}

/* A second file in memory beside fuzz_file's. */
static const char *second_file(struct part part)
{
    static int fd = -1;
    static char path[40];
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    fuzz_must(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, part.bytes, part.size, 0) == (ssize_t)part.size,
              "the machine gives a file in memory");
    return path;
}

static void check_ids(const struct bpe *bpe, const int *ids, int count, int max_len)
{
    fuzz_must(count >= 2 && count <= max_len, "as many ids as asked for, at least two");
    for (int i = 0; i < count; i++) {
        const char *token = bpe_token(bpe, ids[i]);
        fuzz_must(token, "an id stands for a token");
        fuzz_touch(token, strlen(token));
    }
    fuzz_must(!strcmp(bpe_token(bpe, ids[0]), "<|startoftext|>"), "the first is the start");
    fuzz_must(!strcmp(bpe_token(bpe, ids[count - 1]), "<|endoftext|>"), "the last is the end");
}

static void encode(const struct bpe *bpe, const char *text, int max_len)
{
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    int *ids, count;
    if (bpe_encode(bpe, text, max_len, arena, &ids, &count, &err))
        check_ids(bpe, ids, count, max_len);
    else
        fuzz_must_refuse(&err);
    arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    struct err err = ERR_INIT;
    struct part rest = {bytes + 1, size - 1}, merges = cut(&rest), vocab = cut(&rest);
    const char *merges_path = merges.size ? fuzz_file(merges.bytes, merges.size)
                                          : fuzz_file((const uint8_t *)small_merges, sizeof small_merges - 1);
    struct bpe *bpe = bpe_open(vocab.size ? second_file(vocab) : NULL, merges_path, TOKENS_MAX, &err);
    if (!bpe) {
        fuzz_must_refuse(&err);
        return 0;
    }
    char *text = fuzz_text(rest.bytes, rest.size);
    encode(bpe, text, bytes[0] & SHORT ? 2 + bytes[0] / 4 : 70000);
    free(text);
    bpe_close(bpe);
    return 0;
}
