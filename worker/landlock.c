#include "landlock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The interface as of its version 6. Debian 12's header stops at 2, so it is spelled out here. */
struct ruleset {
    uint64_t files, net, scopes;
};

struct beneath {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

enum { CREATE_VERSION = 1, RULE_BENEATH = 1 };
#define READ_FILE   (1ULL << 2)
#define READ_FOLDER (1ULL << 3)
#define EVERY_SCOPE 3ULL /* abstract sockets, signals */
#define EVERY_TCP   3ULL /* bind, connect */

static uint64_t file_rights(int abi)
{
    static const int bits[] = {0, 13, 14, 15, 15, 16}; /* rights 0 to bits - 1 are known to each version */
    int known = abi > 5 ? 5 : abi;
    return (1ULL << bits[known]) - 1;
}

static int make_ruleset(int abi)
{
    struct ruleset ruleset = {
        .files = file_rights(abi), .net = abi >= 4 ? EVERY_TCP : 0, .scopes = abi >= 6 ? EVERY_SCOPE : 0};
    return (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof ruleset, 0);
}

/* At the descriptor of a file or folder; takes it. */
static bool allow_fd(int ruleset, int fd, uint64_t allowed, const char *name, struct err *err)
{
    struct beneath rule = {.allowed = allowed, .parent_fd = fd};
    bool ok = syscall(SYS_landlock_add_rule, ruleset, RULE_BENEATH, &rule, 0) == 0;
    if (!ok)
        err_errno(err, "allow reading %s", name);
    close(fd);
    return ok;
}

static bool allow(int ruleset, int folder, const char *name, struct err *err)
{
    int fd = openat(folder, name, O_PATH | O_CLOEXEC);
    return fd < 0 || allow_fd(ruleset, fd, READ_FILE, name, err);
}

/* The leak check lists threads and reads maps. */
static bool allow_sanitizer(int ruleset, struct err *err)
{
    int fd = open("/proc/self", O_PATH | O_CLOEXEC);
    return fd < 0 || allow_fd(ruleset, fd, READ_FILE | READ_FOLDER, "/proc/self", err);
}

/* Model folders of the Hugging Face cache are folders of links. */
static bool allow_links(int ruleset, const char *root, struct err *err)
{
    DIR *folder = opendir(root);
    bool ok = true;
    for (struct dirent *entry; folder && ok && (entry = readdir(folder));) {
        struct stat status;
        if (fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISLNK(status.st_mode))
            ok = allow(ruleset, dirfd(folder), entry->d_name, err);
    }
    if (folder)
        closedir(folder);
    return ok;
}

static bool enter(int ruleset, const char *const *roots, int count, struct err *err)
{
    for (int i = 0; i < count; i++) {
        if (!allow(ruleset, AT_FDCWD, roots[i], err) || !allow_links(ruleset, roots[i], err))
            return false;
    }
    if (WORKER_SANITIZED && !allow_sanitizer(ruleset, err))
        return false;
    return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ||
           err_errno(err, "restrict what can be read");
}

bool landlock_enter(const char *const *roots, int count, int *ret_abi, struct err *err)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
    if (abi < 1) { /* not built in, or not started with the kernel */
        *ret_abi = 0;
        return errno == ENOSYS || errno == EOPNOTSUPP || err_errno(err, "ask for Landlock");
    }
    int ruleset = make_ruleset((int)abi);
    if (ruleset < 0)
        return err_errno(err, "create a Landlock ruleset");
    bool ok = enter(ruleset, roots, count, err);
    close(ruleset);
    if (ok)
        *ret_abi = (int)abi;
    return ok;
}
