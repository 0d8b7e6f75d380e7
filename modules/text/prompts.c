#include "text/prompts.h"

#include <stdio.h>
#include <string.h>

/* Something to read, and nothing that would end a line or a string. */
static bool plain_enough(const char *text, size_t length)
{
    bool visible = false;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ' || c == 0x7f)
            return false;
        visible |= c > ' ';
    }
    return visible;
}

static bool copy_text(const json_t *value, struct arena *arena, const char **ret, const char *where,
                      struct err *err)
{
    size_t length = json_string_length(value);
    if (!json_is_string(value) || length == 0 || length > PROMPTS_TEXT_MAX)
        return err_fail(err, ERR_INPUT, "%s: not text of 1 to %d bytes", where, PROMPTS_TEXT_MAX);
    if (!plain_enough(json_string_value(value), length))
        return err_fail(err, ERR_INPUT, "%s: blank, or has control characters", where);
    *ret = arena_strdup(arena, json_string_value(value));
    return *ret || err_fail(err, ERR_NOMEM, "no memory for prompts");
}

static bool read_side(const json_t *value, struct arena *arena, struct prompt_side *ret, const char *where,
                      struct err *err)
{
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    if (count < 1 || count > PROMPTS_PER_SIDE_MAX)
        return err_fail(err, ERR_INPUT, "%s: not 1 to %d prompts", where, PROMPTS_PER_SIDE_MAX);
    ret->texts = ARENA_ARRAY(arena, const char *, count);
    if (!ret->texts)
        return err_fail(err, ERR_NOMEM, "no memory for prompts");
    for (size_t i = 0; i < count; i++) {
        const json_t *text = json_is_array(value) ? json_array_get(value, i) : value;
        if (!copy_text(text, arena, &ret->texts[i], where, err))
            return false;
    }
    ret->count = (int)count;
    return true;
}

