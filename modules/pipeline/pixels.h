/* The stored values of one object, written to a descriptor. Part of the pipeline. */
#ifndef PIPELINE_PIXELS_H
#define PIPELINE_PIXELS_H

#include "base/crew.h"
#include "base/err.h"
#include "dicom/dicom_pixels.h"

/* Decode one frame, or all, and write them at the beginning of `fd`, which must be a file:
 * [frame][row][column], little endian, each value as wide as Bits Allocated (a single bit: one byte), bits
 * above High Bit masked off, sign extended. in:     frame: from 1 as DICOM counts (PS3.3 C.7.6.16); 0: all.
 * crew decodes, one frame a seat; NULL: the caller alone. out:    *ret_shape of what was written: frames is 1
 * when one was asked for. errors: those of dicom_pixels.h; ERR_INPUT "no_such_frame"; ERR_IO, ERR_FULL. */
bool pixels_write(const char *path, int frame, const struct crew *crew, int fd,
                  struct dicom_pixels_shape *ret_shape, struct err *err);

#endif
