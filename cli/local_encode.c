#include "local.h"
#include "pipeline/worker_process.h"
#include "show.h"

#include <stdio.h>
#include <string.h>

static int number_of_series(const json_t *series, const char *series_uid)
{
    size_t i;
    json_t *one;
    json_array_foreach(series, i, one)
    {
        if (strcmp(show_text(one, "series_uid"), series_uid) == 0)
            return (int)show_number(one, "series_number");
    }
    return -1;
}

static void print_views(const json_t *input)
{
    size_t i;
    json_t *view;
    json_array_foreach(json_object_get(input, "views"), i, view)
    {
        if (json_is_string(json_object_get(view, "reason")))
            printf("view       %-10s NOT THERE: %s\n", show_text(view, "name"), show_text(view, "reason"));
        else
            printf("view       %-10s series %d by %s: %d slices, %d phases, %d frames\n",
                   show_text(view, "name"),
                   number_of_series(json_object_get(input, "series"), show_text(view, "series_uid")),
                   show_text(view, "how"), (int)show_number(view, "slices"), (int)show_number(view, "phases"),
                   (int)show_number(view, "frames"));
    }
}

static void print_box(const json_t *box)
{
    const json_t *centre = json_object_get(box, "centre_lps"), *size = json_object_get(box, "size_zyx_mm");
    if (!json_is_object(box))
        return;
    printf("field      %s (confidence %.2f), centre", show_text(box, "source"),
           show_number(box, "confidence"));
    for (size_t i = 0; i < 3; i++)
        printf(" %.1f", json_number_value(json_array_get(centre, i)));
    printf(" mm (l, p, s), size");
    for (size_t i = 0; i < 3; i++)
        printf(" %.1f", json_number_value(json_array_get(size, i)));
    printf(" mm (z, y, x)\n");
}

static void print_input(const json_t *input)
{
    show_series(json_object_get(input, "series"));
    print_views(input);
    print_box(json_object_get(input, "box"));
    show_warnings(json_object_get(input, "warnings"));
}

static void print_organs(const json_t *organs)
{
    size_t i;
    json_t *organ;
    json_array_foreach(organs, i, organ)
    {
        const json_t *recognised = json_object_get(organ, "recognised");
        bool assessed = json_object_get(organ, "embedding");
        printf("organ      %-36s %-13s %s", show_text(organ, "id"), assessed ? "assessed" : "not_assessed",
               assessed ? "" : show_text(organ, "not_assessed"));
        if (recognised)
            printf("closest to %s, score %.4f", show_text(recognised, "id"),
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
        printf("finding    %-36s %-13s ", show_text(item, "id"), show_text(item, "state"));
        if (json_is_number(score))
            printf("score %.4f ", json_number_value(score));
        if (json_is_number(json_object_get(item, "probability")))
            printf("probability %.4f ", show_number(item, "probability"));
        if (json_is_string(json_object_get(item, "organ")))
            printf("organ %s ", show_text(item, "organ"));
        printf("%s\n", json_is_string(json_object_get(item, "reason")) ? show_text(item, "reason") : "");
    }
}

static void print_result(const json_t *result)
{
    const json_t *embedding = json_object_get(result, "embedding");
    if (json_is_true(json_object_get(result, "analysed")))
        printf("analysed   yes\n");
    else
        printf("analysed   NO: %s (%s)\n", show_text(result, "reason_text"), show_text(result, "reason"));
    show_model(json_object_get(result, "model"));
    print_input(json_object_get(result, "input"));
    show_domain(json_object_get(result, "domain"));
    print_organs(json_object_get(result, "organs"));
    print_findings(json_object_get(result, "findings"));
    if (json_is_array(embedding))
        printf("embedding  %zu numbers (--json shows them)\n", json_array_size(embedding));
    printf("Not for clinical use.\n");
}

static void print_stats(const json_t *stats, const json_t *timing)
{
    const double mib = 1024 * 1024;
    printf("memory     peak %.0f MiB, weights %.0f MiB\n", show_number(stats, "peak_rss_bytes") / mib,
           show_number(stats, "weights_bytes") / mib);
    printf("seconds    open %.3f, load %.3f, volume %.3f, encode %.3f, total %.3f\n",
           show_number(stats, "open_s"), show_number(timing, "load_s"), show_number(timing, "volume_s"),
           show_number(timing, "encode_s"), show_number(stats, "total_s"));
    printf("products   %s, %d thread(s)\n", show_text(stats, "gemm"), (int)show_number(stats, "threads"));
}

static enum cli_exit show_result(const struct local_settings *settings, const json_t *answer)
{
    json_t *result = json_object_get(answer, "result");
    json_t *stats = json_object_get(answer, "stats");
    const char *reason = show_text(result, "reason");
    if (settings->json && stats)
        json_object_set(result, "stats", stats);
    if (settings->json && show_json(result) != CLI_OK)
        return CLI_REFUSED;
    if (!settings->json)
        print_result(result);
    if (!settings->json && stats)
        print_stats(stats, json_object_get(result, "timing"));
    if (strcmp(reason, "no_dicom_files") != 0)
        return CLI_OK;
    fprintf(stderr, "cardioscribe: %s (%s)\n", show_text(result, "reason_text"), reason);
    return CLI_REFUSED;
}

/* The job the settings ask for, not yet done. NULL with err set on failure. */
static json_t *job_of(const struct local_settings *settings, struct err *err)
{
    json_t *job = settings->tensor ? json_pack("{s:s,s:s}", "job", "tensor", "file", settings->tensor)
                                   : local_study_job(settings, "study", err);
    if (job && json_object_set_new(job, "model", json_string(settings->model)) == 0 &&
        (!settings->precision ||
         json_object_set_new(job, "precision", json_string(settings->precision)) == 0) &&
        (!settings->stats || json_object_set_new(job, "stats", json_true()) == 0) &&
        (!settings->input || json_object_set_new(job, "input_fd", json_integer(WORKER_PASSED_FD)) == 0) &&
        (!settings->picture || json_object_set_new(job, "picture_fd", json_integer(WORKER_PASSED_FD)) == 0))
        return job;
    if (job || settings->tensor)
        err_fail(err, ERR_INPUT, "an argument is not UTF-8");
    json_decref(job);
    return NULL;
}

enum cli_exit local_encode(int count, char **arguments)
{
    struct err err = ERR_INIT;
    struct local_settings settings = {0};
    if (!local_options(count, arguments, "mtjsTlSRdpiP", &settings))
        return cli_usage("encode", "an option is wrong");
    if (!settings.model)
        return cli_usage("encode", "--model is missing");
    if ((settings.rest_count == 0) == !settings.tensor)
        return cli_usage("encode", "give either files or one --tensor");
    if (settings.tensor && (settings.series || settings.series_rules || settings.input || settings.picture))
        return cli_usage("encode", "a tensor has no series, and is the input");
    if (settings.input && settings.picture)
        return cli_usage("encode", "give either --dump-input or --picture");
    settings.paths = settings.rest;
    settings.path_count = settings.rest_count;
    const char *out = settings.input ? settings.input : settings.picture;
    json_t *job = job_of(&settings, &err);
    json_t *answer = NULL;
    if (job)
        answer = out ? local_job_into(&settings, job, out, &err) : local_job(&settings, job, &err);
    if (!answer)
        return cli_failed(&err);
    enum cli_exit end = show_result(&settings, answer);
    json_decref(answer);
    return end;
}
