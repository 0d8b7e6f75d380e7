#include "routing/routing_rules.h"

#include "dicom/dicom_tags.h"
#include "tensor/section.h"

#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

enum { RULES_MAX = 1000, TAGS_MAX = 64, LIST_MAX = 64, TEXT_MAX = 600, WHERE_SIZE = 200 };

struct reading {
    struct arena *arena;
    struct err *err;
    char where[WHERE_SIZE]; /* "rules[3].when" */
    uint32_t *tags;
    int tag_count;
};

static const struct {
    const char *name;
    enum routing_level level;
    bool whole;
} fields[ROUTING_FIELDS] = {
    [ROUTING_CALLING_AE] = {"calling_ae", ROUTING_OF_SERIES, true},
    [ROUTING_MODALITY] = {"modality", ROUTING_OF_SERIES, true},
    [ROUTING_SERIES_DESCRIPTION] = {"series_description", ROUTING_OF_SERIES, false},
    [ROUTING_TAG] = {"tags", ROUTING_OF_SERIES, false},
    [ROUTING_STUDY_DESCRIPTION] = {"study_description", ROUTING_OF_STUDY, false},
    [ROUTING_MODEL] = {"model", ROUTING_OF_RESULT, true},
    [ROUTING_STATE] = {"state", ROUTING_OF_RESULT, true},
    [ROUTING_REASON] = {"reason", ROUTING_OF_RESULT, true},
};

static const char result_states[] = "analysed|declined|parked";
static const char finding_states[] = "present|absent|undetermined|not_assessed";
static const char *const priorities[] = {"low", "normal", "high", NULL};

const char *routing_priority_name(enum routing_priority priority)
{
    return priorities[priority - ROUTING_LOW];
}

static bool wrong(struct reading *reading, const char *key, const char *what)
{
    return err_fail(reading->err, ERR_INPUT, "%s.%.80s: %s", reading->where, key, what);
}

static bool no_memory(struct reading *reading)
{
    return err_fail(reading->err, ERR_NOMEM, "no memory for %s", reading->where);
}

static const char *copy(struct reading *reading, const char *text)
{
    const char *kept = arena_strdup(reading->arena, text ? text : "");
    if (!kept)
        no_memory(reading);
    return kept;
}

/* ---- conditions ---- */

static bool are_words(const char *text)
{
    bool blank = true;
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f || (*text == '|' && blank))
            return false;
        blank = *text == '|' || (blank && *text == ' ');
    }
    return !blank;
}

/* Every word of `words` is one of `known`, both separated by |. */
static bool all_known(const char *words, const char *known)
{
    for (size_t length; *words; words += length + (words[length] == '|')) {
        bool found = false;
        length = strcspn(words, "|");
        for (const char *at = known; !found && *at;) {
            size_t run = strcspn(at, "|");
            found = run == length && strncmp(at, words, run) == 0;
            at += run + (at[run] == '|');
        }
        if (!found)
            return false;
    }
    return true;
}

/* known: what the words may be; NULL: anything. */
static bool read_words(struct reading *reading, const char *key, const json_t *value, const char *known,
                       const char **ret)
{
    const char *text = json_string_value(value);
    if (!text || !*text || strlen(text) > TEXT_MAX)
        return wrong(reading, key, "not text, empty or too long");
    if (!are_words(text))
        return wrong(reading, key, "words are separated by one |, and none is blank");
    if (known && !all_known(text, known))
        return err_fail(reading->err, ERR_INPUT, "%s.%.40s: each word is one of %s", reading->where, key,
                        known);
    return (*ret = copy(reading, text)) != NULL;
}

static bool find_tag(struct reading *reading, const char *key, const char *name, int *ret)
{
    uint32_t tag;
    struct err err = ERR_INIT;
    if (!dicom_tag_find(name, &tag, &err))
        return wrong(reading, key, err.text);
    for (*ret = 0; *ret < reading->tag_count; (*ret)++)
        if (reading->tags[*ret] == tag)
            return true;
    if (reading->tag_count == TAGS_MAX)
        return wrong(reading, key, "more than 64 attributes are asked");
    reading->tags[reading->tag_count++] = tag;
    return true;
}

