/* Decode one JPEG 2000 or HTJ2K codestream. OpenJPEG stays behind this header. Private to modules/dicom. */
#ifndef DICOM_J2K_H
#define DICOM_J2K_H

#include "base/err.h"
#include "dicom/dicom_pixels.h"

#include <stddef.h>
#include <stdint.h>

/* One frame of one component, [rows][columns].
 * in:     a raw codestream, or a JP2 file (both are met in the field). Nothing is decoded before the header's
 *         size equals that of the shape.
 * out:    values as the data set means them: where the codestream's signedness is not the data set's, the
 *         stored bits count and are read again with the data set's; where it has more bits than Bits Stored,
 *         those above are dropped as anywhere else (PS3.5 A.4.4 wants all this equal, files differ).
 * errors: ERR_INPUT (damaged, other size, several components), ERR_UNSUPPORTED (more than 31 bits),
 * ERR_NOMEM. */
bool dicom_j2k_decode(const uint8_t *bytes, size_t size, const struct dicom_pixels_shape *shape,
                      int32_t *values, struct err *err);

#endif
