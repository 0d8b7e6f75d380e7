/* Read segmentation objects: which segments there are, which frame is of which, and the voxels of a frame.
 * source: DICOM PS3.3 A.51 and C.8.20 (Segmentation IOD), PS3.5 8.1.1 (one bit a pixel, packed across
 * frames). */
#ifndef DICOM_SEG_H
#define DICOM_SEG_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/dicom_records.h"

/* Segmentation Storage. Label Map Segmentation Storage is another class, which is not read. */
bool dicom_is_seg(const char *sop_class);

struct dicom_seg;

/* Open an object whose head was read. in: head outlives the handle. out: *ret lives in the arena.
 * owns: caller closes. threads: one at a time per handle.
 * errors: ERR_INPUT (no segments, a segment number twice, a frame of no segment, neither BINARY nor
 * FRACTIONAL, damaged or short pixel data), ERR_UNSUPPORTED (transfer syntax), ERR_IO, ERR_NOMEM. */
struct dicom_seg *dicom_seg_open(const char *path, const struct dicom_head *head, struct arena *arena,
                                 const struct dicom_segmentation **ret, struct err *err);
void dicom_seg_close(struct dicom_seg *seg); /* accepts NULL */

/* Frame `frame` (from 0) as [rows][columns], 1 inside the segment: a set bit; of a fraction, at least half of
 * fraction_max. errors: ERR_INPUT, ERR_UNSUPPORTED, ERR_NOMEM. */
bool dicom_seg_frame(struct dicom_seg *seg, int frame, uint8_t *inside, struct err *err);

#endif
