/* A concatenation: one multi-frame image cut into several objects. Private to modules/study.
 * source: PS3.3 C.7.6.16.2.2.4. */
#ifndef STUDY_PARTS_H
#define STUDY_PARTS_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/dicom_records.h"

/* Is every concatenation that one of the objects belongs to wholly among them? Numbers without a gap from 1
 * to the total, or to the highest number where no part says the total; a part given twice does no harm.
 * in:     any heads, of one series. A concatenation may have parts whose frames are in different stacks, so
 *         that a stack cannot tell.
 * errors: ERR_INPUT "incomplete_concatenation"; ERR_NOMEM. */
bool study_parts_check(const struct dicom_head *const *heads, int count, struct arena *arena,
                       struct err *err);

#endif
