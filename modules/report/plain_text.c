#include "report/plain_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static int sequence_length(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first <= 0xDF)
        return 2;
    if (first >= 0xE0 && first <= 0xEF)
        return 3;
    return first >= 0xF0 && first <= 0xF4 ? 4 : 0;
}

/* Overlong forms, surrogates and values above U+10FFFF show in the second byte. */
static bool second_fits(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xE0:
        return second >= 0xA0;
    case 0xED:
        return second <= 0x9F;
    case 0xF0:
        return second >= 0x90;
    case 0xF4:
        return second <= 0x8F;
    default:
        return true;
    }
}

/* Bytes of the character at `at`, 0 when it is no UTF-8. Never looks past the NUL. */
static int character_length(const unsigned char *at)
{
    int length = sequence_length(at[0]);
    for (int i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80 || (i == 1 && !second_fits(at[0], at[1])))
            return 0;
    }
    return length;
}

static bool is_control(const unsigned char *at, int length)
{
    if (length == 1)
        return (at[0] < 0x20 && at[0] != '\n') || at[0] == 0x7F;
    return length == 2 && at[0] == 0xC2 && at[1] < 0xA0;
}

void plain_text_copy(char *out, size_t size, const char *text)
{
    size_t used = 0;
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        int length = character_length(at);
        const char *put = length ? (const char *)at : "\xEF\xBF\xBD";
        size_t put_length = length ? (size_t)length : 3;
        if (length && is_control(at, length)) {
            put = " ";
            put_length = 1;
        }
        if (used + put_length + 1 > size)
            break;
        memcpy(out + used, put, put_length);
        used += put_length;
        at += length ? length : 1;
    }
    if (size)
        out[used] = '\0';
}

char *plain_text(struct arena *arena, const char *text, size_t max_bytes)
{
    size_t room = strlen(text);
    room = room > SIZE_MAX / 4 ? SIZE_MAX / 4 : room * 3;
    room = (room < max_bytes ? room : max_bytes) + 1;
    char *copy = arena_alloc(arena, room, 1);
    if (copy)
        plain_text_copy(copy, room, text);
    return copy;
}
