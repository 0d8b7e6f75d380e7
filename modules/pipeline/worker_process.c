#include "pipeline/worker_process.h"

#include "base/clock.h"
#include "pipeline/line.h"
#include "pipeline/worker_spawn.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct worker_process {
    pid_t pid;  /* 0 once reaped */
    int status; /* of waitpid, once reaped */
    int socket, killed_fd;
    int landlock; /* -1: not told yet */
    struct line line;
};

enum { STOP_GRACE_MS = 500 };

static void reap(struct worker_process *worker, int signal_number)
{
    if (!worker->pid)
        return;
    if (signal_number)
        kill(worker->pid, signal_number);
    while (waitpid(worker->pid, &worker->status, 0) < 0 && errno == EINTR)
        ;
    worker->pid = 0;
}

/* ---- where the binary is ---- */

static bool beside_executable(const char *relative, char path[PATH_MAX])
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return false;
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    if (!slash)
        return false;
    slash[1] = '\0';
    return snprintf(path, PATH_MAX, "%s%s", self, relative) < PATH_MAX && access(path, X_OK) == 0;
}

bool worker_process_find(const char *option, char path[PATH_MAX], struct err *err)
{
    static const char *const places[] = {"cardioscribe-worker", "../worker/cardioscribe-worker",
                                         "../libexec/cardioscribe/cardioscribe-worker"};
    const char *named = option ? option : getenv("CARDIOSCRIBE_WORKER");
    if (named && *named) {
        if (snprintf(path, PATH_MAX, "%s", named) < PATH_MAX && access(path, X_OK) == 0)
            return true;
        return err_fail(err, ERR_IO, "the worker binary %s cannot be executed", named);
    }
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (beside_executable(places[i], path))
            return true;
    }
    return err_fail(err, ERR_IO, "no cardioscribe-worker beside this program; set CARDIOSCRIBE_WORKER");
}

/* ---- start ---- */

struct worker_process *worker_process_start(const struct worker_options *options, struct err *err)
{
    struct worker_process *worker = calloc(1, sizeof *worker);
    if (!worker) {
        err_fail(err, ERR_NOMEM, "no memory for a worker");
        return NULL;
    }
    char path[PATH_MAX];
    worker->socket = worker->landlock = -1;
    worker->killed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->killed_fd < 0)
        err_errno(err, "create an event descriptor");
    else if (worker_process_find(options->path, path, err) &&
             worker_spawn(path, options, &worker->pid, &worker->socket, err))
        return worker;
    worker_process_stop(worker);
    return NULL;
}

/* ---- one call ---- */

static const char *signal_meaning(int number)
{
    if (number == SIGSYS)
        return "forbidden system call";
    const char *name = sigdescr_np(number);
    return name ? name : "?";
}

static bool say_crashed(struct worker_process *worker, struct err *err)
{
    reap(worker, SIGKILL);
    int status = worker->status;
    if (WIFSIGNALED(status)) {
        int number = WTERMSIG(status);
        err_fail(err, ERR_PEER, "the worker died of signal %d (%s)", number, signal_meaning(number));
    } else {
        err_fail(err, ERR_PEER, "the worker ended with exit code %d", WEXITSTATUS(status));
    }
    snprintf(err->reason, sizeof err->reason, "worker_crashed");
    return false;
}

static bool give_up(struct worker_process *worker, enum err_code code, const char *reason, const char *text,
                    struct err *err)
{
    reap(worker, SIGKILL);
    err_fail(err, code, "%s", text);
    snprintf(err->reason, sizeof err->reason, "%s", reason);
    return false;
}

/* Wait until the socket is ready for `events`; false with err set when time is up or the owner said stop. */
static bool wait_ready(struct worker_process *worker, short events, int64_t deadline_ms, struct err *err)
{
    for (;;) {
        int64_t left = deadline_ms < 0 ? -1 : deadline_ms - clock_monotonic_ms();
        struct pollfd fds[2] = {{.fd = worker->socket, .events = events},
                                {.fd = worker->killed_fd, .events = POLLIN}};
        int ready = deadline_ms >= 0 && left <= 0 ? 0 : poll(fds, 2, left > INT_MAX ? INT_MAX : (int)left);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0)
            return give_up(worker, ERR_IO, "worker_killed", "waiting for the worker failed", err);
        if (fds[1].revents)
            return give_up(worker, ERR_CANCELLED, "worker_killed", "the job was stopped", err);
        if (ready == 0)
            return give_up(worker, ERR_PEER, "worker_timeout", "the worker did not answer in time", err);
        return true;
    }
}

