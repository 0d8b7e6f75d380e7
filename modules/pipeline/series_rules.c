#include "pipeline/series_rules.h"

#include "base/file.h"
#include "pipeline/series_default.h"
#include "tensor/section.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

enum { RULES_MAX = 1000, TEXT_MAX = 600, NAME_SIZE = 60 };
static const double largest = 1e9;

struct reading {
    struct arena *arena;
    struct err *err;
    char name[NAME_SIZE]; /* "rules[3]" */
};

static bool wrong(struct reading *reading, const char *key, const char *what)
{
    return err_fail(reading->err, ERR_INPUT, "%s.%.60s: %s", reading->name, key, what);
}

static bool no_memory(struct reading *reading)
{
    return err_fail(reading->err, ERR_NOMEM, "no memory for %s", reading->name);
}

static const char *copy(struct reading *reading, const char *text)
{
    const char *kept = arena_strdup(reading->arena, text ? text : "");
    if (!kept)
        no_memory(reading);
    return kept;
}

/* ---- conditions ---- */

static const struct study_measure *find_measure(const char *name, bool flag)
{
    for (int i = 0; i < study_measure_count; i++) {
        if (study_measures[i].flag == flag && strcmp(study_measures[i].name, name) == 0)
            return &study_measures[i];
    }
    return NULL;
}

static int find_text(const char *name)
{
    for (int i = 0; i < STUDY_TEXT_COUNT; i++) {
        if (strcmp(study_text_names[i], name) == 0)
            return i;
    }
    return -1;
}

static bool are_words(const char *text)
{
    bool blank = true;
    for (; *text; text++) {
        if (*text < ' ' || *text > '~' || (*text == '|' && blank))
            return false;
        blank = *text == '|' || (blank && *text == ' ');
    }
    return !blank;
}

