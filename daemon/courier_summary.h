/* A report's page as an image, for peers that are sent it. threads: any. */
#ifndef DAEMON_COURIER_SUMMARY_H
#define DAEMON_COURIER_SUMMARY_H

#include "daemon/service.h"

/* Made on first need from the result's report and persisted, so that a resend is the same object. *ret lives
 * in the arena. errors: ERR_CORRUPT (the result has no report), those of dicom_sr_read and store.h. */
bool courier_summary_page(struct service *service, int64_t result, struct arena *arena,
                          struct store_report **ret, struct err *err);

#endif
