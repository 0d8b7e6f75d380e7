#include "routing/routing.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What is decided while the rules are gone through. */
struct deciding {
    const struct routing_study *study;
    const struct routing_result *result;
    struct arena *arena;
    const char *last;     /* name of the rule that ended it */
    bool may_end_earlier; /* a rule that waits for the result may yet be the last */
    bool out_of_memory;
};

const char *routing_verdict_name(enum routing_verdict verdict)
{
    static const char *const names[] = {"matches", "differs", "not_yet", "not_asked"};
    return names[verdict];
}

/* Never NULL, which would read as a condition that is met. */
__attribute__((format(printf, 2, 3))) static const char *say(struct deciding *at, const char *fmt, ...)
{
    char text[800];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *kept = arena_strdup(at->arena, text);
    at->out_of_memory |= !kept;
    return kept ? kept : "";
}

/* ---- conditions ---- */

static bool contains(const char *value, const char *word, size_t length)
{
    for (; *value; value++)
        if (strncasecmp(value, word, length) == 0)
            return true;
    return false;
}

static bool has_word(const char *value, const char *words, bool whole)
{
    for (size_t length; *words; words += length + (words[length] == '|')) {
        length = strcspn(words, "|");
        if (whole ? strlen(value) == length && strncasecmp(value, words, length) == 0
                  : contains(value, words, length))
            return true;
    }
    return false;
}

static const char *series_value(const struct routing_condition *one, const struct routing_series *series)
{
    switch (one->field) {
    case ROUTING_CALLING_AE:
        return series->calling_ae;
    case ROUTING_MODALITY:
        return series->modality;
    case ROUTING_TAG:
        return series->tags ? series->tags[one->tag] : NULL;
    default:
        return series->description;
    }
}

static const char *result_value(const struct routing_condition *one, const struct routing_result *result)
{
    return one->field == ROUTING_MODEL   ? result->model
           : one->field == ROUTING_STATE ? result->state
                                         : result->reason;
}

/* value: NULL is not known, and meets nothing. */
static bool is_met(const struct routing_condition *one, const char *value)
{
    return value && has_word(value, one->words, one->whole) != one->unwanted;
}

static bool series_meets(const struct routing_condition *one, const struct routing_series *series)
{
    return is_met(one, series_value(one, series));
}

/* ---- why a rule differs: NULL when it does not ---- */

static const char *why_value_differs(struct deciding *at, const struct routing_condition *one,
                                     const char *value)
{
    return is_met(one, value)
               ? NULL
               : say(at, "%s asks \"%.100s\", and it is \"%.100s\"", one->key, one->words, value);
}

/* The values that there are, for a reader who wonders. */
static const char *why_no_series(struct deciding *at, const struct routing_condition *one)
{
    char seen[400] = "";
    for (int i = 0; i < at->study->series_count && strlen(seen) < 200; i++) {
        const char *value = series_value(one, &at->study->series[i]);
        char quoted[128];
        size_t used = strlen(seen);
        snprintf(quoted, sizeof quoted, "\"%.100s\"", value ? value : "(cannot be read)");
        if (!strstr(seen, quoted))
            snprintf(seen + used, sizeof seen - used, "%s%s", used ? ", " : "", quoted);
    }
    return say(at, "no series has %s \"%.100s\"; there is %s", one->key, one->words,
               *seen ? seen : "no series");
}

static bool met_by_any(const struct deciding *at, const struct routing_condition *one)
{
    bool met = false;
    for (int i = 0; i < at->study->series_count && !met; i++)
        met = series_meets(one, &at->study->series[i]);
    return met;
}

static bool meets_all(const struct routing_rule *rule, const struct routing_series *series)
{
    bool met = true;
    for (int i = 0; i < rule->when_count && met; i++)
        met = rule->when[i].level != ROUTING_OF_SERIES || series_meets(&rule->when[i], series);
    return met;
}

static bool asks(const struct routing_rule *rule, enum routing_level level)
{
    for (int i = 0; i < rule->when_count; i++)
        if (rule->when[i].level == level)
            return true;
    return false;
}

static const char *why_series_differ(struct deciding *at, const struct routing_rule *rule)
{
    if (!asks(rule, ROUTING_OF_SERIES))
        return NULL;
    for (int i = 0; i < at->study->series_count; i++)
        if (meets_all(rule, &at->study->series[i]))
            return NULL;
    for (int i = 0; i < rule->when_count; i++)
        if (rule->when[i].level == ROUTING_OF_SERIES && !met_by_any(at, &rule->when[i]))
            return why_no_series(at, &rule->when[i]);
    return "each condition is met by a series, but no series meets all of them";
}

static const char *why_study_differs(struct deciding *at, const struct routing_rule *rule)
{
    const char *why = NULL;
    for (int i = 0; i < rule->when_count && !why; i++)
        if (rule->when[i].level == ROUTING_OF_STUDY)
            why = why_value_differs(at, &rule->when[i], at->study->description);
    return why ? why : why_series_differ(at, rule);
}

/* ---- findings ---- */

static bool is_asked(const struct routing_demand *demand, const struct routing_finding *finding)
{
    return (!*demand->labels || has_word(finding->label, demand->labels, true)) &&
           (!*demand->states || has_word(finding->state, demand->states, true));
}

static bool is_likely(const struct routing_demand *demand, const struct routing_finding *finding)
{
    return !demand->has_min || (finding->has_probability && finding->probability >= demand->min_probability);
}

