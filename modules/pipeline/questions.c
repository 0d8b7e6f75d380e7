#include "pipeline/questions.h"

#include "tensor/ops.h"

#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = PROMPTS_ID_MAX + 40 };

static void side_name(const struct prompt_label *label, const char *side, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "labels.%s.%s", label->id, side);
}

/* From 0; -1 when there is none of that id. */
static int organ_of(const struct organ_config *organs, const char *id)
{
    for (int i = 0; i < organs->count; i++)
        if (strcmp(organs->organs[i].id, id) == 0)
            return i;
    return -1;
}

/* ---- what a label must have ---- */

static bool check_organ(const struct questions *questions, const struct prompt_label *label, struct err *err)
{
    if (questions->organs->count == 0)
        return !label->organ ||
               err_fail(err, ERR_INPUT, "labels.%s.organ: the model has no organs", label->id);
    if (!label->organ)
        return err_fail(err, ERR_INPUT, "labels.%s.organ: missing; the model answers by organ", label->id);
    return organ_of(questions->organs, label->organ) >= 0 ||
           err_fail(err, ERR_INPUT, "labels.%s.organ: \"%.60s\" is no organ of config.json", label->id,
                    label->organ);
}

static bool check_threshold(const struct score_config *score, const struct prompt_label *label,
                            struct err *err)
{
    if (label->has_threshold)
        return score_threshold_possible(score, label->threshold) ||
               err_fail(err, ERR_INPUT, "labels.%s.threshold: not within 0 and 1", label->id);
    return score->has_threshold || score->mode != SCORE_COSINE_MEAN ||
           err_fail(err, ERR_INPUT,
                    "labels.%s.threshold: missing; score.mode cosine_mean needs it, or score.threshold",
                    label->id);
}

/* Classes are decided together. */
static bool check_trained(const struct score_config *score, const struct prompt_label *label, struct err *err)
{
    return !label->untrained || score->mode != SCORE_CLASS_SOFTMAX ||
           err_fail(err, ERR_INPUT, "labels.%s.trained: not allowed with mode class_softmax", label->id);
}

/* Its probability is stated with the identifier of the calibration. */
static bool check_calibration(const struct score_config *score, const struct prompt_label *label,
                              struct err *err)
{
    return !label->has_calibration || score->calibration_id ||
           err_fail(err, ERR_INPUT, "labels.%s.calibration: score.calibration, whose id it needs, is missing",
                    label->id);
}

static bool check_side(const struct prompt_label *label, const char *side, int texts,
                       bool (*has_shipped)(void *of, const char *name), void *of, struct err *err)
{
    char name[NAME_SIZE];
    side_name(label, side, name);
    return texts > 0 || has_shipped(of, name) ||
           err_fail(err, ERR_INPUT, "%s: missing, and no vector of it is shipped", name);
}

/* Whatever the image, the score would be one half: absent. */
static bool check_pair(const struct prompt_label *label, struct err *err)
{
    bool same = label->positive.count > 0 && label->positive.count == label->negative.count;
    for (int i = 0; same && i < label->positive.count; i++)
        same = strcmp(label->positive.texts[i], label->negative.texts[i]) == 0;
    return !same || err_fail(err, ERR_INPUT, "labels.%s: positive and negative are the same", label->id);
}

static bool check_label(const struct questions *questions, const struct prompt_label *label,
                        bool (*has_shipped)(void *of, const char *name), void *of, struct err *err)
{
    bool pair = questions->score->mode == SCORE_PAIR_SOFTMAX;
    if (!check_organ(questions, label, err) || !check_threshold(questions->score, label, err) ||
        !check_calibration(questions->score, label, err) || !check_trained(questions->score, label, err) ||
        !check_side(label, "positive", label->positive.count, has_shipped, of, err))
        return false;
    if (pair)
        return check_side(label, "negative", label->negative.count, has_shipped, of, err) &&
               check_pair(label, err);
    return label->negative.count == 0 ||
           err_fail(err, ERR_INPUT, "labels.%s.negative: score.mode %s has no use for it", label->id,
                    score_name(questions->score));
}

