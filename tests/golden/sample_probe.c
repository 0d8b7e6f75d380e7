/* What tests/golden/test_sample.py asks of modules/volume: values of a volume on another grid.
 *
 * sample_probe cover IN.i32 OUT.f32 iz iy ix oz oy ox STEPZ(3) STEPY(3) STEPX(3)
 *     a volume of a 1024th of IN, unit steps from 0, all of it on oz oy ox voxels; outside is NAN
 * sample_probe box IN.i32 OUT.f32 iz iy ix oz oy ox STEPZ(3) STEPY(3) STEPX(3) CENTRE(3) SIZE_ZYX(3)
 *     the same, a box of it
 * sample_probe regrid OUT.f32 SZ SY SX FILE...   single-frame files on voxels of that spacing
 * Prints the grid: "z y x", then origin and steps of z, y and x, a line each. */
#include "dicom/dicom_head.h"
#include "dicom/dicom_pixels.h"
#include "volume/volume.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const struct err *err)
{
    fprintf(stderr, "%s %s: %s\n", err_code_name(err->code), err->reason, err->text);
    return 2;
}

static void numbers(char **words, int count, double *to)
{
    for (int i = 0; i < count; i++)
        to[i] = atof(words[i]);
}

static int give(const struct volume_plan *plan, const struct volume_reader *reader,
                const struct volume_geometry *grid, const char *path, struct err *err)
{
    const double *rows[] = {grid->origin_lps, grid->step_z_lps, grid->step_y_lps, grid->step_x_lps};
    size_t count = (size_t)grid->zyx[0] * (size_t)grid->zyx[1] * (size_t)grid->zyx[2];
    float *values = malloc(count * sizeof *values);
    FILE *file = fopen(path, "wb");
    printf("%d %d %d\n", grid->zyx[0], grid->zyx[1], grid->zyx[2]);
    for (int i = 0; i < 4; i++)
        printf("%.17g %.17g %.17g\n", rows[i][0], rows[i][1], rows[i][2]);
    bool ok = values && file && volume_sample(plan, 0, reader, grid, NAN, values, err) &&
              fwrite(values, sizeof *values, count, file) == count;
    if (file)
        fclose(file);
    free(values);
    return ok ? 0 : fail(err);
}

/* ---- a volume in memory ---- */

static bool read_memory(void *from, int seat, const struct dicom_frame_ref *at, struct volume_frame *frame,
                        struct err *err)
{
    const int32_t *voxels = from;
    size_t count = (size_t)at->head->rows * (size_t)at->head->columns;
    memcpy(frame->stored, voxels + (size_t)at->frame * count, count * sizeof *voxels);
    return true;
}

static int32_t *read_file(const char *path, size_t count)
{
    int32_t *values = malloc(count * sizeof *values);
    FILE *file = fopen(path, "rb");
    if (!values || !file || fread(values, sizeof *values, count, file) != count)
        exit(3);
    fclose(file);
    return values;
}

static int memory(char **words, bool is_box, struct arena *arena, struct err *err)
{
    struct volume_plan plan = {.geometry = {.phases = 1, .spacing_zyx_mm = {1, 1, 1}}};
    struct volume_geometry *geometry = &plan.geometry, grid;
    int out_zyx[3];
    double box[6] = {0};
    for (int i = 0; i < 3; i++) {
        geometry->zyx[i] = atoi(words[2 + i]);
        out_zyx[i] = atoi(words[5 + i]);
    }
    numbers(words + 8, 3, geometry->step_z_lps);
    numbers(words + 11, 3, geometry->step_y_lps);
    numbers(words + 14, 3, geometry->step_x_lps);
    if (is_box)
        numbers(words + 17, 6, box);
    size_t depth = (size_t)geometry->zyx[0];
    struct volume_slice *slices = ARENA_ARRAY(arena, struct volume_slice, depth);
    struct dicom_head head = {.rows = geometry->zyx[1],
                              .columns = geometry->zyx[2],
                              .is_signed = 1,
                              .frames = ARENA_ARRAY(arena, struct dicom_frame, depth)};
    for (size_t z = 0; z < depth; z++) {
        head.frames[z].slope = 1.0 / 1024;
        slices[z].at = (struct dicom_frame_ref){&head, (int)z};
    }
    plan.slices = slices;
    if (!(is_box ? volume_box(geometry, box, box + 3, out_zyx, &grid, err)
                 : volume_cover(geometry, out_zyx, &grid, err)))
        return fail(err);
    int32_t *voxels = read_file(words[0], depth * (size_t)head.rows * (size_t)head.columns);
    struct volume_reader reader = {read_memory, voxels, NULL};
    int rc = give(&plan, &reader, &grid, words[1], err);
    free(voxels);
    return rc;
}

/* ---- a series ---- */

struct files {
    const struct dicom_head **heads;
    char **paths;
    int count;
};

static bool read_frame(void *from, int seat, const struct dicom_frame_ref *at, struct volume_frame *frame,
                       struct err *err)
{
    const struct files *files = from;
    int i = 0;
    while (i < files->count && files->heads[i] != at->head)
        i++;
    struct dicom_pixels *pixels = dicom_pixels_open(files->paths[i], err);
    bool ok = pixels && dicom_pixels_frame(pixels, at->frame, frame->stored, err);
    dicom_pixels_close(pixels);
    return ok;
}

static int regrid(const char *out, char **words, int count, struct arena *arena, struct err *err)
{
    struct files files = {ARENA_ARRAY(arena, const struct dicom_head *, (size_t)count), words + 3, count - 3};
    struct volume_reader reader = {read_frame, &files, NULL};
    struct dicom_frame_ref *frames = ARENA_ARRAY(arena, struct dicom_frame_ref, (size_t)count);
    struct volume_plan *plan = NULL;
    struct volume_geometry grid;
    double spacing[3];
    numbers(words, 3, spacing);
    for (int i = 0; i < files.count; i++) {
        struct dicom_head *head = NULL;
        if (!dicom_head_read(files.paths[i], arena, &head, err))
            return fail(err);
        files.heads[i] = head;
        frames[i].head = head;
    }
    if (!volume_plan(frames, files.count, 2, arena, &plan, err) ||
        !volume_regrid(&plan->geometry, spacing, &grid, err))
        return fail(err);
    return give(plan, &reader, &grid, out, err);
}

int main(int count, char **words)
{
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    int rc = 1;
    if (!arena || !dicom_library_init(&err))
        rc = fail(&err);
    else if (count == 19 && !strcmp(words[1], "cover"))
        rc = memory(words + 2, false, arena, &err);
    else if (count == 25 && !strcmp(words[1], "box"))
        rc = memory(words + 2, true, arena, &err);
    else if (count > 6 && !strcmp(words[1], "regrid"))
        rc = regrid(words[2], words + 3, count - 3, arena, &err);
    arena_free(arena);
    dicom_library_done();
    return rc;
}
