#include "local.h"

#include "base/file.h"
#include "paths.h"
#include "pipeline/series_rules.h"
#include "pipeline/worker_process.h"
#include "roots.h"
#include "show.h"
#include "tensor/tile.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 0 and up; -1 when it is no such number. */
static int whole_number(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    return *text && !*end && number >= 0 && number <= 1000000 ? (int)number : -1;
}

// clang-format off
static const struct option known[] = {
    {"model", required_argument, NULL, 'm'},   {"tensor", required_argument, NULL, 't'},
    {"nifti", required_argument, NULL, 'n'},   {"json", no_argument, NULL, 'j'},
    {"stats", no_argument, NULL, 's'},         {"threads", required_argument, NULL, 'T'},
    {"timeout", required_argument, NULL, 'l'}, {"raw", required_argument, NULL, 'r'},
    {"frame", required_argument, NULL, 'f'},   {"series", required_argument, NULL, 'S'},
    {"series-rules", required_argument, NULL, 'R'}, {"dump-input", required_argument, NULL, 'd'},
    {"picture", required_argument, NULL, 'p'}, {"isa", required_argument, NULL, 'i'},
    {"precision", required_argument, NULL, 'P'},
    {NULL, 0, NULL, 0},
};
// clang-format on

static bool read_option(int which, const char *value, struct local_settings *to)
{
    int number = value ? whole_number(value) : -1;
    if (which == 'm')
        to->model = value;
    else if (which == 't')
        to->tensor = value;
    else if (which == 'n')
        to->nifti = value;
    else if (which == 'r')
        to->raw = value;
    else if (which == 'd')
        to->input = value;
    else if (which == 'p')
        to->picture = value;
    else if (which == 'P' && precision_read(value, &(enum precision){0}))
        to->precision = value;
    else if (which == 'i' && tile_limit(value))
        to->isa = value;
    else if (which == 'S')
        to->series = value;
    else if (which == 'R')
        to->series_rules = value;
    else if (which == 'f' && number >= 1)
        to->frame = number;
    else if (which == 'j')
        to->json = true;
    else if (which == 's')
        to->stats = true;
    else if (which == 'T' && number >= 0)
        to->threads = number;
    else if (which == 'l' && number >= 0)
        to->timeout_s = number;
    else
        return false;
    return true;
}

bool local_options(int count, char **arguments, const char *allowed, struct local_settings *ret)
{
    for (int which; (which = getopt_long(count, arguments, "", known, NULL)) != -1;)
        if (!strchr(allowed, which) || !read_option(which, optarg, ret))
            return false;
    ret->rest = arguments + optind;
    ret->rest_count = count - optind;
    return true;
}

/* Named paths, and files of the job that links lead to from there. */
static bool find_roots(const struct local_settings *settings, const json_t *job, struct roots *roots,
                       struct err *err)
{
    bool ok = roots_add(roots, settings->model, err) && roots_add(roots, settings->tensor, err);
    for (int i = 0; ok && i < settings->path_count; i++)
        ok = roots_add(roots, settings->paths[i], err);
    const json_t *files = json_object_get(job, "files");
    int count = (int)json_array_size(files);
    const char **texts = ok && count ? malloc((size_t)count * sizeof *texts) : NULL;
    for (int i = 0; texts && i < count; i++)
        texts[i] = json_string_value(json_array_get(files, (size_t)i));
    if (ok && count)
        ok = texts ? roots_add_outside(roots, texts, count, err)
                   : err_fail(err, ERR_NOMEM, "no memory for a list of %d files", count);
    free(texts);
    return ok;
}

struct worker_process *local_worker(const struct local_settings *settings, const json_t *job, int pass_fd,
                                    struct err *err)
{
    struct roots roots = {0};
    struct worker_process *worker = NULL;
    if (find_roots(settings, job, &roots, err)) {
        struct worker_options options = {.threads = settings->threads,
                                         .isa = settings->isa,
                                         .pass_fd = pass_fd,
                                         .read_roots = roots.list,
                                         .read_root_count = roots.count};
        worker = worker_process_start(&options, err);
    }
    roots_done(&roots);
    return worker;
}

