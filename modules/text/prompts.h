/* prompts.json: which labels are asked, and in what words. source: docs/model-folder.md. */
#ifndef TEXT_PROMPTS_H
#define TEXT_PROMPTS_H

#include "base/arena.h"
#include "base/err.h"

#include <jansson.h>

enum { PROMPTS_LABELS_MAX = 256, PROMPTS_PER_SIDE_MAX = 64, PROMPTS_TEXT_MAX = 1000, PROMPTS_ID_MAX = 64 };

/* One side of a label's pair; several prompts are averaged. */
struct prompt_side {
    const char **texts;
    int count; /* at least 1 */
};

struct prompt_label {
    const char *id;   /* [a-z0-9_]+, unique */
    const char *text; /* for people */
    struct prompt_side positive, negative;
};

struct prompts {
    const char *version;
    struct prompt_label *labels;
    int count; /* at least 1 */
};

/* in:  the parsed file. out: *ret lives in arena and borrows no text from the JSON value.
 * errors: ERR_INPUT (label and key named), ERR_NOMEM. */
bool prompts_read(const json_t *root, struct arena *arena, struct prompts *ret, struct err *err);

#endif
