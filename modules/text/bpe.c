#include "text/bpe.h"

#include "base/file.h"
#include "text/clip_words.h"
#include "text/symbols.h"

#include <jansson.h>
#include <utf8proc.h>

#include <stdlib.h>
#include <string.h>

/* source: transformers CLIPTokenizer: 49,152 - 256 - 2 merges. */
enum { FILE_MAX = 64 * 1024 * 1024, MERGES_MAX = 48894, BYTES = 256, TOKEN_MAX = 400 };

static const char start_token[] = "<|startoftext|>", end_token[] = "<|endoftext|>", word_end[] = "</w>";

struct bpe {
    struct arena *arena;
    struct symbols *symbols;
    int *ids;            /* [symbols]: id of each, VOID when the vocabulary lacks it */
    const char **tokens; /* [max_tokens]: NULL where no id is given */
    int max_tokens;
    int first[BYTES], last[BYTES]; /* the symbol of a byte inside and at the end of a word */
    int start, end;                /* ids of the special tokens */
};

enum { VOID = -1, STALE = -2 };

/* ---- the alphabet ---- */

/* Bytes that print stand for themselves, the others follow from U+0100.
 * source: GPT-2 encoder.py, bytes_to_unicode; the order is that of CLIP's vocabulary. */
static void list_alphabet(unsigned char bytes[BYTES], int32_t points[BYTES])
{
    int count = 0;
    int32_t next = BYTES;
    for (int byte = 0; byte < BYTES; byte++)
        if ((byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD)) {
            bytes[count] = (unsigned char)byte;
            points[count++] = byte;
        }
    for (int byte = 0; byte < BYTES; byte++)
        if (!((byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD))) {
            bytes[count] = (unsigned char)byte;
            points[count++] = next++;
        }
}

static bool no_memory(struct err *err)
{
    return err_fail(err, ERR_NOMEM, "no memory for a tokenizer");
}

/* All symbols without, then all with "</w>", so that their numbers are the ids of CLIP's own file. */
static bool put_alphabet(struct bpe *bpe, struct err *err)
{
    unsigned char bytes[BYTES];
    int32_t points[BYTES];
    list_alphabet(bytes, points);
    for (int i = 0; i < 2 * BYTES; i++) {
        char text[4 + sizeof word_end];
        size_t size = (size_t)utf8proc_encode_char(points[i % BYTES], (utf8proc_uint8_t *)text);
        memcpy(text + size, word_end, sizeof word_end);
        size += i < BYTES ? 0 : sizeof word_end - 1;
        int symbol = symbols_put(bpe->symbols, text, size);
        if (symbol == SYMBOLS_ABSENT)
            return no_memory(err);
        (i < BYTES ? bpe->first : bpe->last)[bytes[i % BYTES]] = symbol;
    }
    return true;
}

/* ---- merges.txt ---- */

static bool put_merge(struct bpe *bpe, const char *line, size_t size, int rank, struct err *err)
{
    char joined[TOKEN_MAX];
    const char *space = memchr(line, ' ', size);
    size_t left_size = space ? (size_t)(space - line) : 0, right_size = space ? size - left_size - 1 : 0;
    if (!left_size || !right_size || size > sizeof joined || memchr(space + 1, ' ', right_size) ||
        memchr(line, '\0', size))
        return err_fail(err, ERR_INPUT, "merges: line %d is not two symbols", rank + 2);
    memcpy(joined, line, left_size);
    memcpy(joined + left_size, space + 1, right_size);
    int left = symbols_put(bpe->symbols, line, left_size);
    int right = symbols_put(bpe->symbols, space + 1, right_size);
    int result = symbols_put(bpe->symbols, joined, left_size + right_size);
    if (left == SYMBOLS_ABSENT || right == SYMBOLS_ABSENT || result == SYMBOLS_ABSENT)
        return no_memory(err);
    symbols_put_merge(bpe->symbols, left, right, rank, result);
    return true;
}

static bool put_merges(struct bpe *bpe, const char *bytes, size_t size, struct err *err)
{
    const char *end = bytes + size, *at = memchr(bytes, '\n', size);
    for (int rank = 0; at && ++at < end && rank < MERGES_MAX; rank++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop ? stop : end) - at);
        length -= length && at[length - 1] == '\r';
        if (!put_merge(bpe, at, length, rank, err))
            return false;
        at = stop;
    }
    return true;
}

static size_t count_lines(const char *bytes, size_t size)
{
    size_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    return lines < MERGES_MAX ? lines : MERGES_MAX;
}

/* ---- vocab.json ---- */

