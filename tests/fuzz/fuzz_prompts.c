/* prompts.json of a model folder. */
#include "fuzz.h"
#include "tensor/section.h"
#include "text/prompts.h"

#include <string.h>

static void check_text(const char *text, size_t most)
{
    size_t length = strlen(text);
    fuzz_must(length >= 1 && length <= most, "a text has 1 to so many bytes");
    fuzz_touch(text, length);
}

static void check_side(const struct prompt_side *side)
{
    fuzz_must(side->count >= 0 && side->count <= PROMPTS_PER_SIDE_MAX, "a side has prompts, not too many");
    for (int i = 0; i < side->count; i++)
        check_text(side->texts[i], PROMPTS_TEXT_MAX);
}

static void check_prompts(const struct prompts *prompts)
{
    fuzz_must(prompts->count >= 0 && prompts->count <= PROMPTS_LABELS_MAX, "not too many labels");
    check_text(prompts->version, PROMPTS_TEXT_MAX);
    for (int i = 0; i < prompts->count; i++) {
        const struct prompt_label *label = &prompts->labels[i];
        check_text(label->id, PROMPTS_ID_MAX);
        check_text(label->text, PROMPTS_TEXT_MAX);
        check_side(&label->positive);
        check_side(&label->negative);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct err err = ERR_INIT;
    struct prompts prompts;
    json_t *root = section_file(fuzz_file(bytes, size), NULL, NULL, &err);
    if (!root) {
        fuzz_must_refuse(&err);
        return 0;
    }
    struct arena *arena = arena_new();
    bool read = prompts_read(root, arena, &prompts, NULL, &err);
    json_decref(root); /* the prompts borrow nothing from it */
    if (read)
        check_prompts(&prompts);
    else
        fuzz_must_refuse(&err);
    arena_free(arena);
    return 0;
}
