#include "study/study_text.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static bool same(const char *text, const char *word, size_t length)
{
    size_t i = 0;
    while (i < length && tolower((unsigned char)text[i]) == word[i])
        i++;
    return i == length;
}

bool study_text_mentions(const char *text, const char *alternatives)
{
    while (*alternatives) {
        size_t length = strcspn(alternatives, "|");
        for (const char *at = text; length && *at; at++) {
            if (same(at, alternatives, length))
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
        if (size == length && same(value, alternatives, length))
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