static bool read_condition(struct reading *reading, const char *key, const json_t *value,
                           struct routing_condition *ret)
{
    bool unwanted = strncmp(key, "not_", 4) == 0;
    const char *name = unwanted ? key + 4 : key;
    int field = 0;
    while (field < ROUTING_FIELDS && (field == ROUTING_TAG || strcmp(fields[field].name, name) != 0))
        field++;
    if (field == ROUTING_FIELDS)
        return wrong(reading, key, "no such condition");
    *ret = (struct routing_condition){.field = (enum routing_field)field,
                                      .level = fields[field].level,
                                      .unwanted = unwanted,
                                      .whole = fields[field].whole};
    return (ret->key = copy(reading, key)) &&
           read_words(reading, key, value, field == ROUTING_STATE ? result_states : NULL, &ret->words);
}

static bool read_tags(struct reading *reading, const char *key, const json_t *values,
                      struct routing_condition *list, int *count)
{
    const char *name;
    json_t *value;
    if (!json_is_object(values))
        return wrong(reading, key, "not an object of attributes and words");
    json_object_foreach((json_t *)values, name, value)
    {
        struct routing_condition *one = &list[(*count)++];
        char path[100];
        snprintf(path, sizeof path, "%s.%.60s", key, name);
        *one = (struct routing_condition){
            .field = ROUTING_TAG, .level = fields[ROUTING_TAG].level, .unwanted = *key == 'n'};
        if (!(one->key = copy(reading, path)) || !find_tag(reading, path, name, &one->tag) ||
            !read_words(reading, path, value, NULL, &one->words))
            return false;
    }
    return true;
}

static bool read_demand(struct reading *reading, const json_t *value, const char *name,
                        struct routing_demand *ret)
{
    const char *label = NULL, *state = NULL;
    const struct section_key keys[] = {
        {"label", SECTION_TEXT, &label, false, .max = TEXT_MAX},
        {"state", SECTION_TEXT, &state, false, .max = TEXT_MAX},
        {"min_probability", SECTION_NUMBER, &ret->min_probability, false, 0, 1, .present = &ret->has_min}};
    *ret = (struct routing_demand){.labels = "", .states = ""};
    if (!section_read(value, name, keys, COUNT(keys), reading->err))
        return false;
    if (label && !read_words(reading, "findings.label", json_object_get(value, "label"), NULL, &ret->labels))
        return false;
    return !state || read_words(reading, "findings.state", json_object_get(value, "state"), finding_states,
                                &ret->states);
}

static bool read_findings(struct reading *reading, const json_t *values, struct routing_rule *rule)
{
    size_t count = json_array_size(values);
    char name[WHERE_SIZE + 32];
    if (!json_is_array(values) || count == 0 || count > LIST_MAX)
        return wrong(reading, "findings", "not a list of 1 to 64 conditions");
    struct routing_demand *list = ARENA_ARRAY(reading->arena, struct routing_demand, count);
    if (!list)
        return no_memory(reading);
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s.findings[%zu]", reading->where, i);
        if (!read_demand(reading, json_array_get(values, i), name, &list[i]))
            return false;
    }
    rule->findings = list;
    rule->finding_count = (int)count;
    return true;
}

static size_t condition_count(const json_t *when)
{
    return json_object_size(when) + json_object_size(json_object_get(when, "tags")) +
           json_object_size(json_object_get(when, "not_tags"));
}

static bool read_when(struct reading *reading, const json_t *when, struct routing_rule *rule)
{
    const char *key;
    json_t *value;
    struct routing_condition *list =
        ARENA_ARRAY(reading->arena, struct routing_condition, condition_count(when) + 1);
    if (!list)
        return no_memory(reading);
    json_object_foreach((json_t *)when, key, value)
    {
        bool ok = strcmp(key, "findings") == 0 ? read_findings(reading, value, rule)
                  : strcmp(key, "tags") == 0 || strcmp(key, "not_tags") == 0
                      ? read_tags(reading, key, value, list, &rule->when_count)
                      : read_condition(reading, key, value, &list[rule->when_count++]);
        if (!ok)
            return false;
    }
    rule->when = list;
    return true;
}

/* ---- rules ---- */

/* values: NULL when the key is not there. */
static bool read_names(struct reading *reading, const char *key, const json_t *values,
                       struct routing_names *ret)
{
    size_t count = json_array_size(values);
    if (!values)
        return true;
    if (count == 0 || count > LIST_MAX)
        return wrong(reading, key, "not a list of 1 to 64 destinations; \"hold\" sends nothing");
    const char **list = ARENA_ARRAY(reading->arena, const char *, count);
    if (!list)
        return no_memory(reading);
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(values, i));
        if (!name || !*name || strlen(name) >= ROUTING_NAME_SIZE)
            return wrong(reading, key, "not the name of a destination");
        if (!(list[i] = copy(reading, name)))
            return false;
    }
    *ret = (struct routing_names){list, (int)count};
    return true;
}

