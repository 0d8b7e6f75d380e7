#include "daemon/api_input.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_utf8(const char *text)
{
    json_t *json = json_string(text);
    json_decref(json);
    return json != NULL;
}

bool api_input_decode(const char *raw, char *text, size_t size)
{
    size_t length = 0;
    for (; *raw; raw++) {
        char c = *raw;
        if (c == '%') {
            int high = hex_value(raw[1]), low = high < 0 ? -1 : hex_value(raw[2]);
            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            raw += 2;
        }
        if ((unsigned char)c < 0x20 || c == 0x7f || length + 1 >= size)
            return false;
        text[length++] = c;
    }
    text[length] = '\0';
    return is_utf8(text);
}

bool api_input_number(const char *text, long min, long max, long *ret)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 15 || text[digits])
        return false;
    *ret = strtol(text, NULL, 10);
    return *ret >= min && *ret <= max;
}

bool api_input_row(const char *text, int64_t *ret)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18 || text[digits])
        return false;
    *ret = strtoll(text, NULL, 10);
    return true;
}

/* "Z", "+01:00" or nothing (UTC), in seconds east. */
static bool read_zone(const char *text, int *ret_s)
{
    int hours, minutes, used = 0;
    char sign;
    *ret_s = 0;
    if (!*text || strcmp(text, "Z") == 0)
        return true;
    if (sscanf(text, "%c%2d:%2d%n", &sign, &hours, &minutes, &used) != 3 || used != 6 || text[6] ||
        (sign != '+' && sign != '-') || hours < 0 || hours > 14 || minutes < 0 || minutes > 59)
        return false;
    *ret_s = (hours * 60 + minutes) * (sign == '-' ? -60 : 60);
    return true;
}

static bool read_fraction(const char **text, int *ret_ms)
{
    *ret_ms = 0;
    if (**text != '.')
        return true;
    size_t digits = strspn(*text + 1, "0123456789");
    for (size_t i = 0; i < 3; i++)
        *ret_ms = *ret_ms * 10 + (i < digits ? (*text)[1 + i] - '0' : 0);
    *text += 1 + digits;
    return digits > 0;
}

bool api_input_time(const char *text, int64_t *ret_unix_ms)
{
    size_t digits = strspn(text, "0123456789");
    if (digits > 0 && digits <= 15 && !text[digits]) {
        *ret_unix_ms = strtoll(text, NULL, 10);
        return true;
    }
    struct tm tm = {0};
    int ms, zone_s;
    const char *rest = strptime(text, "%Y-%m-%d", &tm);
    if (!rest || digits != 4 || strchr(text, ' '))
        return false;
    if (*rest == 'T') {
        const char *minutes = strptime(rest, "T%H:%M", &tm);
        const char *seconds = minutes && *minutes == ':' ? strptime(minutes, ":%S", &tm) : minutes;
        if (!seconds || !read_fraction(&seconds, &ms) || !read_zone(seconds, &zone_s))
            return false;
    } else if (*rest) {
        return false;
    } else {
        ms = zone_s = 0;
    }
    struct tm normal = tm;
    int64_t seconds = timegm(&normal);
    if (normal.tm_mday != tm.tm_mday || normal.tm_mon != tm.tm_mon)
        return false; /* 31 February */
    *ret_unix_ms = (seconds - zone_s) * 1000 + ms;
    return true;
}
