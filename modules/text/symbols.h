/* The symbols of a byte pair encoding, each with a number, and the merges between them. */
#ifndef TEXT_SYMBOLS_H
#define TEXT_SYMBOLS_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SYMBOLS_ABSENT = -1 };

struct symbols;

/* Room for that many symbols and merges. owns: lives in arena. NULL: no memory. */
struct symbols *symbols_new(struct arena *arena, size_t max_symbols, size_t max_merges);

/* The number of a symbol, which is added when it is new (its text is copied). SYMBOLS_ABSENT: no memory. */
int symbols_put(struct symbols *symbols, const char *bytes, size_t size);
/* SYMBOLS_ABSENT when there is none. */
int symbols_find(const struct symbols *symbols, const char *bytes, size_t size);
const char *symbols_text(const struct symbols *symbols, int symbol); /* borrowed */
int symbols_count(const struct symbols *symbols);

/* Lower ranks merge first. A pair that comes again has its last rank, as in the reference. */
void symbols_put_merge(struct symbols *symbols, int left, int right, int rank, int result);
/* The rank of a pair and what it becomes; SYMBOLS_ABSENT when it does not merge. */
int symbols_merge(const struct symbols *symbols, int left, int right, int *ret_result);

#endif
