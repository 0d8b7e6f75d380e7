/* Against small shell scripts that stand in for the worker, and against the real one (CARDIOSCRIBE_WORKER).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "pipeline/worker_process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if WORKER_SANITIZED
#define OWN_PROC "exit code 90" /* the leak check reads /proc/self */
#else
#define OWN_PROC "exit code 13"
#endif

static char folder[] = "/tmp/worker-process-XXXXXX";
static char script[64];

static const char *write_script(const char *body)
{
    FILE *file = fopen(script, "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", body);
    fclose(file);
    chmod(script, 0700);
    return script;
}

static struct worker_process *start(const char *path)
{
    struct err err = ERR_INIT;
    struct worker_options options = {.path = path};
    struct worker_process *worker = worker_process_start(&options, &err);
    if (!worker)
        print_message("%s\n", err.text);
    assert_non_null(worker);
    return worker;
}

/* Calls with {"job":name} and returns the answer's member, copied into text. */
static bool call(struct worker_process *worker, const char *name, int timeout_ms, char text[512],
                 struct err *err)
{
    json_t *job = json_pack("{s:s}", "job", name), *answer = NULL;
    bool ok = worker_process_call(worker, job, timeout_ms, &answer, err);
    json_decref(job);
    if (ok && text)
        snprintf(text, 512, "%s", json_string_value(json_object_get(answer, "text")));
    if (ok)
        json_decref(answer);
    return ok;
}