static bool check_classes(const struct questions *questions, struct err *err)
{
    if (questions->score->mode != SCORE_CLASS_SOFTMAX)
        return true;
    if (questions->organs->count > 0)
        return err_fail(err, ERR_INPUT,
                        "score.mode class_softmax is one question of the whole study, not of organs");
    return questions->prompts->count != 1 ||
           err_fail(err, ERR_INPUT, "labels: score.mode class_softmax needs at least two");
}

static bool organ_has_prompt(const struct prompts *prompts, const char *id)
{
    for (int i = 0; i < prompts->organ_count; i++)
        if (strcmp(prompts->organs[i].organ, id) == 0)
            return true;
    return prompts->organ_template != NULL;
}

/* Told with the file's name, as what stops is by the caller. */
static bool passed(struct faults *faults, struct err *err)
{
    if (!faults)
        return false;
    err_prefix(err, "prompts.json");
    return faults_pass(faults, err);
}

static bool check_organ_prompts(const struct questions *questions, struct faults *faults, struct err *err)
{
    const struct prompts *prompts = questions->prompts;
    const struct organ_config *organs = questions->organs;
    if (!prompts->organ_template && prompts->organ_count == 0)
        return true;
    if (organs->count == 0)
        return err_fail(err, ERR_INPUT, "organ_prompts: the model has no organs") || passed(faults, err);
    for (int i = 0; i < prompts->organ_count; i++)
        if (organ_of(organs, prompts->organs[i].organ) < 0 &&
            !(err_fail(err, ERR_INPUT, "organ_prompts.%.60s: no organ of config.json",
                       prompts->organs[i].organ) ||
              passed(faults, err)))
            return false;
    for (int i = 0; i < organs->count; i++)
        if (!organ_has_prompt(prompts, organs->organs[i].id) &&
            !(err_fail(err, ERR_INPUT, "organ_prompts: organ %.60s has none", organs->organs[i].id) ||
              passed(faults, err)))
            return false;
    return true;
}

bool questions_check(const struct questions *questions, bool (*has_shipped)(void *of, const char *name),
                     void *of, struct faults *faults, struct err *err)
{
    if (!check_classes(questions, err) && !passed(faults, err))
        return false;
    for (int i = 0; i < questions->prompts->count; i++)
        if (!check_label(questions, &questions->prompts->labels[i], has_shipped, of, err) &&
            !passed(faults, err))
            return false;
    return check_organ_prompts(questions, faults, err);
}

/* ---- vectors ---- */

/* The mean of the prompts' vectors; at unit length when `unit`. */
static bool embed_texts(const struct questions_source *source, const struct prompt_side *side, bool unit,
                        size_t dim, float *mean, struct err *err)
{
    for (int i = 0; i < side->count; i++) {
        const float *one = source->text(source->of, side->texts[i], err);
        if (!one)
            return false;
        ops_add(dim, one, mean);
    }
    if (unit)
        return ops_unit(dim, mean) || err_fail(err, ERR_INPUT, "the prompts cancel out");
    for (size_t i = 0; i < dim; i++)
        mean[i] /= (float)side->count;
    return true;
}

static bool embed_side(const struct questions *questions, const struct questions_source *source,
                       const struct prompt_label *label, const char *name, const struct prompt_side *side,
                       float *vector, struct err *err)
{
    char full[NAME_SIZE];
    bool unit = questions->score->mode != SCORE_COSINE_MEAN;
    side_name(label, name, full);
    const float *shipped = source->shipped(source->of, full);
    if (shipped)
        memcpy(vector, shipped, (size_t)questions->dim * sizeof *vector);
    return shipped || embed_texts(source, side, unit, (size_t)questions->dim, vector, err) ||
           err_prefix(err, "prompts.json: %s", full);
}

static bool embed_labels(struct questions *questions, const struct questions_source *source,
                         struct arena *arena, struct err *err)
{
    size_t dim = (size_t)questions->dim;
    bool pair = questions->score->mode == SCORE_PAIR_SOFTMAX;
    questions->vectors = ARENA_ARRAY(arena, float, 2 * dim * (size_t)questions->prompts->count);
    if (!questions->vectors)
        return err_fail(err, ERR_NOMEM, "no memory for prompt embeddings");
    for (int i = 0; i < questions->prompts->count; i++) {
        const struct prompt_label *label = &questions->prompts->labels[i];
        float *to = questions->vectors + 2 * dim * (size_t)i;
        if (!embed_side(questions, source, label, "positive", &label->positive, to, err) ||
            (pair && !embed_side(questions, source, label, "negative", &label->negative, to + dim, err)))
            return false;
    }
    return true;
}

