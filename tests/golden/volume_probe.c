/* What tests/golden/test_volume.py asks of modules/dicom, modules/study and modules/volume.
 *
 * volume_probe nifti OUT.nii FILE...         the series of these files (derived ones too) as float32 NIfTI;
 *                                            exit 2 and "reason: text" when it is declined
 * volume_probe pixels FOLDER FILE...         stored values of all frames, as FOLDER/0.i32, FOLDER/1.i32...
 * volume_probe bicubic IN.u8 OUT.u8 iy ix oy ox
 * volume_probe bilinear IN.f32 OUT.f32 iy ix oy ox   antialiased */
#include "dicom/dicom_head.h"
#include "dicom/dicom_pixels.h"
#include "pipeline/series_rules.h"
#include "study/study.h"
#include "volume/resize.h"
#include "volume/volume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct files {
    const struct dicom_head **heads;
    char **paths; /* [count] with the heads */
    int count;
    struct dicom_pixels *pixels;
};

static int fail(const struct err *err)
{
    fprintf(stderr, "%s: %s\n", err->reason, err->text);
    return 2;
}

static bool read_frame(void *from, int seat, const struct dicom_frame_ref *at, struct volume_frame *frame,
                       struct err *err)
{
    struct files *files = from;
    for (int i = 0; i < files->count; i++) {
        if (files->heads[i] != at->head)
            continue;
        dicom_pixels_close(files->pixels);
        files->pixels = dicom_pixels_open(files->paths[i], err);
        frame->lut = files->pixels ? dicom_pixels_lut(files->pixels) : NULL;
        return files->pixels && dicom_pixels_frame(files->pixels, at->frame, frame->stored, err);
    }
    return err_fail(err, ERR_BUG, "a slice of no file");
}

static int write_nifti(const struct volume_plan *plan, struct files *files, const char *path, struct err *err)
{
    unsigned char header[VOLUME_NIFTI_HEADER_SIZE];
    const struct volume_geometry *geometry = &plan->geometry;
    size_t count = (size_t)geometry->zyx[0] * (size_t)geometry->zyx[1] * (size_t)geometry->zyx[2];
    float *voxels = malloc(count * sizeof *voxels);
    FILE *file = fopen(path, "wb");
    volume_nifti_header(geometry, header);
    bool ok = voxels && file && fwrite(header, sizeof header, 1, file) == 1;
    for (int phase = 0; ok && phase < geometry->phases; phase++)
        ok = volume_fill(plan, phase, &(struct volume_reader){read_frame, files, NULL}, voxels, err) &&
             fwrite(voxels, sizeof *voxels, count, file) == count;
    free(voxels);
    dicom_pixels_close(files->pixels);
    if (file)
        fclose(file);
    for (int i = 0; i < plan->warning_count; i++)
        puts(plan->warnings[i]);
    return ok ? 0 : fail(err);
}

static int nifti(const char *out, char **paths, int count, struct arena *arena, struct err *err)
{
    struct files files = {ARENA_ARRAY(arena, const struct dicom_head *, (size_t)count), paths, count, NULL};
    const struct study_rules *rules;
    struct study_choice *choice = NULL;
    struct volume_plan *plan = NULL;
    for (int i = 0; i < count; i++) {
        struct dicom_head *head = NULL;
        if (!dicom_head_read(paths[i], arena, &head, err))
            return fail(err);
        files.heads[i] = head;
    }
    if (!series_rules_read(NULL, arena, &rules, err) ||
        !study_choose(files.heads, count, NULL, rules, arena, &choice, err))
        return fail(err);
    if (!choice->stack_count) {
        err_decline(err, choice->reason, "no series");
        return fail(err);
    }
    if (!volume_plan(choice->stacks[0].frames, choice->stacks[0].frame_count, 2, arena, &plan, err))
        return fail(err);
    return write_nifti(plan, &files, out, err);
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
    else if (count > 3 && !strcmp(words[1], "nifti"))
        rc = nifti(words[2], words + 3, count - 3, arena, &err);
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
