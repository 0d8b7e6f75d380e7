/* What the rules make of one study, and why: which rule matched, and which condition kept the others. Pure:
 * the same facts and rules give the same decision. threads: any. */
#ifndef ROUTING_ROUTING_H
#define ROUTING_ROUTING_H

#include "routing/routing_rules.h"

/* One series as one sender sent it; a series that two sent is there twice. */
struct routing_series {
    const char *calling_ae, *modality, *description;
    const char *const *tags; /* [routing_rules.tag_count], of one of its objects; NULL: that cannot be read */
};

struct routing_study {
    const char *description;
    const struct routing_series *series;
    int series_count;
};

struct routing_finding {
    const char *label, *state; /* state: as finding_state_name says */
    bool has_probability;
    double probability;
};

/* What one model said, or that none could. */
struct routing_result {
    const char *model;  /* section of the configuration; "" without a model */
    const char *state;  /* "analysed", "declined" (no model can say), "parked" (attempts used up) */
    const char *reason; /* why nothing is said; "" when something is */
    const struct routing_finding *findings;
    int finding_count;
};

enum routing_verdict {
    ROUTING_MATCHES,
    ROUTING_DIFFERS,
    ROUTING_NOT_YET,  /* it asks the result, and there is none */
    ROUTING_NOT_ASKED /* a rule before it was the last */
};

struct routing_step {
    const struct routing_rule *rule;
    enum routing_verdict verdict;
    const char *why; /* one sentence without a stop */
};

/* deliver empty and no hold: the rules do not say where to, so every destination that receives results. */
struct routing_decision {
    struct routing_names deliver, forward; /* of all rules that match, each once */
    bool hold;                             /* results go nowhere, whatever other rules deliver */
    enum routing_priority priority;        /* of the last rule that says one */
    const struct routing_step *steps;      /* [rule_count] */
    int step_count;
};

/* in:     rules: NULL for none: the decision says nothing. result: NULL before there is one; rules that ask
 * it do not match then, and behind one of them that would be the last, forward is left to the result. out:
 * *ret lives in arena and borrows names from the rules. errors: ERR_NOMEM. */
bool routing_decide(const struct routing_rules *rules, const struct routing_study *study,
                    const struct routing_result *result, struct arena *arena,
                    const struct routing_decision **ret, struct err *err);

/* "matches", "differs", "not_yet", "not_asked": borrowed, static. */
const char *routing_verdict_name(enum routing_verdict verdict);

#endif
