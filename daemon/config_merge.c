#include "daemon/config_keys.h"

#include <stdlib.h>
#include <string.h>

static bool same(const struct config_key *key, const void *base, const void *other_base)
{
    const char *field = (const char *)base + key->offset, *other = (const char *)other_base + key->offset;
    bool text =
        key->type != CONFIG_TYPE_INT && key->type != CONFIG_TYPE_BOOL; /* bytes behind the NUL mean nothing */
    return text ? strcmp(field, other) == 0 : memcmp(field, other, key->size) == 0;
}

static bool same_entry(const struct config_group *group, const char *entry, const char *other)
{
    for (int i = 0; i < config_key_count; i++)
        if (strcmp(config_keys[i].section, group->kind) == 0 && !same(&config_keys[i], entry, other))
            return false;
    return strcmp(entry, other) == 0;
}

static bool same_list(const struct config_group *group, const struct config *running,
                      const struct config *wanted)
{
    int count = config_group_size(group, running);
    bool equal = count == config_group_size(group, wanted);
    for (int i = 0; i < count && equal; i++)
        equal =
            same_entry(group, config_group_entry(group, running, i), config_group_entry(group, wanted, i));
    return equal;
}

/* Once, however many models differ in a key. */
static void note(char list[CONFIG_CHANGES], const char *name)
{
    size_t used = strlen(list), length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += length)
        if ((at == list || at[-1] == ' ') && strchr(" ", at[length]))
            return;
    snprintf(list + used, CONFIG_CHANGES - used, "%s%s", used ? " " : "", name);
}

static void merge_key(const struct config_key *key, void *base, const void *wanted,
                      struct config_changes *changes)
{
    char name[80];
    if (same(key, base, wanted))
        return;
    if (key->reload == CONFIG_RELOAD)
        memcpy((char *)base + key->offset, (const char *)wanted + key->offset, key->size);
    snprintf(name, sizeof name, "%s.%s", key->section, key->name);
    note(key->reload == CONFIG_RELOAD ? changes->applied : changes->after_restart, name);
}

static void merge_section(const char *section, void *base, const void *wanted, struct config_changes *changes)
{
    for (int i = 0; i < config_key_count; i++)
        if (strcmp(config_keys[i].section, section) == 0)
            merge_key(&config_keys[i], base, wanted, changes);
}

static void replace_list(const struct config_group *group, struct config *merged, const struct config *wanted,
                         struct config_changes *changes)
{
    if (same_list(group, merged, wanted))
        return;
    memcpy((char *)merged + group->list, (const char *)wanted + group->list,
           (size_t)group->max * group->size);
    memcpy((char *)merged + group->count, (const char *)wanted + group->count, sizeof(int));
    note(changes->applied, group->kind);
}

/* Models stay in their places: the series number of a model's reports is its place. */
static void merge_models(struct config *merged, const struct config *wanted, struct config_changes *changes)
{
    bool in_place = merged->model_count == wanted->model_count;
    for (int i = 0; i < merged->model_count; i++) {
        struct config_model *model = &merged->models[i];
        int at = 0;
        while (at < wanted->model_count && strcmp(wanted->models[at].name, model->name) != 0)
            at++;
        in_place = in_place && at == i;
        if (at < wanted->model_count)
            merge_section("model", model, &wanted->models[at], changes);
    }
    if (!in_place)
        note(changes->after_restart, "model");
}

struct config *config_merge(const struct config *running, const struct config *wanted,
                            struct config_changes *ret, struct err *err)
{
    struct config *merged = malloc(sizeof *merged);
    *ret = (struct config_changes){0};
    if (!merged) {
        err_fail(err, ERR_NOMEM, "no memory for a configuration");
        return NULL;
    }
    *merged = *running;
    merged->replaced = NULL;
    for (int i = 0; i < config_section_count; i++)
        merge_section(config_sections[i], merged, wanted, ret);
    for (int i = 0; i < config_group_count; i++)
        if (config_groups[i].whole == CONFIG_RELOAD)
            replace_list(&config_groups[i], merged, wanted, ret);
    merge_models(merged, wanted, ret);
    if (config_check(merged, err))
        return merged;
    err_prefix(err, "with what takes effect after a restart only");
    config_free(merged);
    return NULL;
}
