#include "dicom/dicom_phase.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A number in text; a decimal comma counts as a point. */
struct number {
    const char *start, *end;
    double value;
};

static bool is_number(const char *text, const char *at)
{
    return isdigit((unsigned char)*at) || *at == '.' ||
           (*at == ',' && at > text && isdigit((unsigned char)at[-1]) && isdigit((unsigned char)at[1]));
}

static bool read_number(const char *text, const char *sign, struct number *ret)
{
    char digits[24] = "";
    const char *end = sign;
    while (end > text && end[-1] == ' ')
        end--;
    const char *start = end;
    while (start > text && is_number(text, start - 1))
        start--;
    for (size_t i = 0; start + i < end && i + 1 < sizeof digits; i++)
        digits[i] = start[i] == ',' ? '.' : start[i];
    *ret = (struct number){start, end, strtod(digits, NULL)};
    return isdigit((unsigned char)*digits) && end - start < (long)sizeof digits;
}

static const char *back_over_blanks(const char *text, const char *at, const char *blanks)
{
    while (at > text && strchr(blanks, at[-1]))
        at--;
    return at;
}

static bool is_one(const char *word, size_t size, const char *const *words)
{
    for (; *words; words++) {
        size_t length = strlen(*words);
        if (size >= length && !strncasecmp(word, *words, length) && (size == length || word[length] == '-'))
            return true;
    }
    return false;
}

/* Does the word before the number, or after its sign, name something else that is set in percent? */
static bool is_other(const char *text, const struct number *number, const char *sign)
{
    static const char *const before[] = {"asir",  "ar",  "ss",   "idose", "admire", "safire",
                                         "blend", "fov", "dose", "ma",    "pitch",  NULL};
    static const char *const after[] = {"asir", "ar", "ss", "blend", NULL};
    const char *end = back_over_blanks(text, number->start, " %_:=("), *start = end;
    while (start > text && (isalpha((unsigned char)start[-1]) || start[-1] == '-'))
        start--;
    const char *next = sign + 1 + strspn(sign + 1, " _");
    size_t size = 0;
    while (isalpha((unsigned char)next[size]) || next[size] == '-')
        size++;
    if (!strncasecmp(next, "rr", 2) || !strncasecmp(next, "r-r", 3))
        return false;
    return is_one(start, (size_t)(end - start), before) || is_one(next, size, after);
}

static bool goes_on(const char *sign)
{
    const char *next = sign + 1 + strspn(sign + 1, " ");
    return *next == '-' && isdigit((unsigned char)next[1 + strspn(next + 1, " ")]);
}

/* "0 - " or "0% - " before the number. */
static bool continues(const char *text, const char *start)
{
    const char *before = back_over_blanks(text, start, " %");
    if (before == text || before[-1] != '-')
        return false;
    before = back_over_blanks(text, before - 1, " %");
    return before > text && isdigit((unsigned char)before[-1]);
}

static bool before_sign(const char *text, const char *sign, double *ret_percent)
{
    struct number number;
    if (!read_number(text, sign, &number))
        return false;
    *ret_percent = number.value;
    return number.value <= 100 && !goes_on(sign) && !continues(text, number.start) &&
           !is_other(text, &number, sign);
}

/* "TP30PC". */
static bool is_time_point(const char *at, double *ret_percent)
{
    char *end;
    if (strncmp(at, "TP", 2) || !isdigit((unsigned char)at[2]))
        return false;
    *ret_percent = strtod(at + 2, &end);
    return !strncmp(end, "PC", 2) && *ret_percent <= 100;
}

bool dicom_phase_percent(const char *text, double *ret_percent)
{
    bool found = false;
    double first = 0;
    for (const char *at = text; *at; at++) {
        bool begins = at == text || !isalnum((unsigned char)at[-1]);
        double percent;
        if (!(*at == '%' && before_sign(text, at, &percent)) && !(begins && is_time_point(at, &percent)))
            continue;
        if (found && percent != first)
            return false;
        found = true;
        first = percent;
    }
    if (found)
        *ret_percent = first;
    return found;
}
