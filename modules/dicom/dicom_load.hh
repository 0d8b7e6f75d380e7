/* Parse a DICOM file with DCMTK without trusting it. Private to modules/dicom. */
#ifndef DICOM_LOAD_HH
#define DICOM_LOAD_HH

extern "C" {
#include "base/err.h"
}

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

enum class dicom_load_for {
    head,  // values above 1 KiB are skipped and, in a deflated file, lost
    pixels // they stay in the file until asked for (in a deflated file: in memory)
};

/* Parse the whole file into `file`; a bare data set is detected.
 * DCMTK parses nested sequences by recursion and makes an object of some 250 bytes of every element: both are
 * bounded here (512 KiB of stack, about two million elements, 4 GiB inflated), so that a hostile file costs
 * an error.
 * errors: ERR_INPUT (not DICOM, damaged, truncated, absurd), ERR_IO, ERR_NOMEM. May throw std::bad_alloc. */
bool dicom_load(const char *path, dicom_load_for purpose, DcmFileFormat &file, struct err *err);

#endif
