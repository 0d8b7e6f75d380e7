/* A series of CT Image Storage objects of the chest in shapes.h.
 * source: DICOM PS3.3 A.3 (CT Image IOD): every type 1 and type 2 attribute of its modules is written. */
#ifndef PHANTOM_CT_H
#define PHANTOM_CT_H

#include "base/err.h"
#include "base/uid.h"

#include <stdint.h>

struct ct_request {
    uint64_t seed;
    int slices;                         /* 1 to 2000, over 120 mm of the chest */
    int size;                           /* rows and columns, 8 to 1024, over 320 mm */
    char study_date[9];                 /* YYYYMMDD */
    const char *patient_id, *accession; /* borrowed */
    char study_uid[UID_SIZE], series_uid[UID_SIZE], frame_uid[UID_SIZE];
};

/* Write CT0001.dcm ... into an existing folder, instance 1 being the slice nearest to the head. The same
 * request gives the same bytes. errors: ERR_IO, ERR_FULL, ERR_NOMEM. */
bool ct_write_series(const struct ct_request *request, const char *folder, struct err *err);

#endif