static bool check_id(const char *id, const char *where, struct err *err)
{
    size_t length = id ? strlen(id) : 0;
    if (length == 0 || length > PROMPTS_ID_MAX ||
        strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_") != length)
        return err_fail(err, ERR_INPUT, "%s.id: not 1 to %d characters of a-z, 0-9 and _", where,
                        PROMPTS_ID_MAX);
    return true;
}

static bool check_keys(const json_t *object, const char *const *known, const char *where, struct err *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return err_fail(err, ERR_INPUT, "%s: not an object", where);
    json_object_foreach((json_t *)object, key, value)
    {
        int i = 0;
        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        if (!known[i])
            return err_fail(err, ERR_INPUT, "%s%s%.60s: unknown key", where, *where ? "." : "", key);
    }
    return true;
}

/* Null means absent. */
static const json_t *given(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

static bool read_given_side(const json_t *object, const char *key, struct arena *arena,
                            struct prompt_side *ret, const char *where, struct err *err)
{
    char side[160];
    const json_t *value = given(object, key);
    snprintf(side, sizeof side, "%s.%s", where, key);
    return !value || read_side(value, arena, ret, side, err);
}

static bool read_organ_id(const json_t *object, struct arena *arena, const char **ret, const char *where,
                          struct err *err)
{
    char key[160];
    snprintf(key, sizeof key, "%s.organ", where);
    return copy_text(json_object_get(object, "organ"), arena, ret, key, err);
}

static bool read_threshold(const json_t *label, struct prompt_label *ret, const char *where, struct err *err)
{
    const json_t *value = given(label, "threshold");
    ret->has_threshold = value != NULL;
    ret->threshold = json_number_value(value);
    return !value || (json_is_number(value) && ret->threshold >= -1 && ret->threshold <= 1) ||
           err_fail(err, ERR_INPUT, "%s.threshold: not a number within -1 and 1", where);
}

static bool read_trained(const json_t *label, struct prompt_label *ret, const char *where, struct err *err)
{
    const json_t *value = given(label, "trained");
    ret->untrained = json_is_false(value);
    return !value || json_is_boolean(value) ||
           err_fail(err, ERR_INPUT, "%s.trained: neither true nor false", where);
}

static bool read_platt(const json_t *calibration, const char *key, double *ret, const char *where,
                       struct err *err)
{
    const json_t *value = json_object_get(calibration, key);
    *ret = json_number_value(value);
    return (json_is_number(value) && *ret >= -1e6 && *ret <= 1e6) ||
           err_fail(err, ERR_INPUT, "%s.%s: not a number within -1e6 and 1e6", where, key);
}

static bool read_calibration(const json_t *label, struct prompt_label *ret, const char *where,
                             struct err *err)
{
    static const char *const known[] = {"a", "b", NULL};
    char place[160];
    const json_t *value = given(label, "calibration");
    snprintf(place, sizeof place, "%s.calibration", where);
    ret->has_calibration = value != NULL;
    return !value ||
           (check_keys(value, known, place, err) && read_platt(value, "a", &ret->calibration_a, place, err) &&
            read_platt(value, "b", &ret->calibration_b, place, err));
}

static bool read_label(const json_t *label, size_t index, struct arena *arena, struct prompt_label *ret,
                       struct err *err)
{
    static const char *const known[] = {"id",        "text",        "organ",   "positive", "negative",
                                        "threshold", "calibration", "trained", NULL};
    char where[120], text[160];
    snprintf(where, sizeof where, "labels[%zu]", index);
    const char *id = json_string_value(json_object_get(label, "id"));
    if (!check_id(id, where, err))
        return false;
    snprintf(where, sizeof where, "labels.%s", id);
    if (!check_keys(label, known, where, err))
        return false;
    snprintf(text, sizeof text, "%s.text", where);
    ret->id = arena_strdup(arena, id);
    if (!ret->id)
        return err_fail(err, ERR_NOMEM, "no memory for prompts");
    return copy_text(json_object_get(label, "text"), arena, &ret->text, text, err) &&
           (!given(label, "organ") || read_organ_id(label, arena, &ret->organ, where, err)) &&
           read_given_side(label, "positive", arena, &ret->positive, where, err) &&
           read_given_side(label, "negative", arena, &ret->negative, where, err) &&
           read_threshold(label, ret, where, err) && read_calibration(label, ret, where, err) &&
           read_trained(label, ret, where, err);
}

static bool check_unique(const struct prompts *prompts, struct err *err)
{
    for (int i = 0; i < prompts->count; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(prompts->labels[i].id, prompts->labels[j].id) == 0)
                return err_fail(err, ERR_INPUT, "labels.%s: stands twice", prompts->labels[i].id);
    return true;
}

/* Told with the file's name, as what stops is by the caller. */
static bool told(struct faults *faults, struct err *err)
{
    if (!faults)
        return false;
    err_prefix(err, "prompts.json");
    return faults_pass(faults, err);
}

static bool read_labels(const json_t *labels, struct arena *arena, struct prompts *ret, struct faults *faults,
                        struct err *err)
{
    size_t count = json_array_size(labels);
    if (!json_is_array(labels) || count > PROMPTS_LABELS_MAX)
        return err_fail(err, ERR_INPUT, "labels: not a list of at most %d", PROMPTS_LABELS_MAX);
    ret->labels = ARENA_ARRAY(arena, struct prompt_label, count);
    if (!ret->labels)
        return err_fail(err, ERR_NOMEM, "no memory for prompts");
    for (size_t i = 0; i < count; i++) {
        struct prompt_label *label = &ret->labels[ret->count];
        *label = (struct prompt_label){0};
        if (read_label(json_array_get(labels, i), i, arena, label, err))
            ret->count++;
        else if (!told(faults, err))
            return false;
    }
    return check_unique(ret, err) || told(faults, err);
}

static bool read_template(const char *text, struct prompts *ret, struct err *err)
{
    const char *mark = strstr(text, PROMPTS_ORGAN_MARK);
    if (!mark || strstr(mark + 1, PROMPTS_ORGAN_MARK))
        return err_fail(err, ERR_INPUT, "organ_prompts: does not hold %s once", PROMPTS_ORGAN_MARK);
    ret->organ_template = text;
    return true;
}

static bool read_organ(const json_t *item, size_t index, struct arena *arena, struct prompts *ret,
                       struct err *err)
{
    static const char *const known[] = {"organ", "positive", NULL};
    struct prompt_organ *organ = &ret->organs[index];
    char where[80];
    snprintf(where, sizeof where, "organ_prompts[%zu]", index);
    if (!check_keys(item, known, where, err) || !read_organ_id(item, arena, &organ->organ, where, err))
        return false;
    for (size_t i = 0; i < index; i++)
        if (strcmp(ret->organs[i].organ, organ->organ) == 0)
            return err_fail(err, ERR_INPUT, "organ_prompts: %.60s stands twice", organ->organ);
    snprintf(where, sizeof where, "organ_prompts.%.40s.positive", organ->organ);
    return read_side(json_object_get(item, "positive"), arena, &organ->side, where, err);
}

/* A template for all, or a list. */
static bool read_organs(const json_t *value, struct arena *arena, struct prompts *ret, struct err *err)
{
    const char *text;
    size_t count = json_array_size(value);
    if (json_is_string(value))
        return copy_text(value, arena, &text, "organ_prompts", err) && read_template(text, ret, err);
    if (count < 1 || count > PROMPTS_ORGANS_MAX)
        return err_fail(err, ERR_INPUT, "organ_prompts: neither a text nor a list of 1 to %d",
                        PROMPTS_ORGANS_MAX);
    ret->organs = ARENA_ARRAY(arena, struct prompt_organ, count);
    if (!ret->organs)
        return err_fail(err, ERR_NOMEM, "no memory for prompts");
    for (size_t i = 0; i < count; i++)
        if (!read_organ(json_array_get(value, i), i, arena, ret, err))
            return false;
    ret->organ_count = (int)count;
    return true;
}

bool prompts_read(const json_t *root, struct arena *arena, struct prompts *ret, struct faults *faults,
                  struct err *err)
{
    static const char *const known[] = {"version", "labels", "organ_prompts", NULL};
    *ret = (struct prompts){0};
    if (!json_is_object(root))
        return err_fail(err, ERR_INPUT, "not an object");
    const json_t *organs = given(root, "organ_prompts");
    return check_keys(root, known, "", err) &&
           copy_text(json_object_get(root, "version"), arena, &ret->version, "version", err) &&
           read_labels(json_object_get(root, "labels"), arena, ret, faults, err) &&
           (!organs || read_organs(organs, arena, ret, err));
}

const char *prompts_organ_text(const struct prompts *prompts, const char *organ, struct arena *arena)
{
    const char *mark = strstr(prompts->organ_template, PROMPTS_ORGAN_MARK);
    return arena_printf(arena, "%.*s%s%s", (int)(mark - prompts->organ_template), prompts->organ_template,
                        organ, mark + strlen(PROMPTS_ORGAN_MARK));
}
