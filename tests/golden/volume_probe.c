/* What golden tests ask of modules/dicom and modules/volume; exit 2 and "reason: text" when it is declined.
 *
 * volume_probe pixels FOLDER FILE...         stored values of all frames, as FOLDER/0.i32, FOLDER/1.i32...
 * volume_probe bicubic IN.u8 OUT.u8 iy ix oy ox
 * volume_probe bilinear IN.f32 OUT.f32 iy ix oy ox   antialiased */
#include "dicom/dicom_head.h"
#include "dicom/dicom_pixels.h"
#include "volume/resize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const struct err *err)
{
    fprintf(stderr, "%s: %s\n", err->reason, err->text);
    return 2;
}

static int pixels(const char *out, const char *path, struct arena *arena, struct err *err)
{
    struct dicom_head *head = NULL;
    if (!dicom_head_read(path, arena, &head, err))
        return fail(err);
    struct dicom_pixels *from = dicom_pixels_open(path, err);
    if (!from)
        return fail(err);
    size_t count = (size_t)head->rows * (size_t)head->columns;
    int32_t *values = malloc(count * sizeof *values);
    FILE *file = fopen(out, "wb");
    bool ok = values && file;
    for (int i = 0; ok && i < head->frame_count; i++)
        ok = dicom_pixels_frame(from, i, values, err) && fwrite(values, sizeof *values, count, file) == count;
    free(values);
    if (file)
        fclose(file);
    dicom_pixels_close(from);
    return ok ? 0 : fail(err);
}

static int all_pixels(const char *folder, char **paths, int count, struct arena *arena, struct err *err)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < count; i++) {
        char out[4096];
        snprintf(out, sizeof out, "%s/%d.i32", folder, i);
        rc = pixels(out, paths[i], arena, err);
        if (rc)
            fprintf(stderr, "in %s\n", paths[i]);
    }
    return rc;
}

typedef bool (*resize_as)(const void *in, const int size_yx[2], void *out, const int out_yx[2],
                          struct err *err);

static bool bicubic(const void *in, const int size_yx[2], void *out, const int out_yx[2], struct err *err)
{
    return resize_bicubic_u8(in, size_yx, out, out_yx, err);
}

static bool bilinear(const void *in, const int size_yx[2], void *out, const int out_yx[2], struct err *err)
{
    return resize_bilinear_f32(in, size_yx, out, out_yx, err);
}

static int picture(resize_as resize, size_t size, char **words, struct err *err)
{
    int in_yx[2] = {atoi(words[2]), atoi(words[3])}, out_yx[2] = {atoi(words[4]), atoi(words[5])};
    size_t in = (size_t)in_yx[0] * (size_t)in_yx[1], out = (size_t)out_yx[0] * (size_t)out_yx[1];
    void *picture = malloc(in * size), *result = malloc(out * size);
    FILE *from = fopen(words[0], "rb"), *to = fopen(words[1], "wb");
    bool ok = picture && result && from && to && fread(picture, size, in, from) == in &&
              resize(picture, in_yx, result, out_yx, err) && fwrite(result, size, out, to) == out;
    if (from)
        fclose(from);
    if (to)
        fclose(to);
    free(picture);
    free(result);
    return ok ? 0 : fail(err);
}

int main(int count, char **words)
{
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    int rc = 1;
    if (!arena || !dicom_library_init(&err))
        rc = fail(&err);
    else if (count > 3 && !strcmp(words[1], "pixels"))
        rc = all_pixels(words[2], words + 3, count - 3, arena, &err);
    else if (count == 8 && !strcmp(words[1], "bicubic"))
        rc = picture(bicubic, sizeof(uint8_t), words + 2, &err);
    else if (count == 8 && !strcmp(words[1], "bilinear"))
        rc = picture(bilinear, sizeof(float), words + 2, &err);
    arena_free(arena);
    dicom_library_done();
    return rc;
}
