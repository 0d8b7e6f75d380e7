#include "text/tokenizer.h"

#include "text/bpe.h"
#include "text/wordpiece.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One of the two. */
struct tokenizer {
    struct wordpiece *wordpiece;
    struct bpe *bpe;
};

struct places {
    char vocab_txt[PATH_MAX], vocab_json[PATH_MAX], merges[PATH_MAX];
};

static bool find_places(const char *folder, struct places *ret, struct err *err)
{
    if (snprintf(ret->vocab_txt, PATH_MAX, "%s/vocab.txt", folder) < PATH_MAX &&
        snprintf(ret->vocab_json, PATH_MAX, "%s/vocab.json", folder) < PATH_MAX &&
        snprintf(ret->merges, PATH_MAX, "%s/merges.txt", folder) < PATH_MAX)
        return true;
    return err_fail(err, ERR_INPUT, "path of the model folder is too long");
}

static bool there(const char *path)
{
    return access(path, F_OK) == 0;
}

static bool open_bpe(struct tokenizer *tokenizer, const struct places *places, int max_tokens,
                     struct err *err)
{
    bool named = there(places->vocab_json);
    tokenizer->bpe = bpe_open(named ? places->vocab_json : NULL, places->merges, max_tokens, err);
    return tokenizer->bpe || err_prefix(err, named ? "vocab.json and merges.txt" : "merges.txt");
}

static bool open_either(struct tokenizer *tokenizer, const char *folder, bool do_lower_case, int max_tokens,
                        struct err *err)
{
    struct places places;
    if (!find_places(folder, &places, err))
        return false;
    bool pieces = there(places.vocab_txt), pairs = there(places.merges) || there(places.vocab_json);
    if (pieces && pairs)
        return err_fail(err, ERR_INPUT, "vocab.txt and merges.txt or vocab.json: only one kind can be meant");
    if (pairs)
        return open_bpe(tokenizer, &places, max_tokens, err);
    tokenizer->wordpiece = wordpiece_open(places.vocab_txt, do_lower_case, max_tokens, err);
    return tokenizer->wordpiece || err_prefix(err, "vocab.txt");
}

struct tokenizer *tokenizer_open(const char *folder, bool do_lower_case, int max_tokens, struct err *err)
{
    struct tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    if (!tokenizer) {
        err_fail(err, ERR_NOMEM, "no memory for a tokenizer");
        return NULL;
    }
    if (open_either(tokenizer, folder, do_lower_case, max_tokens, err))
        return tokenizer;
    tokenizer_close(tokenizer);
    return NULL;
}

void tokenizer_close(struct tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    wordpiece_close(tokenizer->wordpiece);
    bpe_close(tokenizer->bpe);
    free(tokenizer);
}

bool tokenizer_encode(const struct tokenizer *tokenizer, const char *text, int max_len, struct arena *arena,
                      int **ret_ids, int *ret_count, struct err *err)
{
    return tokenizer->bpe
               ? bpe_encode(tokenizer->bpe, text, max_len, arena, ret_ids, ret_count, err)
               : wordpiece_encode(tokenizer->wordpiece, text, max_len, arena, ret_ids, ret_count, err);
}

const char *tokenizer_token(const struct tokenizer *tokenizer, int id)
{
    return tokenizer->bpe ? bpe_token(tokenizer->bpe, id) : wordpiece_token(tokenizer->wordpiece, id);
}
