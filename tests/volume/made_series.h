/* A series of made-up heads, and frames whose pixels say where they come from. */
#ifndef TESTS_MADE_SERIES_H
#define TESTS_MADE_SERIES_H

#include "volume/volume.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 3, COLUMNS = 4, MOST = 200 };

struct series {
    struct arena *arena;
    struct dicom_head heads[MOST];
    struct dicom_frame frames[MOST];
    const struct dicom_head *list[MOST];
    int count;
    struct volume_plan *plan;
    struct err err;
};

static inline void copy3(double to[3], double a, double b, double c)
{
    to[0] = a;
    to[1] = b;
    to[2] = c;
}

/* An axial image whose first pixel lies at (10, 20, z); its instance number runs against its position. */
static inline struct dicom_head *add(struct series *series, double z)
{
    int i = series->count++;
    struct dicom_head *head = &series->heads[i];
    struct dicom_frame *frame = &series->frames[i];
    *frame = (struct dicom_frame){.has_position = true, .has_orientation = true, .has_spacing = true};
    copy3(frame->position_lps, 10, 20, z);
    copy3(frame->row_lps, 1, 0, 0);
    copy3(frame->column_lps, 0, 1, 0);
    frame->spacing_y_mm = 0.5;
    frame->spacing_x_mm = 0.75;
    frame->slope = 2;
    frame->intercept = -1000;
    frame->has_rescale = true;
    *head = (struct dicom_head){.kind = DICOM_KIND_CT,
                                .rows = ROWS,
                                .columns = COLUMNS,
                                .frame_count = 1,
                                .samples_per_pixel = 1,
                                .bits_stored = 12,
                                .has_pixels = true,
                                .frames = frame,
                                .instance_number = 1000 - i};
    strcpy(head->photometric, "MONOCHROME2");
    snprintf(head->id.sop_uid, sizeof head->id.sop_uid, "1.2.3.%d", i + 1);
    series->list[i] = head;
    return head;
}

static inline void add_stack(struct series *series, int count, double step)
{
    for (int i = 0; i < count; i++)
        add(series, i * step);
}

static inline struct dicom_frame *frame_of(struct series *series, int i)
{
    return &series->frames[i];
}

static inline bool plan_at_least(struct series *series, int positions)
{
    series->err = (struct err)ERR_INIT;
    int count = 0;
    struct dicom_frame_ref refs[MOST];
    for (int i = 0; i < series->count; i++) {
        for (int f = 0; series->list[i]->has_pixels && f < series->list[i]->frame_count; f++)
            refs[count++] = (struct dicom_frame_ref){series->list[i], f};
    }
    return volume_plan(refs, count, positions, series->arena, &series->plan, &series->err);
}

static inline bool plan(struct series *series)
{
    return plan_at_least(series, 2);
}

static inline void assert_declined(struct series *series, const char *reason)
{
    assert_false(plan(series));
    assert_int_equal(series->err.code, ERR_INPUT);
    assert_string_equal(series->err.reason, reason);
}

static inline bool warned(const struct series *series, const char *word)
{
    for (int i = 0; i < series->plan->warning_count; i++) {
        if (!strncmp(series->plan->warnings[i], word, strlen(word)))
            return true;
    }
    return false;
}

static inline int set_up(void **state)
{
    struct series *series = calloc(1, sizeof *series);
    series->arena = arena_new();
    *state = series;
    return 0;
}

static inline int tear_down(void **state)
{
    struct series *series = *state;
    arena_free(series->arena);
    free(series);
    return 0;
}

/* A frame's stored values all are 10 * (number of its SOP UID) + pixel index. */
static inline bool read_numbered(void *from, int seat, const struct dicom_frame_ref *at,
                                 struct volume_frame *frame, struct err *err)
{
    int number = atoi(at->head->id.sop_uid + 6);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        frame->stored[i] = 10 * number + i + 100 * at->frame;
    return true;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
