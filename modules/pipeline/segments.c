#include "pipeline/segments.h"

#include "tensor/section.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { ENTRIES_MAX = 4096 };

static int organ_number(const struct organ_config *organs, const char *id)
{
    for (int i = 0; i < organs->count; i++)
        if (strcmp(organs->organs[i].id, id) == 0)
            return i + 1;
    return 0;
}

static bool read_entries(const char *name, const json_t *table, const struct organ_config *organs,
                         struct arena *arena, struct segments_entry **ret, int *ret_count, struct err *err)
{
    size_t count = json_object_size(table);
    const char *key;
    json_t *value;
    if (count > ENTRIES_MAX)
        return err_fail(err, ERR_INPUT, "%s: %zu entries, more than %d", name, count, ENTRIES_MAX);
    *ret = ARENA_ARRAY(arena, struct segments_entry, count + 1);
    if (!*ret)
        return err_fail(err, ERR_NOMEM, "no memory for %s", name);
    json_object_foreach((json_t *)table, key, value)
    {
        const char *id = json_string_value(value), *copy = arena_strdup(arena, key);
        int organ = id ? organ_number(organs, id) : 0;
        if (!organ)
            return err_fail(err, ERR_INPUT, "%s.%.64s: not the id of an organ of the model", name, key);
        if (!copy)
            return err_fail(err, ERR_NOMEM, "no memory for %s", name);
        (*ret)[(*ret_count)++] = (struct segments_entry){copy, organ};
    }
    return true;
}

bool segments_read(const char *path, const struct organ_config *organs, struct arena *arena,
                   struct segments *ret, struct err *err)
{
    const json_t *codes = NULL, *labels = NULL;
    const struct section_key keys[] = {{"codes", SECTION_OBJECT, &codes, false},
                                       {"labels", SECTION_OBJECT, &labels, false}};
    json_t *root = section_file(path, NULL, NULL, err);
    *ret = (struct segments){0};
    bool ok = root && section_read(root, "", keys, sizeof keys / sizeof *keys, err) &&
              read_entries("codes", codes, organs, arena, &ret->codes, &ret->code_count, err) &&
              read_entries("labels", labels, organs, arena, &ret->labels, &ret->label_count, err);
    json_decref(root);
    return ok;
}

static char folded(char c)
{
    return c == '_' ? ' ' : (char)tolower((unsigned char)c);
}

static bool same_label(const char *a, const char *b)
{
    while (*a && folded(*a) == folded(*b))
        a++, b++;
    return *a == *b;
}

int segments_organ(const struct segments *segments, const struct dicom_segment *segment)
{
    char code[sizeof segment->type.scheme + sizeof segment->type.value];
    snprintf(code, sizeof code, "%s:%s", segment->type.scheme, segment->type.value);
    for (int i = 0; i < segments->code_count; i++)
        if (strcmp(segments->codes[i].key, code) == 0)
            return segments->codes[i].organ;
    for (int i = 0; i < segments->label_count; i++)
        if (same_label(segments->labels[i].key, segment->label))
            return segments->labels[i].organ;
    return 0;
}
