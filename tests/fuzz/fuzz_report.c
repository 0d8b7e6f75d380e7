/* What a hostile worker says about a hostile study, as a report: the result's JSON, a NUL, then the DICOM
 * file the report takes patient and study from (without one: a small legal file). Nothing of it may look like
 * a bug of ours. */
#include "dicom/dicom_head.h"
#include "fuzz.h"
#include "report/report.h"
#include "report/result_json.h"

#include <string.h>

static void start(void)
{
    static bool started;
    struct err err = ERR_INIT;
    if (!started)
        fuzz_must(dicom_library_init(&err), "DCMTK starts");
    started = true;
}

/* Bare data set, implicit little endian: SOP class, SOP instance, study, series. */
static const char legal_source[] = "\x08\0\x16\0\x1a\0\0\0"
                                   "1.2.840.10008.5.1.4.1.1.2\0"
                                   "\x08\0\x18\0\x06\0\0\0"
                                   "1.2.3\0"
                                   "\x20\0\x0d\0\x04\0\0\0"
                                   "1.2\0"
                                   "\x20\0\x0e\0\x06\0\0\0"
                                   "1.2.4";

static struct dicom_sr_source *open_source(const uint8_t *bytes, size_t size)
{
    struct err err = ERR_INIT;
    const void *from = size ? (const void *)bytes : legal_source;
    struct dicom_sr_source *source =
        dicom_sr_source_open(fuzz_file(from, size ? size : sizeof legal_source), &err);
    if (!source)
        fuzz_must_refuse(&err);
    fuzz_must(source || size, "the legal source can be read");
    return source;
}

static void build(const struct result *result, const struct dicom_sr_source *source, struct arena *arena)
{
    struct err err = ERR_INIT;
    struct report *report;
    struct report_facts facts = {.source = source,
                                 .sop_uid = "1.2.3.9",
                                 .series_uid = "1.2.3.8",
                                 .series_number = 9000,
                                 .revision = 1};
    fuzz_touch_text(dicom_sr_source_study_uid(source), UID_SIZE);
    fuzz_touch(dicom_sr_source_notes(source), strlen(dicom_sr_source_notes(source)));
    if (!report_build(result, &facts, NULL, arena, &report, &err) || !report_write(report, "/dev/null", &err))
        fuzz_must_refuse(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    start();
    struct err err = ERR_INIT;
    struct result *result;
    struct arena *arena = arena_new();
    const uint8_t *nul = size ? memchr(bytes, '\0', size) : NULL;
    size_t text_size = nul ? (size_t)(nul - bytes) : size;
    json_t *json = json_loadb((const char *)bytes, text_size, JSON_REJECT_DUPLICATES, NULL);
    if (!result_from_json(json, arena, &result, &err)) {
        fuzz_must_refuse(&err);
    } else {
        struct dicom_sr_source *source = open_source(bytes + text_size + 1, nul ? size - text_size - 1 : 0);
        if (source)
            build(result, source, arena);
        dicom_sr_source_close(source);
    }
    json_decref(json);
    arena_free(arena);
    return 0;
}
