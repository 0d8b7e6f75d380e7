#include "dicom/dicom_phase.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_number(char c)
{
    return isdigit((unsigned char)c) || c == '.';
}

static const char *back_over_blanks(const char *text, const char *at)
{
    while (at > text && (at[-1] == ' ' || at[-1] == '%'))
        at--;
    return at;
}

/* Does the word that ends at `end` name something else that is set in percent? */
static bool is_other(const char *text, const char *end)
{
    static const char *const words[] = {"asir", "idose", "admire", "safire", "blend",
                                        "fov",  "dose",  "ma",     "pitch"};
    const char *start = end;
    while (start > text && (isalpha((unsigned char)start[-1]) || start[-1] == '-'))
        start--;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(end - start) >= length && !strncasecmp(start, words[i], length) &&
            ((size_t)(end - start) == length || start[length] == '-'))
            return true;
    }
    return false;
}

static bool goes_on(const char *sign)
{
    const char *next = sign + 1 + strspn(sign + 1, " ");
    return *next == '-' && isdigit((unsigned char)next[1 + strspn(next + 1, " ")]);
}

/* "0 - " or "0% - " before the number. */
static bool continues(const char *text, const char *before)
{
    if (before == text || before[-1] != '-')
        return false;
    before = back_over_blanks(text, before - 1);
    return before > text && isdigit((unsigned char)before[-1]);
}

static bool before_sign(const char *text, const char *sign, double *ret_percent)
{
    const char *end = sign;
    while (end > text && end[-1] == ' ')
        end--;
    const char *start = end;
    while (start > text && is_number(start[-1]))
        start--;
    if (start == end)
        return false;
    const char *before = back_over_blanks(text, start);
    bool is_range = goes_on(sign) || continues(text, before);
    *ret_percent = strtod(start, NULL);
    return !is_range && isdigit((unsigned char)*start) && *ret_percent <= 100 && !is_other(text, before);
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
    for (const char *at = text; *at; at++) {
        bool begins = at == text || !isalnum((unsigned char)at[-1]);
        double percent;
        if ((*at == '%' && before_sign(text, at, &percent)) || (begins && is_time_point(at, &percent))) {
            *ret_percent = percent;
            return true;
        }
    }
    return false;
}
