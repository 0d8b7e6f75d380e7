/* Read a Modality LUT. Private to modules/dicom. */
#ifndef DICOM_LUT_HH
#define DICOM_LUT_HH

extern "C" {
#include "base/err.h"
#include "dicom/dicom_records.h"
}

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <vector>

/* The Modality LUT of a data set whose large values can be read (dicom_load_for::pixels).
 * in:     is_signed: of the stored values, and so of the first one mapped.
 * out:    *ret; its entries live in `entries`; count 0 when there is no LUT.
 * errors: ERR_INPUT "modality_lut" (descriptor or data damaged). source: PS3.3 C.11.1.1. */
bool dicom_lut_read(DcmItem *dataset, bool is_signed, struct dicom_lut *ret, std::vector<uint16_t> &entries,
                    struct err *err);

#endif