/* pass_fd 0: none. */
static json_t *do_job(const struct local_settings *settings, json_t *job, int pass_fd, struct err *err)
{
    json_t *answer = NULL;
    struct worker_process *worker = NULL;
    if (!job)
        err_fail(err, ERR_INPUT, "an argument is not UTF-8");
    else
        worker = local_worker(settings, job, pass_fd, err);
    if (worker && !worker_process_call(worker, job, settings->timeout_s * 1000, &answer, err))
        answer = NULL;
    json_object_del(answer, "ok");
    json_t *stats = json_object_get(answer, "stats");
    if (stats)
        json_object_set_new(stats, "peak_rss_bytes",
                            json_integer((json_int_t)worker_process_peak_bytes(worker)));
    worker_process_stop(worker);
    json_decref(job);
    return answer;
}

json_t *local_list(char *const *texts, int count)
{
    json_t *list = json_array();
    for (int i = 0; list && i < count; i++) {
        if (json_array_append_new(list, json_string(texts[i])) == 0)
            continue;
        json_decref(list);
        list = NULL;
    }
    return list;
}

/* NULL with err set when there is none. */
static json_t *files_of(const struct local_settings *settings, struct err *err)
{
    struct paths paths = {0};
    bool ok = true;
    for (int i = 0; ok && i < settings->path_count; i++)
        ok = paths_add(&paths, settings->paths[i], err);
    paths_settle(&paths);
    if (ok && paths.count == 0)
        ok = err_decline(err, "no_files", "there is no file in %s", settings->paths[0]);
    json_t *list = ok ? local_list(paths.list, paths.count) : NULL;
    if (ok && !list)
        err_fail(err, ERR_INPUT, "a file's name is not UTF-8");
    paths_done(&paths);
    return list;
}

static bool add_rules(const char *path, json_t *job, struct err *err)
{
    size_t size;
    const struct study_rules *rules;
    struct arena *arena = arena_new();
    char *text = arena ? file_read(path, SERIES_RULES_MAX_BYTES, &size, err) : NULL;
    bool ok = text && series_rules_parse(text, size, path, arena, &rules, err);
    if (ok)
        json_object_set_new(job, "rules", json_string(text));
    free(text);
    arena_free(arena);
    return ok || (arena ? false : err_fail(err, ERR_NOMEM, "no memory for %s", path));
}

json_t *local_study_job(const struct local_settings *settings, const char *name, struct err *err)
{
    json_t *files = files_of(settings, err);
    json_t *job = files ? json_pack("{s:s,s:o}", "job", name, "files", files) : NULL;
    if (job && settings->series && json_object_set_new(job, "series", json_string(settings->series)) != 0)
        err_fail(err, ERR_INPUT, "an argument is not UTF-8");
    else if (job && (!settings->series_rules || add_rules(settings->series_rules, job, err)))
        return job;
    json_decref(job);
    return NULL;
}

json_t *local_job(const struct local_settings *settings, json_t *job, struct err *err)
{
    return do_job(settings, job, 0, err);
}

json_t *local_job_into(const struct local_settings *settings, json_t *job, const char *path, struct err *err)
{
    char part[4096];
    if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part) {
        json_decref(job);
        err_fail(err, ERR_INPUT, "the output's name is too long");
        return NULL;
    }
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        json_decref(job);
        err_errno(err, "create %s", part);
        return NULL;
    }
    json_t *answer = do_job(settings, job, fd, err);
    if (close(fd) < 0 && answer) {
        err_errno(err, "write %s", part);
        json_decref(answer);
        answer = NULL;
    }
    if (answer && rename(part, path) == 0)
        return answer;
    if (answer)
        err_errno(err, "rename to %s", path);
    json_decref(answer);
    unlink(part);
    return NULL;
}

enum cli_exit local_end(const struct local_settings *settings, json_t *answer,
                        void (*show)(const struct local_settings *settings, const json_t *answer),
                        const struct err *err)
{
    if (!answer)
        return cli_failed(err);
    enum cli_exit ended = CLI_OK;
    if (settings->json)
        ended = show_json(answer);
    else
        show(settings, answer);
    json_decref(answer);
    return ended;
}
