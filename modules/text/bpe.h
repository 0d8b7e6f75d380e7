/* Text to token ids by CLIP's byte-level byte pair encoding.
 * source: openai/CLIP simple_tokenizer.py; transformers CLIPTokenizer (slow) for the files; clip_words.h says
 * how a text becomes words. */
#ifndef TEXT_BPE_H
#define TEXT_BPE_H

#include "base/arena.h"
#include "base/err.h"

struct bpe;

/* in:  vocab_path: a JSON object, token to id below max_tokens, each id once; NULL: the vocabulary follows
 *      from the merges, as in CLIP's own file (256 bytes, 256 with "</w>", the merges, two special tokens).
 *      merges_path: a first line that is not read, then "LEFT RIGHT" a line, the most urgent first; lines
 *      beyond the 48,894th are not read, as in the reference.
 * Both special tokens must be in the vocabulary. owns: caller closes. threads: any; it never changes.
 * errors: ERR_IO, ERR_INPUT (line or token named), ERR_NOMEM. */
struct bpe *bpe_open(const char *vocab_path, const char *merges_path, int max_tokens, struct err *err);
void bpe_close(struct bpe *bpe); /* accepts NULL */

/* "<|startoftext|> pieces <|endoftext|>", at most max_len ids (>= 2): the first max_len - 2 pieces are kept.
 * A piece that the vocabulary lacks is <|endoftext|>, as in the reference. out: *ret_ids lives in arena.
 * errors: ERR_INPUT (not UTF-8, over 64 KiB), ERR_NOMEM. */
bool bpe_encode(const struct bpe *bpe, const char *text, int max_len, struct arena *arena, int **ret_ids,
                int *ret_count, struct err *err);

/* The token of an id as the vocabulary spells it, borrowed; NULL when there is none. */
const char *bpe_token(const struct bpe *bpe, int id);

#endif
