#include "study/study_text.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

enum kind { KIND_NONE, KIND_DIGIT, KIND_LETTER };

static enum kind kind_of(char c)
{
    if (isdigit((unsigned char)c))
        return KIND_DIGIT;
    return isalpha((unsigned char)c) || (unsigned char)c >= 0x80 ? KIND_LETTER : KIND_NONE;
}

static bool parts(char before, char after)
{
    return kind_of(before) == KIND_NONE || kind_of(before) != kind_of(after) ||
           (islower((unsigned char)before) && isupper((unsigned char)after));
}

/* What a blank within a word skips: up to what the word goes on with. */
static const char *skip(const char *at, const char *end, char next)
{
    while (at < end && *at != next && !isalnum((unsigned char)*at))
        at++;
    return at;
}

/* Where `word` ends in the text from `text` to `end` when it begins at `at`; NULL: it does not. */
static const char *match(const char *text, const char *at, const char *end, const char *word, size_t length)
{
    const char *last = word + length;
    if (*word == ' ' && at > text && at < end && !parts(at[-1], *at))
        return NULL;
    for (word += *word == ' '; word < last; word++) {
        if (*word == ' ' && word + 1 < last)
            at = skip(at, end, word[1]);
        else if (*word == ' ' && at > text && at < end && !parts(at[-1], *at))
            return NULL;
        else if (*word != ' ' && (at == end || tolower((unsigned char)*at++) != *word))
            return NULL;
    }
    return at;
}

bool study_text_mentions(const char *text, const char *alternatives)
{
    const char *end = text + strlen(text);
    while (*alternatives) {
        size_t length = strcspn(alternatives, "|");
        for (const char *at = text; length && at < end; at++) {
            if (match(text, at, end, alternatives, length))
                return true;
        }
        alternatives += length + (alternatives[length] == '|');
    }
    return false;
}

static bool is_one(const char *value, size_t size, const char *alternatives)
{
    while (*alternatives) {
        size_t length = strcspn(alternatives, "|");
        if (length && match(value, value, value + size, alternatives, length) == value + size)
            return true;
        alternatives += length + (alternatives[length] == '|');
    }
    return false;
}

bool study_text_has(const char *list, int index, const char *alternatives)
{
    for (int i = 1; *list; i++) {
        size_t size = strcspn(list, "\\");
        if ((index == 0 || index == i) && size > 0 && is_one(list, size, alternatives))
            return true;
        list += size + (list[size] == '\\');
    }
    return false;
}
