#include "text/words.h"

#include <utf8proc.h>

#include <stdlib.h>
#include <string.h>

/* Code points under way. */
struct points {
    int32_t *at;
    size_t count;
};

static bool is_space(int32_t point)
{
    if (point == '\t' || point == '\n' || point == '\r')
        return true;
    utf8proc_category_t category = utf8proc_category(point);
    return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

/* Everything of Unicode class C: control, format, surrogate, private use, unassigned. */
static bool is_dropped(int32_t point)
{
    utf8proc_category_t category = utf8proc_category(point);
    return point == 0 || point == 0xFFFD || category == UTF8PROC_CATEGORY_CN ||
           (category >= UTF8PROC_CATEGORY_CC && category <= UTF8PROC_CATEGORY_CO);
}

static bool is_ideograph(int32_t point)
{
    static const int32_t ranges[][2] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                                        {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF},
                                        {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (point >= ranges[i][0] && point <= ranges[i][1])
            return true;
    return false;
}

static bool is_punctuation(int32_t point)
{
    if ((point >= 33 && point <= 47) || (point >= 58 && point <= 64) || (point >= 91 && point <= 96) ||
        (point >= 123 && point <= 126))
        return true;
    utf8proc_category_t category = utf8proc_category(point);
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

static bool is_mark(int32_t point)
{
    return utf8proc_category(point) == UTF8PROC_CATEGORY_MN;
}

static bool decode(const char *text, struct arena *arena, struct points *ret, struct err *err)
{
    size_t size = strnlen(text, WORDS_TEXT_MAX + 1);
    if (size > WORDS_TEXT_MAX)
        return err_fail(err, ERR_INPUT, "text of more than %d bytes", WORDS_TEXT_MAX);
    ret->at = ARENA_ARRAY(arena, int32_t, size + 1);
    if (!ret->at)
        return err_fail(err, ERR_NOMEM, "no memory for a text of %zu bytes", size);
    ret->count = 0;
    for (size_t i = 0; i < size;) {
        int32_t point;
        utf8proc_ssize_t taken =
            utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(size - i), &point);
        if (taken < 1)
            return err_decline(err, "text_not_utf8", "text is not UTF-8 at byte %zu", i);
        ret->at[ret->count++] = point;
        i += (size_t)taken;
    }
    return true;
}

/* Drop what carries no text, put spaces round ideographs. */
static bool clean(const struct points *in, struct arena *arena, struct points *ret, struct err *err)
{
    ret->at = ARENA_ARRAY(arena, int32_t, 3 * in->count + 1);
    if (!ret->at)
        return err_fail(err, ERR_NOMEM, "no memory for a text");
    ret->count = 0;
    for (size_t i = 0; i < in->count; i++) {
        int32_t point = in->at[i];
        bool apart = is_ideograph(point);
        if (!is_space(point) && is_dropped(point))
            continue;
        if (apart)
            ret->at[ret->count++] = ' ';
        ret->at[ret->count++] = is_space(point) ? ' ' : point;
        if (apart)
            ret->at[ret->count++] = ' ';
    }
    return true;
}

/* Lower-case each code point by itself (no final sigma, as the reference comes out), decompose (NFD), remove
 * combining marks. */
static bool fold(const struct points *in, struct arena *arena, struct points *ret, struct err *err)
{
    enum { DECOMPOSED_MAX = 18 }; /* no code point of Unicode decomposes into more */
    ret->at = ARENA_ARRAY(arena, int32_t, DECOMPOSED_MAX * in->count + 1);
    if (!ret->at)
        return err_fail(err, ERR_NOMEM, "no memory for a text");
    ret->count = 0;
    for (size_t i = 0; i < in->count; i++) {
        int last_class = 0;
        int32_t parts[DECOMPOSED_MAX];
        utf8proc_ssize_t count = utf8proc_decompose_char(utf8proc_tolower(in->at[i]), parts, DECOMPOSED_MAX,
                                                         UTF8PROC_DECOMPOSE, &last_class);
        for (utf8proc_ssize_t j = 0; j < count && j < DECOMPOSED_MAX; j++)
            if (!is_mark(parts[j]))
                ret->at[ret->count++] = parts[j];
    }
    return true;
}

static char *encode(const int32_t *points, size_t count, struct arena *arena)
{
    utf8proc_uint8_t *text = arena_alloc(arena, 4 * count + 1, 1), *at = text;
    for (size_t i = 0; text && i < count; i++)
        at += utf8proc_encode_char(points[i], at);
    return (char *)text;
}

/* Where the word that begins at `from` ends. */
static size_t word_end(const struct points *points, size_t from)
{
    size_t to = from + 1;
    if (is_punctuation(points->at[from]))
        return to;
    while (to < points->count && points->at[to] != ' ' && !is_punctuation(points->at[to]))
        to++;
    return to;
}

static bool cut(const struct points *points, struct arena *arena, struct words *ret, struct err *err)
{
    ret->count = 0;
    ret->texts = ARENA_ARRAY(arena, char *, points->count + 1);
    for (size_t from = 0, to; ret->texts && from < points->count; from = to) {
        to = from + 1;
        if (points->at[from] == ' ')
            continue;
        to = word_end(points, from);
        char *text = encode(points->at + from, to - from, arena);
        if (!text)
            return err_fail(err, ERR_NOMEM, "no memory for words");
        ret->texts[ret->count++] = text;
    }
    return ret->texts || err_fail(err, ERR_NOMEM, "no memory for words");
}

bool words_split(const char *text, bool do_lower_case, struct arena *arena, struct words *ret,
                 struct err *err)
{
    struct points raw = {0}, cleaned = {0}, folded = {0};
    if (!decode(text, arena, &raw, err) || !clean(&raw, arena, &cleaned, err))
        return false;
    if (!do_lower_case)
        return cut(&cleaned, arena, ret, err);
    return fold(&cleaned, arena, &folded, err) && cut(&folded, arena, ret, err);
}
