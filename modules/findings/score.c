#include "findings/score.h"

#include "tensor/section.h"

#include <math.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const char *const modes[] = {"pair_softmax", "class_softmax", "cosine_mean", NULL};
static const char *const scale_modes[] = {"exp", "raw", "fixed", "inv_temp", NULL};
static const char mapped_name[] = "cosine_mean_half";

static bool read_calibration(const json_t *section, struct score_config *config, struct err *err)
{
    bool a = false, b = false;
    const struct section_key keys[] = {
        {"id", SECTION_TEXT, &config->calibration_id, true, .max = 64},
        {"on", SECTION_TEXT, &config->calibration_on, false, .max = 200},
        {"a", SECTION_NUMBER, &config->calibration_a, false, -1e6, 1e6, .present = &a},
        {"b", SECTION_NUMBER, &config->calibration_b, false, -1e6, 1e6, .present = &b},
    };
    if (!section_read(section, "score.calibration", keys, COUNT(keys), err))
        return false;
    config->has_calibration = a && b;
    return a == b || err_fail(err, ERR_INPUT, "score.calibration.%s: missing, but %s is there", a ? "b" : "a",
                              a ? "a" : "b");
}

/* Keys that mean something in one mode only. */
struct given {
    bool scale_mode, scale, map, margin, calibration;
};

static bool check_mode(const struct score_config *config, const struct given *given, struct err *err)
{
    const char *mode = modes[config->mode];
    if (config->mode == SCORE_COSINE_MEAN && (given->scale_mode || given->scale))
        return err_fail(err, ERR_INPUT, "score.%s: not allowed with mode %s",
                        given->scale_mode ? "scale_mode" : "scale", mode);
    if (config->mode != SCORE_COSINE_MEAN && given->map)
        return err_fail(err, ERR_INPUT, "score.map: not allowed with mode %s", mode);
    if (config->mode != SCORE_CLASS_SOFTMAX && given->margin)
        return err_fail(err, ERR_INPUT, "score.margin: not allowed with mode %s", mode);
    if (config->mode == SCORE_CLASS_SOFTMAX && given->calibration)
        return err_fail(err, ERR_INPUT, "score.calibration: not allowed with mode %s", mode);
    if (!score_threshold_possible(config, config->threshold))
        return err_fail(err, ERR_INPUT, "score.threshold: not within 0 and 1");
    if (config->has_band && !score_threshold_possible(config, config->band[0]))
        return err_fail(err, ERR_INPUT, "score.undetermined_band: not within 0 and 1");
    bool fixed = config->scale_mode == SCORE_FIXED;
    if (given->scale == fixed || (given->scale && config->scale_mode == SCORE_INV_TEMP))
        return true;
    return err_fail(err, ERR_INPUT, "score.scale: %s with scale_mode %s", fixed ? "required" : "not allowed",
                    scale_modes[config->scale_mode]);
}

bool score_config_read(const json_t *section, struct score_config *ret, struct err *err)
{
    static const char *const maps[] = {"none", "half", NULL};
    int map = 0;
    struct given given = {0};
    const json_t *calibration = NULL;
    *ret = (struct score_config){0};
    // clang-format off
    const struct section_key keys[] = {
        {"mode",              SECTION_WORD,    &ret->mode,       false, .words = modes},
        {"scale_mode",        SECTION_WORD,    &ret->scale_mode, false, .words = scale_modes,
         .present = &given.scale_mode},
        {"scale",             SECTION_NUMBER,  &ret->scale,      false, 1e-6, 1e6, .present = &given.scale},
        {"map",               SECTION_WORD,    &map,             false, .words = maps, .present = &given.map},
        {"threshold",         SECTION_NUMBER,  &ret->threshold,  false, -1, 1, .present = &ret->has_threshold},
        {"margin",            SECTION_NUMBER,  &ret->margin,     false, 0, 1, .present = &given.margin},
        {"undetermined_band", SECTION_NUMBER2, ret->band,        false, -1, 1, .present = &ret->has_band},
        {"calibration",       SECTION_OBJECT,  &calibration,     false, .present = &given.calibration},
    };
    // clang-format on
    if (section && !section_read(section, "score", keys, COUNT(keys), err))
        return false;
    ret->map_half = map == 1;
    if (!ret->has_threshold && ret->mode == SCORE_PAIR_SOFTMAX)
        ret->threshold = 0.5;
    return check_mode(ret, &given, err) && (!calibration || read_calibration(calibration, ret, err));
}

const char *score_name(const struct score_config *config)
{
    return config->map_half ? mapped_name : modes[config->mode];
}

bool score_name_known(const char *name)
{
    for (int i = 0; modes[i]; i++)
        if (strcmp(modes[i], name) == 0)
            return true;
    return strcmp(name, mapped_name) == 0;
}

bool score_threshold_possible(const struct score_config *config, double threshold)
{
    bool bare = config->mode == SCORE_COSINE_MEAN && !config->map_half;
    return threshold >= (bare ? -1 : 0) && threshold <= 1;
}

