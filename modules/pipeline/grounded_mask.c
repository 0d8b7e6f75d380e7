#include "pipeline/grounded_mask.h"

#include "dicom/dicom_seg.h"
#include "pipeline/segments.h"
#include "volume/volume_mask.h"

#include <stdlib.h>
#include <string.h>

/* The later, the more telling. */
enum trouble {
    NO_SEGMENTATION,
    OTHER_FRAME_OF_REFERENCE,
    NOT_SEGMENTED,
    CODE_UNKNOWN,
    UNREADABLE,
    BAD_GEOMETRY,
    WITHOUT_VOXELS
};
static const char *const reasons[] = {
    "no_segmentation",         "other_frame_of_reference", "organ_not_segmented", "segment_code_unknown",
    "segmentation_unreadable", "segmentation_geometry",    "organ_without_voxels"};

struct painter {
    const struct organ_config *organs;
    const struct segments *segments;
    const struct volume_geometry *grid;
    struct arena *arena;
    uint8_t *numbers;
    struct grounded *ret;
    enum trouble trouble;                  /* of organs that no object holds */
    enum trouble of_organ[ORGANS_MAX + 1]; /* of those that one holds which cannot be laid out */
    uint8_t objects[ORGANS_MAX + 1];       /* by organ's number: how many objects hold it */
};

static void worse(struct painter *painter, enum trouble trouble)
{
    if (trouble > painter->trouble)
        painter->trouble = trouble;
}

static bool is_ours(const struct err *err)
{
    return err->code == ERR_NOMEM || err->code == ERR_IO || err->code == ERR_BUG;
}

/* What each frame paints. False: nothing of the object is an organ of ours. */
static bool number_frames(struct painter *painter, const struct dicom_segmentation *record, int frames,
                          uint8_t *frame_number, bool here[ORGANS_MAX + 1])
{
    bool any = false;
    for (int i = 0; i < record->segment_count; i++)
        if (!segments_organ(painter->segments, &record->segments[i]))
            worse(painter, CODE_UNKNOWN);
    for (int i = 0; i < frames; i++) {
        int organ = segments_organ(painter->segments, &record->segments[record->frame_segment[i]]);
        frame_number[i] = (uint8_t)organ;
        here[organ] = true;
        any |= organ > 0;
    }
    return any;
}

static bool read_inside(void *reader, int frame, uint8_t *inside, struct err *err)
{
    return dicom_seg_frame(reader, frame, inside, err);
}

static void count_object(struct painter *painter, const struct dicom_head *head,
                         const bool here[ORGANS_MAX + 1])
{
    for (int i = 1; i <= painter->organs->count; i++)
        painter->objects[i] = (uint8_t)(painter->objects[i] + (here[i] && painter->objects[i] < 2));
    painter->ret->objects[painter->ret->object_count++] = head;
}

/* False: about us. What is wrong with the object is noted. */
static bool paint(struct painter *painter, struct dicom_seg *seg, const struct dicom_head *head,
                  const struct dicom_segmentation *record, struct err *err)
{
    struct err why = ERR_INIT;
    bool here[ORGANS_MAX + 1] = {false};
    uint8_t *frame_number = ARENA_ARRAY(painter->arena, uint8_t, (size_t)head->frame_count);
    if (!frame_number)
        return err_fail(err, ERR_NOMEM, "no memory for %d frames", head->frame_count);
    worse(painter, NOT_SEGMENTED);
    if (!number_frames(painter, record, head->frame_count, frame_number, here))
        return true;
    const struct volume_mask_source source = {.head = head,
                                              .frame_number = frame_number,
                                              .spacing_z_mm = record->spacing_z_mm,
                                              .read = read_inside,
                                              .reader = seg};
    if (volume_mask(painter->grid, &source, painter->numbers, &why)) {
        count_object(painter, head, here);
        return true;
    }
    *err = why;
    bool geometry = strcmp(why.reason, "segmentation_geometry") == 0;
    for (int i = 1; i <= painter->organs->count; i++)
        if (here[i])
            painter->of_organ[i] = geometry ? BAD_GEOMETRY : UNREADABLE;
    return !is_ours(&why);
}

