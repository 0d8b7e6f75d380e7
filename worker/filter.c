#include "filter.h"

#include "pipeline/worker_process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- calls allowed whatever their arguments ---- */

// clang-format off
static const int free_calls[] = {
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    /* names and attributes of files */
    SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(access),
    SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd),
    SCMP_SYS(fadvise64),
    /* memory; mmap and mprotect below */
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(mbind), /* OpenBLAS' buffers */
    /* threads that are there */
    SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(exit), SCMP_SYS(exit_group),
    /* signals to itself; tgkill below */
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    /* time, chance, size of the machine */
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(sysinfo), SCMP_SYS(uname),
    SCMP_SYS(getrusage),
#if WORKER_SANITIZED /* the leak check's twin process stops the threads and looks at them; UBSan tries memory by
                        writing it into a pipe */
    SCMP_SYS(ptrace), SCMP_SYS(wait4), SCMP_SYS(prctl), SCMP_SYS(getdents), SCMP_SYS(getdents64), SCMP_SYS(getppid),
    SCMP_SYS(dup), SCMP_SYS(sched_setaffinity), SCMP_SYS(process_vm_readv),
    SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(write),
#endif
};
// clang-format on

static int allow_free(scmp_filter_ctx filter)
{
    int failed = 0;
    for (size_t i = 0; failed == 0 && i < sizeof free_calls / sizeof *free_calls; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, free_calls[i], 0);
    return failed;
}

/* ---- calls allowed with some arguments only ---- */

static int allow_masked(scmp_filter_ctx filter, int call, unsigned argument, scmp_datum_t mask,
                        scmp_datum_t value)
{
    struct scmp_arg_cmp compare = SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, value);
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &compare);
}

static int allow_equal(scmp_filter_ctx filter, int call, unsigned argument, scmp_datum_t value)
{
    struct scmp_arg_cmp compare = SCMP_CMP(argument, SCMP_CMP_EQ, value);
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &compare);
}

static int allow_reading(scmp_filter_ctx filter)
{
    const scmp_datum_t changing = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY);
    int failed = allow_masked(filter, SCMP_SYS(openat), 2, changing, O_RDONLY);
    return failed ? failed : allow_masked(filter, SCMP_SYS(open), 1, changing, O_RDONLY);
}

static int allow_writing(scmp_filter_ctx filter, int out)
{
    static const int calls[] = {SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(pwrite64), SCMP_SYS(ftruncate)};
    const int fds[] = {STDOUT_FILENO, STDERR_FILENO, WORKER_PASSED_FD, out};
    int failed = 0;
    for (size_t i = WORKER_SANITIZED; i < sizeof calls / sizeof *calls; i++) /* write is free then */
        for (size_t k = 0; failed == 0 && k < sizeof fds / sizeof *fds; k++)
            failed = allow_equal(filter, calls[i], 0, (scmp_datum_t)fds[k]);
    return failed;
}

static int allow_memory(scmp_filter_ctx filter)
{
    int failed = allow_masked(filter, SCMP_SYS(mmap), 2, PROT_EXEC, 0);
    return failed ? failed : allow_masked(filter, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
}

/* What the C library asks of descriptors, of itself, and of the limits it runs under. */
static int allow_questions(scmp_filter_ctx filter)
{
    static const int of_fd[] = {F_GETFD, F_SETFD, F_GETFL};
    int failed = allow_equal(filter, SCMP_SYS(tgkill), 0, (scmp_datum_t)getpid());
    for (size_t i = 0; failed == 0 && i < sizeof of_fd / sizeof *of_fd; i++)
        failed = allow_equal(filter, SCMP_SYS(fcntl), 1, (scmp_datum_t)of_fd[i]);
    const struct scmp_arg_cmp turn[] = {SCMP_CMP(0, SCMP_CMP_EQ, WORKER_TURN_FD),
                                        SCMP_CMP(1, SCMP_CMP_EQ, F_SETLK)};
    if (failed == 0)
        failed = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 2, turn);
    if (failed == 0)
        failed = allow_equal(filter, SCMP_SYS(ioctl), 1, TCGETS);
#if WORKER_SANITIZED /* the twin shares its memory, so this is no fork */
    if (failed == 0)
        failed = allow_masked(filter, SCMP_SYS(clone), 0, CLONE_VM, CLONE_VM);
#endif
    return failed ? failed : allow_equal(filter, SCMP_SYS(prlimit64), 2, 0);
}

static int close_filter(scmp_filter_ctx filter, int out)
{
    int failed = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (failed == 0)
        failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (failed == 0)
        failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a chain */
    if (failed == 0)
        failed = allow_free(filter);
    if (failed == 0)
        failed = allow_reading(filter);
    if (failed == 0)
        failed = allow_writing(filter, out);
    if (failed == 0)
        failed = allow_memory(filter);
    if (failed == 0)
        failed = allow_questions(filter);
    return failed ? failed : seccomp_load(filter);
}

bool filter_close(int out, struct err *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!filter)
        return err_fail(err, ERR_NOMEM, "no memory for the filter of system calls");
    int failed = close_filter(filter, out);
    seccomp_release(filter);
    errno = -failed;
    return failed == 0 || err_errno(err, "close the filter of system calls");
}
