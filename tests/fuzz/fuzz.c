#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile unsigned touched;

void fuzz_must(bool holds, const char *promise)
{
    if (holds)
        return;
    fprintf(stderr, "broken promise: %s\n", promise);
    abort();
}

const char *fuzz_file(const uint8_t *bytes, size_t size)
{
    static int fd = -1;
    static char path[40];
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    fuzz_must(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, bytes, size, 0) == (ssize_t)size,
              "the machine gives a file in memory");
    return path;
}

char *fuzz_text(const uint8_t *bytes, size_t size)
{
    char *text = malloc(size + 1);
    fuzz_must(text, "the machine has memory");
    if (size)
        memcpy(text, bytes, size);
    text[size] = '\0';
    return text;
}

void fuzz_touch(const void *bytes, size_t size)
{
    unsigned sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += ((const unsigned char *)bytes)[i];
    touched += sum;
}

void fuzz_touch_text(const char *text, size_t room)
{
    size_t length = strnlen(text, room);
    fuzz_must(length < room, "a text ends within its room");
    fuzz_touch(text, length);
}

void fuzz_must_refuse(const struct err *err)
{
    fuzz_must(err->code != ERR_NONE, "a failure has a code");
    if (err->code == ERR_BUG || getenv("FUZZ_TELL"))
        fprintf(stderr, "refused (%s): %s\n", err_code_name(err->code), err->text);
    fuzz_must(err->code != ERR_BUG, "bytes from outside are no bug of ours");
    fuzz_touch_text(err->text, sizeof err->text);
    fuzz_touch_text(err->reason, sizeof err->reason);
    fuzz_must(strspn(err->reason, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(err->reason),
              "a reason is a stable word");
}
