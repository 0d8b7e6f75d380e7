#include "study/study.h"

#include "study/study_join.h"
#include "study/study_judge.h"
#include "study/study_parts.h"
#include "study/study_said.h"
#include "study/study_shape.h"
#include "study/study_split.h"

#include <stdlib.h>
#include <string.h>

/* ---- series ---- */

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

static void find_series(struct study_choice *choice, const struct dicom_head **heads, int head_count)
{
    for (int i = 0; i < head_count; i++) {
        struct study_series *last = choice->series_count ? &choice->series[choice->series_count - 1] : NULL;
        if (last && same_series(last->heads[0], heads[i])) {
            last->head_count++;
        } else {
            choice->series[choice->series_count++] =
                (struct study_series){.heads = heads + i, .head_count = 1, .role = "", .why = ""};
        }
    }
}

/* ---- stacks ---- */

static bool judge(struct study_stacks *stacks, int from, const struct study_rules *rules, bool to_look,
                  struct arena *arena)
{
    for (int i = from; i < stacks->count; i++) {
        if (!study_shape_measure(&stacks->list[i], arena))
            return false;
        study_said_of_cine(&stacks->list[i]);
        study_judge(&stacks->list[i], rules, to_look);
    }
    return true;
}

/* What of a series can be analysed at all; its reason when that is nothing. */
static bool add_series(struct study_choice *choice, int index, enum dicom_kind wanted, struct arena *arena,
                       struct study_stacks *stacks)
{
    struct study_series *series = &choice->series[index];
    enum dicom_kind kind = series->heads[0]->kind;
    int known = stacks->count;
    struct err why = ERR_INIT;
    if (kind != DICOM_KIND_CT && kind != DICOM_KIND_MR)
        series->reason = "other_object";
    else if (kind != wanted && wanted != DICOM_KIND_UNKNOWN)
        series->reason = "other_modality";
    else if (!study_parts_check(series->heads, series->head_count, arena, &why))
        series->reason = "incomplete_concatenation";
    else if (!study_split(series, index, arena, stacks))
        return false;
    else if (stacks->count == known)
        series->reason = "no_pixels";
    return why.code != ERR_NOMEM;
}

/* A few images do not stand in for the stack they came with, whatever becomes of it. */
static void leave_strays(struct study_stack *list, int count)
{
    for (int start = 0, end; start < count; start = end) {
        bool has_main = false;
        for (end = start; end < count && list[end].series[0] == list[start].series[0]; end++)
            has_main |= list[end].frame_count == list[end].series_largest && !list[end].reason;
        for (int i = start; has_main && i < end; i++)
            list[i].reason = study_is_stray(&list[i]) && !list[i].reason ? "stray" : list[i].reason;
    }
}

static bool find_stacks(struct study_choice *choice, enum dicom_kind wanted, const struct study_rules *rules,
                        struct arena *arena)
{
    struct study_stacks stacks = {0};
    bool to_look = wanted == DICOM_KIND_UNKNOWN;
    for (int i = 0; i < choice->series_count; i++) {
        if (!add_series(choice, i, wanted, arena, &stacks))
            return false;
    }
    if (!judge(&stacks, 0, rules, to_look, arena))
        return false;
    leave_strays(stacks.list, stacks.count);
    int known = stacks.count;
    if (!study_join(&stacks, arena) || !judge(&stacks, known, rules, to_look, arena))
        return false;
    choice->stacks = stacks.list;
    choice->all_count = stacks.count;
    return true;
}

/* What may be analysed first, best first; between equals the lower series number, then the larger, then the
 * earlier echo or inversion. */
static int by_rank(const void *left, const void *right)
{
    const struct study_stack *a = left, *b = right;
    if (!a->reason != !b->reason)
        return a->reason ? 1 : -1;
    if (a->rank != b->rank)
        return a->rank > b->rank ? -1 : 1;
    if (a->series[0] != b->series[0])
        return a->series[0] - b->series[0];
    if (a->frame_count != b->frame_count)
        return b->frame_count - a->frame_count;
    const struct dicom_head *ah = a->frames[0].head, *bh = b->frames[0].head;
    if (ah->echo_ms != bh->echo_ms)
        return ah->echo_ms < bh->echo_ms ? -1 : 1;
    const struct dicom_frame *at = study_frame(&a->frames[0]), *bt = study_frame(&b->frames[0]);
    if (at->inversion_ms != bt->inversion_ms)
        return at->inversion_ms < bt->inversion_ms ? -1 : 1;
    return strcmp(ah->id.sop_uid, bh->id.sop_uid);
}

