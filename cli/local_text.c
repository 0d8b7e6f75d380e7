#include "local.h"
#include "show.h"

#include <stdio.h>

static void show_vectors(const struct local_settings *settings, const json_t *answer)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(answer, "embeddings"), i, item)
    {
        const json_t *vector = json_object_get(item, "embedding");
        printf("%s\n   ", show_text(item, "text"));
        for (size_t at = 0; at < json_array_size(vector) && at < 8; at++)
            printf(" %.5f", json_number_value(json_array_get(vector, at)));
        printf(" ... (%zu)\n", json_array_size(vector));
    }
}

enum cli_exit local_text(int count, char **arguments)
{
    struct err err = ERR_INIT;
    struct local_settings settings = {0};
    if (!local_options(count, arguments, "mjTl", &settings))
        return cli_usage("text", "an option is wrong");
    if (!settings.model || settings.rest_count == 0)
        return cli_usage("text", settings.model ? "no text given" : "--model is missing");
    json_t *job = json_pack("{s:s,s:s,s:o}", "job", "text", "model", settings.model, "texts",
                            local_list(settings.rest, settings.rest_count));
    return local_end(&settings, local_job(&settings, job, &err), show_vectors, &err);
}

static void show_ids(const struct local_settings *settings, const json_t *answer)
{
    const json_t *ids = json_object_get(answer, "ids");
    for (size_t i = 0; i < json_array_size(ids); i++)
        printf("%s%" JSON_INTEGER_FORMAT "%s", i ? " " : "", json_integer_value(json_array_get(ids, i)),
               i + 1 == json_array_size(ids) ? "\n" : "");
}

enum cli_exit local_tokenize(int count, char **arguments)
{
    struct err err = ERR_INIT;
    struct local_settings settings = {0};
    if (!local_options(count, arguments, "mjTl", &settings))
        return cli_usage("tokenize", "an option is wrong");
    if (!settings.model || settings.rest_count != 1)
        return cli_usage("tokenize", settings.model ? "give one text" : "--model is missing");
    json_t *job =
        json_pack("{s:s,s:s,s:s}", "job", "tokenize", "model", settings.model, "text", settings.rest[0]);
    return local_end(&settings, local_job(&settings, job, &err), show_ids, &err);
}
