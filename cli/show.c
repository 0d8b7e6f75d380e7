#include "show.h"

#include <stdio.h>

enum cli_exit show_json(const json_t *json)
{
    return json_dumpf(json, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF ? CLI_OK : CLI_REFUSED;
}

const char *show_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "-";
}

double show_number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

void show_model(const json_t *model)
{
    printf("model      %s %s, %s, %s; weights %.12s, prompts %.12s\n", show_text(model, "name"),
           show_text(model, "version"),
           json_is_true(json_object_get(model, "trained")) ? "trained" : "UNTRAINED (decides nothing)",
           show_text(model, "precision"), show_text(model, "weights_sha256"),
           show_text(model, "prompts_sha256"));
}

void show_domain(const json_t *domain)
{
    const json_t *distance = json_object_get(domain, "distance");
    if (!json_is_object(domain))
        return;
    printf("domain     ");
    if (distance)
        printf("%s, distance %.4f, ", json_is_true(json_object_get(domain, "inside")) ? "inside" : "OUTSIDE",
               json_number_value(distance));
    printf("limit %.4f; %s, of the %s\n", show_number(domain, "limit"), show_text(domain, "id"),
           show_text(domain, "of"));
}

void show_warnings(const json_t *warnings)
{
    size_t i;
    json_t *item;
    json_array_foreach(warnings, i, item)
    {
        printf("warning    %s\n", json_string_value(item));
    }
}

void show_series(const json_t *series)
{
    size_t i;
    json_t *one;
    json_array_foreach(series, i, one)
    {
        const char *role = show_text(one, "role"), *why = show_text(one, "why");
        printf("series     %-4d %-3s %5d objects  %-18s %-16s %s\n", (int)show_number(one, "series_number"),
               show_text(one, "modality"), (int)show_number(one, "instances"), show_text(one, "reason"),
               *role ? role : "-", show_text(one, "description"));
        if (*why)
            printf("           %s\n", why);
    }
}
