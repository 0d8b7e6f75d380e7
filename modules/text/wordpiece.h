/* Text to token ids by greedy longest match: BERT's WordPiece.
 * source: google-research/bert tokenization.py; transformers BertTokenizer (slow). Unlike the latter, special
 * tokens written out in a text ("[SEP]") are text. */
#ifndef TEXT_WORDPIECE_H
#define TEXT_WORDPIECE_H

#include "base/arena.h"
#include "base/err.h"

struct wordpiece;

/* Read a vocabulary of at most max_tokens lines. It must hold [UNK], [CLS] and [SEP]; their ids are taken
 * from it. owns: caller closes. threads: any; it never changes. errors: ERR_IO, ERR_INPUT, ERR_NOMEM. */
struct wordpiece *wordpiece_open(const char *vocab_path, bool do_lower_case, int max_tokens, struct err *err);
void wordpiece_close(struct wordpiece *wordpiece); /* accepts NULL */

/* "[CLS] pieces [SEP]", at most max_len ids (>= 2): the first max_len - 2 pieces are kept. A word of more
 * than 100 characters, or one the vocabulary does not cover, is one [UNK]. out: *ret_ids lives in arena.
 * errors: ERR_INPUT (not UTF-8, over 1 MiB), ERR_NOMEM. */
bool wordpiece_encode(const struct wordpiece *wordpiece, const char *text, int max_len, struct arena *arena,
                      int **ret_ids, int *ret_count, struct err *err);

/* The token of an id, borrowed; NULL when there is none. */
const char *wordpiece_token(const struct wordpiece *wordpiece, int id);

#endif
