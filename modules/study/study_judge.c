#include "study/study_judge.h"

#include "study/study_shape.h"

#include <string.h>

/* A stack with less than this share of its series' largest is a stray: it comes after all others. */
enum { STRAY_SHARE = 4, BEHIND_STRAY = 5000, BEHIND_LEFT = 10000, IMAGES_TO_LOOK = 2 };

bool study_is_late(const struct study_stack *stack)
{
    return strcmp(stack->role, "lge") == 0 || strcmp(stack->role, "lge_phase") == 0;
}

/* Why no rule could make a volume of it, in the order of the table in docs/volumes.md; NULL: one could. */
static const char *unfit(const struct study_stack *stack)
{
    bool grey = true, placed = true, named = true;
    for (int i = 0; i < stack->frame_count; i++) {
        const struct dicom_head *head = stack->frames[i].head;
        const struct dicom_frame *at = study_frame(&stack->frames[i]);
        grey &= study_grey(head);
        placed &= at->has_position && at->has_orientation;
        if (i == 0 || head != stack->frames[i - 1].head)
            named &= uid_valid(head->id.sop_uid) && uid_valid(head->id.series_uid);
    }
    if (!grey)
        return "colour_image";
    if (stack->frame_count == 1 && !study_is_late(stack)) /* a view may be one image */
        return "single_image";
    if (!placed)
        return "no_geometry";
    return named ? NULL : "no_uid";
}

bool study_is_stray(const struct study_stack *stack)
{
    return STRAY_SHARE * stack->frame_count < stack->series_largest;
}

void study_judge(struct study_stack *stack, const struct study_rules *rules, bool to_look)
{
    const struct study_rule *rule = study_rules_match(rules, stack);
    double each;
    stack->role = rule ? rule->role : "";
    stack->why = rule ? rule->why : "";
    stack->reason = !rule ? "no_rule" : rule->take ? NULL : rule->role;
    stack->standing = (rule ? rule->rank : 0) + study_rules_preference(rules, stack, &each);
    stack->rank = stack->standing + each;
    if (stack->reason && to_look && stack->frame_count >= IMAGES_TO_LOOK) {
        stack->reason = NULL;
        stack->rank -= BEHIND_LEFT;
    }
    if (!stack->reason)
        stack->reason = unfit(stack);
    if (study_is_stray(stack))
        stack->rank -= BEHIND_STRAY;
}
