#include "pipeline/worker_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Shadow memory counts as data and is terabytes. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHADOWED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SHADOWED 1
#endif
#endif
#ifndef SHADOWED
#define SHADOWED 0
#endif

/* ---- everything the child needs, made before the fork: after it only async-signal-safe calls ---- */

enum { MAX_VARIABLES = 8, VARIABLE_SIZE = 4096, MAX_DESCRIPTORS = 64 };

struct launch {
    char path[PATH_MAX];
    char variables[MAX_VARIABLES][VARIABLE_SIZE];
    char *environment[MAX_VARIABLES + 1];
    int variable_count;
    char threads[16];
    char **arguments; /* borrowed texts */
    struct rlimit data_limit;
    int socket, pass_fd, turn_fd, failure_fd;
    int shelf_fds[WORKER_SHELVES_MOST]; /* 0: none */
    pid_t parent;
};

static bool set_variable(struct launch *launch, const char *name, const char *value, struct err *err)
{
    char *text = launch->variables[launch->variable_count];
    if (!value)
        return true;
    if (snprintf(text, VARIABLE_SIZE, "%s=%s", name, value) >= VARIABLE_SIZE)
        return err_fail(err, ERR_INPUT, "environment variable %s is too long for the worker", name);
    launch->environment[launch->variable_count++] = text;
    return true;
}

/* OpenBLAS must not start threads before the worker is ready for them: it does so itself. */
static bool set_environment(struct launch *launch, const char *isa, struct err *err)
{
    static const char *const kept[] = {"PATH", "LANG", "DCMDICTPATH", "CARDIOSCRIBE_WORKER_FAULT"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (!set_variable(launch, kept[i], getenv(kept[i]), err))
            return false;
    }
    const char *kernels = !isa                           ? NULL
                          : strcmp(isa, "avx2") == 0     ? "Haswell"
                          : strcmp(isa, "baseline") == 0 ? "Nehalem"
                                                         : NULL;
    return set_variable(launch, "OPENBLAS_NUM_THREADS", "1", err) &&
           set_variable(launch, "OPENBLAS_CORETYPE", kernels, err) &&
           set_variable(launch, "MALLOC_ARENA_MAX", "2", err);
}

static bool set_arguments(struct launch *launch, const struct worker_options *options, struct err *err)
{
    const char *const fixed[] = {
        "cardioscribe-worker", "--threads", launch->threads, "--isa", options->isa ? options->isa : "", "--"};
    enum { FIXED = sizeof fixed / sizeof *fixed };
    size_t roots = (size_t)options->read_root_count;
    launch->arguments = calloc(FIXED + roots + 1, sizeof *launch->arguments);
    if (!launch->arguments)
        return err_fail(err, ERR_NOMEM, "no memory to start a worker");
    snprintf(launch->threads, sizeof launch->threads, "%d", options->threads > 0 ? options->threads : 0);
    for (size_t i = 0; i < FIXED; i++)
        launch->arguments[i] = (char *)fixed[i];
    for (size_t i = 0; i < roots; i++)
        launch->arguments[FIXED + i] = (char *)options->read_roots[i];
    return true;
}

/* ---- the child ---- */

__attribute__((noreturn)) static void child_fail(const struct launch *launch)
{
    int number = errno;
    ssize_t n = write(launch->failure_fd, &number, sizeof number);
    (void)n;
    _exit(127);
}

enum { ABOVE_TAKEN = WORKER_TURN_FD + 1 };

/* Lift a descriptor out of the way of the low numbers that are about to be taken. */
static int lift(int fd)
{
    return fd > 0 ? fcntl(fd, F_DUPFD_CLOEXEC, ABOVE_TAKEN) : fd;
}

/* Put a lifted descriptor, or none, where the child looks for it. */
static void place(const struct launch *launch, int fd, int number)
{
    if (fd == 0)
        close(number);
    else if (fd < 0 || dup2(fd, number) < 0)
        child_fail(launch);
}