static bool shares_space(const struct dicom_head *head, const struct volume_plan *plan)
{
    const char *wanted = head->id.frame_of_reference;
    for (int i = 0; *wanted && i < plan->geometry.zyx[0] * plan->geometry.phases; i++)
        if (strcmp(plan->slices[i].at.head->id.frame_of_reference, wanted) == 0)
            return true;
    return false;
}

static bool take_object(struct painter *painter, const struct source_file *file,
                        const struct volume_plan *plan, struct err *err)
{
    const struct dicom_segmentation *record;
    struct err why = ERR_INIT;
    worse(painter, OTHER_FRAME_OF_REFERENCE);
    if (!shares_space(file->head, plan))
        return true;
    struct dicom_seg *seg = dicom_seg_open(file->path, file->head, painter->arena, &record, &why);
    if (!seg) {
        *err = why;
        worse(painter, UNREADABLE);
        return !is_ours(&why);
    }
    bool ok = paint(painter, seg, file->head, record, err);
    dicom_seg_close(seg);
    return ok;
}

static int by_uid(const void *a, const void *b)
{
    const struct source_file *left = a, *right = b;
    return strcmp(left->head->id.sop_uid, right->head->id.sop_uid);
}

/* In the order of their UIDs, so that the order of files does not matter. */
static bool take_objects(struct painter *painter, const struct source *source, const struct volume_plan *plan,
                         struct err *err)
{
    struct source_file *files = ARENA_ARRAY(painter->arena, struct source_file, (size_t)source->count + 1);
    int count = 0;
    painter->ret->objects = ARENA_ARRAY(painter->arena, const struct dicom_head *, (size_t)source->count + 1);
    if (!files || !painter->ret->objects)
        return err_fail(err, ERR_NOMEM, "no memory for %d files", source->count);
    for (int i = 0; i < source->count; i++)
        if (dicom_is_seg(source->files[i].head->id.sop_class))
            files[count++] = source->files[i];
    qsort(files, (size_t)count, sizeof *files, by_uid);
    for (int i = 0; i < count; i++)
        if (!take_object(painter, &files[i], plan, err))
            return false;
    return true;
}

static void explain(struct painter *painter)
{
    bool painted[ORGANS_MAX + 1] = {false};
    const int *zyx = painter->grid->zyx;
    for (size_t i = 0, count = (size_t)zyx[0] * (size_t)zyx[1] * (size_t)zyx[2]; i < count; i++)
        painted[painter->numbers[i]] = true;
    for (int i = 1; i <= painter->organs->count; i++) {
        painter->ret->overlaps += painter->objects[i] > 1;
        enum trouble why = painter->objects[i]    ? WITHOUT_VOXELS
                           : painter->of_organ[i] ? painter->of_organ[i]
                                                  : painter->trouble;
        painter->ret->reasons[i - 1] = painted[i] ? NULL : reasons[why];
    }
}

bool grounded_mask(const struct organ_config *organs, const struct segments *segments,
                   const struct source *source, const struct volume_plan *plan,
                   const struct volume_geometry *grid, struct arena *arena, uint8_t *numbers,
                   struct grounded *ret, struct err *err)
{
    struct painter painter = {
        .organs = organs, .segments = segments, .grid = grid, .arena = arena, .numbers = numbers, .ret = ret};
    ret->reasons = ARENA_ARRAY(arena, const char *, (size_t)painter.organs->count);
    if (!ret->reasons)
        return err_fail(err, ERR_NOMEM, "no memory for organs");
    if (!take_objects(&painter, source, plan, err))
        return false;
    explain(&painter);
    return true;
}
