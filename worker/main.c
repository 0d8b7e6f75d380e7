/* cardioscribe-worker: jobs in on standard input, answers out on standard output (pipeline/job.h), one line
 * each, until the input ends. It is started by the daemon and the command line; it has no network and no
 * database. */
#include "dicom/dicom_head.h"
#include "fault.h"
#include "pipeline/job.h"
#include "pipeline/line.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { EXIT_NOT_STARTED = 3, EXIT_LINE_LOST = 4 };

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

static bool answer_line(struct job_bench *bench, const char *line, int out)
{
    fault_before(line);
    json_t *answer = job_answer(bench, line);
    char *text = json_dumps(answer, JSON_COMPACT);
    json_decref(answer);
    bool written = text && write_all(out, text, strlen(text)) && write_all(out, "\n", 1);
    free(text);
    return written;
}

/* True when the input ended in order. */
static bool serve(struct job_bench *bench, int in, int out)
{
    static char bytes[65536];
    struct line line = {0};
    struct err err = ERR_INIT;
    bool going = true, ended = false;
    while (going) {
        ssize_t n = read(in, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        ended = n == 0;
        going = n > 0 && line_append(&line, bytes, (size_t)n, &err);
        for (char *text; going && (text = line_take(&line));)
            going = answer_line(bench, text, out);
    }
    line_done(&line);
    return ended;
}

/* Whatever a library prints goes to stderr; the line is ours alone. */
static int keep_output(void)
{
    int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 16);
    if (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return -1;
    return out;
}

/* The dictionary, the codecs and the character sets are loaded before the first job. */
static bool prepare(int *ret_out, struct err *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_errno(err, "give up new privileges");
    signal(SIGPIPE, SIG_IGN);
    *ret_out = keep_output();
    if (*ret_out < 0)
        return err_errno(err, "set standard output aside");
    return dicom_library_init(err);
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    int out = -1;
    if (argc > 1) {
        fprintf(stderr, "usage: cardioscribe-worker  (jobs on standard input, one JSON object a line)\n");
        return 2;
    }
    if (!prepare(&out, &err)) {
        fprintf(stderr, "cardioscribe-worker: %s\n", err.text);
        return EXIT_NOT_STARTED;
    }
    struct job_bench *bench = job_bench_open();
    bool ended = bench && serve(bench, STDIN_FILENO, out);
    job_bench_close(bench);
    dicom_library_done();
    return ended ? 0 : EXIT_LINE_LOST;
}
