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

static bool check_keys(const json_t *label, const char *where, struct err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)label, key, value)
    {
        if (strcmp(key, "id") != 0 && strcmp(key, "text") != 0 && strcmp(key, "positive") != 0 &&
            strcmp(key, "negative") != 0)
            return err_fail(err, ERR_INPUT, "%s.%.60s: unknown key", where, key);
    }
    return json_is_object(label) || err_fail(err, ERR_INPUT, "%s: not an object", where);
}

static bool read_label(const json_t *label, size_t index, struct arena *arena, struct prompt_label *ret,
                       struct err *err)
{
    char where[120], side[160];
    snprintf(where, sizeof where, "labels[%zu]", index);
    const char *id = json_string_value(json_object_get(label, "id"));
    if (!check_keys(label, where, err) || !check_id(id, where, err))
        return false;
    snprintf(where, sizeof where, "labels.%s", id);
    ret->id = arena_strdup(arena, id);
    if (!ret->id)
        return err_fail(err, ERR_NOMEM, "no memory for prompts");
    snprintf(side, sizeof side, "%s.text", where);
    if (!copy_text(json_object_get(label, "text"), arena, &ret->text, side, err))
        return false;
    snprintf(side, sizeof side, "%s.positive", where);
    if (!read_side(json_object_get(label, "positive"), arena, &ret->positive, side, err))
        return false;
    snprintf(side, sizeof side, "%s.negative", where);
    return read_side(json_object_get(label, "negative"), arena, &ret->negative, side, err);
}

static bool check_unique(const struct prompts *prompts, struct err *err)
{
    for (int i = 0; i < prompts->count; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(prompts->labels[i].id, prompts->labels[j].id) == 0)
                return err_fail(err, ERR_INPUT, "labels.%s: stands twice", prompts->labels[i].id);
    return true;
}

static bool read_labels(const json_t *labels, struct arena *arena, struct prompts *ret, struct err *err)
{
    size_t count = json_array_size(labels);
    if (count < 1 || count > PROMPTS_LABELS_MAX)
        return err_fail(err, ERR_INPUT, "labels: not a list of 1 to %d", PROMPTS_LABELS_MAX);
    ret->labels = ARENA_ARRAY(arena, struct prompt_label, count);
    if (!ret->labels)
        return err_fail(err, ERR_NOMEM, "no memory for prompts");
    for (; ret->count < (int)count; ret->count++)
        if (!read_label(json_array_get(labels, (size_t)ret->count), (size_t)ret->count, arena,
                        &ret->labels[ret->count], err))
            return false;
    return check_unique(ret, err);
}

bool prompts_read(const json_t *root, struct arena *arena, struct prompts *ret, struct err *err)
{
    const json_t *labels = json_object_get(root, "labels");
    const char *key;
    json_t *value;
    *ret = (struct prompts){0};
    json_object_foreach((json_t *)root, key, value)
    {
        if (strcmp(key, "version") != 0 && strcmp(key, "labels") != 0)
            return err_fail(err, ERR_INPUT, "%.60s: unknown key", key);
    }
    return copy_text(json_object_get(root, "version"), arena, &ret->version, "version", err) &&
           read_labels(labels, arena, ret, err);
}
