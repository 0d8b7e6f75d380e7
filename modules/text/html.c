#include "text/html.h"

#include <utf8proc.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 32, POINT_MAX = 0x10FFFF, REPLACEMENT = 0xFFFD };

static size_t put(int32_t point, char *to)
{
    return (size_t)utf8proc_encode_char(point, (utf8proc_uint8_t *)to);
}

/* source: HTML 5, numeric character reference end state (bytes of Windows-1252). */
static int32_t windows_1252(int32_t point)
{
    static const uint16_t points[] = {0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021,
                                      0x2C6,  0x2030, 0x160,  0x2039, 0x152,  0x8D,   0x17D,  0x8F,
                                      0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                      0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};
    return point >= 0x80 && point <= 0x9F ? points[point - 0x80] : point;
}

/* Such a reference stands for nothing. */
static bool is_invalid(int32_t point)
{
    return (point >= 1 && point <= 8) || point == 0xB || (point >= 0xE && point <= 0x1F) || point == 0x7F ||
           (point >= 0xFDD0 && point <= 0xFDEF) || (point & 0xFFFE) == 0xFFFE;
}

static int digit(char c, int base)
{
    int value = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : base;
    return value < base ? value : -1;
}

/* "#62;" at `at`; returns its length, 0: none. */
static size_t number(const char *at, size_t size, int32_t *ret)
{
    int base = size > 1 && (at[1] == 'x' || at[1] == 'X') ? 16 : 10;
    size_t start = base == 16 ? 2 : 1, i = start;
    int32_t point = 0;
    for (; i < size && digit(at[i], base) >= 0; i++)
        point = point > POINT_MAX ? point : point * base + digit(at[i], base);
    if (i == start)
        return 0;
    *ret = point;
    return i + (i < size && at[i] == ';');
}

static size_t replace_number(const char *at, size_t size, char *to, size_t *ret_written)
{
    int32_t point;
    size_t taken = number(at, size, &point);
    *ret_written = 0;
    if (!taken)
        return 0;
    if (point == 0 || point > POINT_MAX || (point >= 0xD800 && point <= 0xDFFF))
        *ret_written = put(REPLACEMENT, to);
    else if (!is_invalid(point))
        *ret_written = put(windows_1252(point), to);
    return taken;
}

static int compare(const void *key, const void *entry)
{
    return strcmp(key, ((const struct html_name *)entry)->name);
}

static const struct html_name *find(const char *at, size_t size)
{
    char key[NAME_MAX_BYTES + 1];
    memcpy(key, at, size);
    key[size] = '\0';
    return bsearch(key, html_names, html_name_count, sizeof *html_names, compare);
}

static size_t replace_name(const char *at, size_t size, char *to, size_t *ret_written)
{
    size_t length = 0;
    while (length < size && length < NAME_MAX_BYTES && !strchr("\t\n\f <&#;", at[length]) && at[length])
        length++;
    length += length < size && length < NAME_MAX_BYTES && at[length] == ';';
    for (; length > 1; length--) {
        const struct html_name *entry = find(at, length);
        if (!entry)
            continue;
        *ret_written = put(entry->points[0], to);
        if (entry->points[1])
            *ret_written += put(entry->points[1], to + *ret_written);
        return length;
    }
    return 0;
}

size_t html_unescape(const char *text, size_t size, char *out)
{
    size_t from = 0, to = 0;
    while (from < size) {
        char made[8];
        size_t written = 0, taken = 0, left = size - from - 1;
        if (text[from] == '&' && left)
            taken = text[from + 1] == '#' ? replace_number(text + from + 1, left, made, &written)
                                          : replace_name(text + from + 1, left, made, &written);
        if (taken) {
            memcpy(out + to, made, written);
            to += written;
            from += 1 + taken;
        } else {
            out[to++] = text[from++];
        }
    }
    return to;
}
