/* A report's page as an image, for peers that are sent it. */
#ifndef DAEMON_COURIER_SUMMARY_H
#define DAEMON_COURIER_SUMMARY_H

#include "daemon/courier_copy.h"

/* Its errors: those of dicom_sr_read and dicom_capture.h. */
extern const struct courier_copy courier_summary;

#endif
