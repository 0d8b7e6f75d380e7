/* Time: wall clock for what is stored, monotonic for what is measured. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_unix_ms(void);      /* UTC, milliseconds since 1970 */
int64_t clock_monotonic_ms(void); /* never steps back */

enum { CLOCK_ISO_SIZE = 25 };
/* "2026-11-21T10:15:30.123Z" */
void clock_iso(int64_t unix_ms, char text[CLOCK_ISO_SIZE]);

/* DICOM DA "YYYYMMDD" and TM "HHMMSS.mmm" in UTC. */
void clock_dicom(int64_t unix_ms, char date[9], char time[11]);

/* Whole days from a DICOM date "YYYYMMDD" to the given time, 0 when the date is yet to come; -1 when it is
 * not a date, or before 1900. */
int clock_age_days(const char *dicom_date, int64_t unix_ms);

#endif
