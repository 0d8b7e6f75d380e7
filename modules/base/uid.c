#include "base/uid.h"

#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

static void from_uuid(const uuid_t uuid, char uid[UID_SIZE])
{
    __extension__ unsigned __int128 value = 0;
    for (int i = 0; i < 16; i++)
        value = value << 8 | uuid[i];
    char digits[40];
    int at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value);
    snprintf(uid, UID_SIZE, "2.25.%s", digits + at);
}

void uid_new(char uid[UID_SIZE])
{
    uuid_t uuid;
    uuid_generate_random(uuid);
    from_uuid(uuid, uid);
}

void uid_named(const char *name, char uid[UID_SIZE])
{
    static const uuid_t space = {0x6f, 0x0e, 0x2c, 0x8a, 0x41, 0xd5, 0x4e, 0x39,
                                 0x9b, 0x7d, 0x51, 0xc3, 0x0a, 0x88, 0xe2, 0x17};
    uuid_t uuid;
    uuid_generate_sha1(uuid, space, name, strlen(name));
    from_uuid(uuid, uid);
}

bool uid_valid(const char *uid)
{
    size_t length = strlen(uid);
    if (length == 0 || length >= UID_SIZE || strspn(uid, "0123456789.") != length)
        return false;
    return *uid != '.' && uid[length - 1] != '.' && !strstr(uid, "..");
}

bool uid_conformant(const char *uid)
{
    if (!uid_valid(uid))
        return false;
    for (const char *at = uid; at; at = strchr(at, '.') ? strchr(at, '.') + 1 : NULL)
        if (at[0] == '0' && at[1] && at[1] != '.')
            return false;
    return true;
}
