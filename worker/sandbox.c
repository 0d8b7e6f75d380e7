#include "sandbox.h"

#include "filter.h"
#include "landlock.h"
#include "threads.h"
#include "warm.h"

#include "pipeline/worker_process.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* An administrator who runs the command line as root may read files of others; nothing else is kept of root.
 */
static bool drop_capabilities(struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, sets) < 0)
        return err_errno(err, "ask for capabilities");
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        unsigned kept = i == CAP_TO_INDEX(CAP_DAC_READ_SEARCH) ? CAP_TO_MASK(CAP_DAC_READ_SEARCH) : 0;
        sets[i].permitted &= kept;
        sets[i].effective &= kept;
        sets[i].inheritable = 0;
    }
    return syscall(SYS_capset, &header, sets) == 0 || err_errno(err, "drop capabilities");
}

/* Nothing is written to files but the passed descriptor, if there is one. A log file as stderr keeps its
 * room: there a message is worth more than the limit. */
static bool limit_files(struct err *err)
{
    const struct rlimit none = {0, 0};
    struct stat status;
    bool writes = fcntl(WORKER_PASSED_FD, F_GETFD) >= 0 ||
                  (fstat(STDERR_FILENO, &status) == 0 && S_ISREG(status.st_mode));
    return writes || setrlimit(RLIMIT_FSIZE, &none) == 0 || err_errno(err, "limit files");
}

static bool forbid_processes(struct err *err)
{
    const struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_NPROC, &none) == 0 || err_errno(err, "limit processes");
}

bool sandbox_enter(struct sandbox *sandbox, struct err *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_errno(err, "give up new privileges");
    if (!limit_files(err) || !warm_libraries(err) || !drop_capabilities(err) ||
        !landlock_enter(sandbox->read_roots, sandbox->read_root_count, &sandbox->landlock_abi, err))
        return false;
    int count = warm_count(sandbox->threads, err);
    if (count < 1)
        return false;
    warm_threads(count);
    sandbox->pool = threads_start(count, err);
    return sandbox->pool && forbid_processes(err) && filter_close(sandbox->out, err);
}
