/* Read a report of ours back: its content tree, and the patient, study and order it stands for. What is told
 * of a result elsewhere (modules/report/hl7.h, annotation.h) is made from the report's file, so it can say
 * nothing else, and says the same again when it is sent again.
 * source: PS3.3 C.17.3 (content items), C.7.1.1, C.7.2.1, C.17.2 (the header). */
#ifndef DICOM_SR_READ_H
#define DICOM_SR_READ_H

#include "dicom/dicom_sr.h"

/* Text is UTF-8 as we wrote it; "" where the report has no value. Everything lives in the arena. */
struct dicom_sr_document {
    const struct dicom_sr_item *root;
    const char *sop_class, *sop_uid, *series_uid, *study_uid;
    const char *patient_id, *issuer, *patient_name, *birth_date, *sex;
    const char *accession, *study_date, *study_time, *study_id, *study_description, *referring_physician;
    const char *placer_order, *filler_order; /* of the first request */
    struct dicom_code procedure;             /* Procedure Code Sequence; value "" without one */
    const char *content_date, *content_time; /* when the analysis started */
    const char *utc_offset;                  /* of every time in the report: "+0100" */
    int revision;                            /* Instance Number */
    bool complete;
    const char *completion_description;
    const char *predecessor_uid; /* the report this one replaces */
    const char *series_description;
};

/* in:     a report that dicom_sr_write or dicom_sr_reclass wrote. Relations of items are not read back.
 * errors: ERR_INPUT (no DICOM file, or no report), ERR_IO, ERR_NOMEM. threads: any. */
bool dicom_sr_read(const char *path, struct arena *arena, struct dicom_sr_document **ret, struct err *err);

#endif
