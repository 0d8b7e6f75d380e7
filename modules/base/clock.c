#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_unix_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static struct tm split(int64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    return tm;
}

void clock_iso(int64_t unix_ms, char text[CLOCK_ISO_SIZE])
{
    struct tm tm = split(unix_ms);
    char whole[21];
    strftime(whole, sizeof whole, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, CLOCK_ISO_SIZE, "%.19s.%03uZ", whole, (unsigned)(unix_ms % 1000) % 1000U);
}

void clock_dicom(int64_t unix_ms, char date[9], char time[11])
{
    struct tm tm = split(unix_ms);
    strftime(date, 9, "%Y%m%d", &tm);
    strftime(time, 7, "%H%M%S", &tm);
    snprintf(time + 6, 5, ".%03u", (unsigned)(unix_ms % 1000) % 1000U);
}

int clock_age_days(const char *dicom_date, int64_t unix_ms)
{
    if (strlen(dicom_date) != 8)
        return -1;
    for (int i = 0; i < 8; i++)
        if (!isdigit((unsigned char)dicom_date[i]))
            return -1;
    struct tm tm = {0};
    sscanf(dicom_date, "%4d%2d%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
    if (tm.tm_year < 1900 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31)
        return -1;
    int day = tm.tm_mday;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t age_s = unix_ms / 1000 - (int64_t)timegm(&tm);
    if (tm.tm_mday != day) /* timegm makes 2 March of 30 February */
        return -1;
    return age_s < 0 ? 0 : (int)(age_s / 86400);
}
