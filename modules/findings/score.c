#include "findings/score.h"

#include "tensor/section.h"

#include <math.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static bool read_calibration(const json_t *section, struct score_config *config, struct err *err)
{
    const struct section_key keys[] = {
        {"id", SECTION_TEXT, &config->calibration_id, true, .max = 64},
        {"a", SECTION_NUMBER, &config->calibration_a, true, -1e6, 1e6},
        {"b", SECTION_NUMBER, &config->calibration_b, true, -1e6, 1e6},
    };
    return section_read(section, "score.calibration", keys, COUNT(keys), err);
}

bool score_config_read(const json_t *section, struct score_config *ret, struct err *err)
{
    static const char *const modes[] = {"pair_softmax", NULL};
    static const char *const scale_modes[] = {"exp", "raw", "fixed", "inv_temp", NULL};
    int ignored = 0;
    bool has_scale = false;
    const json_t *calibration = NULL;
    *ret = (struct score_config){.threshold = 0.5};
    // clang-format off
    const struct section_key keys[] = {
        {"mode",              SECTION_WORD,    &ignored,         false, .words = modes},
        {"scale_mode",        SECTION_WORD,    &ret->scale_mode, false, .words = scale_modes},
        {"scale",             SECTION_NUMBER,  &ret->scale,      false, 1e-6, 1e6, .present = &has_scale},
        {"threshold",         SECTION_NUMBER,  &ret->threshold,  false, 0, 1},
        {"undetermined_band", SECTION_NUMBER2, ret->band,        false, 0, 1, .present = &ret->has_band},
        {"calibration",       SECTION_OBJECT,  &calibration,     false, .present = &ret->has_calibration},
    };
    // clang-format on
    if (section && !section_read(section, "score", keys, COUNT(keys), err))
        return false;
    bool wants_scale = ret->scale_mode == SCORE_FIXED || ret->scale_mode == SCORE_INV_TEMP;
    if (has_scale != wants_scale)
        return err_fail(err, ERR_INPUT, "score.scale: %s with scale_mode %s",
                        wants_scale ? "required" : "not allowed", scale_modes[ret->scale_mode]);
    return !calibration || read_calibration(calibration, ret, err);
}

bool score_resolve_scale(struct score_config *config, bool has_logit_scale, double logit_scale,
                         struct err *err)
{
    bool stored = config->scale_mode == SCORE_EXP || config->scale_mode == SCORE_RAW;
    if (stored && !has_logit_scale)
        return err_fail(err, ERR_INPUT, "tensor logit_scale is missing; score.scale_mode needs it");
    if (stored)
        config->scale = config->scale_mode == SCORE_EXP ? exp(logit_scale) : logit_scale;
    else if (config->scale_mode == SCORE_INV_TEMP)
        config->scale = 1.0 / config->scale;
    return (config->scale > 0 && config->scale <= 1e6) ||
           err_fail(err, ERR_INPUT, "the logit scale comes to %g, which is not within 0 and 1e6",
                    config->scale);
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static void decide(const struct score_config *config, bool trained, struct finding *finding)
{
    bool in_band = config->has_band && finding->score >= config->band[0] && finding->score <= config->band[1];
    finding->state = FINDING_UNDETERMINED;
    finding->reason = trained ? "score_in_undetermined_band" : "model_untrained";
    if (!trained || in_band)
        return;
    finding->state = finding->score > config->threshold ? FINDING_PRESENT : FINDING_ABSENT;
    finding->reason = NULL;
}

void score_finding(const struct score_config *config, bool trained, struct finding *finding)
{
    double margin = config->scale * (finding->cosine_positive - finding->cosine_negative);
    finding->has_score = true;
    finding->score = sigmoid(margin);
    finding->threshold = config->threshold;
    finding->has_probability = trained && config->has_calibration;
    finding->probability =
        finding->has_probability ? sigmoid(config->calibration_a * margin + config->calibration_b) : 0;
    decide(config, trained, finding);
}