/* ---- verdicts ---- */

/* How much a reason says about why a study has no input: the more a series came near, the more. */
static int telling(const char *reason)
{
    static const char *const rising[] = {"other_object",
                                         "other_modality",
                                         "no_pixels",
                                         "localizer",
                                         "",
                                         "colour_image",
                                         "single_image",
                                         "no_geometry",
                                         "incomplete_concatenation",
                                         "no_uid"};
    enum { COUNT = sizeof rising / sizeof *rising, ROLE = 4 }; /* any other word is the role of a rule */
    for (int i = 0; i < COUNT; i++) {
        if (strcmp(rising[i], reason) == 0)
            return i;
    }
    return ROLE;
}

static void find_reason(struct study_choice *choice)
{
    for (int i = 0; i < choice->series_count; i++) {
        const char *reason = choice->series[i].reason;
        if (!choice->reason || telling(reason) > telling(choice->reason))
            choice->reason = reason;
    }
    if (!choice->reason)
        choice->reason = "no_series";
}

/* Is `a` what names its series rather than `b`? Stacks are in order of by_rank. */
static bool speaks(const struct study_stack *a, const struct study_stack *b)
{
    return !b || (b->reason && a->frame_count > b->frame_count);
}

/* Each series has the verdict on its best stack; when none may be analysed, on its largest. */
static bool find_verdicts(struct study_choice *choice, struct arena *arena)
{
    const struct study_stack **speakers =
        ARENA_ARRAY(arena, const struct study_stack *, (size_t)choice->series_count + 1);
    if (!speakers)
        return false;
    for (int i = 0; i < choice->all_count; i++) {
        const struct study_stack *stack = &choice->stacks[i];
        for (int k = 0; k < stack->series_count; k++) {
            if (speaks(stack, speakers[stack->series[k]]))
                speakers[stack->series[k]] = stack;
        }
    }
    for (int s = 0; s < choice->series_count; s++) {
        struct study_series *series = &choice->series[s];
        if (series->reason || !speakers[s])
            continue;
        series->role = speakers[s]->role;
        series->why = speakers[s]->why;
        series->reason = speakers[s]->reason ? speakers[s]->reason : "not_chosen";
    }
    return true;
}

bool study_choose(const struct dicom_head *const *heads, int head_count, const char *modality,
                  const struct study_rules *rules, struct arena *arena, struct study_choice **ret,
                  struct err *err)
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
    find_series(choice, sorted, head_count);
    if (!find_stacks(choice, kind_of(modality), rules, arena))
        return err_fail(err, ERR_NOMEM, "out of memory for %d objects", head_count);
    if (choice->all_count)
        qsort(choice->stacks, (size_t)choice->all_count, sizeof *choice->stacks, by_rank);
    while (choice->stack_count < choice->all_count && !choice->stacks[choice->stack_count].reason)
        choice->stack_count++;
    if (!find_verdicts(choice, arena))
        return err_fail(err, ERR_NOMEM, "out of memory for %d objects", head_count);
    if (choice->stack_count == 0)
        find_reason(choice);
    *ret = choice;
    return true;
}

void study_take(struct study_choice *choice, const struct study_stack *stack)
{
    for (int i = 0; i < stack->series_count; i++) {
        struct study_series *series = &choice->series[stack->series[i]];
        series->taken = true;
        series->reason = "chosen";
        series->role = stack->role;
        series->why = stack->why;
    }
}

void study_leave(struct study_choice *choice, const struct study_stack *stack, const char *reason)
{
    for (int i = 0; i < stack->series_count; i++) {
        struct study_series *series = &choice->series[stack->series[i]];
        if (strcmp(series->reason, "not_chosen") == 0)
            series->reason = reason;
    }
}
