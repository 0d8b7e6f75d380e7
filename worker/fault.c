#include "fault.h"

#include "pipeline/job.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void crash(void)
{
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static void crash_once(const char *file)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    close(fd);
    crash();
}

static bool is_heavy(const char *line)
{
    char kind[16];
    job_kind(line, kind);
    return strcmp(kind, "study") == 0 || strcmp(kind, "tensor") == 0;
}

void fault_before(const char *line)
{
    const char *fault = getenv("CARDIOSCRIBE_WORKER_FAULT");
    if (!fault || !is_heavy(line))
        return;
    if (strcmp(fault, "crash") == 0)
        crash();
    else if (strncmp(fault, "crash_once:", 11) == 0)
        crash_once(fault + 11);
    else if (strcmp(fault, "hang") == 0)
        poll(NULL, 0, -1);
    else if (strncmp(fault, "slow:", 5) == 0)
        poll(NULL, 0, atoi(fault + 5));
}
