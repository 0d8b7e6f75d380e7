/* A DICOM Part 10 file in the making: elements are put in, each once, then
 * saved in the order of their tags. Explicit VR Little Endian only, written by
 * hand so that what tests the service shares no code with it. source: DICOM
 * PS3.5 section 7 (data elements, sequences), PS3.10 section 7.1 (file meta
 * information). */
#ifndef PHANTOM_PART10_H
#define PHANTOM_PART10_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct part10;

/* Tag (gggg,eeee) as one number: 0x00100020. */

/* An empty data set. owns: the caller frees with part10_free. NULL when memory
 * is out. threads: one at a time. */
struct part10 *part10_new(void);
void part10_free(struct part10 *file); /* accepts NULL */

/* A text element: vr is two letters with a 16-bit length ("UI", "DS", "PN"...);
 * padded to even length. Tags come once in a data set, in any order, and ascend
 * within an item: else a bug of ours, asserted. */
void part10_text(struct part10 *file, uint32_t tag, const char *vr, const char *text);
/* The same with a printf format. */
void part10_format(struct part10 *file, uint32_t tag, const char *vr, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* One unsigned short (VR US). */
void part10_us(struct part10 *file, uint32_t tag, uint16_t value);
/* One signed short (VR SS). */
void part10_ss(struct part10 *file, uint32_t tag, int16_t value);
/* Words (VR OW), count of them; borrowed for the call. */
void part10_words(struct part10 *file, uint32_t tag, const uint16_t *words, size_t count);

/* A sequence of one item: everything between begin and end lies in the item.
 * They nest up to 4 deep. */
void part10_item_begin(struct part10 *file, uint32_t tag);
void part10_item_end(struct part10 *file);

/* Write preamble, file meta information (from the SOP class and instance given)
 * and the data set; *ret_size is the file's. errors: ERR_IO, ERR_FULL;
 * ERR_NOMEM when an element before could not be kept. */
bool part10_save(const struct part10 *file, const char *path, const char *sop_class, const char *sop_uid,
                 size_t *ret_size, struct err *err);

#endif
