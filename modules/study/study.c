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

static void find_reason(struct study_choice *choice)
{
    for (int i = 0; i < choice->series_count; i++) {
        struct study_series *series = &choice->series[i];
        if (!choice->reason || telling(series->reason) > telling(choice->reason))
            choice->reason = series->reason;
    }
    if (!choice->reason)
        choice->reason = "no_series";
}

/* Best first; between equals the lower series number. */
static int by_rank(const void *left, const void *right)
{
    const struct study_stack *a = left, *b = right;
    if (a->rank != b->rank)
        return a->rank > b->rank ? -1 : 1;
    return a->series - b->series;
}

static bool add_stack(struct study_choice *choice, int index, double rank, struct arena *arena)
{
    const struct study_series *series = &choice->series[index];
    struct study_stack *stack = &choice->stacks[choice->stack_count];
    int count = 0;
    for (int i = 0; i < series->head_count; i++)
        count += series->heads[i]->has_pixels ? series->heads[i]->frame_count : 0;
    *stack = (struct study_stack){.series = index, .role = "", .rank = rank};
    stack->frames = ARENA_ARRAY(arena, struct dicom_frame_ref, (size_t)count);
    if (!stack->frames)
        return false;
    for (int i = 0; i < series->head_count; i++) {
        const struct dicom_head *head = series->heads[i];
        for (int f = 0; head->has_pixels && f < head->frame_count; f++)
            stack->frames[stack->frame_count++] = (struct dicom_frame_ref){head, f};
    }
    choice->stack_count++;
    return true;
}

bool study_choose(const struct dicom_head *const *heads, int head_count, const char *modality,
                  struct arena *arena, struct study_choice **ret, struct err *err)
{
    struct study_choice *choice = ARENA_NEW(arena, struct study_choice);
    const struct dicom_head **sorted = ARENA_ARRAY(arena, const struct dicom_head *, (size_t)head_count + 1);
    if (!choice || !sorted)
        return err_fail(err, ERR_NOMEM, "out of memory for %d objects", head_count);
    choice->series = ARENA_ARRAY(arena, struct study_series, (size_t)head_count + 1);
    choice->stacks = ARENA_ARRAY(arena, struct study_stack, (size_t)head_count + 1);
    if (!choice->series || !choice->stacks)
        return err_fail(err, ERR_NOMEM, "out of memory for %d objects", head_count);
    for (int i = 0; i < head_count; i++)
        sorted[i] = heads[i];
    qsort(sorted, (size_t)head_count, sizeof *sorted, by_series);
    split(choice, sorted, head_count);
    for (int i = 0; i < choice->series_count; i++) {
        double rank;
        if (study_verdict(&choice->series[i], kind_of(modality), &rank) && !add_stack(choice, i, rank, arena))
            return err_fail(err, ERR_NOMEM, "out of memory for %d objects", head_count);
    }
    qsort(choice->stacks, (size_t)choice->stack_count, sizeof *choice->stacks, by_rank);
    if (choice->stack_count == 0)
        find_reason(choice);
    *ret = choice;
    return true;
}

void study_take(struct study_choice *choice, const struct study_stack *stack)
{
    choice->series[stack->series].taken = true;
    choice->series[stack->series].reason = "chosen";
}

void study_leave(struct study_choice *choice, const struct study_stack *stack, const char *reason)
{
    choice->series[stack->series].taken = false;
    choice->series[stack->series].reason = reason;
}
