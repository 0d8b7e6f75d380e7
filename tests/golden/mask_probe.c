/* What tests/golden/test_masks.py asks of modules/dicom and modules/volume.
 *   mask_probe seg FILE OUT.u8       "BINARY 1 SPACING" or "FRACTIONAL MAX SPACING", a line a segment "number
 *                                    scheme code label", then "frames SEGMENT_INDEX..."; all frames to OUT.u8
 *   mask_probe grid SZ SY SX FILE... the series' grid of that spacing: "z y x", origin, steps of z, y and x
 *   mask_probe mask SEG OUT.u8 SZ SY SX FILE...   the same, and the segments' places from 1 on it to OUT.u8
 */
#include "dicom/dicom_head.h"
#include "dicom/dicom_seg.h"
#include "pipeline/series_rules.h"
#include "study/study.h"
#include "volume/volume_mask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void stop(const struct err *err)
{
    fprintf(stderr, "%s %s: %s\n", err_code_name(err->code), err->reason, err->text);
    exit(1);
}

static void write_bytes(const char *path, const uint8_t *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, count, file) != count || fclose(file) != 0)
        exit(3);
}

static struct dicom_seg *open_seg(const char *path, struct arena *arena, struct dicom_head **head,
                                  const struct dicom_segmentation **record)
{
    struct err err = ERR_INIT;
    struct dicom_seg *seg = NULL;
    if (dicom_head_read(path, arena, head, &err))
        seg = dicom_seg_open(path, *head, arena, record, &err);
    if (!seg)
        stop(&err);
    return seg;
}

static int show(const char *path, const char *out, struct arena *arena)
{
    struct err err = ERR_INIT;
    struct dicom_head *head;
    const struct dicom_segmentation *record;
    struct dicom_seg *seg = open_seg(path, arena, &head, &record);
    size_t count = (size_t)head->rows * (size_t)head->columns;
    uint8_t *frames = malloc(count * (size_t)head->frame_count);
    printf("%s %d %g\n", record->fractional ? "FRACTIONAL" : "BINARY", record->fraction_max,
           record->spacing_z_mm);
    for (int i = 0; i < record->segment_count; i++) {
        const struct dicom_segment *s = &record->segments[i];
        printf("%d %s %s %s\n", s->number, s->type.scheme, s->type.value, s->label);
    }
    printf("frames");
    for (int i = head->frame_count - 1; i >= 0; i--) /* out of order */
        if (!dicom_seg_frame(seg, i, frames + (size_t)i * count, &err))
            stop(&err);
    for (int i = 0; i < head->frame_count; i++)
        printf(" %d", record->frame_segment[i]);
    puts("");
    write_bytes(out, frames, count * (size_t)head->frame_count);
    free(frames);
    dicom_seg_close(seg);
    return 0;
}

static struct volume_geometry find_grid(char **words, int count, struct arena *arena)
{
    struct err err = ERR_INIT;
    const struct study_rules *rules;
    struct study_choice *choice;
    struct volume_plan *plan;
    struct volume_geometry grid;
    const double spacing[3] = {atof(words[0]), atof(words[1]), atof(words[2])};
    const struct dicom_head **heads = ARENA_ARRAY(arena, const struct dicom_head *, (size_t)count);
    for (int i = 3; i < count; i++) {
        struct dicom_head *head;
        if (!dicom_head_read(words[i], arena, &head, &err))
            stop(&err);
        heads[i - 3] = head;
    }
    if (!series_rules_read(NULL, arena, &rules, &err) ||
        !study_choose(heads, count - 3, NULL, rules, arena, &choice, &err) || !choice->stack_count ||
        !volume_plan(choice->stacks[0].frames, choice->stacks[0].frame_count, 2, arena, &plan, &err) ||
        !volume_regrid(&plan->geometry, spacing, &grid, &err))
        stop(&err);
    const double *rows[] = {grid.origin_lps, grid.step_z_lps, grid.step_y_lps, grid.step_x_lps};
    printf("%d %d %d\n", grid.zyx[0], grid.zyx[1], grid.zyx[2]);
    for (int i = 0; i < 4; i++)
        printf("%.12g %.12g %.12g\n", rows[i][0], rows[i][1], rows[i][2]);
    return grid;
}

static bool read_inside(void *reader, int frame, uint8_t *inside, struct err *err)
{
    return dicom_seg_frame(reader, frame, inside, err);
}

static int mask(const char *path, const char *out, char **words, int count, struct arena *arena)
{
    struct err err = ERR_INIT;
    struct dicom_head *head;
    const struct dicom_segmentation *record;
    struct volume_geometry grid = find_grid(words, count, arena);
    struct dicom_seg *seg = open_seg(path, arena, &head, &record);
    size_t voxels = (size_t)grid.zyx[0] * (size_t)grid.zyx[1] * (size_t)grid.zyx[2];
    uint8_t *numbers = calloc(voxels, 1), *frame_number = calloc((size_t)head->frame_count, 1);
    for (int i = 0; i < head->frame_count; i++)
        frame_number[i] = (uint8_t)(record->frame_segment[i] + 1);
    const struct volume_mask_source source = {head, frame_number, record->spacing_z_mm, read_inside, seg};
    if (!volume_mask(&grid, &source, numbers, &err))
        stop(&err);
    write_bytes(out, numbers, voxels);
    free(numbers);
    free(frame_number);
    dicom_seg_close(seg);
    return 0;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    const char *what = argc > 1 ? argv[1] : "";
    int rc = 2;
    if (!dicom_library_init(&err))
        stop(&err);
    if (strcmp(what, "seg") == 0 && argc == 4)
        rc = show(argv[2], argv[3], arena);
    else if (strcmp(what, "grid") == 0 && argc > 5)
        rc = find_grid(argv + 2, argc - 2, arena).zyx[0] > 0 ? 0 : 1;
    else if (strcmp(what, "mask") == 0 && argc > 7)
        rc = mask(argv[2], argv[3], argv + 4, argc - 4, arena);
    else
        fprintf(stderr, "usage: see the top of mask_probe.c\n");
    arena_free(arena);
    dicom_library_done();
    return rc;
}
