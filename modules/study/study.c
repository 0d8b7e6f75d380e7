#include "study/study.h"

#include "study/study_verdict.h"

#include <stdlib.h>
#include <string.h>

/* By series number, then series UID, then kind so that one series splits, then SOP UID. */
static int by_series(const void *left, const void *right)
{
    const struct dicom_head *a = *(const struct dicom_head *const *)left;
    const struct dicom_head *b = *(const struct dicom_head *const *)right;
    if (a->id.series_number != b->id.series_number)
        return a->id.series_number < b->id.series_number ? -1 : 1;
    int order = strcmp(a->id.series_uid, b->id.series_uid);
    if (!order)
        order = (int)a->kind - (int)b->kind;
    return order ? order : strcmp(a->id.sop_uid, b->id.sop_uid);
}

static bool same_series(const struct dicom_head *a, const struct dicom_head *b)
{
    return strcmp(a->id.series_uid, b->id.series_uid) == 0 && a->kind == b->kind &&
           a->id.series_number == b->id.series_number;
}

static enum dicom_kind kind_of(const char *modality)
{
    if (!modality)
        return DICOM_KIND_UNKNOWN;
    if (strcmp(modality, "CT") == 0)
        return DICOM_KIND_CT;
    return strcmp(modality, "MR") == 0 ? DICOM_KIND_MR : DICOM_KIND_OTHER; /* OTHER: nothing is wanted */
}

static void split(struct study_choice *choice, const struct dicom_head **heads, int head_count)
{
    for (int i = 0; i < head_count; i++) {
        struct study_series *last = choice->series_count ? &choice->series[choice->series_count - 1] : NULL;
        if (last && same_series(last->heads[0], heads[i])) {
            last->head_count++;
        } else {
            choice->series[choice->series_count++] =
                (struct study_series){.heads = heads + i, .head_count = 1};
        }
    }
}

/* How much a reason says about why a study has no input: the more a series came near, the more. */
static int telling(const char *reason)
{
    static const char *const rising[] = {"other_object", "other_modality", "no_pixels",
                                         "localizer",    "derived",        "colour_image",
                                         "single_image", "no_geometry",    "no_uid"};
    for (size_t i = 0; i < sizeof rising / sizeof *rising; i++) {
        if (strcmp(rising[i], reason) == 0)
            return (int)i;
    }
    return -1;
}

static void choose(struct study_choice *choice)
{
    for (int i = 0; i < choice->series_count; i++) {
        struct study_series *series = &choice->series[i];
        if (series->candidate && (!choice->chosen || series->rank > choice->chosen->rank))
            choice->chosen = series;
        if (!series->candidate && (!choice->reason || telling(series->reason) > telling(choice->reason)))
            choice->reason = series->reason;
    }
    if (choice->chosen) {
        choice->chosen->chosen = true;
        choice->chosen->reason = "chosen";
        choice->reason = NULL;
    } else if (!choice->reason) {
        choice->reason = "no_series";
    }
}

bool study_choose(const struct dicom_head *const *heads, int head_count, const char *modality,
                  struct arena *arena, struct study_choice **ret, struct err *err)
{
    struct study_choice *choice = ARENA_NEW(arena, struct study_choice);
    const struct dicom_head **sorted = ARENA_ARRAY(arena, const struct dicom_head *, (size_t)head_count + 1);
    if (!choice || !sorted)
        return err_fail(err, ERR_NOMEM, "out of memory for %d objects", head_count);
    choice->series = ARENA_ARRAY(arena, struct study_series, (size_t)head_count + 1);
    if (!choice->series)
        return err_fail(err, ERR_NOMEM, "out of memory for %d objects", head_count);
    for (int i = 0; i < head_count; i++)
        sorted[i] = heads[i];
    qsort(sorted, (size_t)head_count, sizeof *sorted, by_series);
    split(choice, sorted, head_count);
    for (int i = 0; i < choice->series_count; i++)
        study_verdict(&choice->series[i], kind_of(modality));
    choose(choice);
    *ret = choice;
    return true;
}
