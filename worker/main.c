/* cardioscribe-worker [--threads N] [--isa baseline|avx2|avx512] [--] [FILE or FOLDER]...
 * Jobs in on standard input, answers out on standard output (pipeline/job.h), one line each, until the input
 * ends. It is started by the daemon and the command line; it has no network and no database, and opens only
 * what lies in the files and folders named (docs/sandbox.md). The first answer has one more member,
 * "sandbox": {"landlock": N}; N is 0 when the kernel cannot restrict which files are read. */
#include "dicom/dicom_head.h"
#include "fault.h"
#include "pipeline/job.h"
#include "pipeline/line.h"
#include "sandbox.h"
#include "tensor/tile.h"
#include "threads.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_NOT_STARTED = 3, EXIT_LINE_LOST = 4, MAX_THREADS = 1024 };

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

struct desk {
    struct job_bench *bench;
    struct sandbox sandbox;
    bool sandbox_told;
};

static bool answer_line(struct desk *desk, const char *line)
{
    fault_before(line);
    json_t *answer = job_answer(desk->bench, line);
    if (!desk->sandbox_told)
        json_object_set_new(answer, "sandbox", json_pack("{s:i}", "landlock", desk->sandbox.landlock_abi));
    desk->sandbox_told = true;
    char *text = json_dumps(answer, JSON_COMPACT);
    json_decref(answer);
    int out = desk->sandbox.out;
    bool written = text && write_all(out, text, strlen(text)) && write_all(out, "\n", 1);
    free(text);
    return written;
}

/* True when the input ended in order. */
static bool serve(struct desk *desk, int in)
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
            going = answer_line(desk, text);
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

static bool prepare(struct sandbox *sandbox, struct err *err)
{
    signal(SIGPIPE, SIG_IGN);
    sandbox->out = keep_output();
    if (sandbox->out < 0)
        return err_errno(err, "set standard output aside");
    fault_prepare();
    return sandbox_enter(sandbox, err);
}

static bool read_options(int count, char **arguments, struct sandbox *sandbox)
{
    static const struct option known[] = {
        {"threads", required_argument, NULL, 't'}, {"isa", required_argument, NULL, 'i'}, {NULL, 0, NULL, 0}};
    for (int which; (which = getopt_long(count, arguments, "+", known, NULL)) != -1;) {
        char *end = "?";
        if (which == 'i' && (!*optarg || tile_limit(optarg)))
            continue;
        long threads = which == 't' ? strtol(optarg, &end, 10) : -1;
        if (*end || threads < 0 || threads > MAX_THREADS)
            return false;
        sandbox->threads = (int)threads;
    }
    sandbox->read_roots = (const char *const *)(arguments + optind);
    sandbox->read_root_count = count - optind;
    return true;
}

/* OpenBLAS starts threads before main unless told that one is enough, and Landlock does not cover threads
 * that are there already. */
static void begin_with_one_thread(char **arguments)
{
    const char *threads = getenv("OPENBLAS_NUM_THREADS");
    if (threads && strcmp(threads, "1") == 0)
        return;
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    execv("/proc/self/exe", arguments);
    fprintf(stderr, "cardioscribe-worker: cannot start again with one thread: %s\n", strerror(errno));
    exit(EXIT_NOT_STARTED);
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct desk desk = {0};
    begin_with_one_thread(argv);
    if (!read_options(argc, argv, &desk.sandbox)) {
        fprintf(
            stderr,
            "usage: cardioscribe-worker [--threads N] [--isa baseline|avx2|avx512] [--] [FILE or FOLDER]...\n"
            "jobs on standard input, one JSON object a line; only what is named can be read\n");
        return EXIT_USAGE;
    }
    if (!prepare(&desk.sandbox, &err)) {
        fprintf(stderr, "cardioscribe-worker: %s\n", err.text);
        return EXIT_NOT_STARTED;
    }
    desk.bench = job_bench_open(threads_crew(desk.sandbox.pool));
    bool ended = desk.bench && serve(&desk, STDIN_FILENO);
    job_bench_close(desk.bench);
    threads_stop(desk.sandbox.pool);
    dicom_library_done();
    return ended ? 0 : EXIT_LINE_LOST;
}
