/* The series rules of a site, and then a small study that is told apart by them. */
#include "fuzz.h"
#include "pipeline/series_rules.h"
#include "study/study.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { IMAGES = 12 };

static void check_conditions(const struct study_rule *rule)
{
    for (int i = 0; i < rule->when_count; i++) {
        const struct study_condition *when = &rule->when[i];
        fuzz_must((when->words != NULL) != (when->measure != NULL), "a condition asks for words or a number");
        fuzz_must(when->words || !isnan(when->min + when->max), "a limit is a number");
        if (when->words)
            fuzz_touch(when->words, strlen(when->words) + 1);
    }
}

static void check_rules(const struct study_rules *rules)
{
    fuzz_must(strlen(rules->sha256) == DIGEST_HEX_SIZE - 1, "rules have a digest");
    for (int i = 0; i < rules->rule_count; i++) {
        const struct study_rule *rule = &rules->rules[i];
        fuzz_must(strlen(rule->role) <= 39 && strlen(rule->why) <= 200, "role and why are bounded");
        check_conditions(rule);
    }
    for (int i = 0; i < rules->prefer_count; i++)
        check_conditions(&rules->prefer[i].rule);
}

/* Two series, CT and MR. */
static void make_head(int i, struct dicom_head *head, struct dicom_frame *frame)
{
    *frame = (struct dicom_frame){.has_position = true, .has_orientation = true, .has_spacing = true};
    frame->position_lps[2] = i % 6;
    frame->row_lps[0] = frame->column_lps[1] = 1;
    frame->spacing_y_mm = frame->spacing_x_mm = 0.7;
    *head = (struct dicom_head){.kind = i < 6 ? DICOM_KIND_CT : DICOM_KIND_MR,
                                .rows = 512,
                                .columns = 512,
                                .frame_count = 1,
                                .samples_per_pixel = 1,
                                .has_pixels = true,
                                .frames = frame};
    strcpy(head->photometric, "MONOCHROME2");
    strcpy(head->image_type, "ORIGINAL\\PRIMARY\\AXIAL");
    strcpy(head->id.series_description, "CTA 0.75");
    snprintf(head->id.series_uid, sizeof head->id.series_uid, "1.2.%d", i / 6);
    snprintf(head->id.sop_uid, sizeof head->id.sop_uid, "1.2.%d.%d", i / 6, i);
}

static void check_choice(const struct study_rules *rules, struct arena *arena)
{
    static struct dicom_head heads[IMAGES];
    static struct dicom_frame frames[IMAGES];
    const struct dicom_head *list[IMAGES];
    struct err err = ERR_INIT;
    struct study_choice *choice;
    for (int i = 0; i < IMAGES; i++) {
        make_head(i, &heads[i], &frames[i]);
        list[i] = &heads[i];
    }
    fuzz_must(study_choose(list, IMAGES, NULL, rules, arena, &choice, &err), "a study can be told apart");
    for (int i = 1; i < choice->stack_count; i++)
        fuzz_must(choice->stacks[i - 1].rank >= choice->stacks[i].rank, "the best comes first");
    for (int i = 0; i < choice->series_count; i++)
        fuzz_touch(choice->series[i].why, strlen(choice->series[i].why) + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    const struct study_rules *rules;
    if (series_rules_parse((const char *)bytes, size, "rules", arena, &rules, &err)) {
        check_rules(rules);
        check_choice(rules, arena);
    } else {
        fuzz_must_refuse(&err);
    }
    arena_free(arena);
    return 0;
}
