/* Single attributes of an object by their name, for rules of a site that ask what nobody foresaw. */
#ifndef DICOM_TAGS_H
#define DICOM_TAGS_H

#include "base/arena.h"
#include "base/err.h"

#include <stdint.h>

enum { DICOM_TAG_VALUE_SIZE = 1024 };

/* in:     a keyword of the data dictionary ("BodyPartExamined") or "(0018,0015)", private ones too.
 * out:    *ret = 0xGGGGEEEE, of the data set itself, not of an item in it.
 * errors: ERR_INPUT: no such attribute, or one that has no short value (a sequence, pixels, a command's or a
 *         file's own). The library must be open (dicom_library_init). source: PS3.6. */
bool dicom_tag_find(const char *name, uint32_t *ret, struct err *err);

/* values[i]: of tags[i], several joined by backslash, UTF-8 as far as the character set is known, without
 * padding, cut at DICOM_TAG_VALUE_SIZE - 1 bytes; "" when absent. owns: arena. errors: those of
 * dicom_head_read. */
bool dicom_tags_read(const char *path, const uint32_t *tags, int count, struct arena *arena,
                     const char **values, struct err *err);

#endif
