/* What tests/golden/test_volume.py asks of modules/dicom, modules/study and modules/volume.
 *
 * volume_probe nifti OUT.nii FILE...         the series of these files (derived ones too) as float32 NIfTI;
 *                                            exit 2 and "reason: text" when it is declined
 * volume_probe pixels FOLDER FILE...         stored values of all frames, as FOLDER/0.i32, FOLDER/1.i32...
 * volume_probe bicubic IN.u8 OUT.u8 iy ix oy ox
 * volume_probe resample IN.f32 OUT.f32 iz iy ix oz oy ox STEPZ(3) STEPY(3) STEPX(3)   unit steps */
#include "dicom/dicom_head.h"
#include "dicom/dicom_pixels.h"
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
    struct study_choice *choice = NULL;
    struct volume_plan *plan = NULL;
    for (int i = 0; i < count; i++) {
        struct dicom_head *head = NULL;
        if (!dicom_head_read(paths[i], arena, &head, err))
            return fail(err);
        files.heads[i] = head;
    }
    if (!study_choose(files.heads, count, NULL, arena, &choice, err))
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

static int resample(char **words, struct err *err)
{
    struct volume_geometry geometry = {.phases = 1, .spacing_zyx_mm = {1, 1, 1}};
    int out_zyx[3];
    for (int i = 0; i < 3; i++) {
        geometry.zyx[i] = atoi(words[2 + i]);
        out_zyx[i] = atoi(words[5 + i]);
        geometry.step_z_lps[i] = atof(words[8 + i]);
        geometry.step_y_lps[i] = atof(words[11 + i]);
        geometry.step_x_lps[i] = atof(words[14 + i]);
    }
    size_t in = (size_t)geometry.zyx[0] * (size_t)geometry.zyx[1] * (size_t)geometry.zyx[2];
    size_t out = (size_t)out_zyx[0] * (size_t)out_zyx[1] * (size_t)out_zyx[2];
    float *voxels = malloc(in * sizeof *voxels), *result = malloc(out * sizeof *result);
    FILE *from = fopen(words[0], "rb"), *to = fopen(words[1], "wb");
    bool ok = voxels && result && from && to && fread(voxels, sizeof *voxels, in, from) == in &&
              volume_resample(&geometry, voxels, out_zyx, result, err) &&
              fwrite(result, sizeof *result, out, to) == out;
    if (from)
        fclose(from);
    if (to)
        fclose(to);
    free(voxels);
    free(result);
    return ok ? 0 : fail(err);
}

static int bicubic(char **words, struct err *err)
{
    int in_yx[2] = {atoi(words[2]), atoi(words[3])}, out_yx[2] = {atoi(words[4]), atoi(words[5])};
    size_t in = (size_t)in_yx[0] * (size_t)in_yx[1], out = (size_t)out_yx[0] * (size_t)out_yx[1];
    uint8_t *picture = malloc(in), *result = malloc(out);
    FILE *from = fopen(words[0], "rb"), *to = fopen(words[1], "wb");
    bool ok = picture && result && from && to && fread(picture, 1, in, from) == in &&
              resize_bicubic_u8(picture, in_yx, result, out_yx, err) && fwrite(result, 1, out, to) == out;
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
    else if (count == 19 && !strcmp(words[1], "resample"))
        rc = resample(words + 2, &err);
    else if (count == 8 && !strcmp(words[1], "bicubic"))
        rc = bicubic(words + 2, &err);
    arena_free(arena);
    dicom_library_done();
    return rc;
}