static bool send_all(struct worker_process *worker, const char *bytes, size_t size, int64_t deadline_ms,
                     struct err *err)
{
    while (size > 0) {
        if (!wait_ready(worker, POLLOUT, deadline_ms, err))
            return false;
        ssize_t n = send(worker->socket, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return say_crashed(worker, err);
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

static char *receive_line(struct worker_process *worker, int64_t deadline_ms, struct err *err)
{
    char bytes[65536];
    for (;;) {
        char *text = line_take(&worker->line);
        if (text)
            return text;
        if (!wait_ready(worker, POLLIN, deadline_ms, err))
            return NULL;
        ssize_t n = recv(worker->socket, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0) {
            say_crashed(worker, err);
            return NULL;
        }
        if (!line_append(&worker->line, bytes, (size_t)n, err)) {
            give_up(worker, ERR_PEER, "worker_garbled", "the worker's answer is too long", err);
            return NULL;
        }
    }
}

static enum err_code code_named(const char *name)
{
    for (int code = ERR_INPUT; name && code <= ERR_BUG; code++) {
        if (strcmp(name, err_code_name((enum err_code)code)) == 0)
            return (enum err_code)code;
    }
    return ERR_BUG;
}

static bool say_refused(const json_t *error, struct err *err)
{
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *reason = json_string_value(json_object_get(error, "reason"));
    const char *text = json_string_value(json_object_get(error, "text"));
    err_fail(err, code_named(code), "%s", text ? text : "the worker refused the job");
    snprintf(err->reason, sizeof err->reason, "%s", reason ? reason : "");
    return false;
}

/* The first answer says it; the caller need not see it. */
static void note_sandbox(struct worker_process *worker, json_t *answer)
{
    const json_t *landlock = json_object_get(json_object_get(answer, "sandbox"), "landlock");
    if (json_is_integer(landlock))
        worker->landlock = (int)json_integer_value(landlock);
    json_object_del(answer, "sandbox");
}

static bool read_answer(struct worker_process *worker, const char *text, json_t **ret, struct err *err)
{
    json_t *answer = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const json_t *ok = json_object_get(answer, "ok");
    if (!json_is_boolean(ok)) {
        json_decref(answer);
        return give_up(worker, ERR_PEER, "worker_garbled", "the worker's answer is not JSON", err);
    }
    note_sandbox(worker, answer);
    if (json_is_true(ok)) {
        *ret = answer;
        return true;
    }
    say_refused(json_object_get(answer, "error"), err);
    json_decref(answer);
    return false;
}

bool worker_process_call(struct worker_process *worker, const json_t *job, int timeout_ms,
                         json_t **ret_answer, struct err *err)
{
    if (!worker->pid)
        return say_crashed(worker, err);
    char *text = json_dumps(job, JSON_COMPACT);
    if (!text)
        return err_fail(err, ERR_NOMEM, "no memory for a job");
    int64_t deadline_ms = timeout_ms > 0 ? clock_monotonic_ms() + timeout_ms : -1;
    bool sent =
        send_all(worker, text, strlen(text), deadline_ms, err) && send_all(worker, "\n", 1, deadline_ms, err);
    free(text);
    char *answer = sent ? receive_line(worker, deadline_ms, err) : NULL;
    return answer && read_answer(worker, answer, ret_answer, err);
}

/* ---- the rest ---- */

bool worker_process_alive(struct worker_process *worker)
{
    if (worker->pid && waitpid(worker->pid, &worker->status, WNOHANG) == worker->pid)
        worker->pid = 0;
    return worker->pid != 0;
}

int worker_process_landlock(const struct worker_process *worker)
{
    return worker->landlock;
}

pid_t worker_process_pid(const struct worker_process *worker)
{
    return worker->pid;
}

/* A line of the process's status, in kB there; 0 when it is gone. */
static uint64_t status_bytes(const struct worker_process *worker, const char *key)
{
    char path[64], line[128];
    unsigned long long kb = 0;
    size_t length = strlen(key);
    snprintf(path, sizeof path, "/proc/%d/status", (int)worker->pid);
    FILE *file = worker->pid ? fopen(path, "re") : NULL;
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, length) == 0 && sscanf(line + length, "%llu", &kb) == 1)
            break;
    if (file)
        fclose(file);
    return kb * 1024;
}

uint64_t worker_process_memory_bytes(const struct worker_process *worker)
{
    return status_bytes(worker, "RssAnon:");
}

uint64_t worker_process_peak_bytes(const struct worker_process *worker)
{
    return status_bytes(worker, "VmHWM:");
}

void worker_process_kill(struct worker_process *worker)
{
    uint64_t one = 1;
    ssize_t n = write(worker->killed_fd, &one, sizeof one);
    (void)n; /* a counter that is full is a flag that is up */
}

void worker_process_stop(struct worker_process *worker)
{
    if (!worker)
        return;
    if (worker->socket >= 0)
        close(worker->socket);
    for (int waited_ms = 0; waited_ms < STOP_GRACE_MS && worker_process_alive(worker); waited_ms += 10)
        poll(NULL, 0, 10);
    reap(worker, SIGKILL);
    if (worker->killed_fd >= 0)
        close(worker->killed_fd);
    line_done(&worker->line);
    free(worker);
}
