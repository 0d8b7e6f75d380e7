/* cardioscribe-phantom: writes synthetic studies with known findings, for
 * trying the service out, for its tests and for training the demonstration
 * models. */
#include "findings.h"
#include "heart.h"
#include "study.h"
#include "truth.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PHANTOM_VERSION                                                                                      \
    "2" /* part of every UID: raise it when the same seed no longer gives the                                \
           same bytes */

enum { FINDINGS_MAX = 40 };

static const char usage[] = "usage: cardioscribe-phantom --out DIR [options]\n"
                            "Writes synthetic cardiac studies as DICOM, one folder each (DIR/ct-7), "
                            "with truth.json: what was made.\n"
                            "The same options give the same bytes.\n"
                            "  --out DIR              folder to write to, created when missing\n"
                            "  --kind ct|cmr          what to make (default ct)\n"
                            "  --seed N               the first patient (default 1)\n"
                            "  --count M              so many patients, seeds N, N+1, ... (default 1)\n"
                            "  --finding ID[=SEVERITY]  this finding (may be repeated), and no other; "
                            "severity 0 to 1, drawn when "
                            "not\n"
                            "                         said. Without it each finding is there in 30 % "
                            "of patients\n"
                            "  --list                 name the findings of the kind and leave\n"
                            "  --truth-only           truth.json without images\n"
                            "  --lean                 of the same images only those that the input of the\n"
                            "                         demonstration models is made of\n"
                            "  --study-date DATE      YYYYMMDD (default: follows from the seed)\n"
                            "  --patient-id ID        default PHANTOM-<kind>-<seed>\n"
                            "  --accession NO         default ACC-<seed>\n";

struct request {
    enum kind kind;
    uint64_t seed, count;
    const char *out, *date;
    const char *findings[FINDINGS_MAX];
    int finding_count;
    bool list, truth_only, lean;
    char patient_id[65], accession[17];
};

enum option_id {
    OPTION_OUT = 1,
    OPTION_KIND,
    OPTION_SEED,
    OPTION_COUNT,
    OPTION_FINDING,
    OPTION_LIST,
    OPTION_TRUTH,
    OPTION_LEAN,
    OPTION_DATE,
    OPTION_PATIENT,
    OPTION_ACCESSION,
    OPTION_HELP
};

