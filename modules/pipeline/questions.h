/* What a model is asked, as vectors, and what it answers: prompts.json bound to the organs and the scoring of
 * config.json. source: docs/model-folder.md, score and prompts.json. */
#ifndef PIPELINE_QUESTIONS_H
#define PIPELINE_QUESTIONS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/faults.h"
#include "encoder/encoder.h"
#include "encoder/organ.h"
#include "findings/result.h"
#include "findings/score.h"
#include "text/prompts.h"

struct questions {
    const struct prompts *prompts;
    const struct score_config *score;
    const struct organ_config *organs; /* count 0: the model answers for the whole study */
    bool trained;
    int dim;
    float *vectors;       /* [labels][2][dim]: positive, negative; see questions_embed */
    float *organ_vectors; /* [organs][dim]: what organs are recognised by; NULL: they are not */
};

/* Does every label have what scoring and organs ask of it, and nothing they have no use for? What is shipped
 * counts: has_shipped says whether there is a vector of that name ("labels.ID.positive").
 * faults: one a label. errors: ERR_INPUT (label and key named). */
bool questions_check(const struct questions *questions, bool (*has_shipped)(void *of, const char *name),
                     void *of, struct faults *faults, struct err *err);

/* Where vectors come from. Both borrowed until the next call; shipped: NULL when there is none. */
struct questions_source {
    void *of;
    const float *(*shipped)(void *of, const char *name);
    const float *(*text)(void *of, const char *text, struct err *err);
};

/* Fill vectors and organ_vectors. A side is what was shipped for it, else the mean of its prompts' unit
 * vectors, brought to unit length again; left as it is with cosine_mean, so that the product with it is the
 * mean of the cosines. An organ's is as a side of pair_softmax. owns: arena. errors: ERR_INPUT (label and
 * side named; prompts that cancel out), ERR_NOMEM, those of text. */
bool questions_embed(struct questions *questions, const struct questions_source *source, struct arena *arena,
                     struct err *err);

/* Score every label, fill the result's embedding or organs, and its findings. A label whose organ was not
 * assessed is not assessed, with the organ's reason.
 * owns: arena, texts included. errors: ERR_NOMEM; ERR_BUG (an encoder whose answer is of the other kind). */
bool questions_answer(const struct questions *questions, const struct encoder_output *output,
                      struct arena *arena, struct result *result, struct err *err);

/* The labels, nothing said of them: not assessed for that reason. owns: arena. errors: ERR_NOMEM. */
bool questions_blank(const struct questions *questions, const char *reason, struct arena *arena,
                     struct finding **ret, int *ret_count, struct err *err);

#endif
