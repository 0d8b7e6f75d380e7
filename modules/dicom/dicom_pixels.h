/* Decode stored pixel values, frame by frame. */
#ifndef DICOM_PIXELS_H
#define DICOM_PIXELS_H

#include "base/err.h"

#include <stdint.h>

struct dicom_pixels;

/* Open a file for decoding. owns: caller closes. threads: one at a time per handle.
 * errors: ERR_INPUT (no or damaged pixel data, colour, impossible sizes), ERR_UNSUPPORTED (transfer syntax,
 * bits allocated other than 8, 16, 32), ERR_IO, ERR_NOMEM. */
struct dicom_pixels *dicom_pixels_open(const char *path, struct err *err);
void dicom_pixels_close(struct dicom_pixels *pixels); /* accepts NULL */

/* Decode frame `frame` (from 0) as stored values [rows][columns]: bits above High Bit masked off, sign
 * extended from High Bit when Pixel Representation is 1, no rescale applied, MONOCHROME1 not inverted.
 * in:  values has room for rows * columns of the head.
 * errors: ERR_INPUT (frame number, damaged or short pixel data), ERR_UNSUPPORTED, ERR_NOMEM. */
bool dicom_pixels_frame(struct dicom_pixels *pixels, int frame, int32_t *values, struct err *err);

#endif
