/* Commands without a daemon. Each makes one job, has the worker do it, and shows the answer. */
#include "cli.h"
#include "paths.h"
#include "pipeline/worker_process.h"
#include "roots.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FAULTS_SHOWN = 200 };

struct settings {
    const char *model, *tensor, *nifti, *raw;
    bool json, stats;
    int threads, timeout_s, frame; /* frame from 1; 0: all */
    char *const *named;            /* the paths on the command line */
    int named_count;
};

/* 0 and up; -1 when it is no such number. */
static int whole_number(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    return *text && !*end && number >= 0 && number <= 1000000 ? (int)number : -1;
}

/* Options may stand anywhere before "--"; what is no option is left from *ret_first on. */
static bool read_options(int count, char **arguments, struct settings *settings, int *ret_first)
{
    static const struct option known[] = {
        {"model", required_argument, NULL, 'm'},   {"tensor", required_argument, NULL, 't'},
        {"nifti", required_argument, NULL, 'n'},   {"json", no_argument, NULL, 'j'},
        {"stats", no_argument, NULL, 's'},         {"threads", required_argument, NULL, 'T'},
        {"timeout", required_argument, NULL, 'l'}, {"raw", required_argument, NULL, 'r'},
        {"frame", required_argument, NULL, 'f'},   {NULL, 0, NULL, 0}};
    for (int which; (which = getopt_long(count, arguments, "", known, NULL)) != -1;) {
        if (which == 'm')
            settings->model = optarg;
        else if (which == 't')
            settings->tensor = optarg;
        else if (which == 'n')
            settings->nifti = optarg;
        else if (which == 'r')
            settings->raw = optarg;
        else if (which == 'f' && whole_number(optarg) >= 1)
            settings->frame = whole_number(optarg);
        else if (which == 'j')
            settings->json = true;
        else if (which == 's')
            settings->stats = true;
        else if (which == 'T' && whole_number(optarg) >= 0)
            settings->threads = whole_number(optarg);
        else if (which == 'l' && whole_number(optarg) >= 0)
            settings->timeout_s = whole_number(optarg);
        else
            return false;
    }
    *ret_first = optind;
    return true;
}

