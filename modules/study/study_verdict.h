/* What one series is, and how good. Private to modules/study. */
#ifndef STUDY_VERDICT_H
#define STUDY_VERDICT_H

#include "study/study.h"

/* May the series be analysed? Sets its reason, and *ret_rank when it may. wanted DICOM_KIND_UNKNOWN takes CT
 * and MR, derived ones last. threads: any. */
bool study_verdict(struct study_series *series, enum dicom_kind wanted, double *ret_rank);

#endif
