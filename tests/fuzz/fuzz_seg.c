/* A segmentation object as a study brings it: its record, its frames, and what it paints on a small grid. */
#include "dicom/dicom_head.h"
#include "dicom/dicom_seg.h"
#include "fuzz.h"
#include "volume/volume_mask.h"

#include <stdlib.h>

enum { FRAME_MAX = 1 << 16, FRAMES_MAX = 64 };

static void start(void)
{
    static bool started;
    struct err err = ERR_INIT;
    if (!started)
        fuzz_must(dicom_library_init(&err), "DCMTK starts");
    started = true;
}

static void check_record(const struct dicom_segmentation *record, const struct dicom_head *head)
{
    fuzz_must(record->segment_count > 0, "there is a segment");
    fuzz_must(record->fraction_max >= 1 && record->fraction_max <= 255, "a fraction has a whole");
    fuzz_touch_text(record->created, sizeof record->created);
    for (int i = 0; i < record->segment_count; i++) {
        const struct dicom_segment *segment = &record->segments[i];
        fuzz_must(segment->number > 0 && segment->number < 65536, "a segment has a number");
        fuzz_touch_text(segment->label, sizeof segment->label);
        fuzz_touch_text(segment->type.scheme, sizeof segment->type.scheme);
        fuzz_touch_text(segment->type.value, sizeof segment->type.value);
    }
    for (int i = 0; i < head->frame_count; i++)
        fuzz_must(record->frame_segment[i] >= 0 && record->frame_segment[i] < record->segment_count,
                  "a frame is of a segment");
}

static bool read_inside(void *reader, int frame, uint8_t *inside, struct err *err)
{
    return dicom_seg_frame(reader, frame, inside, err);
}

static void paint(struct dicom_seg *seg, const struct dicom_segmentation *record,
                  const struct dicom_head *head)
{
    struct err err = ERR_INIT;
    uint8_t numbers[4 * 4 * 4] = {0}, *frame_number = malloc((size_t)head->frame_count);
    const struct volume_geometry grid = {
        .zyx = {4, 4, 4}, .step_z_lps = {0, 0, 1}, .step_y_lps = {0, 1, 0}, .step_x_lps = {1, 0, 0}};
    fuzz_must(frame_number, "the machine has memory");
    for (int i = 0; i < head->frame_count; i++)
        frame_number[i] = (uint8_t)(1 + record->frame_segment[i] % 3);
    const struct volume_mask_source source = {head, frame_number, record->spacing_z_mm, read_inside, seg};
    if (!volume_mask(&grid, &source, numbers, &err))
        fuzz_must_refuse(&err);
    for (size_t i = 0; i < sizeof numbers; i++)
        fuzz_must(numbers[i] <= 3, "only numbers of frames are painted");
    free(frame_number);
}

static void read_frames(struct dicom_seg *seg, const struct dicom_head *head)
{
    struct err err = ERR_INIT;
    size_t count = (size_t)head->rows * (size_t)head->columns;
    uint8_t *inside = malloc(count);
    fuzz_must(inside, "the machine has memory");
    for (int i = head->frame_count - 1; i >= 0; i--) {
        if (!dicom_seg_frame(seg, i, inside, &err))
            fuzz_must_refuse(&err);
        else
            for (size_t j = 0; j < count; j++)
                fuzz_must(inside[j] <= 1, "inside or not");
    }
    fuzz_must(!dicom_seg_frame(seg, -1, inside, &err), "there is no frame before the first");
    fuzz_must(!dicom_seg_frame(seg, head->frame_count, inside, &err), "there is none after the last");
    free(inside);
}

static void read_object(const char *path, const struct dicom_head *head, struct arena *arena)
{
    struct err err = ERR_INIT;
    const struct dicom_segmentation *record;
    struct dicom_seg *seg = dicom_seg_open(path, head, arena, &record, &err);
    if (!seg) {
        fuzz_must_refuse(&err);
        return;
    }
    check_record(record, head);
    if (head->frame_count <= FRAMES_MAX && head->columns <= FRAME_MAX / head->rows) {
        read_frames(seg, head);
        paint(seg, record, head);
    }
    dicom_seg_close(seg);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    start();
    struct err err = ERR_INIT;
    struct dicom_head *head;
    struct arena *arena = arena_new();
    const char *path = fuzz_file(bytes, size);
    if (dicom_head_read(path, arena, &head, &err))
        read_object(path, head, arena);
    else
        fuzz_must_refuse(&err);
    arena_free(arena);
    return 0;
}