static const struct option options[] = {{"out", required_argument, NULL, OPTION_OUT},
                                        {"kind", required_argument, NULL, OPTION_KIND},
                                        {"seed", required_argument, NULL, OPTION_SEED},
                                        {"count", required_argument, NULL, OPTION_COUNT},
                                        {"finding", required_argument, NULL, OPTION_FINDING},
                                        {"list", no_argument, NULL, OPTION_LIST},
                                        {"truth-only", no_argument, NULL, OPTION_TRUTH},
                                        {"lean", no_argument, NULL, OPTION_LEAN},
                                        {"study-date", required_argument, NULL, OPTION_DATE},
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

static bool parse_text(const char *what, const char *text, char *to, size_t size, struct err *err)
{
    if (strchr(text, '\\') || snprintf(to, size, "%s", text) >= (int)size)
        return err_fail(err, ERR_INPUT, "%s: at most %zu characters, no backslash", what, size - 1);
    return true;
}

static bool parse_kind(const char *text, enum kind *ret, struct err *err)
{
    for (enum kind kind = 0; kind < KIND_COUNT; kind++)
        if (strcmp(text, kind_name(kind)) == 0) {
            *ret = kind;
            return true;
        }
    return err_fail(err, ERR_UNSUPPORTED, "kind '%.20s': ct or cmr", text);
}

static bool apply(struct request *request, int id, const char *text, struct err *err)
{
    switch (id) {
    case OPTION_OUT:
        request->out = text;
        return true;
    case OPTION_KIND:
        return parse_kind(text, &request->kind, err);
    case OPTION_SEED:
        return parse_number(text, 0, UINT32_MAX, &request->seed, err);
    case OPTION_COUNT:
        return parse_number(text, 1, 1000000, &request->count, err);
    case OPTION_FINDING:
        if (request->finding_count == FINDINGS_MAX)
            return err_fail(err, ERR_INPUT, "at most %d findings", FINDINGS_MAX);
        request->findings[request->finding_count++] = text;
        return true;
    case OPTION_LIST:
        return request->list = true;
    case OPTION_TRUTH:
        return request->truth_only = true;
    case OPTION_LEAN:
        return request->lean = true;
    case OPTION_DATE:
        request->date = text;
        return clock_age_days(text, clock_unix_ms()) >= 0 ||
               err_fail(err, ERR_INPUT, "'%.20s' is not a date YYYYMMDD", text);
    case OPTION_PATIENT:
        return parse_text("patient id", text, request->patient_id, sizeof request->patient_id, err);
    case OPTION_ACCESSION:
        return parse_text("accession", text, request->accession, sizeof request->accession, err);
    default:
        return err_fail(err, ERR_INPUT, "see cardioscribe-phantom --help");
    }
}

/* UIDs follow from everything that shapes the bytes: two different studies
 * never share one. */
static void name_study(struct study *study)
{
    const struct patient *patient = study->patient;
    int used = snprintf(study->root, sizeof study->root,
                        "cardioscribe-phantom/" PHANTOM_VERSION "/%s/%llu/%s/%s/%s", kind_name(patient->kind),
                        (unsigned long long)patient->seed, study->date, study->patient_id, study->accession);
    for (enum finding finding = 0; finding < FINDING_COUNT; finding++)
        if (finding_of_kind(finding, patient->kind) && used < (int)sizeof study->root)
            used += snprintf(study->root + used, sizeof study->root - (size_t)used, "/%.6g",
                             patient->findings.severity[finding]);
    char name[sizeof study->root + 8];
    uid_named(study->root, study->study_uid);
    snprintf(name, sizeof name, "%s/frame", study->root);
    uid_named(name, study->frame_uid);
}

static bool find_findings(const struct request *request, uint64_t seed, struct findings *ret, struct err *err)
{
    *ret = request->finding_count ? (struct findings){{0}} : findings_drawn(request->kind, seed);
    for (int i = 0; i < request->finding_count; i++)
        if (!findings_set(ret, request->kind, seed, request->findings[i], err))
            return false;
    return true;
}

static bool write_study(struct study *study, bool truth_only, struct err *err)
{
    char path[PATH_MAX];
    bool ct = study->patient->kind == KIND_CT;
    if (snprintf(path, sizeof path, "%s/truth.json", study->folder) >= (int)sizeof path)
        return err_fail(err, ERR_INPUT, "path too long");
    if (ct)
        ct_study_plan(study);
    else
        mr_study_plan(study);
    name_study(study);
    return file_make_folder(study->folder, err) &&
           (truth_only || (ct ? ct_study_write(study, err) : mr_study_write(study, err))) &&
           truth_write(study, path, err);
}

static bool make_one(const struct request *request, uint64_t seed, struct err *err)
{
    char folder[PATH_MAX], patient_id[65], accession[17];
    unsigned long long number = seed;
    struct findings findings;
    if (snprintf(folder, sizeof folder, "%s/%s-%llu", request->out, kind_name(request->kind), number) >=
        (int)sizeof folder)
        return err_fail(err, ERR_INPUT, "path too long");
    if (!find_findings(request, seed, &findings, err))
        return false;
    snprintf(patient_id, sizeof patient_id, "PHANTOM-%s-%llu", kind_name(request->kind), number);
    snprintf(accession, sizeof accession, "ACC-%llu", number);
    struct patient patient = patient_drawn(request->kind, seed, &findings);
    heart_solve(&patient);
    struct study study = {.patient = &patient, .folder = folder, .lean = request->lean};
    study.patient_id = request->patient_id[0] ? request->patient_id : patient_id;
    study.accession = request->accession[0] ? request->accession : accession;
    snprintf(study.date, sizeof study.date, "2024%02d%02d", (int)(seed % 12) + 1, (int)(seed / 12 % 28) + 1);
    if (request->date)
        snprintf(study.date, sizeof study.date, "%s", request->date);
    if (!write_study(&study, request->truth_only, err))
        return false;
    printf("%s: %d files, %.1f MB, study %s\n", folder, study.files, (double)study.bytes / 1e6,
           study.study_uid);
    return true;
}

static void list_findings(enum kind kind)
{
    for (enum finding finding = 0; finding < FINDING_COUNT; finding++)
        if (finding_of_kind(finding, kind))
            puts(finding_name(finding));
}

static bool make_all(const struct request *request, struct err *err)
{
    if (request->list) {
        list_findings(request->kind);
        return true;
    }
    if (!request->out)
        return err_fail(err, ERR_INPUT, "--out DIR is missing; see cardioscribe-phantom --help");
    for (uint64_t i = 0; i < request->count; i++)
        if (!make_one(request, request->seed + i, err))
            return false;
    return true;
}

int main(int argc, char **argv)
{
    struct request request = {.seed = 1, .count = 1};
    struct err err = ERR_INIT;
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
    if (!ok || !make_all(&request, &err)) {
        fprintf(stderr, "cardioscribe-phantom: %s\n", err.text);
        return 1;
    }
    return 0;
}
