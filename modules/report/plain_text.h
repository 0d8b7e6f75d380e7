/* Text that came with a study, made fit to be written down again. source: RFC 3629; PS3.5 section 6.1.3
 * (control characters). */
#ifndef REPORT_PLAIN_TEXT_H
#define REPORT_PLAIN_TEXT_H

#include "base/arena.h"

#include <stddef.h>

/* A copy in which every byte that is no UTF-8 is U+FFFD and every control character but line feed is a space.
 * At most max_bytes of result (cut between characters). owns: arena. NULL when memory is out. */
char *plain_text(struct arena *arena, const char *text, size_t max_bytes);

/* The same into a buffer the caller owns; needs 3 * strlen(text) + 1 bytes at most. */
void plain_text_copy(char *out, size_t size, const char *text);

#endif