static bool give_id(struct bpe *bpe, int symbol, json_int_t id, const char *token, struct err *err)
{
    if (symbol == SYMBOLS_ABSENT)
        return no_memory(err);
    if (id < 0 || id >= bpe->max_tokens)
        return err_fail(err, ERR_INPUT, "the id of \"%.100s\" is not below %d", token, bpe->max_tokens);
    if (bpe->tokens[id])
        return err_fail(err, ERR_INPUT, "\"%.100s\" and \"%.100s\" have the same id", bpe->tokens[id], token);
    bpe->tokens[id] = symbols_text(bpe->symbols, symbol);
    bpe->ids[symbol] = (int)id;
    return true;
}

/* Tokens that no merge makes are kept too: the special ones, and names for ids. */
static bool take_ids(struct bpe *bpe, const json_t *vocab, struct err *err)
{
    const char *token;
    json_t *id;
    json_object_foreach((json_t *)vocab, token, id)
    {
        size_t size = strlen(token);
        if (!json_is_integer(id) || size == 0 || size > TOKEN_MAX)
            return err_fail(err, ERR_INPUT, "\"%.100s\": not a token of 1 to %d bytes with a whole number",
                            token, TOKEN_MAX);
        if (!give_id(bpe, symbols_put(bpe->symbols, token, size), json_integer_value(id), token, err))
            return false;
    }
    return true;
}

static json_t *read_vocab(const char *path, int max_tokens, struct err *err)
{
    size_t size;
    json_error_t error;
    char *bytes = file_read(path, FILE_MAX, &size, err);
    if (!bytes)
        return NULL;
    json_t *vocab = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    free(bytes);
    if (json_is_object(vocab) && json_object_size(vocab) <= (size_t)max_tokens)
        return vocab;
    if (json_is_object(vocab))
        err_fail(err, ERR_INPUT, "%zu tokens, the configuration allows %d", json_object_size(vocab),
                 max_tokens);
    else
        err_fail(err, ERR_INPUT, "not a JSON object: line %d: %.150s", error.line, error.text);
    json_decref(vocab);
    return NULL;
}

/* Without vocab.json: symbols are numbered in the order of their ids. */
static bool count_ids(struct bpe *bpe, struct err *err)
{
    static const char *const special[] = {start_token, end_token};
    for (int i = 0; i < 2; i++)
        if (symbols_put(bpe->symbols, special[i], strlen(special[i])) == SYMBOLS_ABSENT)
            return no_memory(err);
    for (int i = 0; i < symbols_count(bpe->symbols); i++)
        if (!give_id(bpe, i, i, symbols_text(bpe->symbols, i), err))
            return false;
    return true;
}

/* ---- open ---- */

static bool find_special(const struct bpe *bpe, const char *token, int *ret, struct err *err)
{
    int symbol = symbols_find(bpe->symbols, token, strlen(token));
    *ret = symbol == SYMBOLS_ABSENT ? VOID : bpe->ids[symbol];
    return *ret != VOID || err_fail(err, ERR_INPUT, "the vocabulary has no %s", token);
}

static bool allocate(struct bpe *bpe, size_t lines, size_t tokens, int max_tokens, struct err *err)
{
    size_t most = (size_t)2 * BYTES + 3 * lines + tokens + 2;
    bpe->max_tokens = max_tokens;
    bpe->arena = arena_new();
    bpe->symbols = bpe->arena ? symbols_new(bpe->arena, most, lines) : NULL;
    bpe->ids = bpe->symbols ? ARENA_ARRAY(bpe->arena, int, most) : NULL;
    bpe->tokens = bpe->ids ? ARENA_ARRAY(bpe->arena, const char *, (size_t)max_tokens) : NULL;
    for (size_t i = 0; bpe->ids && i < most; i++)
        bpe->ids[i] = VOID;
    return bpe->tokens || no_memory(err);
}

static bool load(struct bpe *bpe, const json_t *vocab, const char *merges, size_t size, int max_tokens,
                 struct err *err)
{
    if (!allocate(bpe, count_lines(merges, size), json_object_size(vocab), max_tokens, err))
        return false;
    return put_alphabet(bpe, err) && put_merges(bpe, merges, size, err) &&
           (vocab ? take_ids(bpe, vocab, err) : count_ids(bpe, err)) &&
           find_special(bpe, start_token, &bpe->start, err) && find_special(bpe, end_token, &bpe->end, err);
}

struct bpe *bpe_open(const char *vocab_path, const char *merges_path, int max_tokens, struct err *err)
{
    size_t size;
    struct bpe *bpe = calloc(1, sizeof *bpe);
    json_t *vocab = bpe && vocab_path ? read_vocab(vocab_path, max_tokens, err) : NULL;
    char *merges = bpe && (vocab || !vocab_path) ? file_read(merges_path, FILE_MAX, &size, err) : NULL;
    if (!bpe)
        no_memory(err);
    bool ok = merges && load(bpe, vocab, merges, size, max_tokens, err);
    json_decref(vocab);
    free(merges);
    if (ok)
        return bpe;
    bpe_close(bpe);
    return NULL;
}

