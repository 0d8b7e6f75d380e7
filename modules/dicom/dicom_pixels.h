/* Decode stored pixel values, frame by frame. */
#ifndef DICOM_PIXELS_H
#define DICOM_PIXELS_H

#include "base/err.h"
#include "dicom/dicom_records.h"

#include <stdint.h>

struct dicom_pixels;

/* Open a file for decoding. owns: caller closes. threads: one at a time per handle.
 * errors: ERR_INPUT (no or damaged pixel data, impossible sizes; reasons "no_pixels", "colour_image",
 * "float_pixels", "modality_lut"), ERR_UNSUPPORTED (transfer syntax; bits allocated other than 1, 8, 16, 32,
 * or 1 in a compressed one), ERR_IO, ERR_NOMEM. */
struct dicom_pixels *dicom_pixels_open(const char *path, struct err *err);
void dicom_pixels_close(struct dicom_pixels *pixels); /* accepts NULL */

/* What every frame is. bits_allocated is 1, 8, 16 or 32, bits_stored at most that. */
struct dicom_pixels_shape {
    int frames, rows, columns;
    int bits_allocated, bits_stored;
    bool is_signed;
};
const struct dicom_pixels_shape *dicom_pixels_shape(const struct dicom_pixels *pixels);

/* The object's Modality LUT, NULL when it has none. Borrowed until close. */
const struct dicom_lut *dicom_pixels_lut(const struct dicom_pixels *pixels);

/* Decode frame `frame` (from 0) as stored values [rows][columns]: bits above High Bit masked off, sign
 * extended from High Bit when Pixel Representation is 1, no rescale applied, MONOCHROME1 not inverted. An
 * unsigned value of 32 bits is given as the int32_t of the same bits.
 * in:  values has room for rows * columns of the head.
 * errors: ERR_INPUT (frame number, damaged or short pixel data), ERR_UNSUPPORTED, ERR_NOMEM. */
bool dicom_pixels_frame(struct dicom_pixels *pixels, int frame, int32_t *values, struct err *err);

#endif
