/* A text cut into the words that CLIP's byte-level BPE then looks up.
 * Normalised first: Unicode NFC, character references of HTML put back (twice), white space at the ends cut
 * off, lower-cased (with the final sigma). Then cut: special tokens written out, the English clitics ('s 't
 * 're 've 'm 'll 'd), runs of letters (L*), each number (N*) by itself, runs of all else but white space.
 * source: openai/CLIP simple_tokenizer.py without ftfy, whose NFC stands first; transformers CLIPTokenizer,
 * whose pattern is the same. */
#ifndef TEXT_CLIP_WORDS_H
#define TEXT_CLIP_WORDS_H

#include "text/words.h"

enum { CLIP_WORDS_TEXT_MAX = 65536 }; /* bytes of a text: keeps the cost of hostile text under a second */

/* out: lives in arena. errors: ERR_INPUT (not UTF-8: "text_not_utf8"; too long), ERR_NOMEM. */
bool clip_words_split(const char *text, struct arena *arena, struct words *ret, struct err *err);

#endif
