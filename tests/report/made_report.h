/* A report built from a made result on a made object, and what its tree holds. */
#ifndef TESTS_MADE_REPORT_H
#define TESTS_MADE_REPORT_H

#include "report/report.h"

#include "base/file.h"
#include "dicom/dicom_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct arena *arena;
static char folder[] = "/tmp/test_report_XXXXXX";
static char source_path[64], report_path[64], codes_path[64];
static struct dicom_sr_source *source;

static inline void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Explicit little endian: SOP Class, Patient ID, Study Instance UID 1.2.3.4. */
static const char source_bytes[] = "\x08\0\x16\0UI\x1A\0"
                                   "1.2.840.10008.5.1.4.1.1.2\0"
                                   "\x10\0\x20\0LO\x04\0P-1 "
                                   "\x20\0\x0D\0UI\x08\0"
                                   "1.2.3.4";

static inline int set_up(void **state)
{
    struct err err = ERR_INIT;
    arena = arena_new();
    write_file(source_path, source_bytes, sizeof source_bytes);
    source = dicom_sr_source_open(source_path, &err);
    return arena && source ? 0 : -1;
}

static inline int tear_down(void **state)
{
    dicom_sr_source_close(source);
    arena_free(arena);
    return 0;
}

static inline int set_up_all(void **state)
{
    struct err err = ERR_INIT;
    if (!mkdtemp(folder) || !dicom_library_init(&err))
        return -1;
    snprintf(source_path, sizeof source_path, "%s/source.dcm", folder);
    snprintf(report_path, sizeof report_path, "%s/report.dcm", folder);
    snprintf(codes_path, sizeof codes_path, "%s/codes.json", folder);
    return 0;
}

static inline int tear_down_all(void **state)
{
    unlink(source_path);
    unlink(report_path);
    unlink(codes_path);
    dicom_library_done();
    return rmdir(folder);
}

/* ---- results ---- */

static struct result_series series[] = {
    {.series_uid = "1.2.3.4.1",
     .modality = "CT",
     .series_number = 3,
     .instance_count = 2,
     .taken = true,
     .reason = "chosen"},
    {.series_uid = "1.2.3.4.2",
     .modality = "CT",
     .series_number = 4,
     .instance_count = 1,
     .reason = "localizer"},
};
static struct result_instance instances[] = {
    {"1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.1.1", "1.2.3.4.1", 1},
    {"1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.1.2", "1.2.3.4.1", 1},
};

static inline struct finding label(const char *id, enum finding_state state)
{
    struct finding finding = {.id = id, .text = id, .state = state, .threshold = 0.5};
    finding.has_score = state != FINDING_NOT_ASSESSED;
    finding.score = state == FINDING_PRESENT ? 0.75 : 0.25;
    if (state == FINDING_NOT_ASSESSED)
        finding.reason = "too_short";
    return finding;
}

static inline struct result analysed(struct finding *findings, int count)
{
    struct result result = {
        .analysed = true,
        .has_model = true,
        .model = {"demo", "1", "nobody", "cardiac-clip", "pair_softmax", "none", true, "fp32", "", ""},
        .findings = findings,
        .finding_count = count,
        .modality = "CT",
        .series = series,
        .series_count = 2,
        .instances = instances,
        .instance_count = 2,
        .key_instance = 1,
        .started_unix_ms = 1763720130123};
    return result;
}

static inline struct report *build(const struct result *result, const struct report_facts *given)
{
    struct report_facts facts = given ? *given : (struct report_facts){0};
    struct report *report = NULL;
    struct err err = ERR_INIT;
    facts.source = source;
    facts.sop_uid = "1.2.3.9";
    facts.series_uid = "1.2.3.8";
    facts.series_number = 9901;
    facts.revision = facts.revision ? facts.revision : 1;
    if (!report_build(result, &facts, NULL, arena, &report, &err))
        fail_msg("%s", err.text);
    if (!report_write(report, report_path, &err))
        fail_msg("%s", err.text);
    return report;
}

/* How many items of the tree have this concept name and, unless NULL, this code or text. */
static inline int count_items(const struct dicom_sr_item *item, const char *name, const char *value)
{
    int count = 0;
    if (item->name.value && strcmp(item->name.value, name) == 0)
        count += !value || (item->code.value && strcmp(item->code.value, value) == 0) ||
                 (item->text && strstr(item->text, value));
    for (const struct dicom_sr_item *child = item->first_child; child; child = child->next)
        count += count_items(child, name, value);
    return count;
}

static inline int count_in(const struct report *report, const char *name, const char *value)
{
    return count_items(report->tree.root, name, value);
}

#endif
