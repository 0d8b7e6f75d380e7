/* What one stack is, and how good. Private to modules/study. */
#ifndef STUDY_JUDGE_H
#define STUDY_JUDGE_H

#include "study/study.h"

/* Set role, why, rank, standing and reason of a measured stack. to_look: what the rules leave may be looked
 * at. */
void study_judge(struct study_stack *stack, const struct study_rules *rules, bool to_look);

/* Less than a quarter of the largest stack of its series. */
bool study_is_stray(const struct study_stack *stack);

/* Late enhancement: of the roles "lge" and "lge_phase". */
bool study_is_late(const struct study_stack *stack);

/* The first rule that fits; NULL when none does. */
const struct study_rule *study_rules_match(const struct study_rules *rules, const struct study_stack *stack);
/* The sum of what is preferred of it, but for *ret_each: what is added for each image, position, ... */
double study_rules_preference(const struct study_rules *rules, const struct study_stack *stack,
                              double *ret_each);

#endif
