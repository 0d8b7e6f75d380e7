#include "pipeline/line.h"

#include <stdlib.h>
#include <string.h>

static void drop_taken(struct line *line)
{
    if (!line->taken)
        return;
    line->length -= line->taken;
    memmove(line->bytes, line->bytes + line->taken, line->length);
    line->taken = line->scanned = 0;
}

bool line_append(struct line *line, const char *bytes, size_t size, struct err *err)
{
    drop_taken(line);
    size_t need = line->length + size;
    if (need > LINE_MAX_BYTES)
        return err_fail(err, ERR_INPUT, "a message is longer than %d bytes", LINE_MAX_BYTES);
    if (need > line->capacity) {
        size_t capacity = need * 2;
        char *grown = realloc(line->bytes, capacity);
        if (!grown)
            return err_fail(err, ERR_NOMEM, "no memory for a message of %zu bytes", need);
        line->bytes = grown;
        line->capacity = capacity;
    }
    memcpy(line->bytes + line->length, bytes, size);
    line->length = need;
    return true;
}

char *line_take(struct line *line)
{
    drop_taken(line);
    char *end = line->length > line->scanned
                    ? memchr(line->bytes + line->scanned, '\n', line->length - line->scanned)
                    : NULL;
    line->scanned = line->length;
    if (!end)
        return NULL;
    *end = '\0';
    line->taken = (size_t)(end - line->bytes) + 1;
    return line->bytes;
}

void line_done(struct line *line)
{
    free(line->bytes);
    *line = (struct line){0};
}