static uint64_t resident_bytes(pid_t pid)
{
    char path[64];
    unsigned long long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*u %llu", &pages), 1);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void an_answer_comes_back_and_the_process_stays(void **state)
{
    struct err err = ERR_INIT;
    char text[512];
    struct worker_process *worker = start(
        write_script("n=0; while read line; do n=$((n+1)); echo '{\"ok\":true,\"text\":\"'$n'\"}'; done"));
    pid_t pid = worker_process_pid(worker);
    for (int i = 1; i <= 3; i++) {
        assert_true(call(worker, "x", 5000, text, &err));
        assert_int_equal(atoi(text), i);
    }
    assert_true(worker_process_alive(worker));
    uint64_t libraries = 100000; /* at least */
    assert_in_range(worker_process_memory_bytes(worker), 1, resident_bytes(pid) - libraries);
    assert_true(worker_process_peak_bytes(worker) >= resident_bytes(pid));
    worker_process_stop(worker);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
}

static void the_environment_is_clean(void **state)
{
    struct err err = ERR_INIT;
    char text[512];
    setenv("LD_PRELOAD_CANARY", "leaked", 1);
    setenv("OPENBLAS_NUM_THREADS", "99", 1);
    setenv("DCMDICTPATH", "/tmp/dictionary", 1);
    struct worker_options options = {
        .path =
            write_script("read l; echo '{\"ok\":true,\"text\":\"'$(env | cut -d= -f1 | sort | tr '\\n' ' ')"
                         "$OPENBLAS_NUM_THREADS'\"}'; read l"),
        .threads = 3};
    struct worker_process *worker = worker_process_start(&options, &err);
    assert_non_null(worker);
    assert_true(call(worker, "x", 5000, text, &err));
    unsetenv("DCMDICTPATH");
    unsetenv("OPENBLAS_NUM_THREADS");
    assert_null(strstr(text, "LD_PRELOAD_CANARY"));
    assert_null(strstr(text, "HOME"));
    assert_non_null(strstr(text, "DCMDICTPATH "));
    assert_string_equal(text + strlen(text) - 1, "1"); /* the worker starts the others itself */
    worker_process_stop(worker);
}

static void the_arguments_say_threads_and_what_may_be_read(void **state)
{
    struct err err = ERR_INIT;
    char text[512];
    const char *const roots[] = {"/a b", "--c", "d"};
    struct worker_options options = {
        .path = write_script("read l; text=; for word in \"$@\"; do text=\"$text<$word>\"; done; "
                             "echo '{\"ok\":true,\"text\":\"'\"$text\"'\"}'; read l"),
        .threads = 3,
        .read_roots = roots,
        .read_root_count = 3};
    struct worker_process *worker = worker_process_start(&options, &err);
    assert_non_null(worker);
    assert_true(call(worker, "x", 5000, text, &err));
    assert_string_equal(text, "<--threads><3><--isa><><--></a b><--c><d>");
    worker_process_stop(worker);
}

static void the_sandbox_is_told_with_the_first_answer(void **state)
{
    struct err err = ERR_INIT;
    json_t *job = json_pack("{s:s}", "job", "x"), *answer = NULL;
    struct worker_process *worker = start(write_script(
        "read l; echo '{\"ok\":true,\"sandbox\":{\"landlock\":7}}'; read l; echo '{\"ok\":true}'"));
    assert_int_equal(worker_process_landlock(worker), -1);
    for (int i = 0; i < 2; i++) {
        assert_true(worker_process_call(worker, job, 5000, &answer, &err));
        assert_int_equal(worker_process_landlock(worker), 7);
        assert_null(json_object_get(answer, "sandbox"));
        json_decref(answer);
    }
    json_decref(job);
    worker_process_stop(worker);
}

static void no_descriptor_leaks_and_one_is_handed_over(void **state)
{
    struct err err = ERR_INIT;
    char text[512];
    int leaky = dup2(2, 57), out = open("/dev/null", O_RDWR);
    struct worker_options options = {
        .path = write_script(
            "read l; for f in 3 4 5 6 7 8 9; do eval \"true >&$f\" 2>/dev/null && open=\"$open $f\"; done; "
            "test -e /proc/$$/fd/57 && open=\"$open 57\"; echo '{\"ok\":true,\"text\":\"'${open# }'\"}'; "
            "read l"),
        .pass_fd = out};
    struct worker_process *worker = worker_process_start(&options, &err);
    assert_non_null(worker);
    assert_true(call(worker, "x", 5000, text, &err));
    worker_process_stop(worker);
    close(leaky);
    close(out);
    assert_string_equal(text, "3");
}

/* Also where one of them lies where another is to be; and where none is to be, none is. */
static void shelves_lie_where_they_belong(void **state)
{
    struct err err = ERR_INIT;
    char text[512], names[3][40] = {"", "", ""};
    int low = dup2(2, WORKER_SHELF_FD + 2), leaky = dup2(2, WORKER_SHELF_FD + 8),
        fds[WORKER_SHELVES_MOST] = {0};
    const int places[] = {0, 2, WORKER_SHELVES_MOST - 1};
    for (int i = 0; i < 3; i++) {
        snprintf(names[i], sizeof names[i], "%s/shelf%d", folder, i);
        fds[places[i]] = open(names[i], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    }
    struct worker_options options = {
        .path = write_script("read l; open=; for f in 3 4 5 6 7 12 18 19 20 21 22 23; do "
                             "test -e /proc/$$/fd/$f && open=\"$open $f:$(readlink /proc/$$/fd/$f)\"; "
                             "done; echo '{\"ok\":true,\"text\":\"'${open# }'\"}'; read l"),
        .shelf_fds = fds,
        .shelf_count = WORKER_SHELVES_MOST};
    struct worker_process *worker = worker_process_start(&options, &err);
    assert_non_null(worker);
    assert_true(call(worker, "x", 5000, text, &err));
    worker_process_stop(worker);
    close(low);
    close(leaky);
    char wanted[200];
    snprintf(wanted, sizeof wanted, "4:%s 6:%s 19:%s", names[0], names[1], names[2]);
    for (int i = 0; i < 3; i++) {
        close(fds[places[i]]);
        unlink(names[i]);
    }
    assert_string_equal(text, wanted);
}

static void limits_are_set(void **state)
{
    struct err err = ERR_INIT;
    char text[512];
    struct worker_options options = {
        .path = write_script("read l; echo '{\"ok\":true,\"text\":\"'$(ulimit -c) $(ulimit -d) $(ulimit -n) "
                             "$(grep NoNewPrivs /proc/$$/status | tr -dc 0-9)'\"}'; read l"),
        .data_limit_bytes = 512 << 20};
    struct worker_process *worker = worker_process_start(&options, &err);
    assert_non_null(worker);
    assert_true(call(worker, "x", 5000, text, &err));
    assert_string_equal(text, WORKER_SANITIZED ? "0 unlimited 64 1" : "0 524288 64 1");
    worker_process_stop(worker);
}

static void a_refusal_passes_through(void **state)
{
    struct err err = ERR_INIT;
    struct worker_process *worker = start(
        write_script("while read l; do echo "
                     "'{\"ok\":false,\"error\":{\"code\":\"io\",\"reason\":\"r\",\"text\":\"t\"}}'; done"));
    assert_false(call(worker, "x", 5000, NULL, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_string_equal(err.reason, "r");
    assert_string_equal(err.text, "t");
    assert_true(worker_process_alive(worker));
    worker_process_stop(worker);
}

static void a_crash_names_its_signal(void **state)
{
    struct err err = ERR_INIT;
    struct worker_process *worker = start(write_script("read l; kill -SEGV $$"));
    assert_false(call(worker, "x", 5000, NULL, &err));
    assert_int_equal(err.code, ERR_PEER);
    assert_string_equal(err.reason, "worker_crashed");
    assert_non_null(strstr(err.text, "signal 11"));
    assert_false(worker_process_alive(worker));
    assert_false(call(worker, "x", 5000, NULL, &err));
    assert_string_equal(err.reason, "worker_crashed");
    worker_process_stop(worker);
}

static void a_forbidden_system_call_is_named(void **state)
{
    struct err err = ERR_INIT;
    struct worker_process *worker = start(write_script("read l; kill -SYS $$"));
    assert_false(call(worker, "x", 5000, NULL, &err));
    assert_string_equal(err.reason, "worker_crashed");
    assert_string_equal(err.text, "the worker died of signal 31 (forbidden system call)");
    worker_process_stop(worker);
}

static void an_exit_names_its_code(void **state)
{
    struct err err = ERR_INIT;
    struct worker_process *worker = start(write_script("exit 3"));
    poll(NULL, 0, 200);
    assert_false(call(worker, "x", 5000, NULL, &err));
    assert_string_equal(err.reason, "worker_crashed");
    assert_non_null(strstr(err.text, "exit code 3"));
    worker_process_stop(worker);
}

static void a_silent_worker_is_killed_in_time(void **state)
{
    struct err err = ERR_INIT;
    struct worker_process *worker = start(write_script("read l; printf '{\"ok\":'; exec sleep 60"));
    pid_t pid = worker_process_pid(worker);
    int64_t start_ms = clock_monotonic_ms();
    assert_false(call(worker, "x", 300, NULL, &err));
    int64_t took_ms = clock_monotonic_ms() - start_ms;
    assert_string_equal(err.reason, "worker_timeout");
    assert_in_range(took_ms, 290, 3000);
    assert_int_equal(kill(pid, 0), -1);
    worker_process_stop(worker);
}

static void a_worker_that_does_not_read_is_killed_in_time(void **state)
{
    struct err err = ERR_INIT;
    struct worker_process *worker = start(write_script("exec sleep 60"));
    char *long_text = malloc((4 << 20) + 1);
    memset(long_text, 'x', 4 << 20);
    long_text[4 << 20] = '\0';
    assert_false(call(worker, long_text, 300, NULL, &err));
    assert_string_equal(err.reason, "worker_timeout");
    free(long_text);
    worker_process_stop(worker);
}

static void garbage_is_told_apart(void **state)
{
    static const char *const bad[] = {"echo hello", "echo '[]'", "echo '{\"ok\":1}'", "echo"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = ERR_INIT;
        char body[64];
        snprintf(body, sizeof body, "read l; %s; read l", bad[i]);
        struct worker_process *worker = start(write_script(body));
        assert_false(call(worker, "x", 5000, NULL, &err));
        assert_string_equal(err.reason, "worker_garbled");
        assert_false(worker_process_alive(worker));
        worker_process_stop(worker);
    }
}

static void *kill_soon(void *worker)
{
    poll(NULL, 0, 200);
    worker_process_kill(worker);
    return NULL;
}

static void another_thread_can_end_a_call(void **state)
{
    struct err err = ERR_INIT;
    pthread_t thread;
    struct worker_process *worker = start(write_script("read l; exec sleep 60"));
    int64_t start_ms = clock_monotonic_ms();
    pthread_create(&thread, NULL, kill_soon, worker);
    assert_false(call(worker, "x", 0, NULL, &err));
    pthread_join(thread, NULL);
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_string_equal(err.reason, "worker_killed");
    assert_in_range(clock_monotonic_ms() - start_ms, 150, 5000);
    worker_process_stop(worker);
}

static void no_such_binary_is_an_error(void **state)
{
    struct err err = ERR_INIT;
    struct worker_options options = {.path = "/nonexistent/worker"};
    assert_null(worker_process_start(&options, &err));
    assert_int_equal(err.code, ERR_IO);
    FILE *file = fopen(script, "w");
    fputs("no program", file);
    fclose(file);
    chmod(script, 0700);
    options.path = script;
    assert_null(worker_process_start(&options, &err));
    assert_int_equal(err.code, ERR_IO);
}

static void it_dies_with_its_parent(void **state)
{
    int ends[2];
    pid_t worker_pid = 0;
    const char *path = write_script("read l; exec sleep 60");
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        pid_t pid = worker_process_pid(start(path));
        _exit(write(ends[1], &pid, sizeof pid) == sizeof pid ? 0 : 1);
    }
    assert_int_equal(read(ends[0], &worker_pid, sizeof worker_pid), sizeof worker_pid);
    waitpid(child, NULL, 0);
    int waited_ms = 0;
    char path_of[64], state_of = 0;
    for (; waited_ms < 3000; waited_ms += 20) {
        snprintf(path_of, sizeof path_of, "/proc/%d/stat", (int)worker_pid);
        FILE *file = fopen(path_of, "r");
        if (!file || fscanf(file, "%*d (%*[^)]) %c", &state_of) != 1 || state_of == 'Z') {
            if (file)
                fclose(file);
            break;
        }
        fclose(file);
        poll(NULL, 0, 20);
    }
    assert_in_range(waited_ms, 0, 2980);
    close(ends[0]);
    close(ends[1]);
}

/* ---- the real worker ---- */

/* It may read what lies in the test's folder. */
static struct worker_process *start_real_under(const char *fault, uint64_t data_limit_bytes)
{
    struct err err = ERR_INIT;
    const char *const roots[] = {folder};
    struct worker_options options = {
        .threads = 2, .data_limit_bytes = data_limit_bytes, .read_roots = roots, .read_root_count = 1};
    if (fault)
        setenv("CARDIOSCRIBE_WORKER_FAULT", fault, 1);
    struct worker_process *worker = worker_process_start(&options, &err);
    unsetenv("CARDIOSCRIBE_WORKER_FAULT");
    assert_non_null(worker);
    return worker;
}

static struct worker_process *start_real(const char *fault)
{
    return start_real_under(fault, 0);
}

static void the_real_worker_refuses_nonsense_and_lives(void **state)
{
    struct err err = ERR_INIT;
    struct worker_process *worker = start_real(NULL);
    assert_false(call(worker, "no_such_job", 20000, NULL, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_false(call(worker, "study", 20000, NULL, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_true(worker_process_alive(worker));
    worker_process_stop(worker);
}

static void the_fault_switch_crashes_hangs_and_passes(void **state)
{
    struct err err = ERR_INIT;
    char once[96];
    struct worker_process *worker = start_real("crash");
    assert_false(call(worker, "model", 20000, NULL, &err));
    assert_int_equal(err.code, ERR_INPUT); /* only heavy jobs are hit */
    assert_false(call(worker, "study", 20000, NULL, &err));
    assert_string_equal(err.reason, "worker_crashed");
    assert_non_null(strstr(err.text, "signal 11"));
    worker_process_stop(worker);

    worker = start_real("hang");
    assert_false(call(worker, "study", 1000, NULL, &err));
    assert_string_equal(err.reason, "worker_timeout");
    worker_process_stop(worker);

    snprintf(once, sizeof once, "crash_once:%s/once", folder);
    worker = start_real(once);
    assert_false(call(worker, "study", 20000, NULL, &err));
    assert_string_equal(err.reason, "worker_crashed");
    worker_process_stop(worker);
    worker = start_real(once);
    assert_false(call(worker, "study", 20000, NULL, &err));
    assert_int_equal(err.code, ERR_INPUT);
    worker_process_stop(worker);
}

static void misbehave(const char *fault, uint64_t data_limit_bytes, const char *text)
{
    struct err err = ERR_INIT;
    struct worker_process *worker = start_real_under(fault, data_limit_bytes);
    assert_false(call(worker, "study", 20000, NULL, &err));
    assert_string_equal(err.reason, "worker_crashed");
    if (!strstr(err.text, text))
        print_message("%s: %s\n", fault, err.text);
    assert_non_null(strstr(err.text, text));
    worker_process_stop(worker);
}

static void what_the_worker_does_not_need_kills_it(void **state)
{
    static const char *const forbidden[] = {
        "socket",
        "connect",
        "exec",
        "fork",
        "thread",
        "kill",
        "map_code",
#if !WORKER_SANITIZED
        "ptrace"
#endif
    };
    char write[96], made[64];
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        misbehave(forbidden[i], 0, "signal 31 (forbidden system call)");
    snprintf(made, sizeof made, "%s/made", folder);
    snprintf(write, sizeof write, "write:%s", made);
    misbehave(write, 0, "signal 31 (forbidden system call)");
    assert_int_equal(access(made, F_OK), -1);
}

static void only_what_is_named_can_be_read(void **state)
{
    char open[96], link[64];
    struct worker_process *worker = start_real(NULL);
    struct err err = ERR_INIT;
    assert_false(call(worker, "x", 20000, NULL, &err));
    int landlock = worker_process_landlock(worker);
    worker_process_stop(worker);
    write_script("inside"); /* any file */
    snprintf(open, sizeof open, "open:%s", script);
    misbehave(open, 0, "exit code 90");
    snprintf(link, sizeof link, "%s/link", folder);
    assert_int_equal(symlink("/etc/hostname", link), 0);
    misbehave("open:/etc/hostname", 0, "exit code 90"); /* a link in the root leads there */
    unlink(link);
    if (landlock == 0) {
        print_message("this kernel has no Landlock: reading outside is not tested\n");
        skip();
    }
    misbehave("open:/etc/hostname", 0, "exit code 13");
    misbehave("open:/etc/passwd", 0, "exit code 13");
    misbehave("open:/proc/self/environ", 0, OWN_PROC);
}

static void too_much_memory_ends_it(void **state)
{
    misbehave("abort", 0, "signal 6");
    if (WORKER_SANITIZED)
        skip(); /* no limit there */
    misbehave("alloc", 768 << 20, "signal 6");
    misbehave("", 200 << 20, "exit code 3"); /* too little for two threads: it does not start */
}

/* What an older kernel does: the worker says so and works. */
static void without_landlock_it_works_and_says_so(void **state)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof code / sizeof *code, .filter = code};
    pid_t child = fork();
    if (child == 0) {
        struct err err = ERR_INIT;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
            _exit(10);
        struct worker_process *worker = start_real(NULL);
        bool refused = !call(worker, "no_such_job", 20000, NULL, &err) && err.code == ERR_INPUT;
        bool told = worker_process_landlock(worker) == 0;
        worker_process_stop(worker);
        worker = start_real("socket");
        bool killed = !call(worker, "study", 20000, NULL, &err) && strstr(err.text, "signal 31");
        worker_process_stop(worker);
        _exit(refused && told && killed ? 0 : 11);
    }
    int status = -1;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int make_folder(void **state)
{
    if (!mkdtemp(folder))
        return -1;
    snprintf(script, sizeof script, "%s/worker", folder);
    return 0;
}

static int remove_folder(void **state)
{
    char once[64];
    snprintf(once, sizeof once, "%s/once", folder);
    unlink(once);
    unlink(script);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_back_and_the_process_stays),
        cmocka_unit_test(the_environment_is_clean),
        cmocka_unit_test(the_arguments_say_threads_and_what_may_be_read),
        cmocka_unit_test(the_sandbox_is_told_with_the_first_answer),
        cmocka_unit_test(no_descriptor_leaks_and_one_is_handed_over),
        cmocka_unit_test(shelves_lie_where_they_belong),
        cmocka_unit_test(limits_are_set),
        cmocka_unit_test(a_refusal_passes_through),
        cmocka_unit_test(a_crash_names_its_signal),
        cmocka_unit_test(a_forbidden_system_call_is_named),
        cmocka_unit_test(an_exit_names_its_code),
        cmocka_unit_test(a_silent_worker_is_killed_in_time),
        cmocka_unit_test(a_worker_that_does_not_read_is_killed_in_time),
        cmocka_unit_test(garbage_is_told_apart),
        cmocka_unit_test(another_thread_can_end_a_call),
        cmocka_unit_test(no_such_binary_is_an_error),
        cmocka_unit_test(it_dies_with_its_parent),
        cmocka_unit_test(the_real_worker_refuses_nonsense_and_lives),
        cmocka_unit_test(the_fault_switch_crashes_hangs_and_passes),
        cmocka_unit_test(what_the_worker_does_not_need_kills_it),
        cmocka_unit_test(only_what_is_named_can_be_read),
        cmocka_unit_test(too_much_memory_ends_it),
        cmocka_unit_test(without_landlock_it_works_and_says_so),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
