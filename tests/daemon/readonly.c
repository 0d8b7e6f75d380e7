/* Preloaded into a process: while the file named by READONLY_WHILE exists, files below the folder
 * READONLY_BELOW cannot be opened for writing nor written, as on a file system that the kernel has made
 * read-only after an error; or, with READONLY_SYNCS, all goes well until it is to be on the disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int below_closed(const char *path)
{
    const char *below = getenv("READONLY_BELOW"), *flag = getenv("READONLY_WHILE");
    return below && flag && path && strncmp(path, below, strlen(below)) == 0 && access(flag, F_OK) == 0;
}

static int closed(const char *path)
{
    return !getenv("READONLY_SYNCS") && below_closed(path);
}

static int is_fd(int fd, int (*is)(const char *path))
{
    char name[40], path[PATH_MAX];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(name, path, sizeof path - 1);
    if (size < 0)
        return 0;
    path[size] = '\0';
    return is(path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define REFUSE     return (errno = EROFS, -1)

#define OPEN(name)                                                                                           \
    int name(const char *path, int flags, ...)                                                               \
    {                                                                                                        \
        va_list ap;                                                                                          \
        va_start(ap, flags);                                                                                 \
        int mode = flags & O_CREAT ? va_arg(ap, int) : 0;                                                    \
        va_end(ap);                                                                                          \
        if ((flags & (O_WRONLY | O_RDWR | O_CREAT)) && closed(path))                                         \
            REFUSE;                                                                                          \
        return NEXT(name)(path, flags, mode);                                                                \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *bytes, size_t size)
{
    if (is_fd(fd, closed))
        REFUSE;
    return NEXT(write)(fd, bytes, size);
}

#define PWRITE(name, offset_type)                                                                            \
    ssize_t name(int fd, const void *bytes, size_t size, offset_type offset)                                 \
    {                                                                                                        \
        if (is_fd(fd, closed))                                                                               \
            REFUSE;                                                                                          \
        return NEXT(name)(fd, bytes, size, offset);                                                          \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

int rename(const char *from, const char *to)
{
    if (closed(to))
        REFUSE;
    return NEXT(rename)(from, to);
}

#define SYNC(name)                                                                                           \
    int name(int fd)                                                                                         \
    {                                                                                                        \
        if (is_fd(fd, below_closed))                                                                         \
            return (errno = EIO, -1);                                                                        \
        return NEXT(name)(fd);                                                                               \
    }
SYNC(fsync)
SYNC(fdatasync)