bool score_resolve_scale(struct score_config *config, bool has_stored, double stored, struct err *err)
{
    bool temp = config->scale_mode == SCORE_INV_TEMP, fixed = config->scale > 0;
    if (config->mode == SCORE_COSINE_MEAN) {
        config->scale = 1;
        return true;
    }
    if (!fixed && !has_stored)
        return err_fail(err, ERR_INPUT, "tensor %s is missing; score.scale_mode needs it%s",
                        temp ? "temp" : "logit_scale", temp ? ", or score.scale" : "");
    if (temp)
        config->scale = 1.0 / (fixed ? config->scale : stored);
    else if (!fixed)
        config->scale = config->scale_mode == SCORE_EXP ? exp(stored) : stored;
    return (config->scale > 0 && config->scale <= 1e6) ||
           err_fail(err, ERR_INPUT, "the logit scale comes to %g, which is not within 0 and 1e6",
                    config->scale);
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static bool in_band(const struct score_config *config, double score)
{
    return config->has_band && score >= config->band[0] && score <= config->band[1];
}

static void decide(const struct score_config *config, bool trained, struct finding *finding)
{
    finding->state = FINDING_UNDETERMINED;
    finding->reason = !trained             ? "model_untrained"
                      : finding->untrained ? "label_untrained"
                                           : "score_in_undetermined_band";
    if (!trained || finding->untrained || in_band(config, finding->score))
        return;
    finding->state = finding->score > finding->threshold ? FINDING_PRESENT : FINDING_ABSENT;
    finding->reason = NULL;
}

/* What is calibrated: the score before it was brought to 0..1. */
static double margin_of_score(const struct score_config *config, double score)
{
    if (config->mode == SCORE_COSINE_MEAN)
        return config->map_half ? 2 * score - 1 : score;
    return log(score) - log1p(-score);
}

static double calibrated(const struct finding *finding, double margin)
{
    double slope = finding->calibration_a == 0 ? 0 : finding->calibration_a * margin; /* not 0 * infinity */
    return sigmoid(slope + finding->calibration_b);
}

/* A label that is asked on its own. */
static void score_one(const struct score_config *config, bool trained, struct finding *finding)
{
    double margin = config->scale * (finding->cosine_positive - finding->cosine_negative);
    finding->has_score = true;
    if (config->mode == SCORE_COSINE_MEAN) {
        margin = fmin(1, fmax(-1, finding->cosine_positive)); /* unit vectors are so within rounding */
        finding->score = config->map_half ? (1 + margin) / 2 : margin;
    } else {
        finding->score = sigmoid(margin);
    }
    finding->has_probability = trained && !finding->untrained && finding->has_calibration;
    if (finding->has_probability) {
        finding->probability = calibrated(finding, margin);
        finding->probability_at_threshold = calibrated(finding, margin_of_score(config, finding->threshold));
    }
    decide(config, trained, finding);
}

/* Why the best class is not present; NULL: it is. */
static const char *why_none(const struct score_config *config, bool trained, const struct finding *best,
                            double second)
{
    if (!trained)
        return "model_untrained";
    if (!(best->score - second > config->margin))
        return "classes_too_close";
    if (in_band(config, best->score))
        return "score_in_undetermined_band";
    return best->score > best->threshold ? NULL : "score_below_threshold";
}

static void score_classes(const struct score_config *config, bool trained, struct finding *findings,
                          int count)
{
    struct finding *best = findings;
    double highest = -INFINITY, sum = 0, second = 0;
    for (int i = 0; i < count; i++)
        highest = fmax(highest, findings[i].cosine_positive);
    for (int i = 0; i < count; i++)
        sum += exp(config->scale * (findings[i].cosine_positive - highest));
    for (int i = 0; i < count; i++) {
        struct finding *one = &findings[i];
        one->has_score = true;
        one->score = exp(config->scale * (one->cosine_positive - highest)) / sum;
        best = one->score > best->score ? one : best;
    }
    for (int i = 0; i < count; i++)
        second = &findings[i] == best ? second : fmax(second, findings[i].score);
    const char *none = why_none(config, trained, best, second);
    for (int i = 0; i < count; i++) {
        findings[i].state = FINDING_UNDETERMINED;
        findings[i].reason = none ? none : "other_class_fits_better";
    }
    if (none)
        return;
    best->state = FINDING_PRESENT;
    best->reason = NULL;
}

void score_findings(const struct score_config *config, bool trained, struct finding *findings, int count)
{
    if (config->mode == SCORE_CLASS_SOFTMAX) {
        if (count > 0)
            score_classes(config, trained, findings, count);
        return;
    }
    for (int i = 0; i < count; i++)
        if (findings[i].state != FINDING_NOT_ASSESSED)
            score_one(config, trained, &findings[i]);
}

int score_closest(const struct score_config *config, const double *cosines, int count, double *ret_score)
{
    int best = 0;
    double sum = 0;
    for (int i = 1; i < count; i++)
        best = cosines[i] > cosines[best] ? i : best;
    for (int i = 0; i < count; i++)
        sum += exp(config->scale * (cosines[i] - cosines[best]));
    *ret_score = 1 / sum;
    return best;
}
