/* Is a study like those a model was made from? A model may bring the statistics of its training studies:
 * section "domain" of config.json and domain.safetensors. The distance of a study's vector v from them is
 *
 *   sqrt(mean over k of ((whiten (v - mean))_k)^2)
 *
 * which is about 1 for a study like those, when whiten makes their covariance the unit matrix; above the
 * limit the study lies outside. source: docs/model-folder.md, section domain; Mahalanobis 1936, in the K
 * directions that whiten keeps. */
#ifndef FINDINGS_DOMAIN_H
#define FINDINGS_DOMAIN_H

#include "base/arena.h"
#include "base/err.h"
#include "base/faults.h"
#include "findings/result.h"
#include "tensor/safetensors.h"

#include <jansson.h>

#define DOMAIN_FILE "domain.safetensors"
enum { DOMAIN_DIRECTIONS_MAX = 8192 };

/* W = the length of v. */
struct domain {
    const char *id;      /* borrowed from the JSON value; NULL: the model has no domain */
    bool of_tower;       /* v is the tower's pooled vector; else the unit embedding */
    double limit;        /* > 0 */
    int width;           /* W */
    int directions;      /* K; 0: no statistics are bound */
    const float *mean;   /* [W] */
    const float *whiten; /* [K][W] */
};

/* in: the section "domain". errors: ERR_INPUT, ERR_UNSUPPORTED; both name the key. */
bool domain_config_read(const json_t *section, struct domain *ret, struct err *err);

/* Take mean and whiten for vectors of that width, copied into arena.
 * faults: every tensor that is missing, of another type or shape, not finite, zero or without a place; NULL:
 * the first stops. errors: ERR_INPUT (tensor named), ERR_NOMEM. */
bool domain_bind(struct domain *domain, const struct safetensors *file, int width, struct arena *arena,
                 struct faults *faults, struct err *err);

/* The distance of a vector [width]. In double, in one order: the same bits everywhere. Not finite only when
 * the vector is not. */
double domain_distance(const struct domain *domain, const float *vector);

/* "tower" or "embedding": result_domain.of. Static. */
const char *domain_of(const struct domain *domain);
/* Is it one of those? */
bool domain_of_known(const char *word);

#endif
