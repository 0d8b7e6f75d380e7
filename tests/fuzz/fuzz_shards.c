/* A folder of sharded weights. bytes: its index up to a NUL, then the files "a.safetensors" and
 * "b.safetensors": two bytes of length (little endian), so many bytes, and the rest. */
#include "fuzz.h"
#include "tensor/safetensors.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/fuzz_shardsXXXXXX";
static const char *const names[] = {SAFETENSORS_INDEX_NAME, "a.safetensors", "b.safetensors"};
static int fds[3];

static void sweep(void)
{
    char path[200];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static void make_folder(void)
{
    char path[200];
    fuzz_must(mkdtemp(folder), "the machine gives a folder");
    atexit(sweep);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        fds[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    }
}

static void write_part(int part, const uint8_t *bytes, size_t size)
{
    fuzz_must(ftruncate(fds[part], 0) == 0 && pwrite(fds[part], bytes, size, 0) == (ssize_t)size,
              "the machine gives files");
}

static void write_parts(const uint8_t *bytes, size_t size)
{
    const uint8_t *nul = memchr(bytes, '\0', size), *end = bytes + size;
    const uint8_t *at = nul ? nul + 1 : end;
    size_t first = end - at >= 2 ? (size_t)at[0] | (size_t)at[1] << 8 : 0;
    at += end - at >= 2 ? 2 : end - at;
    first = first < (size_t)(end - at) ? first : (size_t)(end - at);
    write_part(0, bytes, nul ? (size_t)(nul - bytes) : size);
    write_part(1, at, first);
    write_part(2, at + first, (size_t)(end - at) - first);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static bool made;
    struct err err = ERR_INIT;
    char hex[DIGEST_HEX_SIZE];
    if (!made)
        make_folder();
    made = true;
    write_parts(bytes, size);
    struct safetensors *file = safetensors_open_folder(folder, &err);
    if (!file) {
        fuzz_must_refuse(&err);
        return 0;
    }
    for (int i = 0; i < safetensors_count(file); i++) {
        const struct tensor *tensor = safetensors_at(file, i);
        fuzz_must(safetensors_find(file, tensor->name) == tensor, "a tensor is found by its name");
        fuzz_must(i == 0 || strcmp(safetensors_at(file, i - 1)->name, tensor->name) < 0,
                  "tensors are in order of name, none twice");
        fuzz_touch(tensor->data, tensor->bytes);
    }
    safetensors_digest(file, hex);
    fuzz_touch_text(hex, sizeof hex);
    safetensors_close(file);
    return 0;
}
