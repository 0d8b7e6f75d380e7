#include "pipeline/source.h"

#include "dicom/dicom_head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    source->opened = ARENA_ARRAY(arena, struct source_open, (size_t)crew_seats(source->crew));
    if (!source->files || !source->heads || !source->opened)
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

static bool is_image(const struct dicom_head *head)
{
    return head->kind == DICOM_KIND_CT || head->kind == DICOM_KIND_MR;
}

static bool is_kept(const struct dicom_head *head, const char *series)
{
    char number[16];
    snprintf(number, sizeof number, "%d", head->id.series_number);
    return !is_image(head) || strcmp(number, series) == 0 || strcmp(head->id.series_uid, series) == 0;
}

bool source_keep_series(struct source *source, const char *series, struct err *err)
{
    int heads = 0, files = 0, images = 0;
    for (int i = 0; i < source->count; i++) {
        if (is_kept(source->heads[i], series)) {
            images += is_image(source->heads[i]);
            source->heads[heads++] = source->heads[i];
        }
        if (is_kept(source->files[i].head, series))
            source->files[files++] = source->files[i];
    }
    source->count = heads;
    return images > 0 || err_decline(err, "no_such_series", "no CT or MR image is of series %s", series);
}

static const char *path_of(const struct source *source, const struct dicom_head *head)
{
    struct source_file key = {head, NULL};
    const struct source_file *file =
        bsearch(&key, source->files, (size_t)source->count, sizeof key, by_address);
    return file ? file->path : NULL;
}

static void close_one(struct source_open *open)
{
    dicom_pixels_close(open->pixels);
    *open = (struct source_open){0};
}

static bool read_frame(void *from, int seat, const struct dicom_frame_ref *at, struct volume_frame *frame,
                       struct err *err)
{
    const struct source *source = from;
    struct source_open *open = &source->opened[seat];
    if (open->of != at->head) {
        const char *path = path_of(source, at->head);
        close_one(open);
        if (!path)
            return err_fail(err, ERR_BUG, "a slice names an object that was not read");
        open->pixels = dicom_pixels_open(path, err);
        if (!open->pixels)
            return false;
        open->of = at->head;
    }
    frame->lut = dicom_pixels_lut(open->pixels);
    return dicom_pixels_frame(open->pixels, at->frame, frame->stored, err);
}

struct volume_reader source_reader(struct source *source)
{
    return (struct volume_reader){read_frame, source, source->crew};
}

void source_done(struct source *source)
{
    for (int i = 0; source->opened && i < crew_seats(source->crew); i++)
        close_one(&source->opened[i]);
}
