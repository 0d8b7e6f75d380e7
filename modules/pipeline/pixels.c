#include "pipeline/pixels.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct bench {
    struct dicom_pixels *pixels;
    int32_t *values;
};

struct work {
    const char *path;
    struct bench *benches; /* one a seat, opened when first needed */
    size_t count;          /* pixels of a frame */
    int first, fd;
    struct dicom_pixels_shape shape;
};

static bool write_at(int fd, const void *bytes, size_t size, off_t offset, struct err *err)
{
    for (const char *at = bytes; size > 0;) {
        ssize_t n = pwrite(fd, at, size, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, "write the pixels");
        at += n;
        offset += n;
        size -= (size_t)n;
    }
    return true;
}

static size_t sample_bytes(const struct dicom_pixels_shape *shape)
{
    return shape->bits_allocated > 8 ? (size_t)shape->bits_allocated / 8 : 1;
}

/* In place: a sample is never wider than a value. */
static void pack(int32_t *values, size_t count, size_t bytes)
{
    unsigned char *to = (unsigned char *)values;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)values[i];
        for (size_t byte = 0; byte < bytes; byte++)
            *to++ = (unsigned char)(bits >> 8 * byte);
    }
}

static bool open_bench(const struct work *work, struct bench *bench, struct err *err)
{
    if (!bench->pixels)
        bench->pixels = dicom_pixels_open(work->path, err);
    if (!bench->pixels || bench->values)
        return bench->pixels != NULL;
    bench->values = malloc(work->count * sizeof *bench->values);
    return bench->values || err_fail(err, ERR_NOMEM, "no memory for a frame of %zu pixels", work->count);
}

static bool write_frame(void *argument, int seat, int number, struct err *err)
{
    const struct work *work = argument;
    struct bench *bench = &work->benches[seat];
    if (!open_bench(work, bench, err) ||
        !dicom_pixels_frame(bench->pixels, work->first + number, bench->values, err))
        return false;
    size_t bytes = sample_bytes(&work->shape), size = work->count * bytes;
    pack(bench->values, work->count, bytes);
    return write_at(work->fd, bench->values, size, (off_t)size * number, err);
}

static bool choose_frames(struct work *work, int frame, struct err *err)
{
    struct dicom_pixels_shape *shape = &work->shape;
    if (frame < 0 || frame > shape->frames)
        return err_decline(err, "no_such_frame", "frame %d of %d", frame, shape->frames);
    work->first = frame ? frame - 1 : 0;
    shape->frames = frame ? 1 : shape->frames;
    return true;
}

bool pixels_write(const char *path, int frame, const struct crew *crew, int fd,
                  struct dicom_pixels_shape *ret_shape, struct err *err)
{
    int seats = crew_seats(crew);
    struct work work = {.path = path, .benches = calloc((size_t)seats, sizeof *work.benches), .fd = fd};
    if (!work.benches)
        return err_fail(err, ERR_NOMEM, "no memory to decode");
    work.benches[0].pixels = dicom_pixels_open(path, err);
    bool ok = work.benches[0].pixels != NULL;
    if (ok) {
        work.shape = *dicom_pixels_shape(work.benches[0].pixels);
        work.count = (size_t)work.shape.rows * (size_t)work.shape.columns;
        ok = choose_frames(&work, frame, err) && crew_run(crew, work.shape.frames, write_frame, &work, err);
    }
    for (int i = 0; i < seats; i++) {
        dicom_pixels_close(work.benches[i].pixels);
        free(work.benches[i].values);
    }
    free(work.benches);
    if (ok)
        *ret_shape = work.shape;
    return ok;
}
