#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_all(int fd, const char *path, char *bytes, size_t size, struct err *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, bytes + done, size - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0)
            return err_fail(err, ERR_IO, "%s became shorter while it was read", path);
        else if (errno != EINTR)
            return err_errno(err, "read %s", path);
    }
    return true;
}

static char *read_descriptor(int fd, const char *path, size_t max_bytes, size_t *ret_size, struct err *err)
{
    struct stat status;
    if (fstat(fd, &status) < 0) {
        err_errno(err, "stat %s", path);
        return NULL;
    }
    if (!S_ISREG(status.st_mode) || (size_t)status.st_size > max_bytes) {
        err_fail(err, ERR_INPUT, "%s is not a file of at most %zu bytes", path, max_bytes);
        return NULL;
    }
    size_t size = (size_t)status.st_size;
    char *bytes = malloc(size + 1);
    if (!bytes) {
        err_fail(err, ERR_NOMEM, "no memory for the %zu bytes of %s", size, path);
        return NULL;
    }
    if (!read_all(fd, path, bytes, size, err)) {
        free(bytes);
        return NULL;
    }
    bytes[size] = '\0';
    if (ret_size)
        *ret_size = size;
    return bytes;
}

char *file_read(const char *path, size_t max_bytes, size_t *ret_size, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not make us wait */
    if (fd < 0) {
        err_errno(err, "open %s", path);
        return NULL;
    }
    char *bytes = read_descriptor(fd, path, max_bytes, ret_size, err);
    close(fd);
    return bytes;
}

bool file_make_folder(const char *path, struct err *err)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return err_fail(err, ERR_INPUT, "path too long");
    for (char *at = part; *at; at++) {
        if (*at != '/' || at == part)
            continue;
        *at = '\0';
        if (mkdir(part, 0750) < 0 && errno != EEXIST)
            return err_errno(err, "create folder %s", part);
        *at = '/';
    }
    struct stat status;
    if (mkdir(part, 0750) == 0 || (errno == EEXIST && stat(part, &status) == 0 && S_ISDIR(status.st_mode)))
        return true;
    return err_errno(err, "create folder %s", part);
}

bool file_write(int fd, const void *bytes, size_t size, struct err *err)
{
    for (const char *at = bytes; size > 0;) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, "write");
        at += n;
        size -= (size_t)n;
    }
    return true;
}

bool file_sync(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "open %s", path);
    bool ok = fsync(fd) == 0 || err_errno(err, "fsync %s", path);
    close(fd);
    return ok;
}

bool file_sync_folder_of(const char *path, struct err *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int length = slash == path ? 1 : slash ? (int)(slash - path) : 0;
    if (length >= (int)sizeof folder)
        return err_fail(err, ERR_INPUT, "path too long");
    snprintf(folder, sizeof folder, "%.*s", length ? length : 1, length ? path : ".");
    return file_sync(folder, err);
}

bool file_commit(const char *from, const char *to, struct err *err)
{
    if (!file_sync(from, err))
        return false;
    if (rename(from, to) < 0)
        return err_errno(err, "rename %s to %s", from, to);
    return file_sync_folder_of(to, err);
}

bool file_same(const struct stat *one, const struct stat *other)
{
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino && one->st_size == other->st_size &&
           one->st_mtim.tv_sec == other->st_mtim.tv_sec && one->st_mtim.tv_nsec == other->st_mtim.tv_nsec &&
           one->st_ctim.tv_sec == other->st_ctim.tv_sec && one->st_ctim.tv_nsec == other->st_ctim.tv_nsec;
}
