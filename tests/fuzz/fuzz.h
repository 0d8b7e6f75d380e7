/* Fuzz targets: each takes bytes from outside, hands them to one reader of ours, and ends the program when
 * the reader breaks its header's promise. A target is linked twice: with libFuzzer (-Dfuzz=true,
 * scripts/fuzz) and with replay.c, which runs files and is a normal test. docs/fuzzing.md has the list. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* The target. source: libFuzzer's interface; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* The bytes as a regular file without a name; its path holds until the next call. */
const char *fuzz_file(const uint8_t *bytes, size_t size);

/* A copy with a NUL behind it. owns: the caller frees. */
char *fuzz_text(const uint8_t *bytes, size_t size);

/* Ends the program when a promise is broken. */
void fuzz_must(bool holds, const char *promise);

/* A failure that bytes from outside may cause: a code, never ERR_BUG; text and reason within their bounds.
 * With FUZZ_TELL in the environment it is printed. */
void fuzz_must_refuse(const struct err *err);

/* Read every byte, so that a sanitizer sees memory that is not ours or was never written. */
void fuzz_touch(const void *bytes, size_t size);
void fuzz_touch_text(const char *text, size_t room); /* must end within `room` bytes */

#endif
