#include "base/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U /* source: linux/memfd.h, since 6.3 */
#endif

enum { ALIGNMENT = 64, SEAL_TRIES = 100, SEAL_PAUSE_MS = 10 };

static const char magic[16] = "cardioshelf 1\n";

/* At the start of the file; the magic is written last. */
struct head {
    char magic[sizeof magic];
    char key[DIGEST_HEX_SIZE];
    uint64_t bytes; /* of the file */
};

enum { HEAD_BYTES = (sizeof(struct head) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT };

struct shelf {
    uint8_t *map;
    size_t map_bytes, at;
    bool full, finished;
    char key[DIGEST_HEX_SIZE];
};

static bool sound(const struct head *head)
{
    return memcmp(head->magic, magic, sizeof magic) == 0 && head->bytes >= HEAD_BYTES &&
           head->bytes <= SHELF_MOST_BYTES && head->bytes % ALIGNMENT == 0;
}

/* ---- the owner ---- */

int shelf_make(struct err *err)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create("cardioscribe-shelf", flags | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) /* a kernel before 6.3 */
        fd = memfd_create("cardioscribe-shelf", flags);
    if (fd >= 0 && ftruncate(fd, (off_t)SHELF_MOST_BYTES) == 0)
        return fd;
    err_errno(err, "make a file in memory");
    if (fd >= 0)
        close(fd);
    return -1;
}

/* A mapping may outlast its process for a moment, when somebody was just looking at it through /proc. */
static bool add_seals(int fd)
{
    for (int tries = 0; tries < SEAL_TRIES; tries++) {
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
            return true;
        if (errno != EBUSY)
            return false;
        poll(NULL, 0, SEAL_PAUSE_MS);
    }
    return false;
}

static int open_for_reading(int fd)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

int shelf_seal(int fd, uint64_t *ret_bytes, struct err *err)
{
    struct head head;
    int sealed = -1;
    if (pread(fd, &head, sizeof head, 0) != sizeof head || !sound(&head))
        err_fail(err, ERR_INPUT, "the file in memory was not filled to its end");
    else if (ftruncate(fd, (off_t)head.bytes) < 0 || !add_seals(fd) || (sealed = open_for_reading(fd)) < 0)
        err_errno(err, "seal a file in memory");
    else
        *ret_bytes = head.bytes;
    close(fd);
    return sealed;
}

/* ---- who fills it, and who takes from it ---- */

static struct shelf *map_file(int fd, int protection, size_t bytes, const char key[DIGEST_HEX_SIZE])
{
    struct shelf *shelf = calloc(1, sizeof *shelf);
    if (!shelf)
        return NULL;
    void *map = mmap(NULL, bytes, protection, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (map == MAP_FAILED) {
        free(shelf);
        return NULL;
    }
    *shelf = (struct shelf){.map = map, .map_bytes = bytes, .at = HEAD_BYTES};
    snprintf(shelf->key, sizeof shelf->key, "%s", key);
    return shelf;
}

struct shelf *shelf_fill(int fd, const char key[DIGEST_HEX_SIZE])
{
    struct stat status;
    if (fstat(fd, &status) < 0 || (uint64_t)status.st_size != SHELF_MOST_BYTES)
        return NULL;
    struct shelf *shelf = map_file(fd, PROT_READ | PROT_WRITE, SHELF_MOST_BYTES, key);
    if (shelf)
        memset(shelf->map, 0, HEAD_BYTES); /* of one who did not finish */
    return shelf;
}

struct shelf *shelf_take(int fd, const char key[DIGEST_HEX_SIZE])
{
    struct stat status;
    if (fstat(fd, &status) < 0 || status.st_size < HEAD_BYTES || (uint64_t)status.st_size > SHELF_MOST_BYTES)
        return NULL;
    struct shelf *shelf = map_file(fd, PROT_READ, (size_t)status.st_size, key);
    if (!shelf)
        return NULL;
    const struct head *head = (const struct head *)(const void *)shelf->map;
    shelf->full = sound(head) && head->bytes == shelf->map_bytes &&
                  memcmp(head->key, shelf->key, sizeof head->key) == 0;
    if (shelf->full)
        return shelf;
    shelf_close(shelf);
    return NULL;
}

bool shelf_is_full(const struct shelf *shelf)
{
    return shelf && shelf->full;
}

void *shelf_next(struct shelf *shelf, size_t bytes)
{
    if (bytes > shelf->map_bytes - shelf->at)
        return NULL;
    void *piece = shelf->map + shelf->at;
    shelf->at += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; /* as the file's own end is */
    return piece;
}

bool shelf_finish(struct shelf *shelf, struct err *err)
{
    struct head *head = (struct head *)(void *)shelf->map;
    if (shelf->full && shelf->at != shelf->map_bytes)
        return err_fail(err, ERR_BUG, "%zu bytes of what was packed before were taken, of %zu", shelf->at,
                        shelf->map_bytes);
    shelf->finished = true;
    if (shelf->full)
        return true;
    memcpy(head->key, shelf->key, sizeof head->key);
    head->bytes = shelf->at;
    memcpy(head->magic, magic, sizeof magic);
    return true;
}

uint64_t shelf_bytes(const struct shelf *shelf)
{
    return shelf && shelf->finished ? shelf->at : 0;
}

void shelf_close(struct shelf *shelf)
{
    if (!shelf)
        return;
    munmap(shelf->map, shelf->map_bytes);
    free(shelf);
}
