/* From a result to a TID 1500 report: content tree and header, ready to be written.
 *
 * What a reader may rely on (docs/report.md says why):
 *   - a Measurement Group with (121071, DCM, Finding) stands for a positive label, or for an undetermined one
 * of a trained model that has a score; its Presence of property says which. A negative never has one.
 *   - Qualitative Evaluations names every label that was asked: Present, Absent or Undetermined.
 *   - (111017, DCM, CAD Processing and Findings Summary) counts a label as succeeded when it was decided
 * present or absent; nothing decided, an untrained model included, is 111245. source: PS3.16 TID 1500, 1501,
 * 300, 1002, 1600, 4019; CID 240, 6047; IHE AIR. */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/dicom_sr.h"
#include "findings/result.h"
#include "report/report_codes.h"

/* What the service knows beside the result. Borrowed until the report is written. */
struct report_facts {
    const struct dicom_sr_source *source; /* an object of the study */
    const char *sop_uid;                  /* of this report, in the class Comprehensive 3D SR */
    const char *series_uid;               /* one per study and model version */
    int series_number;
    int revision;           /* from 1; becomes Instance Number */
    const char *station;    /* AE title or host; NULL: the product's name */
    const char *serial;     /* of this installation, or NULL */
    const char *device_uid; /* NULL: report_device_uid of the result */
    bool clinical;          /* false writes "not for clinical use" wherever a person looks */
    const char *
        start; /* why the analysis began and what had come: "quiet; received: 120 CT or MR images", or NULL */
    const char *expected;  /* what was expected of the study, each with what came; "": nothing was stated;
                              NULL: it is not told */
    bool expected_missing; /* not all of it came: PARTIAL */
    bool input_incomplete; /* objects were known to be missing: PARTIAL */
    const struct dicom_sr_reference *instances; /* the study's objects: evidence when the result used none */
    int instance_count;
    const struct dicom_sr_reference *predecessor; /* the report this one replaces, or NULL */
    struct dicom_code procedure;                  /* value NULL: generic, by modality */
    struct dicom_code contribution;               /* purpose in Contributing Equipment; value NULL: 109102 */
    int timezone_minutes;                         /* see dicom_sr_header */
};

struct report {
    struct dicom_sr_header header;
    struct dicom_sr_tree tree;
};

/* Build the report. out: *ret and all it holds lives in arena or is borrowed from the arguments, the codes'
 * arena included. errors: ERR_NOMEM, ERR_BUG (a fact is missing). threads: any. */
bool report_build(const struct result *result, const struct report_facts *facts,
                  const struct report_codes *codes, struct arena *arena, struct report **ret,
                  struct err *err);

/* Write it as Comprehensive 3D SR; dicom_sr_reclass makes it another for a peer that refuses that. errors:
 * see dicom_sr_write. */
bool report_write(const struct report *report, const char *path, struct err *err);

/* The SOP Instance UID of a report in another class: the class is part of what an object is. */
void report_class_uid(const char *sop_uid, const char *sop_class, char uid[UID_SIZE]);

/* The Device UID: changes with the model's name, version, weights, prompts, configuration and vocabulary, or
 * names the service alone. */
void report_device_uid(const struct result *result, char uid[UID_SIZE]);

#endif