static bool read_words(struct reading *reading, const char *key, const json_t *value,
                       struct study_condition *ret)
{
    const char *text = json_string_value(value);
    if (!text || !*text || strlen(text) > TEXT_MAX)
        return wrong(reading, key, "not text, empty or too long");
    if (!are_words(text))
        return wrong(reading, key, "words are ASCII, with one | between two, and none is blank");
    char *words = arena_strdup(reading->arena, text);
    if (!words)
        return no_memory(reading);
    for (char *at = words; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    ret->words = words;
    return true;
}

static bool read_flag(struct reading *reading, const char *key, const json_t *value,
                      struct study_condition *ret)
{
    if (!json_is_boolean(value))
        return wrong(reading, key, "not true or false");
    ret->min = ret->max = json_is_true(value);
    return true;
}

static bool read_limit(struct reading *reading, const char *key, const json_t *value,
                       struct study_condition *ret)
{
    double number = json_number_value(value);
    if (!json_is_number(value) || !(fabs(number) <= largest))
        return wrong(reading, key, "not a number");
    ret->min = key[1] == 'i' ? number : -INFINITY;
    ret->max = key[1] == 'i' ? INFINITY : number;
    return true;
}

static bool read_condition(struct reading *reading, const char *key, const json_t *value,
                           struct study_condition *ret)
{
    bool unwanted = strncmp(key, "not_", 4) == 0;
    int text = find_text(unwanted ? key + 4 : key);
    *ret = (struct study_condition){.unwanted = unwanted, .measure = find_measure(key, true)};
    if (text >= 0) {
        ret->text = (enum study_text)text;
        return read_words(reading, key, value, ret);
    }
    if (ret->measure)
        return read_flag(reading, key, value, ret);
    if (strncmp(key, "min_", 4) == 0 || strncmp(key, "max_", 4) == 0)
        ret->measure = find_measure(key + 4, false);
    return ret->measure ? read_limit(reading, key, value, ret) : wrong(reading, key, "no such condition");
}

static bool read_when(struct reading *reading, const json_t *when, struct study_rule *rule)
{
    const char *key;
    json_t *value;
    size_t count = json_object_size(when), length = strlen(reading->name);
    struct study_condition *list = ARENA_ARRAY(reading->arena, struct study_condition, count + 1);
    if (!list)
        return no_memory(reading);
    snprintf(reading->name + length, sizeof reading->name - length, ".when");
    json_object_foreach((json_t *)when, key, value)
    {
        if (!read_condition(reading, key, value, &list[rule->when_count++]))
            return false;
    }
    rule->when = list;
    return true;
}

/* ---- rules ---- */

static const char *const modalities[] = {"any", "CT", "MR", NULL};
static const enum dicom_kind kinds[] = {DICOM_KIND_UNKNOWN, DICOM_KIND_CT, DICOM_KIND_MR};

/* It becomes a reason, a label of metrics, a word in reports. */
static bool check_role(struct reading *reading, const char *role)
{
    return role[strspn(role, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0' ||
           wrong(reading, "role", "only a to z, 0 to 9 and _");
}

static bool read_rule(struct reading *reading, const json_t *value, struct study_rule *ret)
{
    const json_t *when = NULL;
    int modality = 0;
    *ret = (struct study_rule){.take = true};
    // clang-format off
    const struct section_key keys[] = {
        {"role",     SECTION_TEXT,   &ret->role, true,  .max = 39},
        {"modality", SECTION_WORD,   &modality,  false, .words = modalities},
        {"when",     SECTION_OBJECT, &when,      false},
        {"take",     SECTION_BOOL,   &ret->take, false},
        {"rank",     SECTION_NUMBER, &ret->rank, false, -1e6, 1e6},
        {"why",      SECTION_TEXT,   &ret->why,  true,  .max = 200},
    };
    // clang-format on
    if (!section_read(value, reading->name, keys, COUNT(keys), reading->err) ||
        !check_role(reading, ret->role))
        return false;
    ret->kind = kinds[modality];
    ret->role = copy(reading, ret->role);
    ret->why = copy(reading, ret->why);
    return ret->role && ret->why && read_when(reading, when, ret);
}

static bool read_near(struct reading *reading, const char *name, const json_t *values,
                      struct study_preference *ret)
{
    const json_t *target = json_array_get(values, 0), *within = json_array_get(values, 1);
    ret->near = find_measure(name, false);
    ret->target = json_number_value(target);
    ret->within = json_number_value(within);
    if (!ret->near)
        return wrong(reading, "near", "no such number");
    return (json_array_size(values) == 2 && json_is_number(target) && ret->within > 0) ||
           wrong(reading, "target", "not two numbers: the best, and how far from it is too far");
}

static bool read_preference(struct reading *reading, const json_t *value, struct study_preference *ret)
{
    const json_t *when = NULL, *target = NULL;
    const char *each = NULL, *near = NULL, *ignored = NULL;
    int modality = 0;
    *ret = (struct study_preference){.most = largest};
    // clang-format off
    const struct section_key keys[] = {
        {"modality", SECTION_WORD,   &modality,  false, .words = modalities},
        {"when",     SECTION_OBJECT, &when,      false},
        {"add",      SECTION_NUMBER, &ret->add,  true,  -1e6, 1e6},
        {"each",     SECTION_TEXT,   &each,      false, .max = 40},
        {"most",     SECTION_NUMBER, &ret->most, false, 0, 1e6},
        {"near",     SECTION_TEXT,   &near,      false, .max = 40},
        {"target",   SECTION_LIST,   &target,    false},
        {"why",      SECTION_TEXT,   &ignored,   false, .max = 200},
    };
    // clang-format on
    if (!section_read(value, reading->name, keys, COUNT(keys), reading->err))
        return false;
    ret->rule.kind = kinds[modality];
    ret->each = each ? find_measure(each, false) : NULL;
    if (each && !ret->each)
        return wrong(reading, "each", "no such number");
    if (each && near)
        return wrong(reading, "near", "not together with each");
    if ((near || target) && !read_near(reading, near ? near : "", target, ret))
        return false;
    return read_when(reading, when, &ret->rule);
}

static bool read_root(struct reading *reading, const json_t *root, struct study_rules *ret)
{
    const json_t *rules = NULL, *prefer = NULL;
    const struct section_key keys[] = {{"rules", SECTION_LIST, &rules, true},
                                       {"prefer", SECTION_LIST, &prefer, false}};
    if (!section_read(root, "", keys, COUNT(keys), reading->err))
        return false;
    size_t rule_count = json_array_size(rules), prefer_count = json_array_size(prefer);
    if (rule_count > RULES_MAX || prefer_count > RULES_MAX)
        return err_fail(reading->err, ERR_INPUT, "more than %d rules", RULES_MAX);
    struct study_rule *list = ARENA_ARRAY(reading->arena, struct study_rule, rule_count + 1);
    struct study_preference *more = ARENA_ARRAY(reading->arena, struct study_preference, prefer_count + 1);
    if (!list || !more)
        return no_memory(reading);
    for (size_t i = 0; i < rule_count; i++) {
        snprintf(reading->name, sizeof reading->name, "rules[%zu]", i);
        if (!read_rule(reading, json_array_get(rules, i), &list[i]))
            return false;
    }
    for (size_t i = 0; i < prefer_count; i++) {
        snprintf(reading->name, sizeof reading->name, "prefer[%zu]", i);
        if (!read_preference(reading, json_array_get(prefer, i), &more[i]))
            return false;
    }
    ret->rules = list;
    ret->rule_count = (int)rule_count;
    ret->prefer = more;
    ret->prefer_count = (int)prefer_count;
    return true;
}

/* ---- the file ---- */

bool series_rules_parse(const char *text, size_t size, const char *name, struct arena *arena,
                        const struct study_rules **ret, struct err *err)
{
    struct reading reading = {.arena = arena, .err = err, .name = "the series rules"};
    struct study_rules *rules = ARENA_NEW(arena, struct study_rules);
    if (!rules)
        return no_memory(&reading);
    json_t *root = section_parse(text, size, name, err);
    if (!root)
        return false;
    digest_bytes(text, size, rules->sha256);
    bool ok = read_root(&reading, root, rules) || err_prefix(err, "%s", name);
    json_decref(root);
    *ret = ok ? rules : *ret;
    return ok;
}

/* What is built in was checked when it was built: tests/study reads it. */
bool series_rules_read(const char *path, struct arena *arena, const struct study_rules **ret, struct err *err)
{
    if (!path)
        return series_rules_parse(series_default, strlen(series_default), "series.json", arena, ret, err);
    size_t size;
    char *text = file_read(path, SERIES_RULES_MAX_BYTES, &size, err);
    bool ok = text && series_rules_parse(text, size, path, arena, ret, err);
    free(text);
    return ok;
}
