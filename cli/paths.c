#include "paths.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static bool add_file(struct paths *paths, const char *path, struct err *err)
{
    if (paths->count == paths->capacity) {
        int capacity = paths->capacity ? paths->capacity * 2 : 256;
        char **grown = realloc(paths->list, (size_t)capacity * sizeof *grown);
        if (!grown)
            return err_fail(err, ERR_NOMEM, "no memory for a list of %d files", capacity);
        paths->list = grown;
        paths->capacity = capacity;
    }
    char *whole = realpath(path, NULL);
    if (!whole)
        return err_errno(err, "%s", path);
    paths->list[paths->count++] = whole;
    return true;
}

/* What tools leave beside a study: notes of dcm2niix, a phantom's truth. */
static bool is_note(const FTSENT *entry)
{
    size_t length = entry->fts_namelen;
    return entry->fts_level > 0 && length > 5 && strcmp(entry->fts_name + length - 5, ".json") == 0;
}

static bool visit(struct paths *paths, const FTSENT *entry, struct err *err)
{
    switch (entry->fts_info) {
    case FTS_F:
        return is_note(entry) || add_file(paths, entry->fts_accpath, err);
    case FTS_NS:
    case FTS_DNR:
    case FTS_ERR:
        errno = entry->fts_errno;
        return err_errno(err, "%s", entry->fts_path);
    default:
        return true;
    }
}

bool paths_add(struct paths *paths, const char *path, struct err *err)
{
    char *roots[] = {(char *)path, NULL};
    FTS *walk = *path ? fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL) : NULL;
    if (!walk)
        return err_fail(err, ERR_IO, "cannot read \"%s\"", path);
    bool ok = true;
    for (FTSENT *entry; ok && (entry = fts_read(walk));)
        ok = visit(paths, entry, err);
    fts_close(walk);
    return ok;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void paths_settle(struct paths *paths)
{
    int kept = 0;
    if (paths->count)
        qsort(paths->list, (size_t)paths->count, sizeof *paths->list, by_name);
    for (int i = 0; i < paths->count; i++) {
        if (kept > 0 && strcmp(paths->list[kept - 1], paths->list[i]) == 0)
            free(paths->list[i]);
        else
            paths->list[kept++] = paths->list[i];
    }
    paths->count = kept;
}

void paths_done(struct paths *paths)
{
    for (int i = 0; i < paths->count; i++)
        free(paths->list[i]);
    free(paths->list);
    *paths = (struct paths){0};
}