static const char *demand_text(struct deciding *at, const struct routing_demand *demand)
{
    return say(at, "%.200s%s%.60s", *demand->labels ? demand->labels : "no label",
               *demand->states ? " that is " : "", demand->states);
}

static const char *why_unlikely(struct deciding *at, const struct routing_demand *demand,
                                const struct routing_finding *finding)
{
    if (!finding->has_probability)
        return say(at,
                   "%.100s has no probability, because its score is not calibrated; at least %g is"
                   " asked",
                   finding->label, demand->min_probability);
    return say(at, "%.100s has a probability of %.3g; at least %g is asked", finding->label,
               finding->probability, demand->min_probability);
}

/* Of several that are not likely enough, one that has a probability says more. */
static const char *why_finding_differs(struct deciding *at, const struct routing_demand *demand)
{
    const struct routing_finding *nearest = NULL;
    for (int i = 0; i < at->result->finding_count; i++) {
        const struct routing_finding *finding = &at->result->findings[i];
        if (!is_asked(demand, finding))
            continue;
        if (is_likely(demand, finding))
            return NULL;
        if (!nearest || (finding->has_probability &&
                         (!nearest->has_probability || finding->probability > nearest->probability)))
            nearest = finding;
    }
    return nearest ? why_unlikely(at, demand, nearest)
                   : say(at, "the result has no finding of %s", demand_text(at, demand));
}

static const char *why_result_differs(struct deciding *at, const struct routing_rule *rule)
{
    const char *why = NULL;
    for (int i = 0; i < rule->when_count && !why; i++)
        if (rule->when[i].level == ROUTING_OF_RESULT)
            why = why_value_differs(at, &rule->when[i], result_value(&rule->when[i], at->result));
    for (int i = 0; i < rule->finding_count && !why; i++)
        why = why_finding_differs(at, &rule->findings[i]);
    return why;
}

/* ---- rules ---- */

static void judge(struct deciding *at, const struct routing_rule *rule, struct routing_step *step)
{
    bool asks_result = rule->finding_count || asks(rule, ROUTING_OF_RESULT);
    *step = (struct routing_step){rule, ROUTING_DIFFERS, NULL};
    if (at->last) {
        step->verdict = ROUTING_NOT_ASKED;
        step->why = say(at, "rule \"%s\" was the last", at->last);
        return;
    }
    step->why = why_study_differs(at, rule);
    if (!step->why && asks_result && at->result)
        step->why = why_result_differs(at, rule);
    if (step->why)
        return;
    step->verdict = asks_result && !at->result ? ROUTING_NOT_YET : ROUTING_MATCHES;
    step->why = step->verdict == ROUTING_NOT_YET  ? "it asks the result, and there is none yet"
                : rule->when_count || asks_result ? "every condition is met"
                                                  : "it has no condition";
}

static void add_names(const char **list, int *count, const struct routing_names *names)
{
    for (int i = 0; i < names->count; i++) {
        bool known = false;
        for (int j = 0; j < *count && !known; j++)
            known = strcmp(list[j], names->list[i]) == 0;
        if (!known)
            list[(*count)++] = names->list[i];
    }
}

static void apply(struct deciding *at, const struct routing_rule *rule, struct routing_decision *decision,
                  const char **deliver, const char **forward)
{
    add_names(deliver, &decision->deliver.count, &rule->deliver);
    if (!at->may_end_earlier)
        add_names(forward, &decision->forward.count, &rule->forward);
    if (rule->has_priority)
        decision->priority = rule->priority;
    decision->hold |= rule->hold;
    if (rule->last)
        at->last = rule->name;
}

static size_t name_count(const struct routing_rules *rules)
{
    size_t count = 1;
    for (int i = 0; i < rules->rule_count; i++)
        count += (size_t)rules->rules[i].deliver.count + (size_t)rules->rules[i].forward.count;
    return count;
}

static bool decide(struct deciding *at, const struct routing_rules *rules, struct routing_decision *decision)
{
    const char **deliver = ARENA_ARRAY(at->arena, const char *, name_count(rules));
    const char **forward = ARENA_ARRAY(at->arena, const char *, name_count(rules));
    struct routing_step *steps = ARENA_ARRAY(at->arena, struct routing_step, (size_t)rules->rule_count + 1);
    if (!deliver || !forward || !steps)
        return false;
    for (int i = 0; i < rules->rule_count; i++) {
        judge(at, &rules->rules[i], &steps[i]);
        if (at->out_of_memory)
            return false;
        at->may_end_earlier |= steps[i].verdict == ROUTING_NOT_YET && rules->rules[i].last;
        if (steps[i].verdict == ROUTING_MATCHES)
            apply(at, &rules->rules[i], decision, deliver, forward);
    }
    decision->deliver.list = deliver;
    decision->forward.list = forward;
    decision->steps = steps;
    decision->step_count = rules->rule_count;
    return true;
}

bool routing_decide(const struct routing_rules *rules, const struct routing_study *study,
                    const struct routing_result *result, struct arena *arena,
                    const struct routing_decision **ret, struct err *err)
{
    struct deciding at = {.study = study, .result = result, .arena = arena};
    struct routing_decision *decision = ARENA_NEW(arena, struct routing_decision);
    if (!decision || (rules && !decide(&at, rules, decision)))
        return err_fail(err, ERR_NOMEM, "no memory for a decision of the routing rules");
    *ret = decision;
    return true;
}
