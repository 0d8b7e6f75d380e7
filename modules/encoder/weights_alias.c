#include "encoder/weights_alias.h"

#include <stddef.h>
#include <string.h>

const struct weights_alias *weights_alias_of(const char *family)
{
    static const struct weights_alias none = {""};
    static const struct weights_alias *const all[] = {
        &weights_alias_cardiac_clip, &weights_alias_cmr_clip, &weights_alias_clip,   &weights_alias_radclip,
        &weights_alias_fvlm,         &weights_alias_radar,    &weights_alias_ct_glip};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i]->family, family) == 0)
            return all[i];
    return &none;
}

const char *weights_alias_find(const struct weights_alias *alias, const char *canonical)
{
    for (const struct weights_name *name = alias->names; name && name->canonical; name++)
        if (strcmp(canonical, name->canonical) == 0)
            return name->published;
    return NULL;
}

static bool matches(const char *pattern, const char *name)
{
    size_t length = strlen(pattern), size = strlen(name);
    if (pattern[0] == '.' && pattern[length - 1] == '.')
        return strstr(name, pattern);
    if (pattern[length - 1] == '.')
        return strncmp(name, pattern, length) == 0;
    if (pattern[0] == '.')
        return size >= length && strcmp(name + size - length, pattern) == 0;
    return strcmp(name, pattern) == 0;
}

bool weights_alias_ignored(const struct weights_alias *alias, const char *name)
{
    for (const char *const *pattern = alias->ignored; pattern && *pattern; pattern++)
        if (matches(*pattern, name))
            return true;
    return false;
}
