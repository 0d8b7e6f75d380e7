#include "fault.h"

#include "pipeline/job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { EXIT_OPENED = 90, EXIT_POSSIBLE = 91, MEGABYTE = 1 << 20, ORDER_SIZE = 4096 };

/* In the file of crash_once: shared memory can be written where files cannot. */
static volatile char *crashed;

/* What is ordered, its "@TEXT" cut off; *ret_text is "" when there is none. */
static void read_order(char order[ORDER_SIZE], const char **ret_text)
{
    const char *fault = getenv("CARDIOSCRIBE_WORKER_FAULT");
    snprintf(order, ORDER_SIZE, "%s", fault ? fault : "");
    char *at = strrchr(order, '@');
    *ret_text = at ? at + 1 : "";
    if (at)
        *at = '\0';
}

/* ---- ends ---- */

static void crash(const char *argument)
{
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static void crash_once(const char *argument)
{
    if (!crashed || *crashed)
        return;
    *crashed = 1;
    crash(argument);
}

static void do_abort(const char *argument)
{
    abort();
}

static void hang(const char *argument)
{
    poll(NULL, 0, -1);
}

static void spin(const char *argument)
{
    for (volatile unsigned n = 0;; n++)
        ;
}

static void slow(const char *argument)
{
    poll(NULL, 0, atoi(argument));
}

static void take_memory(const char *argument)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_DATA, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    static char *volatile block; /* clang leaves out what nobody looks at */
    while ((block = malloc(8 * MEGABYTE)))
        memset(block, 1, 8 * MEGABYTE);
    abort();
}

/* ---- what must not be possible ---- */

static void open_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    _exit(fd < 0 ? errno : EXIT_OPENED);
}

static void write_file(const char *path)
{
    open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    _exit(EXIT_POSSIBLE);
}

static void make_socket(const char *argument)
{
    socket(AF_INET, SOCK_STREAM, 0);
    _exit(EXIT_POSSIBLE);
}

/* Through the socket it has, standard input. */
static void connect_socket(const char *argument)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/notify"};
    connect(STDIN_FILENO, (struct sockaddr *)&address, sizeof address);
    _exit(EXIT_POSSIBLE);
}

static void run_program(const char *argument)
{
    char name[] = "true";
    char *arguments[] = {name, NULL};
    execv("/bin/true", arguments);
    _exit(EXIT_POSSIBLE);
}

static void make_process(const char *argument)
{
    fork();
    _exit(EXIT_POSSIBLE);
}

static void *nothing(void *argument)
{
    return argument;
}

static void make_thread(const char *argument)
{
    pthread_t thread;
    pthread_create(&thread, NULL, nothing, NULL);
    _exit(EXIT_POSSIBLE);
}

static void be_traced(const char *argument)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    _exit(EXIT_POSSIBLE);
}

static void kill_group(const char *argument)
{
    kill(0, 0);
    _exit(EXIT_POSSIBLE);
}

static void map_code(const char *argument)
{
    mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    _exit(EXIT_POSSIBLE);
}

static const struct {
    const char *name; /* with its colon when it takes an argument */
    void (*run)(const char *argument);
} faults[] = {{"crash", crash},
              {"crash_once:", crash_once},
              {"abort", do_abort},
              {"hang", hang},
              {"spin", spin},
              {"slow:", slow},
              {"alloc", take_memory},
              {"open:", open_file},
              {"write:", write_file},
              {"socket", make_socket},
              {"connect", connect_socket},
              {"exec", run_program},
              {"fork", make_process},
              {"thread", make_thread},
              {"ptrace", be_traced},
              {"kill", kill_group},
              {"map_code", map_code}};

/* ---- when ---- */

void fault_prepare(void)
{
    static const char name[] = "crash_once:";
    const char *text;
    char order[ORDER_SIZE];
    read_order(order, &text);
    if (strncmp(order, name, sizeof name - 1) != 0)
        return;
    int fd = open(order + sizeof name - 1, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *memory = fd >= 0 && ftruncate(fd, 1) == 0 ? mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                                                    : MAP_FAILED;
    if (memory != MAP_FAILED)
        crashed = memory;
    if (fd >= 0)
        close(fd);
}

static bool is_heavy(const char *line)
{
    char kind[16];
    job_kind(line, kind);
    return strcmp(kind, "study") == 0 || strcmp(kind, "tensor") == 0;
}

void fault_before(const char *line)
{
    const char *text;
    char fault[ORDER_SIZE];
    read_order(fault, &text);
    if (!*fault || !is_heavy(line) || !strstr(line, text))
        return;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        size_t length = strlen(faults[i].name);
        bool takes_argument = faults[i].name[length - 1] == ':';
        if (strncmp(fault, faults[i].name, length) == 0 && (takes_argument || !fault[length]))
            faults[i].run(fault + length);
    }
}
