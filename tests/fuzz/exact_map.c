/* mmap of a whole file, for fuzzing: a block of exact size in place of pages, so that a sanitizer sees one
 * byte too many. In place by the linker's --wrap. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__real_mmap64(void *at, size_t size, int access, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);
void *__wrap_mmap64(void *at, size_t size, int access, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t size);

static void *mapped[4]; /* as many at a time as the targets need */

static void **slot_of(const void *block)
{
    for (int i = 0; i < 4; i++)
        if (mapped[i] == block)
            return &mapped[i];
    return NULL;
}

void *__wrap_mmap64(void *at, size_t size, int access, int flags, int fd, off_t offset)
{
    void **slot = slot_of(NULL);
    if (fd < 0 || access != PROT_READ || !slot)
        return __real_mmap64(at, size, access, flags, fd, offset);
    void *block = malloc(size);
    if (block && pread(fd, block, size, offset) == (ssize_t)size)
        return *slot = block;
    free(block);
    return MAP_FAILED;
}

int __wrap_munmap(void *at, size_t size)
{
    void **slot = at ? slot_of(at) : NULL;
    if (!slot)
        return __real_munmap(at, size);
    free(at);
    *slot = NULL;
    return 0;
}
