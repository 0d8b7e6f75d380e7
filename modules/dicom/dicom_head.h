/* Read an object's head. DCMTK stays behind this header. */
#ifndef DICOM_HEAD_H
#define DICOM_HEAD_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/dicom_records.h"

/* Load data dictionary, codecs and character sets. Call once, before any thread and any sandbox.
 * errors: ERR_IO when the DICOM dictionary cannot be read (the service must then not be ready). */
bool dicom_library_init(struct err *err);
void dicom_library_done(void);

/* CT, MR, other or unknown, by SOP Class UID. source: PS3.6 A-1. */
enum dicom_kind dicom_class_kind(const char *sop_class);

/* Read everything but the pixels of a DICOM file, per-frame over shared functional groups resolved.
 * in:     a Part 10 file, or a bare data set (detected), any transfer syntax DCMTK can parse.
 * out:    *ret and its frames live in `arena`. Absent attributes are "" or 0. The data set is parsed to its
 *         end, so a truncated file fails here; pixel data is skipped, not read.
 * errors: ERR_INPUT (not DICOM, damaged, truncated; frame count, rows or columns absurd), ERR_IO, ERR_NOMEM.
 *         What is neither CT nor MR may have no number as frame count: frame_count is 0 then.
 * threads: any. */
bool dicom_head_read(const char *path, struct arena *arena, struct dicom_head **ret, struct err *err);

#endif
