/* One job, one arena: memory that is handed out in order and given back all at once. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena;

/* owns: the caller frees with arena_free. NULL when memory is out. threads: one at a time. */
struct arena *arena_new(void);
void arena_free(struct arena *arena); /* accepts NULL */

/* Zeroed memory, aligned to 64 bytes, valid until arena_free. NULL when memory is out or size overflows. */
void *arena_alloc(struct arena *arena, size_t count, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define ARENA_NEW(arena, type)          ((type *)arena_alloc((arena), 1, sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_alloc((arena), (count), sizeof(type)))

#endif
