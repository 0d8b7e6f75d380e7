#include "pipeline/source.h"

#include "dicom/dicom_head.h"

#include <stdlib.h>

static int by_address(const void *a, const void *b)
{
    const struct source_file *left = a, *right = b;
    return (left->head > right->head) - (left->head < right->head);
}

static bool skippable(const struct err *err)
{
    return err->code == ERR_INPUT || err->code == ERR_UNSUPPORTED;
}

bool source_read(struct source *source, const char *const *paths, int count, struct arena *arena,
                 struct err *err)
{
    source->given = count;
    source->files = ARENA_ARRAY(arena, struct source_file, (size_t)count + 1);
    source->heads = ARENA_ARRAY(arena, const struct dicom_head *, (size_t)count + 1);
    if (!source->files || !source->heads)
        return err_fail(err, ERR_NOMEM, "no memory for %d files", count);
    for (int i = 0; i < count; i++) {
        struct dicom_head *head = NULL;
        if (dicom_head_read(paths[i], arena, &head, err)) {
            source->heads[source->count] = head;
            source->files[source->count++] = (struct source_file){head, paths[i]};
        } else if (skippable(err)) {
            source->skipped++;
        } else {
            return false;
        }
    }
    qsort(source->files, (size_t)source->count, sizeof *source->files, by_address);
    return true;
}

static const char *path_of(const struct source *source, const struct dicom_head *head)
{
    struct source_file key = {head, NULL};
    const struct source_file *file =
        bsearch(&key, source->files, (size_t)source->count, sizeof key, by_address);
    return file ? file->path : NULL;
}

bool source_frame(void *reader, const struct volume_slice *slice, int32_t *stored, struct err *err)
{
    struct source *source = reader;
    if (source->pixels_of != slice->head) {
        const char *path = path_of(source, slice->head);
        source_done(source);
        if (!path)
            return err_fail(err, ERR_BUG, "a slice names an object that was not read");
        source->pixels = dicom_pixels_open(path, err);
        if (!source->pixels)
            return false;
        source->pixels_of = slice->head;
    }
    return dicom_pixels_frame(source->pixels, slice->frame, stored, err);
}

void source_done(struct source *source)
{
    dicom_pixels_close(source->pixels);
    source->pixels = NULL;
    source->pixels_of = NULL;
}
