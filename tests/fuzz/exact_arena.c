/* base/arena.h for fuzzing: every piece is a block of its own and of exact size, so that a sanitizer sees one
 * byte too many, which the real arena's chunks would hide. Linked before the library, it takes arena.c's
 * place. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

struct piece {
    struct piece *next;
    void *memory;
};

struct arena {
    struct piece *pieces;
};

struct arena *arena_new(void)
{
    return calloc(1, sizeof(struct arena));
}

void arena_free(struct arena *arena)
{
    while (arena && arena->pieces) {
        struct piece *piece = arena->pieces;
        arena->pieces = piece->next;
        free(piece->memory);
        free(piece);
    }
    free(arena);
}

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    struct piece *piece = calloc(1, sizeof *piece);
    if (!piece || posix_memalign(&piece->memory, ALIGNMENT, bytes ? bytes : 1) != 0) {
        free(piece);
        return NULL;
    }
    piece->next = arena->pieces;
    arena->pieces = piece;
    return memset(piece->memory, 0, bytes ? bytes : 1);
}

char *arena_strdup(struct arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc(arena, size, 1);
    return copy ? memcpy(copy, text, size) : NULL;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int length = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *text = length < 0 ? NULL : arena_alloc(arena, (size_t)length + 1, 1);
    if (!text)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(text, (size_t)length + 1, fmt, ap);
    va_end(ap);
    return text;
}
