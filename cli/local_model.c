#include "local.h"
#include "show.h"

#include <stdio.h>
#include <string.h>

enum { FAULTS_SHOWN = 200 };

/* True: there were some. */
static bool show_faults(const json_t *answer)
{
    size_t i;
    json_t *fault;
    json_array_foreach(json_object_get(answer, "faults"), i, fault)
    {
        if (i == FAULTS_SHOWN)
            break;
        const char *reason = show_text(fault, "reason");
        fprintf(stderr, "cardioscribe: %s%s%s%s\n", show_text(fault, "text"), *reason ? " (" : "", reason,
                *reason ? ")" : "");
    }
    int count = (int)json_integer_value(json_object_get(answer, "fault_count"));
    if (count > FAULTS_SHOWN)
        fprintf(stderr, "cardioscribe: and %d more (--json shows them)\n", count - FAULTS_SHOWN);
    if (count > 1)
        fprintf(stderr, "cardioscribe: %d faults\n", count);
    return count > 0;
}

static void show_check(const struct local_settings *settings, const json_t *answer)
{
    const json_t *zyx = json_object_get(answer, "input_zyx");
    if (show_faults(answer))
        return;
    if (strcmp(show_text(answer, "kind"), "model") != 0) {
        printf("ok: %d tensors, %lld bytes, sha256 %s\n",
               (int)json_integer_value(json_object_get(answer, "tensors")),
               (long long)json_integer_value(json_object_get(answer, "bytes")), show_text(answer, "sha256"));
        return;
    }
    show_model(json_object_get(answer, "model"));
    printf("input      %s, %d x %d x %d voxels (z, y, x)\nembedding  %d numbers\n",
           show_text(answer, "modality"), (int)json_integer_value(json_array_get(zyx, 0)),
           (int)json_integer_value(json_array_get(zyx, 1)), (int)json_integer_value(json_array_get(zyx, 2)),
           (int)json_integer_value(json_object_get(answer, "dim")));
    show_domain(json_object_get(answer, "domain"));
}

enum cli_exit local_model(int count, char **arguments)
{
    struct err err = ERR_INIT;
    struct local_settings settings = {0};
    if (!local_options(count, arguments, "jTlSRiP", &settings))
        return cli_usage("model", "an option is wrong");
    if (settings.rest_count >= 1 && strcmp(settings.rest[0], "measure") == 0)
        return settings.rest_count >= 4
                   ? local_measure(&settings)
                   : cli_usage("model", "\"measure\" needs a model folder and at least two studies");
    if (settings.precision || settings.isa || settings.series || settings.series_rules)
        return cli_usage("model", "\"check\" takes no such option");
    if (settings.rest_count != 2 || strcmp(settings.rest[0], "check") != 0)
        return cli_usage("model", "give \"check\" and one path, or \"measure\", a model folder and studies");
    settings.paths = settings.rest + 1;
    settings.path_count = 1;
    json_t *job = json_pack("{s:s,s:s}", "job", "check", "path", settings.rest[1]);
    json_t *answer = local_job(&settings, job, &err);
    bool faulty = json_integer_value(json_object_get(answer, "fault_count")) > 0;
    enum cli_exit ended = local_end(&settings, answer, show_check, &err);
    return faulty ? CLI_REFUSED : ended;
}
