/* What an annotation is made from: a result's report as it lies in the spool, and the result beside it.
 * threads: any. */
#ifndef DAEMON_COURIER_DOCUMENT_H
#define DAEMON_COURIER_DOCUMENT_H

#include "daemon/service.h"
#include "dicom/dicom_sr_read.h"

#include <jansson.h>

struct courier_document {
    const struct dicom_sr_document *report; /* in its first class; in the arena */
    json_t *result;                         /* owned, see courier_document_done */
};

/* errors: ERR_CORRUPT (there is no such report, or its result is no JSON), those of dicom_sr_read and
 * store.h.
 */
bool courier_document_read(struct service *service, int64_t result, struct arena *arena,
                           struct courier_document *ret, struct err *err);
void courier_document_done(struct courier_document *document);

#endif
