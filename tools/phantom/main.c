/* cardioscribe-phantom: writes a small synthetic study, for trying the service out and for its tests. */
#include "ct.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: cardioscribe-phantom --out DIR [options]\n"
    "Writes a synthetic cardiac study as DICOM files. The same options give the same bytes.\n"
    "  --out DIR          folder to write to, created when missing\n"
    "  --kind ct          what to make (ct)\n"
    "  --seed N           which patient (default 1); every UID follows from it and the other options\n"
    "  --slices N         1 to 2000 (default 40)\n"
    "  --size N           rows and columns, 8 to 1024 (default 128)\n"
    "  --study-date DATE  YYYYMMDD (default: today, UTC)\n"
    "  --study-uid UID    instead of the derived one\n"
    "  --series-uid UID   instead of the derived one\n"
    "  --patient-id ID    default PHANTOM-<seed>\n"
    "  --accession NO     default ACC-<seed>\n";

struct request {
    struct ct_request ct;
    const char *out, *study_uid, *series_uid;
    char patient_id[65], accession[17];
};

enum option_id {
    OPTION_OUT = 1,
    OPTION_KIND,
    OPTION_SEED,
    OPTION_SLICES,
    OPTION_SIZE,
    OPTION_DATE,
    OPTION_STUDY,
    OPTION_SERIES,
    OPTION_PATIENT,
    OPTION_ACCESSION,
    OPTION_HELP
};

static const struct option options[] = {{"out", required_argument, NULL, OPTION_OUT},
                                        {"kind", required_argument, NULL, OPTION_KIND},
                                        {"seed", required_argument, NULL, OPTION_SEED},
                                        {"slices", required_argument, NULL, OPTION_SLICES},
                                        {"size", required_argument, NULL, OPTION_SIZE},
                                        {"study-date", required_argument, NULL, OPTION_DATE},
                                        {"study-uid", required_argument, NULL, OPTION_STUDY},
                                        {"series-uid", required_argument, NULL, OPTION_SERIES},
                                        {"patient-id", required_argument, NULL, OPTION_PATIENT},
                                        {"accession", required_argument, NULL, OPTION_ACCESSION},
                                        {"help", no_argument, NULL, OPTION_HELP},
                                        {NULL, 0, NULL, 0}};

static bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct err *err)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value < min || value > max)
        return err_fail(err, ERR_INPUT, "'%.40s' is not a number from %llu to %llu", text,
                        (unsigned long long)min, (unsigned long long)max);
    *ret = value;
    return true;
}

static bool parse_int(const char *text, int min, int max, int *ret, struct err *err)
{
    uint64_t value = 0;
    if (!parse_number(text, (uint64_t)min, (uint64_t)max, &value, err))
        return false;
    *ret = (int)value;
    return true;
}

static bool parse_text(const char *what, const char *text, char *to, size_t size, struct err *err)
{
    if (strchr(text, '\\') || snprintf(to, size, "%s", text) >= (int)size)
        return err_fail(err, ERR_INPUT, "%s: at most %zu characters, no backslash", what, size - 1);
    return true;
}

static bool parse_uid(const char *text, const char **ret, struct err *err)
{
    if (!uid_valid(text))
        return err_fail(err, ERR_INPUT, "'%.70s' is not a UID", text);
    *ret = text;
    return true;
}

static bool parse_date(const char *text, char to[9], struct err *err)
{
    if (clock_age_days(text, clock_unix_ms()) < 0)
        return err_fail(err, ERR_INPUT, "'%.20s' is not a date YYYYMMDD", text);
    memcpy(to, text, 9);
    return true;
}

static bool apply(struct request *request, int id, const char *text, struct err *err)
{
    switch (id) {
    case OPTION_OUT:
        request->out = text;
        return true;
    case OPTION_KIND:
        return strcmp(text, "ct") == 0 ||
               err_fail(err, ERR_UNSUPPORTED, "kind '%.20s': only ct is made", text);
    case OPTION_SEED:
        return parse_number(text, 0, UINT64_MAX, &request->ct.seed, err);
    case OPTION_SLICES:
        return parse_int(text, 1, 2000, &request->ct.slices, err);
    case OPTION_SIZE:
        return parse_int(text, 8, 1024, &request->ct.size, err);
    case OPTION_DATE:
        return parse_date(text, request->ct.study_date, err);
    case OPTION_STUDY:
        return parse_uid(text, &request->study_uid, err);
    case OPTION_SERIES:
        return parse_uid(text, &request->series_uid, err);
    case OPTION_PATIENT:
        return parse_text("patient id", text, request->patient_id, sizeof request->patient_id, err);
    case OPTION_ACCESSION:
        return parse_text("accession", text, request->accession, sizeof request->accession, err);
    default:
        return err_fail(err, ERR_INPUT, "see cardioscribe-phantom --help");
    }
}

/* UIDs follow from everything that shapes the bytes: two different studies never share one. */
static void derive(struct request *request)
{
    struct ct_request *ct = &request->ct;
    if (!request->patient_id[0])
        snprintf(request->patient_id, sizeof request->patient_id, "PHANTOM-%llu",
                 (unsigned long long)ct->seed);
    if (!request->accession[0])
        snprintf(request->accession, sizeof request->accession, "ACC-%llu",
                 (unsigned long long)(ct->seed % 1000000000000U));
    ct->patient_id = request->patient_id;
    ct->accession = request->accession;
    char name[512];
    snprintf(name, sizeof name, "cardioscribe-phantom/ct/%llu/%d/%d/%s/%s/%s", (unsigned long long)ct->seed,
             ct->slices, ct->size, ct->study_date, ct->patient_id, ct->accession);
    uid_named(name, ct->study_uid);
    if (request->study_uid)
        snprintf(ct->study_uid, UID_SIZE, "%s", request->study_uid);
    size_t used = strlen(name);
    snprintf(name + used, sizeof name - used, "/%s/series", ct->study_uid);
    uid_named(name, ct->series_uid);
    if (request->series_uid)
        snprintf(ct->series_uid, UID_SIZE, "%s", request->series_uid);
    snprintf(name + used, sizeof name - used, "/%s/frame", ct->study_uid);
    uid_named(name, ct->frame_uid);
}

static bool make(struct request *request, struct err *err)
{
    if (!request->out)
        return err_fail(err, ERR_INPUT, "--out DIR is missing; see cardioscribe-phantom --help");
    derive(request);
    return file_make_folder(request->out, err) && ct_write_series(&request->ct, request->out, err);
}

int main(int argc, char **argv)
{
    struct request request = {.ct = {.seed = 1, .slices = 40, .size = 128}};
    struct err err = ERR_INIT;
    char time[11];
    clock_dicom(clock_unix_ms(), request.ct.study_date, time);
    bool ok = true;
    for (int id; ok && (id = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (id == OPTION_HELP) {
            fputs(usage, stdout);
            return 0;
        }
        ok = apply(&request, id, optarg, &err);
    }
    if (ok && optind < argc)
        ok = err_fail(&err, ERR_INPUT, "unexpected argument '%.60s'", argv[optind]);
    if (!ok || !make(&request, &err)) {
        fprintf(stderr, "cardioscribe-phantom: %s\n", err.text);
        return 1;
    }
    printf("%d files, study %s\n", request.ct.slices, request.ct.study_uid);
    return 0;
}
