/* The tokenizer of a model folder, whichever it is: WordPiece where there is vocab.txt; CLIP's byte pair
 * encoding where there is merges.txt, with vocab.json or, as CLIP's own file has it, without. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include "base/arena.h"
#include "base/err.h"

struct tokenizer;

/* in:  do_lower_case is WordPiece's; max_tokens: rows of the token embedding.
 * owns: caller closes. threads: any; it never changes. errors: as wordpiece_open and bpe_open, the file
 * named; ERR_INPUT when the folder holds files of both kinds, or of none. */
struct tokenizer *tokenizer_open(const char *folder, bool do_lower_case, int max_tokens, struct err *err);
void tokenizer_close(struct tokenizer *tokenizer); /* accepts NULL */

/* As wordpiece_encode and bpe_encode: the first pieces that fit between the first and the last token. */
bool tokenizer_encode(const struct tokenizer *tokenizer, const char *text, int max_len, struct arena *arena,
                      int **ret_ids, int *ret_count, struct err *err);

/* The token of an id, borrowed; NULL when there is none. */
const char *tokenizer_token(const struct tokenizer *tokenizer, int id);

#endif
