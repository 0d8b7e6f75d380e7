/* An association request before DCMTK reads it. DCMTK 3.6.7 loses what it has read of a presentation context
 * or a role when the rest of it is malformed: a peer nobody knows could fill our memory. So malformed ones
 * never get there. */
#ifndef DICOM_REQUEST_H
#define DICOM_REQUEST_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { DICOM_REQUEST_MAX = 1024 * 1024 }; /* bytes of a request behind its head */

/* What is wrong with the lengths in an A-ASSOCIATE-RQ; NULL when every item and sub-item lies within what
 * holds it. Types we do not know are passed over. in: the whole PDU with its head. threads: any. source:
 * PS3.8 9.3.2, annex D.1 (user information), D.3.3; a UID has at most 64 bytes (PS3.5 9.1). */
const char *dicom_request_fault(const uint8_t *pdu, size_t size);

/* Look at a request that has arrived whole (dicom_request_missing) without taking it. A malformed one is
 * answered with A-ABORT (invalid PDU parameter); the caller closes fd. errors: ERR_PEER, ERR_NOMEM. */
bool dicom_request_check(int fd, struct err *err);

#endif
