#include "local.h"
#include "pipeline/worker_process.h"
#include "show.h"

#include <stdio.h>

static void show_volume(const struct local_settings *settings, const json_t *answer)
{
    const json_t *zyx = json_object_get(answer, "zyx");
    const json_t *spacing = json_object_get(answer, "spacing_zyx_mm");
    printf("%s: %d phase(s) of %d x %d x %d voxels (z, y, x), %.4g x %.4g x %.4g mm; %d files read, %d "
           "skipped\n",
           settings->nifti, (int)json_integer_value(json_object_get(answer, "phases")),
           (int)json_integer_value(json_array_get(zyx, 0)), (int)json_integer_value(json_array_get(zyx, 1)),
           (int)json_integer_value(json_array_get(zyx, 2)), json_number_value(json_array_get(spacing, 0)),
           json_number_value(json_array_get(spacing, 1)), json_number_value(json_array_get(spacing, 2)),
           (int)json_integer_value(json_object_get(answer, "files")),
           (int)json_integer_value(json_object_get(answer, "skipped")));
    show_series(json_object_get(answer, "series"));
    show_warnings(json_object_get(answer, "warnings"));
}

enum cli_exit local_volume(int count, char **arguments)
{
    struct err err = ERR_INIT;
    struct local_settings settings = {0};
    if (!local_options(count, arguments, "njTlSR", &settings))
        return cli_usage("volume", "an option is wrong");
    if (!settings.nifti || settings.rest_count == 0)
        return cli_usage("volume", settings.nifti ? "no path given" : "--nifti is missing");
    settings.paths = settings.rest;
    settings.path_count = settings.rest_count;
    json_t *answer = NULL, *job = local_study_job(&settings, "volume", &err);
    if (job && json_object_set_new(job, "fd", json_integer(WORKER_PASSED_FD)) == 0)
        answer = local_job_into(&settings, job, settings.nifti, &err);
    return local_end(&settings, answer, show_volume, &err);
}

static void show_pixels(const struct local_settings *settings, const json_t *answer)
{
    printf("%s: %d frame(s) of %d x %d values (rows, columns), %d bits %s, little endian\n", settings->raw,
           (int)show_number(answer, "frames"), (int)show_number(answer, "rows"),
           (int)show_number(answer, "columns"), (int)show_number(answer, "bits_allocated"),
           json_is_true(json_object_get(answer, "signed")) ? "signed" : "unsigned");
}

enum cli_exit local_pixels(int count, char **arguments)
{
    struct err err = ERR_INIT;
    struct local_settings settings = {0};
    if (!local_options(count, arguments, "rfjTl", &settings))
        return cli_usage("pixels", "an option is wrong");
    if (!settings.raw || settings.rest_count != 1)
        return cli_usage("pixels", settings.raw ? "give one file" : "--raw is missing");
    settings.paths = settings.rest;
    settings.path_count = 1;
    json_t *job =
        json_pack("{s:s,s:s,s:i}", "job", "pixels", "file", settings.rest[0], "fd", WORKER_PASSED_FD);
    if (settings.frame)
        json_object_set_new(job, "frame", json_integer(settings.frame));
    return local_end(&settings, local_job_into(&settings, job, settings.raw, &err), show_pixels, &err);
}
