/* A report as a JSON event, for receivers that speak neither DICOM nor HL7.
 *
 *   event              20 characters: the same for the same report, however often it is sent
 *   type, product      "result", "cardioscribe"
 *   study              study_uid, patient_id, issuer_of_patient_id, accession, study_date, study_time,
 *                      study_id, study_description, placer_order, filler_order; no name, sex or birth date
 *   report             sop_class, sop_uid, series_uid, series_description, revision, replaces (UID or null),
 *                      complete, completion_description, started (date, time, utc_offset)
 *   items[]            the report's tree: type, name {value, scheme, meaning} or null, and by type code
 *                      {value, scheme, meaning}, text, number and unit, uid, or sop_class, sop_uid and frame
 *                      (0: the whole object); items[] of its own
 *   result             the result as in result_json.h, without embeddings
 */
#ifndef REPORT_ANNOTATION_H
#define REPORT_ANNOTATION_H

#include "dicom/dicom_sr_read.h"

#include <jansson.h>

/* in:   document: the report's file; result: of the same result, as stored; borrowed.
 * owns: caller drops the reference. NULL when memory is out, or a text is no UTF-8. threads: any. */
json_t *annotation_json(const struct dicom_sr_document *document, const json_t *result);

#endif
