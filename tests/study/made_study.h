/* Made-up heads of a study, for the tests of modules/study: one object a slice, 0.7 mm pixels, axial. */
#ifndef TESTS_STUDY_MADE_STUDY_H
#define TESTS_STUDY_MADE_STUDY_H

#include "pipeline/series_rules.h"
#include "study/study.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 300 };

struct made {
    struct arena *arena;
    struct dicom_head heads[MOST];
    struct dicom_frame frames[MOST];
    const struct dicom_head *list[MOST];
    int count;
    const struct study_rules *rules; /* what is built in */
    struct study_choice *choice;
};

static inline struct dicom_head *add(struct made *made, enum dicom_kind kind, int number, double z)
{
    int i = made->count++;
    struct dicom_head *head = &made->heads[i];
    struct dicom_frame *frame = &made->frames[i];
    *frame = (struct dicom_frame){.has_position = true, .has_orientation = true, .has_spacing = true};
    frame->position_lps[2] = z;
    frame->row_lps[0] = frame->column_lps[1] = 1;
    frame->spacing_y_mm = frame->spacing_x_mm = 0.7;
    *head = (struct dicom_head){.kind = kind,
                                .rows = 512,
                                .columns = 512,
                                .frame_count = 1,
                                .samples_per_pixel = 1,
                                .has_pixels = true,
                                .frames = frame};
    strcpy(head->photometric, "MONOCHROME2");
    strcpy(head->image_type, "ORIGINAL\\PRIMARY\\AXIAL");
    snprintf(head->id.series_uid, sizeof head->id.series_uid, "1.2.%d", number);
    snprintf(head->id.sop_uid, sizeof head->id.sop_uid, "1.2.%d.%d", number, i);
    head->id.series_number = number;
    made->list[i] = head;
    return head;
}

static inline struct dicom_head *add_stack(struct made *made, enum dicom_kind kind, int number, int count,
                                           double step)
{
    struct dicom_head *first = &made->heads[made->count];
    for (int i = 0; i < count; i++)
        add(made, kind, number, i * step);
    return first;
}

/* Say of all the newest series' images what was said of the first. */
static inline void same_for_all(struct made *made, const struct dicom_head *first)
{
    for (struct dicom_head *head = made->heads + (first - made->heads) + 1; head < made->heads + made->count;
         head++) {
        strcpy(head->image_type, first->image_type);
        strcpy(head->id.series_description, first->id.series_description);
        strcpy(head->contrast_agent, first->contrast_agent);
        strcpy(head->kernel, first->kernel);
        head->frames->spacing_x_mm = first->frames->spacing_x_mm;
    }
}

static inline void choose(struct made *made, const char *modality)
{
    struct err err = ERR_INIT;
    assert_true(
        study_choose(made->list, made->count, modality, made->rules, made->arena, &made->choice, &err));
    if (made->choice->stack_count > 0)
        study_take(made->choice, &made->choice->stacks[0]);
}

/* The stack number `i` of all. */
static inline const struct study_stack *stack(const struct made *made, int i)
{
    assert_true(i < made->choice->all_count);
    return &made->choice->stacks[i];
}

static inline const char *reason_of(const struct made *made, int number)
{
    for (int i = 0; i < made->choice->series_count; i++) {
        if (made->choice->series[i].heads[0]->id.series_number == number)
            return made->choice->series[i].reason;
    }
    return "no such series";
}

static inline double rank_of(const struct made *made, int number)
{
    for (int i = 0; i < made->choice->stack_count; i++) {
        if (made->choice->stacks[i].frames[0].head->id.series_number == number)
            return made->choice->stacks[i].rank;
    }
    return -1;
}

static inline int set_up(void **state)
{
    struct made *made = calloc(1, sizeof *made);
    struct err err = ERR_INIT;
    made->arena = arena_new();
    if (!series_rules_read(NULL, made->arena, &made->rules, &err))
        fail_msg("%s", err.text);
    *state = made;
    return 0;
}

static inline int tear_down(void **state)
{
    struct made *made = *state;
    arena_free(made->arena);
    free(made);
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
