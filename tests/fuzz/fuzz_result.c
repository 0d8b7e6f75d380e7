/* What a worker answers: read it, write it, read that again, and both must say the same. */
#include "fuzz.h"
#include "report/result_json.h"

#include <stdlib.h>
#include <string.h>

/* Its JSON as text; NULL when there is none. */
static char *again(const json_t *json, struct arena *arena, struct err *err)
{
    struct result *result;
    if (!result_from_json(json, arena, &result, err))
        return NULL;
    fuzz_must(result->key_instance < result->instance_count, "the key instance is in the list");
    if (result->embedding)
        fuzz_touch(result->embedding, (size_t)result->embedding_dim * sizeof *result->embedding);
    for (int i = 0; i < result->organ_count; i++) {
        const struct result_organ *organ = &result->organs[i];
        fuzz_must((organ->embedding == NULL) == (organ->reason != NULL), "an organ has a vector or a reason");
        if (organ->embedding)
            fuzz_touch(organ->embedding, (size_t)result->embedding_dim * sizeof *organ->embedding);
    }
    json_t *written = result_to_json(result);
    char *text = json_dumps(written, JSON_COMPACT);
    fuzz_must(text, "what was read can be written");
    json_decref(written);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    json_t *json = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, NULL);
    char *first = again(json, arena, &err);
    if (first) {
        json_t *written = json_loads(first, JSON_REJECT_DUPLICATES, NULL);
        char *second = again(written, arena, &err);
        fuzz_must(second && strcmp(first, second) == 0, "what was written reads the same");
        free(second);
        json_decref(written);
    } else {
        fuzz_must_refuse(&err);
    }
    free(first);
    json_decref(json);
    arena_free(arena);
    return 0;
}
