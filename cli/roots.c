#include "roots.h"

#include <stdlib.h>
#include <string.h>

bool roots_add(struct roots *roots, const char *path, struct err *err)
{
    if (!path)
        return true;
    if (roots->count == roots->capacity) {
        int capacity = roots->capacity ? roots->capacity * 2 : 16;
        const char **grown = realloc(roots->list, (size_t)capacity * sizeof *grown);
        if (!grown)
            return err_fail(err, ERR_NOMEM, "no memory for a list of %d paths", capacity);
        roots->list = grown;
        roots->capacity = capacity;
    }
    roots->list[roots->count++] = path;
    return true;
}

static bool lies_in(const char *file, const char *root)
{
    size_t length = strlen(root);
    return strncmp(file, root, length) == 0 &&
           (!file[length] || file[length] == '/' || root[length - 1] == '/');
}

static bool lies_in_any(const char *file, char *const *resolved, int count)
{
    for (int i = 0; i < count; i++) {
        if (resolved[i] && lies_in(file, resolved[i]))
            return true;
    }
    return false;
}

bool roots_add_outside(struct roots *roots, const char *const *files, int count, struct err *err)
{
    bool ok = true;
    int resolved_count = roots->count;
    char **resolved = calloc((size_t)resolved_count + 1, sizeof *resolved);
    if (!resolved)
        return err_fail(err, ERR_NOMEM, "no memory for a list of paths");
    for (int i = 0; i < resolved_count; i++)
        resolved[i] = realpath(roots->list[i], NULL);
    for (int i = 0; ok && i < count; i++) {
        if (!lies_in_any(files[i], resolved, resolved_count))
            ok = roots_add(roots, files[i], err);
    }
    for (int i = 0; i < resolved_count; i++)
        free(resolved[i]);
    free(resolved);
    return ok;
}

void roots_done(struct roots *roots)
{
    free(roots->list);
    *roots = (struct roots){0};
}
