#include "study/study_expected.h"

#include <string.h>
#include <strings.h>

/* One part between commas, without the blanks around it. */
struct part {
    const char *text;
    size_t length;
};

static bool next_part(const char **at, struct part *ret)
{
    if (!**at)
        return false;
    size_t length = strcspn(*at, ",");
    *ret = (struct part){*at, length};
    *at += length + ((*at)[length] == ',');
    for (; ret->length && *ret->text == ' '; ret->length--)
        ret->text++;
    while (ret->length && ret->text[ret->length - 1] == ' ')
        ret->length--;
    return true;
}

/* Words that are empty are none. */
static bool has_word(const char *text, const char *words, size_t length)
{
    const char *end = words + length;
    while (words < end) {
        size_t run = strcspn(words, "|");
        if (run > (size_t)(end - words))
            run = (size_t)(end - words);
        for (const char *at = text; run && *at; at++)
            if (strncasecmp(at, words, run) == 0)
                return true;
        words += run + 1;
    }
    return false;
}

bool study_has_word(const char *text, const char *words)
{
    return has_word(text, words, strlen(words));
}

static bool part_came(struct part part, const struct study_came *came)
{
    for (int i = 0; i < came->series; i++)
        if (has_word(came->descriptions[i], part.text, part.length))
            return true;
    return false;
}

bool study_expected_valid(const char *required)
{
    struct part part;
    while (next_part(&required, &part))
        if (strspn(part.text, "| ") >= part.length)
            return false;
    return true;
}

struct number {
    int expected, came;
    const char *what;
};
enum { NUMBERS = 4 };

static void list_numbers(const struct study_expected *expected, const struct study_came *came,
                         struct number ret[NUMBERS])
{
    ret[0] = (struct number){expected->series, came->series, "series of CT or MR images"};
    ret[1] = (struct number){expected->images, came->images, "CT or MR images"};
    ret[2] =
        (struct number){expected->all_series, came->all_series, "series of any kind, as the objects say"};
    ret[3] =
        (struct number){expected->all_objects, came->all_objects, "objects of any kind, as the objects say"};
}

bool study_expects_anything(const struct study_expected *expected)
{
    return *expected->required || expected->series > 0 || expected->images > 0 || expected->all_series > 0 ||
           expected->all_objects > 0;
}

bool study_expected_came(const struct study_expected *expected, const struct study_came *came)
{
    struct number numbers[NUMBERS];
    struct part part;
    list_numbers(expected, came, numbers);
    for (int i = 0; i < NUMBERS; i++)
        if (numbers[i].came < numbers[i].expected)
            return false;
    for (const char *at = expected->required; next_part(&at, &part);)
        if (!part_came(part, came))
            return false;
    return true;
}

const char *study_expected_words(const struct study_expected *expected, const struct study_came *came,
                                 struct arena *arena)
{
    struct number numbers[NUMBERS];
    struct part part;
    const char *words = "";
    list_numbers(expected, came, numbers);
    for (const char *at = expected->required; words && next_part(&at, &part);)
        words = arena_printf(arena, "%s%sa series with %.*s (%s)", words, *words ? "; " : "",
                             (int)part.length, part.text, part_came(part, came) ? "came" : "missing");
    for (int i = 0; words && i < NUMBERS; i++)
        if (numbers[i].expected > 0)
            words = arena_printf(arena, "%s%s%d %s (%d came)", words, *words ? "; " : "", numbers[i].expected,
                                 numbers[i].what, numbers[i].came);
    return words;
}
