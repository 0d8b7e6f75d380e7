#include "text/vocab.h"

#include "base/file.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 64 * 1024 * 1024 };

struct vocab {
    char *bytes;         /* the file, each line ended with NUL */
    const char **tokens; /* [count], into bytes */
    int count;
    int *slots; /* [mask + 1]: id + 1, 0 when free; open addressing */
    uint32_t mask;
};

/* source: FNV-1a, 32 bits. */
static uint32_t hash_bytes(uint32_t hash, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    return hash;
}

static bool equals(const char *token, const char *prefix, size_t prefix_size, const char *bytes, size_t size)
{
    return strncmp(token, prefix, prefix_size) == 0 && strncmp(token + prefix_size, bytes, size) == 0 &&
           token[prefix_size + size] == '\0';
}

/* The slot that holds the token, or the free one where it belongs. */
static int *find_slot(const struct vocab *vocab, const char *prefix, const char *bytes, size_t size)
{
    size_t prefix_size = strlen(prefix);
    uint32_t at = hash_bytes(hash_bytes(2166136261u, prefix, prefix_size), bytes, size) & vocab->mask;
    while (vocab->slots[at] && !equals(vocab->tokens[vocab->slots[at] - 1], prefix, prefix_size, bytes, size))
        at = (at + 1) & vocab->mask;
    return &vocab->slots[at];
}

static int count_lines(const char *bytes, size_t size)
{
    int lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    return lines + (size && bytes[size - 1] != '\n');
}

static bool cut_lines(struct vocab *vocab, size_t size, struct err *err)
{
    char *at = vocab->bytes, *end = vocab->bytes + size;
    for (int i = 0; i < vocab->count; i++) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        char *next = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        if (stop > at && stop[-1] == '\r')
            stop--;
        if (stop - at > VOCAB_TOKEN_MAX || memchr(at, '\0', (size_t)(stop - at)))
            return err_fail(err, ERR_INPUT, "vocabulary line %d is longer than %d bytes or holds a NUL",
                            i + 1, VOCAB_TOKEN_MAX);
        *stop = '\0';
        vocab->tokens[i] = at;
        at = next;
    }
    return true;
}

static bool allocate(struct vocab *vocab, struct err *err)
{
    uint32_t size = 16;
    while (size < 2 * (uint32_t)vocab->count)
        size *= 2;
    vocab->mask = size - 1;
    vocab->slots = calloc(size, sizeof *vocab->slots);
    vocab->tokens = calloc((size_t)vocab->count, sizeof *vocab->tokens);
    return (vocab->slots && vocab->tokens) || err_fail(err, ERR_NOMEM, "no memory for the vocabulary");
}

static bool load(struct vocab *vocab, const char *path, int max_tokens, struct err *err)
{
    size_t size;
    vocab->bytes = file_read(path, FILE_MAX, &size, err);
    if (!vocab->bytes)
        return false;
    vocab->count = count_lines(vocab->bytes, size);
    if (vocab->count == 0 || vocab->count > max_tokens)
        return err_fail(err, ERR_INPUT, "%s has %d tokens, the configuration allows 1 to %d", path,
                        vocab->count, max_tokens);
    if (!allocate(vocab, err) || !cut_lines(vocab, size, err))
        return false;
    for (int i = 0; i < vocab->count; i++)
        *find_slot(vocab, "", vocab->tokens[i], strlen(vocab->tokens[i])) = i + 1;
    return true;
}

struct vocab *vocab_open(const char *path, int max_tokens, struct err *err)
{
    struct vocab *vocab = calloc(1, sizeof *vocab);
    if (!vocab) {
        err_fail(err, ERR_NOMEM, "no memory for the vocabulary");
        return NULL;
    }
    if (load(vocab, path, max_tokens, err))
        return vocab;
    vocab_free(vocab);
    return NULL;
}

void vocab_free(struct vocab *vocab)
{
    if (!vocab)
        return;
    free(vocab->slots);
    free(vocab->tokens);
    free(vocab->bytes);
    free(vocab);
}

int vocab_count(const struct vocab *vocab)
{
    return vocab->count;
}

int vocab_id(const struct vocab *vocab, const char *prefix, const char *bytes, size_t size)
{
    return *find_slot(vocab, prefix, bytes, size) - 1;
}

const char *vocab_token(const struct vocab *vocab, int id)
{
    return id >= 0 && id < vocab->count ? vocab->tokens[id] : NULL;
}
