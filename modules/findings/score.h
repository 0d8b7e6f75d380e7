/* From cosines to states: the pair softmax of zero-shot classification.
 * source: Cardiac-CLIP's published inference (two prompts a finding, softmax over the pair); Platt 1999 for
 * the calibration. */
#ifndef FINDINGS_SCORE_H
#define FINDINGS_SCORE_H

#include "base/err.h"
#include "findings/result.h"

#include <jansson.h>

enum score_scale_mode { SCORE_EXP, SCORE_RAW, SCORE_FIXED, SCORE_INV_TEMP };

/* Section "score" of config.json, and what the model adds. */
struct score_config {
    int scale_mode;   /* enum score_scale_mode */
    double scale;     /* factor of the cosines, after score_resolve_scale */
    double threshold; /* score above which a label counts as present: a tie of the pair is not "yes" */
    bool has_band;
    double band[2]; /* scores within, ends included, are undetermined */
    bool has_calibration;
    const char *calibration_id; /* borrowed from the JSON value */
    double calibration_a, calibration_b;
};

/* in: a section may be NULL: all defaults. errors: ERR_INPUT, ERR_UNSUPPORTED; both name the key. */
bool score_config_read(const json_t *section, struct score_config *ret, struct err *err);

/* Turn mode and stored logit scale into the factor: exp(s), s, the fixed scale, or 1 / scale.
 * errors: ERR_INPUT (exp or raw without a stored scale; a factor not positive or over 1e6). */
bool score_resolve_scale(struct score_config *config, bool has_logit_scale, double logit_scale,
                         struct err *err);

/* Fill score, threshold, state, reason and, with a calibration, probability from the two cosines that stand
 * in `finding`. margin = scale * (cosine_positive - cosine_negative) score = 1 / (1 + exp(-margin)), which is
 * the positive side of the softmax over the pair probability = 1 / (1 + exp(-(a * margin + b))) An untrained
 * model yields only undetermined, reason "model_untrained", and no probability; a score inside the band is
 * undetermined, reason "score_in_undetermined_band". */
void score_finding(const struct score_config *config, bool trained, struct finding *finding);

#endif
