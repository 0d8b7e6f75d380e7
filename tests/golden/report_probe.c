/* Writes a report from a result in JSON and an object of its study, for test_report.py.
 *   report_probe RESULT.json SOURCE.dcm CODES.json OUT.dcm [--revision N] [--replaces SERIES CLASS SOP]
 *                [--class UID] [--clinical] [--incomplete] [--start TEXT] [--evidence SERIES CLASS SOP]...
 *   report_probe --text REPORT.dcm */
#include "base/file.h"
#include "dicom/dicom_head.h"
#include "report/report.h"
#include "report/result_json.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EVIDENCE = 64, MAX_RESULT_BYTES = 64 << 20 };

struct options {
    const char *sop_class;
    struct dicom_sr_reference evidence[MAX_EVIDENCE], predecessor;
    struct report_facts facts;
};

static void reference(struct dicom_sr_reference *to, const char *study_uid, char **words)
{
    snprintf(to->study_uid, UID_SIZE, "%s", study_uid);
    snprintf(to->series_uid, UID_SIZE, "%s", words[0]);
    snprintf(to->sop_class, UID_SIZE, "%s", words[1]);
    snprintf(to->sop_uid, UID_SIZE, "%s", words[2]);
}

static bool parse(char **words, const char *study_uid, struct options *to)
{
    struct report_facts *facts = &to->facts;
    facts->instances = to->evidence;
    for (; *words; words++) {
        if (strcmp(*words, "--clinical") == 0)
            facts->clinical = true;
        else if (strcmp(*words, "--incomplete") == 0)
            facts->input_incomplete = true;
        else if (strcmp(*words, "--revision") == 0 && words[1])
            facts->revision = atoi(*++words);
        else if (strcmp(*words, "--class") == 0 && words[1])
            to->sop_class = *++words;
        else if (strcmp(*words, "--start") == 0 && words[1])
            facts->start = *++words;
        else if (strcmp(*words, "--replaces") == 0 && words[1] && words[2] && words[3]) {
            reference(&to->predecessor, study_uid, words + 1);
            facts->predecessor = &to->predecessor;
            words += 3;
        } else if (strcmp(*words, "--evidence") == 0 && words[1] && words[2] && words[3] &&
                   facts->instance_count < MAX_EVIDENCE) {
            reference(&to->evidence[facts->instance_count++], study_uid, words + 1);
            words += 3;
        } else
            return false;
    }
    return true;
}

static struct result *read_result(const char *path, struct arena *arena, struct err *err)
{
    size_t size = 0;
    struct result *result = NULL;
    char *text = file_read(path, MAX_RESULT_BYTES, &size, err);
    json_t *json = text ? json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (json)
        result_from_json(json, arena, &result, err);
    json_decref(json);
    free(text);
    return result;
}

/* As the courier does it for a peer that takes no Comprehensive 3D SR. */
static bool reclass(const char *path, const char *sop_class, struct err *err)
{
    char other[PATH_MAX];
    snprintf(other, sizeof other, "%s.other", path);
    if (!dicom_sr_reclass(path, sop_class, report_class_uid, other, err))
        return false;
    return rename(other, path) == 0 || err_errno(err, "rename %s", other);
}

static bool write_report(char **argv, struct arena *arena, struct dicom_sr_source *source, struct err *err)
{
    struct options options = {
        .sop_class = DICOM_SR_COMPREHENSIVE_3D,
        .facts = {
            .source = source, .series_number = 9901, .revision = 1, .station = "PROBE", .serial = "0001"}};
    char name[256], sop_uid[UID_SIZE], series_uid[UID_SIZE];
    if (!parse(argv + 5, dicom_sr_source_study_uid(source), &options))
        return err_fail(err, ERR_INPUT, "wrong options");
    snprintf(name, sizeof name, "probe report %s %d", dicom_sr_source_study_uid(source),
             options.facts.revision);
    uid_named(name, sop_uid);
    snprintf(name, sizeof name, "probe series %s", dicom_sr_source_study_uid(source));
    uid_named(name, series_uid);
    options.facts.sop_uid = sop_uid;
    options.facts.series_uid = series_uid;
    struct report_codes *codes = NULL;
    struct report *report = NULL;
    struct result *result = read_result(argv[1], arena, err);
    if (!result || !report_codes_load(argv[3], arena, &codes, err) ||
        !report_build(result, &options.facts, codes, arena, &report, err) ||
        !report_write(report, argv[4], err))
        return false;
    return strcmp(options.sop_class, DICOM_SR_COMPREHENSIVE_3D) == 0 ||
           reclass(argv[4], options.sop_class, err);
}

static bool print_text(const char *path, struct err *err)
{
    char *text = dicom_sr_text(path, err);
    if (text)
        fputs(text, stdout);
    free(text);
    return text != NULL;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    bool good = false;
    if (!dicom_library_init(&err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    if (argc == 3 && strcmp(argv[1], "--text") == 0) {
        good = print_text(argv[2], &err);
    } else if (argc >= 5) {
        struct arena *arena = arena_new();
        struct dicom_sr_source *source = dicom_sr_source_open(argv[2], &err);
        good = arena && source && write_report(argv, arena, source, &err);
        dicom_sr_source_close(source);
        arena_free(arena);
    }
    if (!good)
        fprintf(stderr, "report_probe: %s\n", err.text);
    dicom_library_done();
    return good ? 0 : 1;
}