static bool check_rule(struct reading *reading, const struct routing_rule *rule)
{
    if (rule->hold && rule->deliver.count)
        return wrong(reading, "hold", "not together with deliver");
    if (!rule->hold && !rule->deliver.count && !rule->forward.count && !rule->has_priority && !rule->last)
        return wrong(reading, "deliver",
                     "the rule does nothing: no deliver, forward, priority, hold or last");
    for (int i = 0; i < rule->finding_count && rule->has_priority && rule->priority > ROUTING_LOW; i++)
        if (!rule->findings[i].has_min)
            return wrong(reading, "priority",
                         "a finding raises it by min_probability only, never by an uncalibrated score");
    return true;
}

static bool read_rule(struct reading *reading, const json_t *value, struct routing_rule *ret)
{
    const json_t *when = NULL, *deliver = NULL, *forward = NULL;
    int priority = 0;
    size_t length = strlen(reading->where);
    *ret = (struct routing_rule){.why = ""};
    const struct section_key keys[] = {
        {"name", SECTION_TEXT, &ret->name, true, .max = ROUTING_NAME_SIZE - 1},
        {"why", SECTION_TEXT, &ret->why, false, .max = 200},
        {"when", SECTION_OBJECT, &when, false},
        {"deliver", SECTION_LIST, &deliver, false},
        {"forward", SECTION_LIST, &forward, false},
        {"priority", SECTION_WORD, &priority, false, .words = priorities, .present = &ret->has_priority},
        {"hold", SECTION_BOOL, &ret->hold, false},
        {"last", SECTION_BOOL, &ret->last, false},
    };
    if (!section_read(value, reading->where, keys, COUNT(keys), reading->err))
        return false;
    ret->priority = (enum routing_priority)(ret->has_priority ? priority + ROUTING_LOW : ROUTING_NORMAL);
    ret->name = copy(reading, ret->name);
    ret->why = copy(reading, ret->why);
    if (!ret->name || !ret->why || !read_names(reading, "deliver", deliver, &ret->deliver) ||
        !read_names(reading, "forward", forward, &ret->forward))
        return false;
    snprintf(reading->where + length, sizeof reading->where - length, ".when");
    if (!read_when(reading, when, ret))
        return false;
    reading->where[length] = '\0';
    return check_rule(reading, ret);
}

static bool read_root(struct reading *reading, const json_t *root, struct routing_rules *ret)
{
    const json_t *rules = NULL;
    const struct section_key keys[] = {{"rules", SECTION_LIST, &rules, true}};
    if (!section_read(root, "", keys, COUNT(keys), reading->err))
        return false;
    size_t count = json_array_size(rules);
    if (count > RULES_MAX)
        return err_fail(reading->err, ERR_INPUT, "more than %d rules", RULES_MAX);
    struct routing_rule *list = ARENA_ARRAY(reading->arena, struct routing_rule, count + 1);
    reading->tags = ARENA_ARRAY(reading->arena, uint32_t, TAGS_MAX);
    if (!list || !reading->tags)
        return no_memory(reading);
    for (size_t i = 0; i < count; i++) {
        snprintf(reading->where, sizeof reading->where, "rules[%zu]", i);
        if (!read_rule(reading, json_array_get(rules, i), &list[i]))
            return false;
    }
    ret->rules = list;
    ret->rule_count = (int)count;
    ret->tags = reading->tags;
    ret->tag_count = reading->tag_count;
    return true;
}

bool routing_rules_parse(const char *text, size_t size, const char *name, struct arena *arena,
                         const struct routing_rules **ret, struct err *err)
{
    struct reading reading = {.arena = arena, .err = err, .where = "the routing rules"};
    struct routing_rules *rules = ARENA_NEW(arena, struct routing_rules);
    if (!rules)
        return no_memory(&reading);
    json_t *root = section_parse(text, size, name, err);
    if (!root)
        return false;
    digest_bytes(text, size, rules->sha256);
    bool ok = read_root(&reading, root, rules) || err_prefix(err, "%s", name);
    json_decref(root);
    if (ok)
        *ret = rules;
    return ok;
}
