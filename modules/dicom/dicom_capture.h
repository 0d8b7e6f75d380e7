/* A page of pixels as a Secondary Capture image beside a report of ours, for viewers that show no report.
 * source: PS3.3 A.8.1 (Secondary Capture Image IOD), C.8.6.1, C.7.6.1. */
#ifndef DICOM_CAPTURE_H
#define DICOM_CAPTURE_H

#include "base/err.h"

#include <stdint.h>

#define DICOM_SECONDARY_CAPTURE "1.2.840.10008.5.1.4.1.1.7"

struct dicom_capture {
    int width, height;
    const uint8_t *pixels; /* [y][x], 0 black */
    const char *sop_uid, *series_uid;
};

/* Patient, study, equipment, times and instance number are those of the report; the series has the report's
 * description and a number 50 above its. The page names no patient (Burned In Annotation NO).
 * in:     report: a file that dicom_sr_write wrote.
 * errors: ERR_IO, ERR_NOMEM. threads: any. */
bool dicom_capture_write(const struct dicom_capture *capture, const char *report, const char *path,
                         struct err *err);

#endif
