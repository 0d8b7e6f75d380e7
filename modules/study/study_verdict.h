/* What one series is, and how good. Private to modules/study. */
#ifndef STUDY_VERDICT_H
#define STUDY_VERDICT_H

#include "study/study.h"

/* Set candidate, reason and rank of a series whose heads are set. wanted DICOM_KIND_UNKNOWN takes CT and MR,
 * derived ones last. threads: any. */
void study_verdict(struct study_series *series, enum dicom_kind wanted);

#endif
