/* A text cut into the words that WordPiece then looks up: cleaned, optionally lower-cased and stripped of
 * accents, split at white space and round every punctuation character and CJK ideograph.
 * source: BERT's basic tokenizer (google-research/bert tokenization.py; transformers BertTokenizer, slow). */
#ifndef TEXT_WORDS_H
#define TEXT_WORDS_H

#include "base/arena.h"
#include "base/err.h"

struct words {
    char **texts; /* UTF-8, never empty */
    int count;
};

enum { WORDS_TEXT_MAX = 1024 * 1024 }; /* bytes of a text */

/* out: lives in arena. errors: ERR_INPUT (not UTF-8, too long), ERR_NOMEM. */
bool words_split(const char *text, bool do_lower_case, struct arena *arena, struct words *ret,
                 struct err *err);

#endif
