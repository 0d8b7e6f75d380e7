#include "remote.h"

#include "rest.h"
#include "table.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One letter for each option; a command allows some of them. */
static const struct option known[] = {{"url", required_argument, NULL, 'u'},
                                      {"token-file", required_argument, NULL, 'k'},
                                      {"json", no_argument, NULL, 'j'},
                                      {"out", required_argument, NULL, 'o'},
                                      {"accession", required_argument, NULL, '0'},
                                      {"patient-id", required_argument, NULL, '1'},
                                      {"study-uid", required_argument, NULL, '2'},
                                      {"state", required_argument, NULL, '3'},
                                      {"since", required_argument, NULL, '4'},
                                      {"host", required_argument, NULL, 'h'},
                                      {"port", required_argument, NULL, 'p'},
                                      {"called", required_argument, NULL, 'a'},
                                      {"calling", required_argument, NULL, 'c'},
                                      {"reason", required_argument, NULL, 'r'},
                                      {"destination", required_argument, NULL, 'd'},
                                      {"all", no_argument, NULL, 'A'},
                                      {"explain", no_argument, NULL, 'x'},
                                      {NULL, 0, NULL, 0}};

static const char *const rest_options = "ukj";

static void take_option(struct remote *remote, int which)
{
    const struct {
        int which;
        const char **into;
    } texts[] = {{'u', &remote->url},     {'k', &remote->token_file}, {'o', &remote->out},
                 {'h', &remote->host},    {'p', &remote->port},       {'a', &remote->called},
                 {'c', &remote->calling}, {'r', &remote->reason},     {'d', &remote->destination}};
    if (which == 'j')
        remote->json = true;
    if (which == 'A')
        remote->all = true;
    if (which == 'x')
        remote->explain = true;
    if (which >= '0' && which <= '4')
        remote->filters[which - '0'] = optarg;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].which == which)
            *texts[i].into = optarg;
    }
}

bool remote_arguments(struct remote *remote, int count, char **arguments, const char *allowed, bool wants_id)
{
    const char *url = getenv("CARDIOSCRIBE_URL"), *token_file = getenv("CARDIOSCRIBE_TOKEN_FILE");
    remote->name = arguments[0];
    remote->url = url && *url ? url : "http://127.0.0.1:8042";
    remote->token_file = token_file && *token_file ? token_file : NULL;
    for (int which; (which = getopt_long(count, arguments, "", known, NULL)) != -1;) {
        if (which == '?' || !(strchr(allowed, which) || strchr(rest_options, which))) {
            cli_usage(remote->name, "an option is wrong");
            return false;
        }
        take_option(remote, which);
    }
    int given = count - optind;
    bool may_name = wants_id || strchr(allowed, '?');
    if (given > (may_name ? 1 : 0) || (wants_id && given == 0)) {
        cli_usage(remote->name, wants_id ? "give one number (a study: or its UID)" : "too many arguments");
        return false;
    }
    remote->id = given ? arguments[optind] : NULL;
    return true;
}

static enum cli_exit rest_failed(const struct err *err)
{
    cli_failed(err);
    return err->code == ERR_PEER ? CLI_UNREACHABLE : CLI_REFUSED;
}

void remote_answer_done(struct remote_answer *answer)
{
    json_decref(answer->json);
    free(answer->body);
}

enum cli_exit remote_ask(const struct remote *remote, const char *method, const char *path,
                         struct remote_answer *answer)
{
    struct err err = ERR_INIT;
    struct rest *rest = rest_open(remote->url, remote->token_file, &err);
    bool ok = rest && rest_ask(rest, method, path, &answer->status, &answer->body, &answer->size, &err);
    rest_close(rest);
    if (!ok)
        return rest_failed(&err);
    answer->json = json_loadb(answer->body, answer->size, 0, NULL);
    return CLI_OK;
}

enum cli_exit remote_refused(const struct remote_answer *answer)
{
    const json_t *error = json_object_get(answer->json, "error");
    const char *text = json_string_value(json_object_get(error, "text"));
    const char *code = json_string_value(json_object_get(error, "code"));
    fprintf(stderr, "cardioscribe: the daemon answers %ld: %s%s%s%s\n", answer->status,
            text ? text : "no reason given", code ? " (" : "", code ? code : "", code ? ")" : "");
    return CLI_REFUSED;
}

bool remote_good(const struct remote_answer *answer)
{
    return answer->status >= 200 && answer->status < 300;
}

enum cli_exit remote_raw(const struct remote_answer *answer)
{
    fwrite(answer->body, 1, answer->size, stdout);
    if (answer->size == 0 || answer->body[answer->size - 1] != '\n')
        putchar('\n');
    return remote_good(answer) ? CLI_OK : CLI_REFUSED;
}

/* A path with one piece the user typed: "/api/v1/studies/%s/events". NULL: no memory. */
static char *path_with(const struct remote *remote, const char *before, const char *after)
{
    struct err err = ERR_INIT;
    char *path = NULL;
    struct rest *rest = rest_open(remote->url, NULL, &err);
    char *id = rest ? rest_escape(rest, remote->id) : NULL;
    if (id && asprintf(&path, "%s%s%s", before, id, after) < 0)
        path = NULL;
    free(id);
    rest_close(rest);
    return path;
}

enum cli_exit remote_one_thing(const struct remote *remote, const char *method, const char *before,
                               const char *after,
                               enum cli_exit (*show)(const struct remote *, struct remote_answer *))
{
    struct remote_answer answer = {0};
    char *path = path_with(remote, before, after);
    if (!path) {
        fprintf(stderr, "cardioscribe: no memory\n");
        return CLI_REFUSED;
    }
    enum cli_exit end = remote_ask(remote, method, path, &answer);
    free(path);
    if (end == CLI_OK)
        end = show(remote, &answer);
    remote_answer_done(&answer);
    return end;
}

enum cli_exit remote_list(const struct remote *remote, const char *path, const char *key,
                          const struct table_column *columns, int column_count)
{
    struct remote_answer answer = {0};
    enum cli_exit end = remote_ask(remote, "GET", path, &answer);
    if (end == CLI_OK && remote->json)
        end = remote_raw(&answer);
    else if (end == CLI_OK && (!remote_good(&answer) || !json_is_array(json_object_get(answer.json, key))))
        end = remote_refused(&answer);
    else if (end == CLI_OK)
        table_print(stdout, json_object_get(answer.json, key), columns, column_count);
    remote_answer_done(&answer);
    return end;
}

enum cli_exit remote_show_done(const struct remote *remote, struct remote_answer *answer)
{
    if (remote->json)
        return remote_raw(answer);
    if (!remote_good(answer))
        return remote_refused(answer);
    printf("done\n");
    if (answer->json)
        table_tree(stdout, answer->json);
    return CLI_OK;
}

enum cli_exit remote_show_tree(const struct remote *remote, struct remote_answer *answer)
{
    if (remote->json)
        return remote_raw(answer);
    if (!remote_good(answer) || !answer->json)
        return remote_refused(answer);
    table_tree(stdout, answer->json);
    return CLI_OK;
}
