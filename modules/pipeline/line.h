/* Lines out of a stream of bytes, bounded. Both ends of the worker's protocol read with it. */
#ifndef PIPELINE_LINE_H
#define PIPELINE_LINE_H

#include "base/err.h"

#include <stddef.h>

/* A study of 100000 files with long paths is 20 MiB; a line above this is no message of ours. */
enum { LINE_MAX_BYTES = 64 << 20 };

/* Bytes read and not yet taken. All zero at the start; line_done frees what it holds. */
struct line {
    char *bytes;
    size_t length, capacity;
    size_t scanned; /* no line end before this */
    size_t taken;   /* bytes of the line handed out last */
};

/* Append what was read. errors: ERR_INPUT when a line grows beyond LINE_MAX_BYTES, ERR_NOMEM. */
bool line_append(struct line *line, const char *bytes, size_t size, struct err *err);

/* The next whole line without its line feed, NUL behind it; NULL when there is none yet. Borrowed until the
 * next call on `line`. */
char *line_take(struct line *line);

void line_done(struct line *line);

#endif
