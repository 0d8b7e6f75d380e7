/* Where a study goes and why, and what was given up. */
#include "remote.h"

#include "rest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void print_names(const char *label, const json_t *names)
{
    size_t i;
    json_t *name;
    printf("  %-9s", label);
    json_array_foreach(names, i, name) printf(" %s", json_string_value(name));
    printf("%s\n", json_array_size(names) ? "" : " nowhere");
}

static void print_steps(const json_t *steps)
{
    static const struct table_column columns[] = {
        {"rule", "RULE"}, {"verdict", "VERDICT"}, {"because", "BECAUSE"}, {"why", "MEANT FOR"}};
    if (json_array_size(steps))
        table_print(stdout, steps, columns, sizeof columns / sizeof *columns);
    else
        printf("  no rules\n");
}

static void print_result(const json_t *result)
{
    const char *model = text_of(result, "model"), *reason = text_of(result, "reason");
    printf("\nresult of %s%s: %s%s%s\n", *model ? "model " : "no model", model, text_of(result, "state"),
           *reason ? ", " : "", reason);
    print_names("deliver", json_object_get(result, "deliver"));
    if (!json_is_true(json_object_get(result, "live")))
        printf("            the model is a shadow (live = no)\n");
    else if (json_is_true(json_object_get(result, "hold")))
        printf("            a rule holds it\n");
    else if (json_is_true(json_object_get(result, "by_default")))
        printf("            no rule says where: every destination that receives results\n");
    print_names("forward", json_object_get(result, "forward"));
    printf("  %-9s %s\n", "priority", text_of(result, "priority"));
    print_steps(json_object_get(result, "steps"));
}

static enum cli_exit show_route(const struct remote *remote, struct remote_answer *answer)
{
    const json_t *at_end = json_object_get(answer->json, "at_end");
    const json_t *results = json_object_get(answer->json, "results"), *result;
    size_t i;
    if (remote->json)
        return remote_raw(answer);
    if (!remote_good(answer) || !json_is_object(at_end))
        return remote_refused(answer);
    printf("at the end of the study, before there is a result\n");
    print_names("forward", json_object_get(at_end, "forward"));
    printf("  %-9s %s\n", "priority", text_of(at_end, "priority"));
    print_steps(json_object_get(at_end, "steps"));
    json_array_foreach(results, i, result) print_result(result);
    if (!json_array_size(results))
        printf("\nthere is no result of this revision yet\n");
    return CLI_OK;
}

enum cli_exit remote_route(int count, char **arguments)
{
    struct remote remote = {0};
    if (!remote_arguments(&remote, count, arguments, "x", true))
        return CLI_USAGE;
    if (!remote.explain)
        return cli_usage("route", "give --explain; nothing is ever sent by this command");
    return remote_one_thing(&remote, "GET", "/api/v1/studies/", "/route", show_route);
}

enum cli_exit remote_parked(int count, char **arguments)
{
    static const struct table_column columns[] = {
        {"id", "DELIVERY"}, {"destination", "DESTINATION"}, {"study", "STUDY"},       {"what", "WHAT"},
        {"model", "MODEL"}, {"revision", "REVISION"},       {"attempts", "ATTEMPTS"}, {"updated_at", "SINCE"},
        {"cause", "CAUSE"}};
    struct remote remote = {0};
    if (!remote_arguments(&remote, count, arguments, "d", false))
        return CLI_USAGE;
    struct err err = ERR_INIT;
    struct rest *rest = rest_open(remote.url, NULL, &err);
    char *name = rest && remote.destination ? rest_escape(rest, remote.destination) : NULL, *path = NULL;
    bool ok = rest && asprintf(&path, "/api/v1/deliveries/parked?limit=1000%s%s", name ? "&destination=" : "",
                               name ? name : "") >= 0;
    free(name);
    rest_close(rest);
    if (!ok) {
        fprintf(stderr, "cardioscribe: no memory\n");
        return CLI_REFUSED;
    }
    enum cli_exit end = remote_list(&remote, path, "deliveries", columns, sizeof columns / sizeof *columns);
    free(path);
    return end;
}

enum cli_exit remote_retry(int count, char **arguments)
{
    struct remote remote = {0};
    if (!remote_arguments(&remote, count, arguments, "A", true))
        return CLI_USAGE;
    return remote_one_thing(&remote, "POST", remote.all ? "/api/v1/destinations/" : "/api/v1/deliveries/",
                            "/retry", remote_show_done);
}
