/* The frame of a Part 10 file. source: PS3.10 7.1. */
#ifndef DICOM_PART10_H
#define DICOM_PART10_H

#include "base/err.h"

#include <stdint.h>

/* Where the data set starts: behind preamble, "DICM" and the meta header, whose length is the value of its
 * first element. errors: ERR_IO (the file ends before that, or cannot be read). threads: any. */
bool dicom_part10_data_set(const char *path, uint64_t *ret_offset, struct err *err);

#endif
