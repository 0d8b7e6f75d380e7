/* prompts.json: which labels are asked, and in what words. source: docs/model-folder.md. */
#ifndef TEXT_PROMPTS_H
#define TEXT_PROMPTS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/faults.h"

#include <jansson.h>

enum {
    PROMPTS_LABELS_MAX = 256,
    PROMPTS_PER_SIDE_MAX = 64,
    PROMPTS_TEXT_MAX = 1000,
    PROMPTS_ID_MAX = 64,
    PROMPTS_ORGANS_MAX = 255
};

/* One side of a label's pair, or an organ's texts. */
struct prompt_side {
    const char **texts;
    int count; /* 0: none are given */
};

/* What a label must and may have beside id and text depends on the model: prompts_read does not know it. */
struct prompt_label {
    const char *id;    /* [a-z0-9_]+, unique */
    const char *text;  /* for people */
    const char *organ; /* id of the organ it is asked of; NULL: none is given */
    struct prompt_side positive, negative;
    bool has_threshold;
    double threshold; /* -1..1 */
    bool has_calibration;
    double calibration_a, calibration_b; /* Platt's */
    bool untrained;                      /* `trained` is false */
};

struct prompt_organ {
    const char *organ; /* id */
    struct prompt_side side;
};

struct prompts {
    const char *version;
    struct prompt_label *labels;
    int count; /* 0: the model embeds and asks nothing */
    /* How organs are recognised: one or the other, or neither. */
    const char *organ_template; /* holds PROMPTS_ORGAN_MARK once; NULL: none */
    struct prompt_organ *organs;
    int organ_count;
};

#define PROMPTS_ORGAN_MARK "{organ}"

/* in:  the parsed file. out: *ret lives in arena and borrows no text from the JSON value.
 * faults: one a label at most, which is then left out; NULL: the first stops.
 * errors: ERR_INPUT (label and key named), ERR_NOMEM. */
bool prompts_read(const json_t *root, struct arena *arena, struct prompts *ret, struct faults *faults,
                  struct err *err);

/* The template with an organ's text in place of the mark. NULL: no memory. */
const char *prompts_organ_text(const struct prompts *prompts, const char *organ, struct arena *arena);

#endif