void bpe_close(struct bpe *bpe)
{
    if (!bpe)
        return;
    arena_free(bpe->arena);
    free(bpe);
}

const char *bpe_token(const struct bpe *bpe, int id)
{
    return id >= 0 && id < bpe->max_tokens ? bpe->tokens[id] : NULL;
}

/* ---- encode ---- */

/* One word under way: its symbols, and the rank of each pair they begin. */
struct pieces {
    int *symbols, *ranks, *results;
    size_t count;
};

static void rank_pair(const struct bpe *bpe, struct pieces *pieces, size_t i)
{
    pieces->ranks[i] = SYMBOLS_ABSENT;
    if (i + 1 < pieces->count)
        pieces->ranks[i] =
            symbols_merge(bpe->symbols, pieces->symbols[i], pieces->symbols[i + 1], &pieces->results[i]);
}

static int lowest_rank(const struct pieces *pieces)
{
    int lowest = SYMBOLS_ABSENT;
    for (size_t i = 0; i < pieces->count; i++)
        if (pieces->ranks[i] != SYMBOLS_ABSENT && (lowest == SYMBOLS_ABSENT || pieces->ranks[i] < lowest))
            lowest = pieces->ranks[i];
    return lowest;
}

/* Merge every pair of that rank, from the left. Ranks next to a merge are looked up anew. */
static void merge_all(const struct bpe *bpe, struct pieces *pieces, int rank)
{
    size_t to = 0, count = pieces->count;
    for (size_t from = 0; from < count; to++) {
        bool merges = pieces->ranks[from] == rank;
        pieces->symbols[to] = merges ? pieces->results[from] : pieces->symbols[from];
        pieces->ranks[to] = merges ? STALE : pieces->ranks[from];
        pieces->results[to] = pieces->results[from];
        if (merges && to > 0)
            pieces->ranks[to - 1] = STALE;
        from += merges ? 2 : 1;
    }
    pieces->count = to;
    for (size_t i = 0; i < to; i++)
        if (pieces->ranks[i] == STALE)
            rank_pair(bpe, pieces, i);
}

static bool allocate_pieces(struct pieces *pieces, size_t size, struct arena *arena, struct err *err)
{
    pieces->symbols = ARENA_ARRAY(arena, int, size);
    pieces->ranks = ARENA_ARRAY(arena, int, size);
    pieces->results = ARENA_ARRAY(arena, int, size);
    pieces->count = size;
    return (pieces->symbols && pieces->ranks && pieces->results) || no_memory(err);
}

static bool cut_word(const struct bpe *bpe, const char *word, struct arena *arena, struct pieces *ret,
                     struct err *err)
{
    size_t size = strlen(word);
    if (!allocate_pieces(ret, size, arena, err))
        return false;
    for (size_t i = 0; i < size; i++)
        ret->symbols[i] = (i + 1 < size ? bpe->first : bpe->last)[(unsigned char)word[i]];
    for (size_t i = 0; i < size; i++)
        rank_pair(bpe, ret, i);
    for (int rank; (rank = lowest_rank(ret)) != SYMBOLS_ABSENT;)
        merge_all(bpe, ret, rank);
    return true;
}

/* Appends the ids of one word while they fit. */
static bool append_word(const struct bpe *bpe, const char *word, struct arena *arena, int *ids, int *count,
                        int most, struct err *err)
{
    bool is_start = strcmp(word, start_token) == 0;
    if (is_start || strcmp(word, end_token) == 0) {
        ids[(*count)++] = is_start ? bpe->start : bpe->end;
        return true;
    }
    struct pieces pieces;
    if (!cut_word(bpe, word, arena, &pieces, err))
        return false;
    for (size_t i = 0; i < pieces.count && *count < most; i++) {
        int id = bpe->ids[pieces.symbols[i]];
        ids[(*count)++] = id == VOID ? bpe->end : id;
    }
    return true;
}

bool bpe_encode(const struct bpe *bpe, const char *text, int max_len, struct arena *arena, int **ret_ids,
                int *ret_count, struct err *err)
{
    struct words words;
    if (!clip_words_split(text, arena, &words, err))
        return false;
    int *ids = ARENA_ARRAY(arena, int, (size_t)max_len), count = 0;
    if (!ids)
        return no_memory(err);
    ids[count++] = bpe->start;
    for (int i = 0; i < words.count && count < max_len - 1; i++)
        if (!append_word(bpe, words.texts[i], arena, ids, &count, max_len - 1, err))
            return false;
    ids[count++] = bpe->end;
    *ret_ids = ids;
    *ret_count = count;
    return true;
}
