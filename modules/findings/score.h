/* From cosines to states, as config.json's section "score" says.
 *
 *   pair_softmax    a label has a positive and a negative side:
 *                   margin = scale * (cosine_positive - cosine_negative), score = 1 / (1 + exp(-margin)),
 * which is the positive side of the softmax over the pair class_softmax   one question of many classes:
 * softmax over scale * cosine of all labels cosine_mean     score = mean of the cosines with the label's
 * prompts, c; or (1 + c) / 2 with map "half"
 *
 * A score above its threshold is present, else absent: a tie is not "yes". Of the classes only the best can
 * be present, and no other is ever absent: it was not asked for on its own.
 *
 * source: Cardiac-CLIP's, RadCLIP's, CMR-CLIP's, fVLM's and RADAR's published inference; Platt 1999 for the
 * calibration; the rules beside the published ones are docs/model-folder.md's. */
#ifndef FINDINGS_SCORE_H
#define FINDINGS_SCORE_H

#include "base/err.h"
#include "findings/result.h"

#include <jansson.h>

enum score_mode { SCORE_PAIR_SOFTMAX, SCORE_CLASS_SOFTMAX, SCORE_COSINE_MEAN };
enum score_scale_mode { SCORE_EXP, SCORE_RAW, SCORE_FIXED, SCORE_INV_TEMP };

/* Section "score" of config.json, and what the model adds. */
struct score_config {
    int mode;           /* enum score_mode */
    int scale_mode;     /* enum score_scale_mode; none with cosine_mean */
    double scale;       /* factor of the cosines, after score_resolve_scale */
    bool map_half;      /* cosine_mean: (1 + c) / 2 */
    bool has_threshold; /* it stands in the section */
    double threshold;   /* for labels without one of their own */
    double margin;      /* class_softmax: what the best must be ahead of the second by, and more */
    bool has_band;
    double band[2];             /* scores within, ends included, are undetermined */
    const char *calibration_id; /* borrowed from the JSON value; NULL: no calibration */
    const char *calibration_on; /* what it was fitted on, borrowed; NULL: not stated */
    bool has_calibration;       /* for labels without one of their own */
    double calibration_a, calibration_b;
};

/* in: a section may be NULL: all defaults. errors: ERR_INPUT, ERR_UNSUPPORTED; both name the key. */
bool score_config_read(const json_t *section, struct score_config *ret, struct err *err);

/* "pair_softmax", "class_softmax", "cosine_mean" or "cosine_mean_half": model_identity.score. Static. */
const char *score_name(const struct score_config *config);
/* Is it one of those? */
bool score_name_known(const char *name);

/* May a threshold be that? -1..1 for a bare cosine, else 0..1. */
bool score_threshold_possible(const struct score_config *config, double threshold);

/* Turn mode and what the weights store into the factor: exp(s), s, the fixed scale, or 1 / scale; 1 with
 * cosine_mean. in: stored is the tensor logit_scale; with inv_temp the tensor temp, which config's scale
 * overrules. errors: ERR_INPUT (a stored value is needed and not there; a factor not positive or over 1e6).
 */
bool score_resolve_scale(struct score_config *config, bool has_stored, double stored, struct err *err);

/* Fill score, state, reason and, with a calibration, probability of `count` labels of one model, from the
 * cosines, the threshold and the calibration that stand in each. One that is already not assessed is passed
 * over.
 *   probability = 1 / (1 + exp(-(a * margin + b))); with cosine_mean margin is c
 * The state is decided by the score and its threshold, never by the probability, which may be missing.
 * reasons of undetermined: "model_untrained" (all labels of an untrained model, whatever the score),
 * "label_untrained" (a label that is), "score_in_undetermined_band"; of classes "other_class_fits_better"
 * when one is present, else all the same: "classes_too_close", "score_in_undetermined_band" or
 * "score_below_threshold". */
void score_findings(const struct score_config *config, bool trained, struct finding *findings, int count);

/* Which of several texts lies closest: the index of the largest cosine, the first of several. *ret_score: its
 * part of the softmax over scale * cosine. count is at least 1. */
int score_closest(const struct score_config *config, const double *cosines, int count, double *ret_score);

#endif