static bool embed_organ(const struct questions *questions, const struct questions_source *source,
                        const struct organ *organ, struct arena *arena, float *vector, struct err *err)
{
    const struct prompts *prompts = questions->prompts;
    const char *text = NULL;
    struct prompt_side side = {&text, 1};
    if (prompts->organ_template && !(text = prompts_organ_text(prompts, organ->text, arena)))
        return err_fail(err, ERR_NOMEM, "no memory for prompts");
    for (int i = 0; i < prompts->organ_count; i++)
        if (strcmp(prompts->organs[i].organ, organ->id) == 0)
            side = prompts->organs[i].side;
    return embed_texts(source, &side, true, (size_t)questions->dim, vector, err) ||
           err_prefix(err, "prompts.json: organ_prompts.%.60s", organ->id);
}

static bool embed_organs(struct questions *questions, const struct questions_source *source,
                         struct arena *arena, struct err *err)
{
    size_t dim = (size_t)questions->dim;
    if (!questions->prompts->organ_template && questions->prompts->organ_count == 0)
        return true;
    float *vectors = ARENA_ARRAY(arena, float, dim *(size_t)questions->organs->count);
    if (!vectors)
        return err_fail(err, ERR_NOMEM, "no memory for organ embeddings");
    for (int i = 0; i < questions->organs->count; i++)
        if (!embed_organ(questions, source, &questions->organs->organs[i], arena, vectors + dim * (size_t)i,
                         err))
            return false;
    questions->organ_vectors = vectors;
    return true;
}

bool questions_embed(struct questions *questions, const struct questions_source *source, struct arena *arena,
                     struct err *err)
{
    return embed_labels(questions, source, arena, err) && embed_organs(questions, source, arena, err);
}

/* ---- answers; texts are copied, so that a result outlives the model ---- */

static const char *copied(struct arena *arena, const char *text, bool *ok)
{
    const char *copy = text ? arena_strdup(arena, text) : NULL;
    *ok = *ok && (!text || copy);
    return copy;
}

static void calibrate(const struct score_config *score, const struct prompt_label *label,
                      struct finding *finding)
{
    finding->has_calibration = label->has_calibration || score->has_calibration;
    finding->calibration_a = label->has_calibration ? label->calibration_a : score->calibration_a;
    finding->calibration_b = label->has_calibration ? label->calibration_b : score->calibration_b;
}

static struct finding *new_findings(const struct questions *questions, struct arena *arena, struct err *err)
{
    int count = questions->prompts->count;
    struct finding *findings = ARENA_ARRAY(arena, struct finding, (size_t)count);
    bool ok = findings != NULL;
    for (int i = 0; ok && i < count; i++) {
        const struct prompt_label *label = &questions->prompts->labels[i];
        findings[i] = (struct finding){
            .id = copied(arena, label->id, &ok),
            .text = copied(arena, label->text, &ok),
            .organ = copied(arena, label->organ, &ok),
            .threshold = label->has_threshold ? label->threshold : questions->score->threshold,
            .untrained = label->untrained,
        };
        calibrate(questions->score, label, &findings[i]);
    }
    if (!ok)
        err_fail(err, ERR_NOMEM, "no memory for findings");
    return ok ? findings : NULL;
}

static const float *copied_vector(struct arena *arena, const float *vector, int dim, bool *ok)
{
    float *copy = ARENA_ARRAY(arena, float, (size_t)dim);
    *ok = *ok && copy;
    return copy ? memcpy(copy, vector, (size_t)dim * sizeof *copy) : NULL;
}

static void recognise(const struct questions *questions, struct arena *arena, struct result_organ *organ,
                      bool *ok)
{
    double cosines[ORGANS_MAX];
    size_t dim = (size_t)questions->dim;
    const struct organ_config *organs = questions->organs;
    for (int i = 0; i < organs->count; i++)
        cosines[i] = ops_dot(dim, organ->embedding, questions->organ_vectors + dim * (size_t)i);
    int closest = score_closest(questions->score, cosines, organs->count, &organ->recognised_score);
    organ->recognised = copied(arena, organs->organs[closest].id, ok);
}

