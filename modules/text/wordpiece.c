#include "text/wordpiece.h"

#include "text/vocab.h"
#include "text/words.h"

#include <stdlib.h>
#include <string.h>

enum { WORD_POINTS_MAX = 100 };

struct wordpiece {
    struct vocab *vocab;
    bool do_lower_case;
    int unk, cls, sep;
};

static bool find_special(const struct wordpiece *wordpiece, const char *token, int *ret, struct err *err)
{
    *ret = vocab_id(wordpiece->vocab, "", token, strlen(token));
    return *ret != VOCAB_ABSENT || err_fail(err, ERR_INPUT, "the vocabulary has no %s", token);
}

static bool load(struct wordpiece *wordpiece, const char *vocab_path, int max_tokens, struct err *err)
{
    wordpiece->vocab = vocab_open(vocab_path, max_tokens, err);
    return wordpiece->vocab && find_special(wordpiece, "[UNK]", &wordpiece->unk, err) &&
           find_special(wordpiece, "[CLS]", &wordpiece->cls, err) &&
           find_special(wordpiece, "[SEP]", &wordpiece->sep, err);
}

struct wordpiece *wordpiece_open(const char *vocab_path, bool do_lower_case, int max_tokens, struct err *err)
{
    struct wordpiece *wordpiece = calloc(1, sizeof *wordpiece);
    if (!wordpiece) {
        err_fail(err, ERR_NOMEM, "no memory for a tokenizer");
        return NULL;
    }
    wordpiece->do_lower_case = do_lower_case;
    if (load(wordpiece, vocab_path, max_tokens, err))
        return wordpiece;
    wordpiece_close(wordpiece);
    return NULL;
}

void wordpiece_close(struct wordpiece *wordpiece)
{
    if (!wordpiece)
        return;
    vocab_free(wordpiece->vocab);
    free(wordpiece);
}

const char *wordpiece_token(const struct wordpiece *wordpiece, int id)
{
    return vocab_token(wordpiece->vocab, id);
}

static bool begins_point(char byte)
{
    return ((unsigned char)byte & 0xC0) != 0x80;
}

static int count_points(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += begins_point(*text);
    return count;
}

/* The longest piece that begins at word[from]; its end goes to *ret_to. */
static int longest_piece(const struct vocab *vocab, const char *word, size_t size, size_t from,
                         size_t *ret_to)
{
    for (size_t to = size; to > from; to--) {
        if (to < size && !begins_point(word[to]))
            continue;
        int id = vocab_id(vocab, from ? "##" : "", word + from, to - from);
        if (id == VOCAB_ABSENT)
            continue;
        *ret_to = to;
        return id;
    }
    return VOCAB_ABSENT;
}

/* Returns how many ids were written; a word has at most as many pieces as code points. */
static int match_word(const struct wordpiece *wordpiece, const char *word, int ids[WORD_POINTS_MAX])
{
    int count = 0;
    size_t size = strlen(word);
    ids[0] = wordpiece->unk;
    if (count_points(word) > WORD_POINTS_MAX)
        return 1;
    for (size_t from = 0; from < size;) {
        int id = longest_piece(wordpiece->vocab, word, size, from, &from);
        if (id == VOCAB_ABSENT) {
            ids[0] = wordpiece->unk;
            return 1;
        }
        ids[count++] = id;
    }
    return count;
}

bool wordpiece_encode(const struct wordpiece *wordpiece, const char *text, int max_len, struct arena *arena,
                      int **ret_ids, int *ret_count, struct err *err)
{
    struct words words;
    if (!words_split(text, wordpiece->do_lower_case, arena, &words, err))
        return false;
    int *ids = ARENA_ARRAY(arena, int, (size_t)max_len), count = 0;
    if (!ids)
        return err_fail(err, ERR_NOMEM, "no memory for %d tokens", max_len);
    ids[count++] = wordpiece->cls;
    for (int i = 0; i < words.count && count < max_len - 1; i++) {
        int pieces[WORD_POINTS_MAX];
        int found = match_word(wordpiece, words.texts[i], pieces);
        for (int j = 0; j < found && count < max_len - 1; j++)
            ids[count++] = pieces[j];
    }
    ids[count++] = wordpiece->sep;
    *ret_ids = ids;
    *ret_count = count;
    return true;
}
