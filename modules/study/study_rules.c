#include "study/study_rules.h"

#include "study/study.h"
#include "study/study_judge.h"
#include "study/study_shape.h"
#include "study/study_text.h"

#include <math.h>
#include <string.h>

/* ---- names ---- */

// clang-format off
#define NUMBER(member) {#member, offsetof(struct study_shape, member), false}
#define FLAG(member)   {#member, offsetof(struct study_shape, member), true}
// clang-format on

const struct study_measure study_measures[] = {
    NUMBER(images),     NUMBER(positions),     NUMBER(images_per_position),
    NUMBER(spacing_mm), NUMBER(thickness_mm),  NUMBER(field_mm),
    NUMBER(length_mm),  NUMBER(percent),       NUMBER(trigger_times),
    NUMBER(echo_ms),    NUMBER(inversion_ms),  NUMBER(velocity_cm_s),
    NUMBER(kv),         NUMBER(kernel_number), NUMBER(directions),
    NUMBER(inversions), FLAG(contrast),        FLAG(gated),
    FLAG(timed),        FLAG(burnt_in),        FLAG(lossy),
};
const int study_measure_count = sizeof study_measures / sizeof *study_measures;

const char *const study_text_names[STUDY_TEXT_COUNT] = {
    [STUDY_WORDS] = "words",
    [STUDY_DESCRIPTION] = "description",
    [STUDY_PROTOCOL] = "protocol",
    [STUDY_COMMENTS] = "comments",
    [STUDY_KERNEL] = "kernel",
    [STUDY_BODY_PART] = "body_part",
    [STUDY_IMAGE_TYPE] = "image_type",
    [STUDY_IMAGE_TYPE_1] = "image_type_1",
    [STUDY_IMAGE_TYPE_2] = "image_type_2",
    [STUDY_IMAGE_TYPE_3] = "image_type_3",
    [STUDY_IMAGE_TYPE_4] = "image_type_4",
    [STUDY_SEQUENCE] = "sequence",
    [STUDY_SCAN_OPTIONS] = "scan_options",
};

/* ---- texts ---- */

/* Series Description; Protocol Name, which may name the whole examination, only where there is none. */
static const char *name_of(const struct dicom_head *head)
{
    return *head->id.series_description ? head->id.series_description : head->id.protocol_name;
}

static bool head_says(const struct dicom_head *head, const char *type, enum study_text text,
                      const char *words)
{
    switch (text) {
    case STUDY_WORDS:
        return study_text_mentions(name_of(head), words);
    case STUDY_DESCRIPTION:
        return study_text_mentions(head->id.series_description, words);
    case STUDY_PROTOCOL:
        return study_text_mentions(head->id.protocol_name, words);
    case STUDY_COMMENTS:
        return study_text_mentions(head->image_comments, words);
    case STUDY_KERNEL:
        return study_text_mentions(head->kernel, words);
    case STUDY_BODY_PART:
        return study_text_mentions(head->body_part, words);
    case STUDY_SEQUENCE:
        return study_text_has(head->scanning_sequence, 0, words) ||
               study_text_has(head->sequence_variant, 0, words);
    case STUDY_SCAN_OPTIONS:
        return study_text_has(head->scan_options, 0, words);
    default:
        return study_text_has(type, (int)text - STUDY_IMAGE_TYPE, words);
    }
}

static bool same_texts(const struct dicom_head *a, const struct dicom_head *b)
{
    return strcmp(a->kernel, b->kernel) == 0 &&
           strcmp(a->id.series_description, b->id.series_description) == 0 &&
           strcmp(a->id.protocol_name, b->id.protocol_name) == 0 &&
           strcmp(a->image_comments, b->image_comments) == 0 &&
           strcmp(a->scan_options, b->scan_options) == 0 && strcmp(a->body_part, b->body_part) == 0 &&
           strcmp(a->scanning_sequence, b->scanning_sequence) == 0 &&
           strcmp(a->sequence_variant, b->sequence_variant) == 0;
}

/* Of most objects: a stray one does not name a stack. One frame in so many is looked at. */
static bool stack_says(const struct study_stack *stack, enum study_text text, const char *words)
{
    int count = 0;
    bool says = false;
    const struct dicom_head *last = NULL;
    const char *last_type = NULL;
    for (int i = 0; i < stack->frame_count; i++) {
        const struct dicom_head *head = stack->frames[i].head;
        const char *type = study_type(&stack->frames[i]);
        bool same = last && (head == last || same_texts(head, last)) &&
                    (type == last_type || strcmp(type, last_type) == 0);
        if (!same)
            says = head_says(head, type, text, words);
        last = head;
        last_type = type;
        count += says;
    }
    return 2 * count > stack->frame_count;
}

/* ---- rules ---- */

static double value_of(const struct study_stack *stack, const struct study_measure *measure)
{
    return *(const double *)((const char *)&stack->shape + measure->offset);
}

static bool holds(const struct study_condition *condition, const struct study_stack *stack)
{
    if (condition->words)
        return stack_says(stack, condition->text, condition->words) != condition->unwanted;
    double value = value_of(stack, condition->measure);
    return value >= condition->min && value <= condition->max;
}

static bool fits(const struct study_rule *rule, const struct study_stack *stack)
{
    bool so = rule->kind == DICOM_KIND_UNKNOWN || rule->kind == stack->frames[0].head->kind;
    for (int i = 0; so && i < rule->when_count; i++)
        so = holds(&rule->when[i], stack);
    return so;
}

static double added(const struct study_preference *prefer, const struct study_stack *stack)
{
    if (prefer->near) {
        double off = fabs(value_of(stack, prefer->near) - prefer->target);
        return off < prefer->within ? prefer->add * (1 - off / prefer->within) : 0; /* false of NAN */
    }
    if (!prefer->each)
        return prefer->add;
    double value = value_of(stack, prefer->each);
    return isnan(value) ? 0 : fmin(prefer->add * value, prefer->most);
}

const struct study_rule *study_rules_match(const struct study_rules *rules, const struct study_stack *stack)
{
    for (int i = 0; i < rules->rule_count; i++) {
        if (fits(&rules->rules[i], stack))
            return &rules->rules[i];
    }
    return NULL;
}

double study_rules_preference(const struct study_rules *rules, const struct study_stack *stack,
                              double *ret_each)
{
    double sum = *ret_each = 0;
    for (int i = 0; i < rules->prefer_count; i++) {
        if (fits(&rules->prefer[i].rule, stack))
            *(rules->prefer[i].each ? ret_each : &sum) += added(&rules->prefer[i], stack);
    }
    return sum;
}