/* Named paths, and files of the job that links lead to from there. */
static bool find_roots(const struct settings *settings, const json_t *job, struct roots *roots,
                       struct err *err)
{
    bool ok = roots_add(roots, settings->model, err) && roots_add(roots, settings->tensor, err);
    for (int i = 0; ok && i < settings->named_count; i++)
        ok = roots_add(roots, settings->named[i], err);
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

static struct worker_process *start_worker(const struct settings *settings, const json_t *job, int pass_fd,
                                           struct err *err)
{
    struct roots roots = {0};
    struct worker_process *worker = NULL;
    if (find_roots(settings, job, &roots, err)) {
        struct worker_options options = {.threads = settings->threads,
                                         .pass_fd = pass_fd,
                                         .read_roots = roots.list,
                                         .read_root_count = roots.count};
        worker = worker_process_start(&options, err);
    }
    roots_done(&roots);
    return worker;
}

/* One job in a fresh worker; takes `job`. NULL with err set on failure. */
static json_t *do_job(const struct settings *settings, json_t *job, int pass_fd, struct err *err)
{
    json_t *answer = NULL;
    struct worker_process *worker = NULL;
    if (!job)
        err_fail(err, ERR_INPUT, "an argument is not UTF-8");
    else
        worker = start_worker(settings, job, pass_fd, err);
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

static enum cli_exit print_json(const json_t *json)
{
    return json_dumpf(json, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF ? CLI_OK : CLI_REFUSED;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "-";
}

/* ---- encode ---- */

static void print_model(const json_t *model)
{
    printf("model      %s %s, %s; weights %.12s, prompts %.12s\n", text_of(model, "name"),
           text_of(model, "version"),
           json_is_true(json_object_get(model, "trained")) ? "trained" : "UNTRAINED (decides nothing)",
           text_of(model, "weights_sha256"), text_of(model, "prompts_sha256"));
}

static void print_warnings(const json_t *warnings)
{
    size_t i;
    json_t *item;
    json_array_foreach(warnings, i, item)
    {
        printf("warning    %s\n", json_string_value(item));
    }
}

static void print_input(const json_t *input)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(input, "series"), i, item)
    {
        printf("series     %-4d %-3s %5d objects  %-18s %s\n",
               (int)json_integer_value(json_object_get(item, "series_number")), text_of(item, "modality"),
               (int)json_integer_value(json_object_get(item, "instances")), text_of(item, "reason"),
               text_of(item, "description"));
    }
    print_warnings(json_object_get(input, "warnings"));
}

static void print_organs(const json_t *organs)
{
    size_t i;
    json_t *organ;
    json_array_foreach(organs, i, organ)
    {
        const json_t *recognised = json_object_get(organ, "recognised");
        bool assessed = json_object_get(organ, "embedding");
        printf("organ      %-36s %-13s %s", text_of(organ, "id"), assessed ? "assessed" : "not_assessed",
               assessed ? "" : text_of(organ, "not_assessed"));
        if (recognised)
            printf("closest to %s, score %.4f", text_of(recognised, "id"),
                   json_number_value(json_object_get(recognised, "score")));
        putchar('\n');
    }
}

static void print_findings(const json_t *findings)
{
    size_t i;
    json_t *item;
    json_array_foreach(findings, i, item)
    {
        const json_t *score = json_object_get(item, "score");
        printf("finding    %-36s %-13s ", text_of(item, "id"), text_of(item, "state"));
        if (json_is_number(score))
            printf("score %.4f ", json_number_value(score));
        if (json_is_string(json_object_get(item, "organ")))
            printf("organ %s ", text_of(item, "organ"));
        printf("%s\n", json_is_string(json_object_get(item, "reason")) ? text_of(item, "reason") : "");
    }
}

static void print_result(const json_t *result)
{
    const json_t *embedding = json_object_get(result, "embedding");
    if (json_is_true(json_object_get(result, "analysed")))
        printf("analysed   yes\n");
    else
        printf("analysed   NO: %s (%s)\n", text_of(result, "reason_text"), text_of(result, "reason"));
    print_model(json_object_get(result, "model"));
    print_input(json_object_get(result, "input"));
    print_organs(json_object_get(result, "organs"));
    print_findings(json_object_get(result, "findings"));
    if (json_is_array(embedding))
        printf("embedding  %zu numbers (--json shows them)\n", json_array_size(embedding));
    printf("Not for clinical use.\n");
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void print_stats(const json_t *stats, const json_t *timing)
{
    const double mib = 1024 * 1024;
    printf("memory     peak %.0f MiB, weights %.0f MiB\n", number_of(stats, "peak_rss_bytes") / mib,
           number_of(stats, "weights_bytes") / mib);
    printf("seconds    open %.3f, load %.3f, volume %.3f, encode %.3f, total %.3f\n",
           number_of(stats, "open_s"), number_of(timing, "load_s"), number_of(timing, "volume_s"),
           number_of(timing, "encode_s"), number_of(stats, "total_s"));
    printf("products   %s, %d thread(s)\n", text_of(stats, "gemm"), (int)number_of(stats, "threads"));
}

static enum cli_exit show_result(const struct settings *settings, const json_t *answer)
{
    json_t *result = json_object_get(answer, "result");
    json_t *stats = json_object_get(answer, "stats");
    const char *reason = text_of(result, "reason");
    if (settings->json && stats)
        json_object_set(result, "stats", stats);
    if (settings->json && print_json(result) != CLI_OK)
        return CLI_REFUSED;
    if (!settings->json)
        print_result(result);
    if (!settings->json && stats)
        print_stats(stats, json_object_get(result, "timing"));
    if (strcmp(reason, "no_dicom_files") != 0)
        return CLI_OK;
    fprintf(stderr, "cardioscribe: %s (%s)\n", text_of(result, "reason_text"), reason);
    return CLI_REFUSED;
}

static json_t *list_of(char *const *texts, int count)
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

/* Every file the arguments name, as a JSON list. NULL with err set when there is none. */
static json_t *files_of(char *const *arguments, int count, struct err *err)
{
    struct paths paths = {0};
    bool ok = true;
    for (int i = 0; ok && i < count; i++)
        ok = paths_add(&paths, arguments[i], err);
    paths_settle(&paths);
    if (ok && paths.count == 0)
        ok = err_decline(err, "no_files", "there is no file in %s", arguments[0]);
    json_t *list = ok ? list_of(paths.list, paths.count) : NULL;
    if (ok && !list)
        err_fail(err, ERR_INPUT, "a file's name is not UTF-8");
    paths_done(&paths);
    return list;
}

enum cli_exit local_encode(int count, char **arguments)
{
    int first;
    struct err err = ERR_INIT;
    struct settings settings = {0};
    if (!read_options(count, arguments, &settings, &first) || settings.nifti || settings.raw ||
        settings.frame)
        return cli_usage("encode", "an option is wrong");
    if (!settings.model)
        return cli_usage("encode", "--model is missing");
    if ((first == count) == !settings.tensor)
        return cli_usage("encode", "give either files or one --tensor");
    json_t *job;
    if (settings.tensor) {
        job = json_pack("{s:s,s:s,s:s}", "job", "tensor", "model", settings.model, "file", settings.tensor);
    } else {
        settings.named = arguments + first;
        settings.named_count = count - first;
        json_t *files = files_of(settings.named, settings.named_count, &err);
        if (!files)
            return cli_failed(&err);
        job = json_pack("{s:s,s:s,s:o}", "job", "study", "model", settings.model, "files", files);
    }
    if (settings.stats)
        json_object_set_new(job, "stats", json_true());
    json_t *answer = do_job(&settings, job, 0, &err);
    if (!answer)
        return cli_failed(&err);
    enum cli_exit end = show_result(&settings, answer);
    json_decref(answer);
    return end;
}

/* ---- text and tokens ---- */

static void print_vectors(const json_t *embeddings)
{
    size_t i;
    json_t *item;
    json_array_foreach(embeddings, i, item)
    {
        const json_t *vector = json_object_get(item, "embedding");
        printf("%s\n   ", text_of(item, "text"));
        for (size_t at = 0; at < json_array_size(vector) && at < 8; at++)
            printf(" %.5f", json_number_value(json_array_get(vector, at)));
        printf(" ... (%zu)\n", json_array_size(vector));
    }
}

enum cli_exit local_text(int count, char **arguments)
{
    int first;
    struct err err = ERR_INIT;
    struct settings settings = {0};
    if (!read_options(count, arguments, &settings, &first) || settings.tensor || settings.nifti ||
        settings.stats || settings.raw || settings.frame)
        return cli_usage("text", "an option is wrong");
    if (!settings.model || first == count)
        return cli_usage("text", settings.model ? "no text given" : "--model is missing");
    json_t *job = json_pack("{s:s,s:s,s:o}", "job", "text", "model", settings.model, "texts",
                            list_of(arguments + first, count - first));
    json_t *answer = do_job(&settings, job, 0, &err);
    if (!answer)
        return cli_failed(&err);
    enum cli_exit ended = CLI_OK;
    if (settings.json)
        ended = print_json(answer);
    else
        print_vectors(json_object_get(answer, "embeddings"));
    json_decref(answer);
    return ended;
}

enum cli_exit local_tokenize(int count, char **arguments)
{
    int first;
    struct err err = ERR_INIT;
    struct settings settings = {0};
    if (!read_options(count, arguments, &settings, &first) || settings.tensor || settings.nifti ||
        settings.stats || settings.raw || settings.frame)
        return cli_usage("tokenize", "an option is wrong");
    if (!settings.model || first != count - 1)
        return cli_usage("tokenize", settings.model ? "give one text" : "--model is missing");
    json_t *job =
        json_pack("{s:s,s:s,s:s}", "job", "tokenize", "model", settings.model, "text", arguments[first]);
    json_t *answer = do_job(&settings, job, 0, &err);
    if (!answer)
        return cli_failed(&err);
    enum cli_exit ended = CLI_OK;
    const json_t *ids = json_object_get(answer, "ids");
    if (settings.json)
        ended = print_json(answer);
    for (size_t i = 0; !settings.json && i < json_array_size(ids); i++)
        printf("%s%" JSON_INTEGER_FORMAT "%s", i ? " " : "", json_integer_value(json_array_get(ids, i)),
               i + 1 == json_array_size(ids) ? "\n" : "");
    json_decref(answer);
    return ended;
}

/* ---- model check ---- */

/* True: there were some. */
static bool print_faults(const json_t *answer)
{
    size_t i;
    json_t *fault;
    json_array_foreach(json_object_get(answer, "faults"), i, fault)
    {
        if (i == FAULTS_SHOWN)
            break;
        const char *reason = text_of(fault, "reason");
        fprintf(stderr, "cardioscribe: %s%s%s%s\n", text_of(fault, "text"), *reason ? " (" : "", reason,
                *reason ? ")" : "");
    }
    int count = (int)json_integer_value(json_object_get(answer, "fault_count"));
    if (count > FAULTS_SHOWN)
        fprintf(stderr, "cardioscribe: and %d more (--json shows them)\n", count - FAULTS_SHOWN);
    if (count > 1)
        fprintf(stderr, "cardioscribe: %d faults\n", count);
    return count > 0;
}

static void print_check(const json_t *answer)
{
    const json_t *zyx = json_object_get(answer, "input_zyx");
    if (strcmp(text_of(answer, "kind"), "model") != 0) {
        printf("ok: %d tensors, %lld bytes, sha256 %s\n",
               (int)json_integer_value(json_object_get(answer, "tensors")),
               (long long)json_integer_value(json_object_get(answer, "bytes")), text_of(answer, "sha256"));
        return;
    }
    print_model(json_object_get(answer, "model"));
    printf("input      %s, %d x %d x %d voxels (z, y, x)\nembedding  %d numbers\n",
           text_of(answer, "modality"), (int)json_integer_value(json_array_get(zyx, 0)),
           (int)json_integer_value(json_array_get(zyx, 1)), (int)json_integer_value(json_array_get(zyx, 2)),
           (int)json_integer_value(json_object_get(answer, "dim")));
}

enum cli_exit local_model(int count, char **arguments)
{
    int first;
    struct err err = ERR_INIT;
    struct settings settings = {0};
    if (!read_options(count, arguments, &settings, &first) || settings.tensor || settings.nifti ||
        settings.stats || settings.raw || settings.frame)
        return cli_usage("model", "an option is wrong");
    if (first != count - 2 || strcmp(arguments[first], "check") != 0)
        return cli_usage("model", "give \"check\" and one path");
    settings.named = arguments + first + 1;
    settings.named_count = 1;
    json_t *job = json_pack("{s:s,s:s}", "job", "check", "path", arguments[first + 1]);
    json_t *answer = do_job(&settings, job, 0, &err);
    if (!answer)
        return cli_failed(&err);
    bool faulty = json_integer_value(json_object_get(answer, "fault_count")) > 0;
    enum cli_exit ended = CLI_OK;
    if (settings.json)
        ended = print_json(answer);
    else if (!print_faults(answer))
        print_check(answer);
    json_decref(answer);
    return faulty ? CLI_REFUSED : ended;
}

/* ---- volume ---- */

static void print_volume(const json_t *answer, const char *file)
{
    const json_t *zyx = json_object_get(answer, "zyx");
    const json_t *spacing = json_object_get(answer, "spacing_zyx_mm");
    printf("%s: %d phase(s) of %d x %d x %d voxels (z, y, x), %.4g x %.4g x %.4g mm; %d files read, %d "
           "skipped\n",
           file, (int)json_integer_value(json_object_get(answer, "phases")),
           (int)json_integer_value(json_array_get(zyx, 0)), (int)json_integer_value(json_array_get(zyx, 1)),
           (int)json_integer_value(json_array_get(zyx, 2)), json_number_value(json_array_get(spacing, 0)),
           json_number_value(json_array_get(spacing, 1)), json_number_value(json_array_get(spacing, 2)),
           (int)json_integer_value(json_object_get(answer, "files")),
           (int)json_integer_value(json_object_get(answer, "skipped")));
    print_warnings(json_object_get(answer, "warnings"));
}

/* Do a job that writes to the passed descriptor; takes `job`. Only what is whole gets its name: it is written
 * beside and renamed. */
static json_t *write_output(const struct settings *settings, json_t *job, const char *path, struct err *err)
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

enum cli_exit local_volume(int count, char **arguments)
{
    int first;
    struct err err = ERR_INIT;
    struct settings settings = {0};
    if (!read_options(count, arguments, &settings, &first) || settings.tensor || settings.model ||
        settings.stats || settings.raw || settings.frame)
        return cli_usage("volume", "an option is wrong");
    if (!settings.nifti || first == count)
        return cli_usage("volume", settings.nifti ? "no path given" : "--nifti is missing");
    settings.named = arguments + first;
    settings.named_count = count - first;
    json_t *files = files_of(settings.named, settings.named_count, &err);
    json_t *answer = NULL;
    if (files)
        answer = write_output(
            &settings, json_pack("{s:s,s:o,s:i}", "job", "volume", "files", files, "fd", WORKER_PASSED_FD),
            settings.nifti, &err);
    if (!answer)
        return cli_failed(&err);
    enum cli_exit ended = CLI_OK;
    if (settings.json)
        ended = print_json(answer);
    else
        print_volume(answer, settings.nifti);
    json_decref(answer);
    return ended;
}

/* ---- pixels ---- */

static void print_pixels(const json_t *answer, const char *file)
{
    printf("%s: %d frame(s) of %d x %d values (rows, columns), %d bits %s, little endian\n", file,
           (int)number_of(answer, "frames"), (int)number_of(answer, "rows"),
           (int)number_of(answer, "columns"), (int)number_of(answer, "bits_allocated"),
           json_is_true(json_object_get(answer, "signed")) ? "signed" : "unsigned");
}

enum cli_exit local_pixels(int count, char **arguments)
{
    int first;
    struct err err = ERR_INIT;
    struct settings settings = {0};
    if (!read_options(count, arguments, &settings, &first) || settings.tensor || settings.model ||
        settings.stats || settings.nifti)
        return cli_usage("pixels", "an option is wrong");
    if (!settings.raw || first != count - 1)
        return cli_usage("pixels", settings.raw ? "give one file" : "--raw is missing");
    settings.named = arguments + first;
    settings.named_count = 1;
    json_t *job =
        json_pack("{s:s,s:s,s:i}", "job", "pixels", "file", arguments[first], "fd", WORKER_PASSED_FD);
    if (settings.frame)
        json_object_set_new(job, "frame", json_integer(settings.frame));
    json_t *answer = write_output(&settings, job, settings.raw, &err);
    if (!answer)
        return cli_failed(&err);
    enum cli_exit ended = CLI_OK;
    if (settings.json)
        ended = print_json(answer);
    else
        print_pixels(answer, settings.raw);
    json_decref(answer);
    return ended;
}
