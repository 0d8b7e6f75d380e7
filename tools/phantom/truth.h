/* truth.json: what is known of a study because it was made. */
#ifndef PHANTOM_TRUTH_H
#define PHANTOM_TRUTH_H

#include "study.h"

/* Write `path`: kind, seed, findings, the heart's box (LPS mm, low then high
 * corner), a few places, every piece of calcium and every late enhanced area,
 * what the findings are in millimetres and millilitres, the confounders, the
 * series. errors: ERR_IO, ERR_FULL. */
bool truth_write(const struct study *study, const char *path, struct err *err);

#endif
