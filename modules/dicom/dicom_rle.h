/* Decode one RLE Lossless frame. DCMTK 3.6.7 silently loses data when such a frame is cut into several
 * fragments, which the standard forbids and archives do. Private to modules/dicom. */
#ifndef DICOM_RLE_H
#define DICOM_RLE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Decode into samples of `sample_bytes` (1, 2 or 4), little endian, one component.
 * errors: ERR_INPUT (damaged, short). source: PS3.5 annex G. */
bool dicom_rle_decode(const uint8_t *bytes, size_t size, size_t sample_count, int sample_bytes,
                      uint8_t *samples, struct err *err);

#endif
