/* A vocabulary: one token a line, the line's number is its id. source: BERT's vocab.txt. */
#ifndef TEXT_VOCAB_H
#define TEXT_VOCAB_H

#include "base/err.h"

#include <stddef.h>

struct vocab;

enum { VOCAB_TOKEN_MAX = 400, VOCAB_ABSENT = -1 }; /* bytes of a token; no such token */

/* Read a file of at most max_tokens lines. A token that stands twice has its last id, as in the reference.
 * owns: caller frees. threads: any; it never changes. errors: ERR_IO, ERR_INPUT (empty, too many or too long
 * lines), ERR_NOMEM. */
struct vocab *vocab_open(const char *path, int max_tokens, struct err *err);
void vocab_free(struct vocab *vocab); /* accepts NULL */

int vocab_count(const struct vocab *vocab);
/* The id of `prefix` followed by `size` bytes; VOCAB_ABSENT when there is none. */
int vocab_id(const struct vocab *vocab, const char *prefix, const char *bytes, size_t size);
/* Borrowed. NULL when there is no such id. */
const char *vocab_token(const struct vocab *vocab, int id);

#endif
