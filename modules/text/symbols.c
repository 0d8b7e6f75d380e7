#include "text/symbols.h"

#include <string.h>

struct merge {
    uint64_t pair; /* left + 1 in the high half, right + 1 in the low; 0: free */
    int rank, result;
};

struct symbols {
    struct arena *arena;
    const char **texts; /* [count] */
    int count;
    int *slots; /* [slot_mask + 1]: symbol + 1, 0 when free; open addressing */
    uint64_t slot_mask;
    struct merge *merges; /* [merge_mask + 1]; open addressing */
    uint64_t merge_mask;
};

/* A power of two that leaves half of the slots free. */
static uint64_t slots_for(size_t count)
{
    uint64_t slots = 16;
    while (slots < 2 * (uint64_t)count)
        slots *= 2;
    return slots;
}

struct symbols *symbols_new(struct arena *arena, size_t max_symbols, size_t max_merges)
{
    struct symbols *symbols = ARENA_NEW(arena, struct symbols);
    if (!symbols)
        return NULL;
    uint64_t slots = slots_for(max_symbols), merges = slots_for(max_merges);
    *symbols = (struct symbols){.arena = arena,
                                .texts = ARENA_ARRAY(arena, const char *, max_symbols),
                                .slots = ARENA_ARRAY(arena, int, slots),
                                .slot_mask = slots - 1,
                                .merges = ARENA_ARRAY(arena, struct merge, merges),
                                .merge_mask = merges - 1};
    return symbols->texts && symbols->slots && symbols->merges ? symbols : NULL;
}

/* source: FNV-1a, 64 bits. */
static uint64_t hash_bytes(const char *bytes, size_t size)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211u;
    return hash;
}

static bool equals(const char *text, const char *bytes, size_t size)
{
    return strncmp(text, bytes, size) == 0 && text[size] == '\0';
}

/* The slot that holds the symbol, or the free one where it belongs. */
static int *find_slot(const struct symbols *symbols, const char *bytes, size_t size)
{
    uint64_t at = hash_bytes(bytes, size) & symbols->slot_mask;
    while (symbols->slots[at] && !equals(symbols->texts[symbols->slots[at] - 1], bytes, size))
        at = (at + 1) & symbols->slot_mask;
    return &symbols->slots[at];
}

int symbols_find(const struct symbols *symbols, const char *bytes, size_t size)
{
    return *find_slot(symbols, bytes, size) - 1;
}

int symbols_put(struct symbols *symbols, const char *bytes, size_t size)
{
    int *slot = find_slot(symbols, bytes, size);
    if (*slot)
        return *slot - 1;
    char *copy = arena_alloc(symbols->arena, size + 1, 1);
    if (!copy)
        return SYMBOLS_ABSENT;
    memcpy(copy, bytes, size);
    symbols->texts[symbols->count++] = copy;
    *slot = symbols->count;
    return *slot - 1;
}

const char *symbols_text(const struct symbols *symbols, int symbol)
{
    return symbols->texts[symbol];
}

int symbols_count(const struct symbols *symbols)
{
    return symbols->count;
}

static struct merge *find_merge(const struct symbols *symbols, int left, int right)
{
    uint64_t pair = ((uint64_t)left + 1) << 32 | ((uint64_t)right + 1);
    /* source: Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4). */
    uint64_t at = (pair * 11400714819323198485u) >> 32 & symbols->merge_mask;
    while (symbols->merges[at].pair && symbols->merges[at].pair != pair)
        at = (at + 1) & symbols->merge_mask;
    return &symbols->merges[at];
}

void symbols_put_merge(struct symbols *symbols, int left, int right, int rank, int result)
{
    struct merge *merge = find_merge(symbols, left, right);
    *merge = (struct merge){((uint64_t)left + 1) << 32 | ((uint64_t)right + 1), rank, result};
}

int symbols_merge(const struct symbols *symbols, int left, int right, int *ret_result)
{
    const struct merge *merge = find_merge(symbols, left, right);
    *ret_result = merge->result;
    return merge->pair ? merge->rank : SYMBOLS_ABSENT;
}
