#include "base/turn.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 2 };

int turn_make(struct err *err)
{
    int fd = memfd_create("cardioscribe-turn", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    err_errno(err, "make a file in memory");
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool lock(int fd, short type)
{
    struct flock whole = {.l_type = type, .l_whence = SEEK_SET};
    return fcntl(fd, F_SETLK, &whole) == 0;
}

bool turn_take(int fd, int most_s)
{
    const struct timespec pause = {0, LOOK_MS * 1000000L};
    int64_t until_ms = clock_monotonic_ms() + (most_s < TURN_MOST_S ? most_s : TURN_MOST_S) * 1000LL;
    while (fd > 0) {
        if (lock(fd, F_WRLCK))
            return true;
        if ((errno != EAGAIN && errno != EACCES) || clock_monotonic_ms() >= until_ms)
            break;
        nanosleep(&pause, NULL);
    }
    return false;
}

void turn_give(int fd)
{
    if (fd > 0)
        lock(fd, F_UNLCK);
}