static void close_others_on_exec(void)
{
    if (close_range(ABOVE_TAKEN, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        return;
    long most = sysconf(_SC_OPEN_MAX); /* a kernel before 5.11 */
    for (int fd = ABOVE_TAKEN; fd < most; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void child_descriptors(struct launch *launch)
{
    launch->failure_fd = lift(launch->failure_fd);
    launch->socket = lift(launch->socket);
    launch->pass_fd = lift(launch->pass_fd);
    launch->turn_fd = lift(launch->turn_fd);
    for (int i = 0; i < WORKER_SHELVES_MOST; i++)
        launch->shelf_fds[i] = lift(launch->shelf_fds[i]);
    if (launch->socket < 0 || dup2(launch->socket, 0) < 0 || dup2(launch->socket, 1) < 0)
        child_fail(launch);
    place(launch, launch->pass_fd, WORKER_PASSED_FD);
    place(launch, launch->turn_fd, WORKER_TURN_FD);
    for (int i = 0; i < WORKER_SHELVES_MOST; i++)
        place(launch, launch->shelf_fds[i], WORKER_SHELF_FD + i);
    close_others_on_exec();
}

static void child_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0); /* the terminal's interrupt is its owner's business */
}

static void child_limits(const struct launch *launch)
{
    const struct rlimit none = {0, 0}, descriptors = {MAX_DESCRIPTORS, MAX_DESCRIPTORS};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_NOFILE, &descriptors) < 0)
        child_fail(launch);
    if (launch->data_limit.rlim_cur != RLIM_INFINITY && setrlimit(RLIMIT_DATA, &launch->data_limit) < 0)
        child_fail(launch);
    if (getppid() != launch->parent)
        _exit(126); /* the parent ended before the kernel was told to watch it */
}

__attribute__((noreturn)) static void child(struct launch *launch)
{
    child_signals();
    child_descriptors(launch);
    child_limits(launch);
    execve(launch->path, launch->arguments, launch->environment);
    child_fail(launch);
}

/* ---- the parent ---- */

static bool started(const struct launch *launch, pid_t pid, int failure_fd, struct err *err)
{
    int number = 0;
    ssize_t n;
    while ((n = read(failure_fd, &number, sizeof number)) < 0 && errno == EINTR)
        ;
    if (n == 0)
        return true; /* closed by exec */
    waitpid(pid, NULL, 0);
    errno = n == sizeof number ? number : EIO;
    return err_errno(err, "start %s", launch->path);
}

static bool spawn(struct launch *launch, const int sockets[2], const int failure[2], pid_t *ret_pid,
                  struct err *err)
{
    launch->socket = sockets[1];
    launch->failure_fd = failure[1];
    launch->parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        child(launch);
    close(failure[1]);
    if (pid < 0)
        return err_errno(err, "fork a worker");
    if (!started(launch, pid, failure[0], err))
        return false;
    *ret_pid = pid;
    return true;
}

static bool connect_and_spawn(struct launch *launch, pid_t *ret_pid, int *ret_socket, struct err *err)
{
    int sockets[2], failure[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
        return err_errno(err, "create a socket pair");
    if (pipe2(failure, O_CLOEXEC) < 0) {
        err_errno(err, "create a pipe");
        close(sockets[0]);
        close(sockets[1]);
        return false;
    }
    pid_t pid = 0;
    bool ok = spawn(launch, sockets, failure, &pid, err);
    close(failure[0]);
    close(sockets[1]);
    if (!ok) {
        close(sockets[0]);
        return false;
    }
    *ret_pid = pid;
    *ret_socket = sockets[0];
    return true;
}

bool worker_spawn(const char *path, const struct worker_options *options, pid_t *ret_pid, int *ret_socket,
                  struct err *err)
{
    struct launch *launch = calloc(1, sizeof *launch);
    if (!launch)
        return err_fail(err, ERR_NOMEM, "no memory to start a worker");
    launch->pass_fd = options->pass_fd > 2 ? options->pass_fd : 0;
    launch->turn_fd = options->turn_fd;
    for (int i = 0; i < options->shelf_count && i < WORKER_SHELVES_MOST; i++)
        launch->shelf_fds[i] = options->shelf_fds[i];
    launch->data_limit.rlim_cur = launch->data_limit.rlim_max =
        options->data_limit_bytes && !SHADOWED ? options->data_limit_bytes : RLIM_INFINITY;
    snprintf(launch->path, sizeof launch->path, "%s", path);
    bool ok = set_environment(launch, options->isa, err) && set_arguments(launch, options, err) &&
              connect_and_spawn(launch, ret_pid, ret_socket, err);
    free(launch->arguments);
    free(launch);
    return ok;
}
