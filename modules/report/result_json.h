/* The one JSON form of a result: the worker's answer, `cardioscribe encode --json`, the row in SQLite and the
 * REST view are all this object.
 *
 *   analysed, reason, reason_text      bool; stable word or null; sentence or null
 *   embedding                          array of numbers, or null
 *   organs[]                           id, text, and embedding or not_assessed (the reason); where organs
 *                                      were recognised, recognised {id, score}
 *   domain                             null, or of, id, distance, limit, inside (bool)
 *   findings[]                         id, text, organ (id or null), state, reason, score, probability,
 *                                      calibration (null without a probability, or a, b,
 *                                      probability_at_threshold), threshold, cosine_positive, cosine_negative
 *                                      (null without a score, or without a pair)
 *   model                              null, or name, version, manufacturer, family, score, calibration,
 *                                      calibration_on (text or null), trained, weights_sha256,
 * prompts_sha256, config_sha256 input                              modality, series[], views[], box,
 * instances[], key {instance, frame} or null, source_zyx, source_spacing_zyx_mm, input_zyx, warnings[],
 * manifest_sha256, series_rules_sha256 input.series[]                     series_uid, series_number,
 * modality, description, instances, taken, reason, role, why input.views[]                      name, reason
 * (null: it is there), how, series_uid, slices, phases, frames input.box                          null, or
 * source, confidence, centre_lps [3], size_zyx_mm [3] input.instances[]                  sop_class, sop_uid,
 * series_uid, frames started, timing                    ISO 8601 UTC with milliseconds; load_s, volume_s,
 * encode_s
 */
#ifndef REPORT_RESULT_JSON_H
#define REPORT_RESULT_JSON_H

#include "base/arena.h"
#include "base/err.h"
#include "findings/result.h"

#include <jansson.h>

/* What result_from_json accepts at most; anything larger is not a result of ours. */
enum {
    RESULT_JSON_MAX_TEXT = 4096,
    RESULT_JSON_MAX_DIM = 65536,
    RESULT_JSON_MAX_ORGANS = 255,
    RESULT_JSON_MAX_FINDINGS = 4096,
    RESULT_JSON_MAX_SERIES = 65536,
    RESULT_JSON_MAX_VIEWS = 64,
    RESULT_JSON_MAX_INSTANCES = 262144,
    RESULT_JSON_MAX_WARNINGS = 4096
};

/* in:   text that is not UTF-8 is written with U+FFFD for each bad byte; NULL text is null.
 * owns: the caller drops the reference. NULL when memory is out or a number is not finite. */
json_t *result_to_json(const struct result *result);

/* Read what a worker says. Every key above must be there with its type, but for role and why of a series,
 * views, box, series_rules_sha256, domain, calibration of a finding and calibration_on, which older rows have
 * not; unknown keys are passed over; counts and lengths are bounded, numbers finite, probabilities and scores
 * in 0..1 (-1..1 when the model's scores are "cosine_mean"), UIDs digits and dots, digests hexadecimal, the
 * key instance inside the list, embeddings of unit length within 1e-3 and of one length, organs' ids unique,
 * an organ that a finding or a recognition names among them; a domain says inside when the distance is within
 * the limit, and outside it every label is not assessed and has neither score nor probability. out:    *ret
 * lives in arena and keeps no reference to `json`. errors: ERR_INPUT with reason "bad_result" naming the key;
 * ERR_NOMEM. threads: any. */
bool result_from_json(const json_t *json, struct arena *arena, struct result **ret, struct err *err);

#endif
