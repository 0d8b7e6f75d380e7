/* The rules that say where results and originals go, read from a file of the site; docs/routing.md says what
 * its keys mean. conf/routes.json is a sample.
 *
 *   {"rules": [{"name": "night CT", "when": {"calling_ae": "CT1|CT2", "tags": {"BodyPartExamined": "HEART"},
 *               "findings": [{"label": "pericardial_effusion", "min_probability": 0.8}]},
 *               "deliver": ["PACS"], "forward": ["ARCHIVE"], "priority": "high", "last": true}]} */
#ifndef ROUTING_ROUTING_RULES_H
#define ROUTING_ROUTING_RULES_H

#include "base/arena.h"
#include "base/digest.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { ROUTING_MAX_BYTES = 1 << 20, ROUTING_NAME_SIZE = 64 };

/* What a condition asks, and when that is known: of the study and its series from its end on, of the result
 * once there is one. */
enum routing_field {
    ROUTING_CALLING_AE,
    ROUTING_MODALITY,
    ROUTING_SERIES_DESCRIPTION,
    ROUTING_TAG,
    ROUTING_STUDY_DESCRIPTION,
    ROUTING_MODEL,
    ROUTING_STATE,
    ROUTING_REASON,
    ROUTING_FIELDS
};
enum routing_level { ROUTING_OF_SERIES, ROUTING_OF_STUDY, ROUTING_OF_RESULT };

struct routing_condition {
    const char *key; /* as in the file: "not_modality", "tags.BodyPartExamined" */
    enum routing_field field;
    enum routing_level level;
    bool unwanted;     /* no word may be there */
    bool whole;        /* a word is the whole value; else part of it. Either in any case of A to Z */
    const char *words; /* separated by | */
    int tag;           /* index in routing_rules.tags */
};

/* Some finding has one of the labels, one of the states, and at least the probability. */
struct routing_demand {
    const char *labels, *states; /* words separated by |; "" any */
    bool has_min;
    double min_probability; /* 0..1; a score that is not calibrated has none, and never meets it */
};

enum routing_priority { ROUTING_LOW = -1, ROUTING_NORMAL = 0, ROUTING_HIGH = 1 };

struct routing_names {
    const char *const *list;
    int count;
};

struct routing_rule {
    const char *name, *why; /* why: "" when not given */
    const struct routing_condition *when;
    int when_count;
    const struct routing_demand *findings;
    int finding_count;
    struct routing_names deliver, forward; /* destinations; empty: the rule says nothing of it */
    bool has_priority;
    enum routing_priority priority;
    bool hold, last;
};

struct routing_rules {
    const struct routing_rule *rules; /* in order */
    int rule_count;
    const uint32_t *tags; /* 0xGGGGEEEE of all that rules ask */
    int tag_count;
    char sha256[DIGEST_HEX_SIZE];
};

/* in:     the file's text; name: what messages call it. The DICOM dictionary must be loaded.
 * out:    *ret and all it names live in arena. What rules call destinations is not looked up here.
 * errors: ERR_INPUT and ERR_UNSUPPORTED with file, rule and key ("routes.json: rules[2].when.tags.Body:
 * ..."), ERR_NOMEM. */
bool routing_rules_parse(const char *text, size_t size, const char *name, struct arena *arena,
                         const struct routing_rules **ret, struct err *err);

/* "low", "normal", "high": borrowed, static. */
const char *routing_priority_name(enum routing_priority priority);

#endif