static bool answer_organs(const struct questions *questions, const struct encoder_output *output,
                          struct arena *arena, struct result *result, struct err *err)
{
    struct result_organ *organs = ARENA_ARRAY(arena, struct result_organ, (size_t)output->organ_count);
    bool ok = organs != NULL;
    for (int i = 0; ok && i < output->organ_count; i++) {
        const struct encoder_organ *from = &output->organs[i];
        int known = organ_of(questions->organs, from->id);
        if (known < 0)
            return err_fail(err, ERR_BUG, "the encoder answers for an organ nobody knows");
        organs[i].id = copied(arena, from->id, &ok);
        organs[i].text = copied(arena, questions->organs->organs[known].text, &ok);
        organs[i].reason = from->vector ? NULL : copied(arena, from->reason, &ok);
        if (from->vector)
            organs[i].embedding = copied_vector(arena, from->vector, questions->dim, &ok);
        if (ok && from->vector && questions->organ_vectors && questions->trained)
            recognise(questions, arena, &organs[i], &ok);
    }
    if (!ok)
        return err_fail(err, ERR_NOMEM, "no memory for organs");
    result->organs = organs;
    result->organ_count = output->organ_count;
    return true;
}

/* The vector a label is asked of; NULL: not assessed, for the reason now in the finding. */
static const float *asked(const struct result *result, struct finding *finding)
{
    const struct result_organ *organ = result_organ(result, finding->organ);
    if (!finding->organ)
        return result->embedding;
    if (organ && organ->embedding)
        return organ->embedding;
    finding->state = FINDING_NOT_ASSESSED;
    finding->reason = organ ? organ->reason : "organ_not_answered";
    return NULL;
}

static void answer_labels(const struct questions *questions, const struct result *result,
                          struct finding *findings)
{
    size_t dim = (size_t)questions->dim;
    for (int i = 0; i < questions->prompts->count; i++) {
        const float *vectors = questions->vectors + 2 * dim * (size_t)i;
        const float *of = asked(result, &findings[i]);
        if (!of)
            continue;
        findings[i].cosine_positive = ops_dot(dim, of, vectors);
        findings[i].has_negative = questions->score->mode == SCORE_PAIR_SOFTMAX;
        if (findings[i].has_negative)
            findings[i].cosine_negative = ops_dot(dim, of, vectors + dim);
    }
    score_findings(questions->score, questions->trained, findings, questions->prompts->count);
}

bool questions_answer(const struct questions *questions, const struct encoder_output *output,
                      struct arena *arena, struct result *result, struct err *err)
{
    bool ok = true;
    struct finding *findings = new_findings(questions, arena, err);
    if (!findings)
        return false;
    if ((output->vector != NULL) != (questions->organs->count == 0))
        return err_fail(err, ERR_BUG, "the encoder answers by %s", output->vector ? "study" : "organ");
    result->embedding_dim = questions->dim;
    if (output->vector)
        result->embedding = (float *)copied_vector(arena, output->vector, questions->dim, &ok);
    else if (!answer_organs(questions, output, arena, result, err))
        return false;
    if (!ok)
        return err_fail(err, ERR_NOMEM, "no memory for an embedding");
    answer_labels(questions, result, findings);
    result->findings = findings;
    result->finding_count = questions->prompts->count;
    return true;
}

bool questions_blank(const struct questions *questions, const char *reason, struct arena *arena,
                     struct finding **ret, int *ret_count, struct err *err)
{
    struct finding *findings = new_findings(questions, arena, err);
    const char *copy = arena_strdup(arena, reason);
    if (!findings || !copy)
        return err_fail(err, ERR_NOMEM, "no memory for findings");
    for (int i = 0; i < questions->prompts->count; i++) {
        findings[i].state = FINDING_NOT_ASSESSED;
        findings[i].reason = copy;
    }
    *ret = findings;
    *ret_count = questions->prompts->count;
    return true;
}
