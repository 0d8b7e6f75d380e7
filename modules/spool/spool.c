#include "spool/spool.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/uid.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct spool {
    char folder[PATH_MAX / 2];
    int lock_fd;
};

enum { ROOMS = 3 };
static const char *const rooms[ROOMS] = {"incoming", "objects", "reports"};

static bool make_folders(const struct spool *spool, struct err *err)
{
    char path[PATH_MAX];
    for (int i = 0; i < ROOMS; i++) {
        spool_path(spool, rooms[i], path);
        if (!file_make_folder(path, err))
            return false;
    }
    for (int i = 0; i < 256; i++) {
        snprintf(path, sizeof path, "%s/objects/%02x", spool->folder, (unsigned)i);
        if (mkdir(path, 0750) < 0 && errno != EEXIST)
            return err_errno(err, "create folder %s", path);
    }
    spool_path(spool, "objects", path);
    return file_sync(path, err) && file_sync(spool->folder, err);
}

static bool take_lock(struct spool *spool, struct err *err)
{
    char path[PATH_MAX];
    spool_path(spool, "lock", path);
    spool->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (spool->lock_fd < 0)
        return err_errno(err, "open %s", path);
    if (flock(spool->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno == EWOULDBLOCK)
        return err_fail(err, ERR_BUSY, "another process uses the state folder %s", spool->folder);
    return err_errno(err, "lock %s", path);
}

struct spool *spool_open(const char *folder, struct err *err)
{
    struct spool *spool = calloc(1, sizeof *spool);
    if (!spool) {
        err_fail(err, ERR_NOMEM, "no memory for the spool");
        return NULL;
    }
    spool->lock_fd = -1;
    bool fits = snprintf(spool->folder, sizeof spool->folder, "%s", folder) < (int)sizeof spool->folder;
    if (!fits)
        err_fail(err, ERR_INPUT, "state folder's path too long");
    if (fits && file_make_folder(folder, err) && take_lock(spool, err) && make_folders(spool, err))
        return spool;
    spool_close(spool);
    return NULL;
}

void spool_close(struct spool *spool)
{
    if (!spool)
        return;
    if (spool->lock_fd >= 0)
        close(spool->lock_fd);
    free(spool);
}

void spool_path(const struct spool *spool, const char *relative, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s", spool->folder, relative);
}

void spool_incoming(struct spool *spool, char path[PATH_MAX])
{
    char uid[UID_SIZE];
    uid_new(uid);
    snprintf(path, PATH_MAX, "%s/incoming/%s.part", spool->folder, uid);
}

void spool_object_path(const char *key, char relative[SPOOL_RELATIVE_SIZE])
{
    snprintf(relative, SPOOL_RELATIVE_SIZE, "objects/%.2s/%.64s.dcm", key, key);
}

void spool_report_path(const char *sop_uid, char relative[SPOOL_RELATIVE_SIZE])
{
    char key[DIGEST_HEX_SIZE];
    digest_bytes(sop_uid, strlen(sop_uid), key);
    snprintf(relative, SPOOL_RELATIVE_SIZE, "reports/%.64s.dcm", key);
}

bool spool_commit(struct spool *spool, const char *incoming, const char *relative, struct err *err)
{
    char path[PATH_MAX];
    spool_path(spool, relative, path);
    return file_commit(incoming, path, err);
}

bool spool_set_aside(struct spool *spool, const char *relative, char aside[PATH_MAX], struct err *err)
{
    char path[PATH_MAX];
    spool_path(spool, relative, path);
    spool_incoming(spool, aside);
    if (rename(path, aside) == 0)
        return true;
    aside[0] = '\0';
    return errno == ENOENT || err_errno(err, "set aside %s", relative);
}

void spool_discard(const char *path)
{
    unlink(path);
}

/* A name with a dot in front is none of ours to each_name. */
bool spool_probe(const struct spool *spool, struct err *err)
{
    char path[PATH_MAX];
    for (int i = 0; i < ROOMS; i++) {
        snprintf(path, sizeof path, "%s/%s/.probe", spool->folder, rooms[i]);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
        if (fd < 0)
            return err_errno(err, "make a file in %s", rooms[i]);
        close(fd);
        unlink(path);
    }
    return true;
}

bool spool_free_bytes(const struct spool *spool, uint64_t *ret, struct err *err)
{
    struct statvfs status;
    if (statvfs(spool->folder, &status) < 0)
        return err_errno(err, "free space of %s", spool->folder);
    *ret = (uint64_t)status.f_bavail * status.f_frsize;
    return true;
}

typedef bool (*visit_name)(void *context, const char *folder, const char *name, struct err *err);

static bool each_name(const char *folder, visit_name visit, void *context, struct err *err)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return err_errno(err, "open folder %s", folder);
    bool ok = true;
    struct dirent *entry;
    while (ok && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            ok = visit(context, folder, entry->d_name, err);
    closedir(dir);
    return ok;
}

static bool sweep_name(void *context, const char *folder, const char *name, struct err *err)
{
    char path[PATH_MAX];
    int *count = context;
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return err_fail(err, ERR_IO, "path too long in %s", folder);
    if (unlink(path) < 0)
        return err_errno(err, "remove %s", path);
    ++*count;
    return true;
}

bool spool_sweep(struct spool *spool, int *ret_count, struct err *err)
{
    char path[PATH_MAX];
    spool_path(spool, "incoming", path);
    *ret_count = 0;
    return each_name(path, sweep_name, ret_count, err);
}

struct walk {
    size_t prefix;
    spool_visit visit;
    void *context;
};

static bool walk_name(void *context, const char *folder, const char *name, struct err *err)
{
    const struct walk *walk = context;
    char relative[SPOOL_RELATIVE_SIZE];
    if (snprintf(relative, sizeof relative, "%s/%s", folder + walk->prefix, name) >= (int)sizeof relative)
        return true; /* no name of ours */
    return walk->visit(walk->context, relative, err);
}

bool spool_walk(struct spool *spool, spool_visit visit, void *context, struct err *err)
{
    struct walk walk = {strlen(spool->folder) + 1, visit, context};
    char path[PATH_MAX];
    for (int i = 0; i < 256; i++) {
        snprintf(path, sizeof path, "%s/objects/%02x", spool->folder, (unsigned)i);
        if (!each_name(path, walk_name, &walk, err))
            return false;
    }
    spool_path(spool, "reports", path);
    return each_name(path, walk_name, &walk, err);
}
