/* Values from outside, read without mercy: what is not exactly right is refused. threads: any. */
#ifndef DAEMON_API_INPUT_H
#define DAEMON_API_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Percent decoding. False for a bad escape, a control character (NUL too), bytes that are not UTF-8, or more
 * than size - 1 bytes. source: RFC 3986 section 2.1 */
bool api_input_decode(const char *raw, char *text, size_t size);

/* A whole number from min to max, digits only. */
bool api_input_number(const char *text, long min, long max, long *ret);

/* Milliseconds since 1970 as digits, or "2026-11-21", or "2026-11-21T10:15[:30[.5]][Z|+01:00]"; without a
 * zone it is UTC. source: RFC 3339, ISO 8601 */
bool api_input_time(const char *text, int64_t *ret_unix_ms);

/* A row number: 1 to 18 digits. */
bool api_input_row(const char *text, int64_t *ret);

#endif
