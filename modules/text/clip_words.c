#include "text/clip_words.h"

#include "text/html.h"

#include <utf8proc.h>

#include <stdlib.h>
#include <string.h>

/* Code points under way. */
struct points {
    int32_t *at;
    size_t count;
};

/* ---- classes ---- */

static bool is_letter(int32_t point)
{
    utf8proc_category_t category = utf8proc_category(point);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

static bool is_number(int32_t point)
{
    utf8proc_category_t category = utf8proc_category(point);
    return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

/* source: Unicode, White_Space. */
static bool is_space(int32_t point)
{
    utf8proc_category_t category = utf8proc_category(point);
    return (point >= 0x9 && point <= 0xD) || point == 0x85 || category == UTF8PROC_CATEGORY_ZS ||
           category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

/* Cut off at the ends, where Python's strip() takes the separators too. */
static bool is_stripped(int32_t point)
{
    return is_space(point) || (point >= 0x1C && point <= 0x1F);
}

/* White space, and the one character that the reference's pattern loses: a mark by its category, a letter by
 * its upper case, which a pattern that ignores case looks at too (U+0345, ypogegrammeni). */
static bool is_gap(int32_t point)
{
    return is_space(point) || point == 0x345;
}

static bool is_other(int32_t point)
{
    return !is_gap(point) && !is_letter(point) && !is_number(point);
}

/* ---- lower case ---- */

/* source: Unicode, Case_Ignorable: categories and the word break classes MidLetter, MidNumLet, Single_Quote.
 */
static bool is_case_ignorable(int32_t point)
{
    static const int32_t points[] = {0x27,   '.',    ':',    0xB7,   0x387,  0x55F,  0x5F4,  0x2018, 0x2019,
                                     0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        if (point == points[i])
            return true;
    utf8proc_category_t category = utf8proc_category(point);
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME ||
           category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_LM ||
           category == UTF8PROC_CATEGORY_SK;
}

/* source: Unicode, Cased, of what is not Case_Ignorable. */
static bool is_cased(int32_t point)
{
    utf8proc_category_t category = utf8proc_category(point);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LT) ||
           utf8proc_tolower(point) != point || utf8proc_toupper(point) != point || point == 0xAA ||
           point == 0xBA || (point >= 0x1F130 && point <= 0x1F149) ||
           (point >= 0x1F150 && point <= 0x1F169) || (point >= 0x1F170 && point <= 0x1F189);
}

enum { SIGMA = 0x3A3, FINAL_SIGMA = 0x3C2, I_DOT = 0x130, DOT_ABOVE = 0x307 };

/* What stands after `from`, case-ignorable characters skipped, is cased. */
static bool cased_after(const struct points *points, size_t from)
{
    while (from < points->count && is_case_ignorable(points->at[from]))
        from++;
    return from < points->count && is_cased(points->at[from]);
}

/* source: Unicode SpecialCasing, the two rules for lower case that hold in every language. What was cased
 * before is known on the way, and what comes after only where a sigma stands; a run of ignorable characters
 * behind one is looked through once, as the next sigma stands behind it. */
static bool lower(const struct points *in, struct arena *arena, struct points *ret)
{
    bool cased = false;
    ret->at = ARENA_ARRAY(arena, int32_t, 2 * in->count + 1);
    for (size_t i = 0; ret->at && i < in->count; i++) {
        int32_t point = in->at[i];
        bool final = point == SIGMA && cased && !cased_after(in, i + 1);
        ret->at[ret->count++] = final ? FINAL_SIGMA : utf8proc_tolower(point);
        if (point == I_DOT)
            ret->at[ret->count++] = DOT_ABOVE;
        cased = is_case_ignorable(point) ? cased : is_cased(point);
    }
    return ret->at != NULL;
}

/* ---- normalise ---- */

static bool no_memory(struct err *err)
{
    return err_fail(err, ERR_NOMEM, "no memory for a text");
}

static char *compose(const char *text, struct arena *arena, size_t *ret_size, struct err *err)
{
    size_t size = strnlen(text, CLIP_WORDS_TEXT_MAX + 1);
    if (size > CLIP_WORDS_TEXT_MAX) {
        err_fail(err, ERR_INPUT, "text of more than %d bytes", CLIP_WORDS_TEXT_MAX);
        return NULL;
    }
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t length = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &composed,
                                           UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (length == UTF8PROC_ERROR_NOMEM)
        no_memory(err);
    else if (length < 0)
        err_decline(err, "text_not_utf8", "text is not UTF-8");
    char *copy = length < 0 ? NULL : arena_alloc(arena, (size_t)length + 1, 1);
    if (copy)
        memcpy(copy, composed, (size_t)length);
    else if (length >= 0)
        no_memory(err);
    free(composed);
    *ret_size = (size_t)length;
    return copy;
}

static bool unescape(char **text, size_t *size, struct arena *arena, struct err *err)
{
    if (!memchr(*text, '&', *size))
        return true;
    char *out = arena_alloc(arena, 2 * *size + 1, 1);
    if (!out)
        return no_memory(err);
    *size = html_unescape(*text, *size, out);
    *text = out;
    return true;
}

static bool decode(const char *text, size_t size, struct arena *arena, struct points *ret, struct err *err)
{
    ret->at = ARENA_ARRAY(arena, int32_t, size + 1);
    if (!ret->at)
        return no_memory(err);
    utf8proc_ssize_t taken;
    for (size_t i = 0; i < size; i += (size_t)taken) {
        taken = utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(size - i),
                                 &ret->at[ret->count++]);
        if (taken < 1)
            return err_decline(err, "text_not_utf8", "text is not UTF-8 at byte %zu", i);
    }
    while (ret->count && is_stripped(ret->at[ret->count - 1]))
        ret->count--;
    while (ret->count && is_stripped(*ret->at)) {
        ret->at++;
        ret->count--;
    }
    return true;
}

static bool normalise(const char *text, struct arena *arena, struct points *ret, struct err *err)
{
    size_t size;
    struct points raw = {0};
    char *bytes = compose(text, arena, &size, err);
    return bytes && unescape(&bytes, &size, arena, err) && unescape(&bytes, &size, arena, err) &&
           decode(bytes, size, arena, &raw, err) && (lower(&raw, arena, ret) || no_memory(err));
}

/* ---- cut ---- */

/* The pattern ignores case, and to it a long s is an s. */
static size_t literal_end(const struct points *points, size_t from, const char *literal)
{
    for (; *literal; literal++, from++) {
        bool same = from < points->count && (points->at[from] == (unsigned char)*literal ||
                                             (points->at[from] == 0x17F && *literal == 's'));
        if (!same)
            return 0;
    }
    return from;
}

static size_t any_literal_end(const struct points *points, size_t from)
{
    static const char *const literals[] = {
        "<|startoftext|>", "<|endoftext|>", "'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    size_t to = 0;
    for (size_t i = 0; i < sizeof literals / sizeof *literals && !to; i++)
        to = literal_end(points, from, literals[i]);
    return to;
}

/* Where the word that begins at `from`, which is no gap, ends. */
static size_t word_end(const struct points *points, size_t from)
{
    size_t to = any_literal_end(points, from);
    if (to)
        return to;
    to = from + 1;
    if (is_number(points->at[from]))
        return to;
    bool (*belongs)(int32_t) = is_letter(points->at[from]) ? is_letter : is_other;
    while (to < points->count && belongs(points->at[to]))
        to++;
    return to;
}

static char *encode(const int32_t *points, size_t count, struct arena *arena)
{
    utf8proc_uint8_t *text = arena_alloc(arena, 4 * count + 1, 1), *at = text;
    for (size_t i = 0; text && i < count; i++)
        at += utf8proc_encode_char(points[i], at);
    return (char *)text;
}

bool clip_words_split(const char *text, struct arena *arena, struct words *ret, struct err *err)
{
    struct points points = {0};
    *ret = (struct words){0};
    if (!normalise(text, arena, &points, err))
        return false;
    ret->texts = ARENA_ARRAY(arena, char *, points.count + 1);
    for (size_t from = 0, to; ret->texts && from < points.count; from = to) {
        to = from + 1;
        if (is_gap(points.at[from]))
            continue;
        to = word_end(&points, from);
        char *word = encode(points.at + from, to - from, arena);
        if (!word)
            return no_memory(err);
        ret->texts[ret->count++] = word;
    }
    return ret->texts || no_memory(err);
}
