/* Commands that ask the daemon. Each is one request and one way to show its answer. */
#include "cli.h"
#include "dicom/dicom_head.h"
#include "dicom/dicom_net.h"
#include "dicom/dicom_sr.h"
#include "report/plain_text.h"
#include "rest.h"
#include "table.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct remote {
    const char *name; /* of the command */
    const char *url, *token_file, *out;
    bool json;
    const char *filters[5]; /* in the order of filter_names */
    const char *host, *port, *called, *calling;
    const char *id; /* the one argument, or NULL */
};

static const char *const filter_names[] = {"accession", "patient_id", "study_uid", "state", "since"};

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
                                      {NULL, 0, NULL, 0}};

static const char *const rest_options = "ukj";

static void take_option(struct remote *remote, int which)
{
    const struct {
        int which;
        const char **into;
    } texts[] = {{'u', &remote->url},    {'k', &remote->token_file}, {'o', &remote->out},
                 {'h', &remote->host},   {'p', &remote->port},       {'a', &remote->called},
                 {'c', &remote->calling}};
    if (which == 'j')
        remote->json = true;
    if (which >= '0' && which <= '4')
        remote->filters[which - '0'] = optarg;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].which == which)
            *texts[i].into = optarg;
    }
}

/* False after having said how the command is used. */
static bool read_arguments(struct remote *remote, int count, char **arguments, const char *allowed,
                           bool wants_id)
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
    if (count - optind != (wants_id ? 1 : 0)) {
        cli_usage(remote->name, wants_id ? "give one number (a study: or its UID)" : "too many arguments");
        return false;
    }
    remote->id = wants_id ? arguments[optind] : NULL;
    return true;
}

static enum cli_exit rest_failed(const struct err *err)
{
    cli_failed(err);
    return err->code == ERR_PEER ? CLI_UNREACHABLE : CLI_REFUSED;
}

struct answer {
    long status;
    char *body;
    size_t size;
    json_t *json; /* NULL when the body is none */
};

static void answer_done(struct answer *answer)
{
    json_decref(answer->json);
    free(answer->body);
}

static enum cli_exit ask(const struct remote *remote, const char *method, const char *path,
                         struct answer *answer)
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

static enum cli_exit refused(const struct answer *answer)
{
    const json_t *error = json_object_get(answer->json, "error");
    const char *text = json_string_value(json_object_get(error, "text"));
    const char *code = json_string_value(json_object_get(error, "code"));
    fprintf(stderr, "cardioscribe: the daemon answers %ld: %s%s%s%s\n", answer->status,
            text ? text : "no reason given", code ? " (" : "", code ? code : "", code ? ")" : "");
    return CLI_REFUSED;
}

static bool is_good(const struct answer *answer)
{
    return answer->status >= 200 && answer->status < 300;
}

static enum cli_exit print_raw(const struct answer *answer)
{
    fwrite(answer->body, 1, answer->size, stdout);
    if (answer->size == 0 || answer->body[answer->size - 1] != '\n')
        putchar('\n');
    return is_good(answer) ? CLI_OK : CLI_REFUSED;
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

/* Ask for one thing by its number and hand the answer to `show`. */
static enum cli_exit one_thing(const struct remote *remote, const char *method, const char *before,
                               const char *after,
                               enum cli_exit (*show)(const struct remote *, struct answer *))
{
    struct answer answer = {0};
    char *path = path_with(remote, before, after);
    if (!path) {
        fprintf(stderr, "cardioscribe: no memory\n");
        return CLI_REFUSED;
    }
    enum cli_exit end = ask(remote, method, path, &answer);
    free(path);
    if (end == CLI_OK)
        end = show(remote, &answer);
    answer_done(&answer);
    return end;
}

/* ---- status, studies, refusals ---- */

enum cli_exit remote_status(int count, char **arguments)
{
    struct remote remote = {0};
    struct answer answer = {0};
    if (!read_arguments(&remote, count, arguments, "", false))
        return CLI_USAGE;
    enum cli_exit end = ask(&remote, "GET", "/readyz", &answer);
    if (end == CLI_OK && remote.json)
        end = print_raw(&answer);
    else if (end == CLI_OK && !answer.json)
        end = refused(&answer);
    else if (end == CLI_OK) {
        printf("%s\n", is_good(&answer) ? "ready" : "NOT ready");
        table_tree(stdout, answer.json);
        end = is_good(&answer) ? CLI_OK : CLI_REFUSED;
    }
    answer_done(&answer);
    return end;
}

static enum cli_exit list(const struct remote *remote, const char *path, const char *key,
                          const struct table_column *columns, int column_count)
{
    struct answer answer = {0};
    enum cli_exit end = ask(remote, "GET", path, &answer);
    if (end == CLI_OK && remote->json)
        end = print_raw(&answer);
    else if (end == CLI_OK && (!is_good(&answer) || !json_is_array(json_object_get(answer.json, key))))
        end = refused(&answer);
    else if (end == CLI_OK)
        table_print(stdout, json_object_get(answer.json, key), columns, column_count);
    answer_done(&answer);
    return end;
}

/* "/api/v1/studies?accession=...&state=..." owns: caller frees. NULL: no memory. */
static char *studies_path(const struct remote *remote)
{
    struct err err = ERR_INIT;
    struct rest *rest = rest_open(remote->url, NULL, &err);
    char *path = rest ? strdup("/api/v1/studies") : NULL;
    const char *joint = "?";
    for (int i = 0; path && i < 5; i++) {
        if (!remote->filters[i])
            continue;
        char *value = rest_escape(rest, remote->filters[i]), *longer = NULL;
        if (!value || asprintf(&longer, "%s%s%s=%s", path, joint, filter_names[i], value) < 0)
            longer = NULL;
        free(value);
        free(path);
        path = longer;
        joint = "&";
    }
    rest_close(rest);
    return path;
}

enum cli_exit remote_studies(int count, char **arguments)
{
    static const struct table_column columns[] = {{"id", "ID"},
                                                  {"state", "STATE"},
                                                  {"reason", "REASON"},
                                                  {"revision", "REVISION"},
                                                  {"objects", "OBJECTS"},
                                                  {"accession", "ACCESSION"},
                                                  {"patient_id", "PATIENT"},
                                                  {"study_date", "DATE"},
                                                  {"description", "DESCRIPTION"},
                                                  {"last_object_at", "LAST OBJECT"},
                                                  {"study_uid", "STUDY UID"}};
    struct remote remote = {0};
    if (!read_arguments(&remote, count, arguments, "01234", false))
        return CLI_USAGE;
    char *path = studies_path(&remote);
    if (!path)
        return CLI_REFUSED;
    enum cli_exit end = list(&remote, path, "studies", columns, sizeof columns / sizeof *columns);
    free(path);
    return end;
}

enum cli_exit remote_refusals(int count, char **arguments)
{
    static const struct table_column columns[] = {
        {"at", "TIME"},         {"peer_ae", "PEER"},  {"peer_address", "ADDRESS"},
        {"sop_uid", "SOP UID"}, {"status", "STATUS"}, {"cause", "CAUSE"}};
    struct remote remote = {0};
    if (!read_arguments(&remote, count, arguments, "", false))
        return CLI_USAGE;
    return list(&remote, "/api/v1/refusals", "refusals", columns, sizeof columns / sizeof *columns);
}

/* ---- one study ---- */

static enum cli_exit show_events(const struct remote *remote, struct answer *answer)
{
    static const struct table_column columns[] = {{"at", "TIME"}, {"kind", "EVENT"}, {"detail", "DETAIL"}};
    const json_t *events = json_object_get(answer->json, "events");
    if (remote->json)
        return print_raw(answer);
    if (!is_good(answer) || !json_is_array(events))
        return refused(answer);
    table_print(stdout, events, columns, sizeof columns / sizeof *columns);
    return CLI_OK;
}

enum cli_exit remote_events(int count, char **arguments)
{
    struct remote remote = {0};
    if (!read_arguments(&remote, count, arguments, "", true))
        return CLI_USAGE;
    return one_thing(&remote, "GET", "/api/v1/studies/", "/events", show_events);
}

static enum cli_exit show_done(const struct remote *remote, struct answer *answer)
{
    if (remote->json)
        return print_raw(answer);
    if (!is_good(answer))
        return refused(answer);
    printf("done\n");
    if (answer->json)
        table_tree(stdout, answer->json);
    return CLI_OK;
}

static enum cli_exit show_tree(const struct remote *remote, struct answer *answer)
{
    if (remote->json)
        return print_raw(answer);
    if (!is_good(answer) || !answer->json)
        return refused(answer);
    table_tree(stdout, answer->json);
    return CLI_OK;
}

enum cli_exit remote_study(int count, char **arguments)
{
    struct remote remote = {0};
    if (!read_arguments(&remote, count, arguments, "", true))
        return CLI_USAGE;
    return one_thing(&remote, "GET", "/api/v1/studies/", "", show_tree);
}

enum cli_exit remote_force(int count, char **arguments)
{
    struct remote remote = {0};
    if (!read_arguments(&remote, count, arguments, "", true))
        return CLI_USAGE;
    return one_thing(&remote, "POST", "/api/v1/studies/", "/force", show_done);
}

enum cli_exit remote_retry(int count, char **arguments)
{
    struct remote remote = {0};
    if (!read_arguments(&remote, count, arguments, "", true))
        return CLI_USAGE;
    return one_thing(&remote, "POST", "/api/v1/deliveries/", "/retry", show_done);
}

/* ---- report ---- */

static bool write_file(int fd, const char *path, const struct answer *answer, struct err *err)
{
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file)
        return err_errno(err, "create %s", path);
    bool written = fwrite(answer->body, 1, answer->size, file) == answer->size;
    if (fclose(file) != 0 || !written)
        return err_errno(err, "write %s", path);
    return true;
}

/* A report in another character set must not upset the terminal. */
static void print_clean(const char *text)
{
    size_t room = strlen(text) * 3 + 1;
    char *clean = malloc(room);
    if (!clean)
        return;
    plain_text_copy(clean, room, text);
    fputs(clean, stdout);
    free(clean);
}

static enum cli_exit print_report(const struct answer *answer)
{
    struct err err = ERR_INIT;
    char path[] = "/tmp/cardioscribe-report-XXXXXX";
    char *text = NULL;
    if (dicom_library_init(&err) && write_file(mkostemp(path, O_CLOEXEC), path, answer, &err))
        text = dicom_sr_text(path, &err);
    unlink(path);
    if (!text)
        return cli_failed(&err);
    print_clean(text);
    free(text);
    return CLI_OK;
}

static enum cli_exit show_report(const struct remote *remote, struct answer *answer)
{
    struct err err = ERR_INIT;
    if (!is_good(answer))
        return remote->json ? print_raw(answer) : refused(answer);
    if (!remote->out)
        return print_report(answer);
    if (!write_file(open(remote->out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), remote->out, answer,
                    &err))
        return cli_failed(&err);
    return CLI_OK;
}

enum cli_exit remote_report(int count, char **arguments)
{
    struct remote remote = {0};
    if (!read_arguments(&remote, count, arguments, "o", true))
        return CLI_USAGE;
    return one_thing(&remote, "GET", "/api/v1/studies/", "/report", show_report);
}

/* ---- echo ---- */

enum cli_exit remote_echo(int count, char **arguments)
{
    struct err err = ERR_INIT;
    struct remote remote = {
        .host = "127.0.0.1", .port = "11112", .called = "CARDIOSCRIBE", .calling = "CARDIOSCRIBE"};
    if (!read_arguments(&remote, count, arguments, "hpac", false))
        return CLI_USAGE;
    char *end;
    long port = strtol(remote.port, &end, 10);
    if (*end || port < 1 || port > 65535)
        return cli_usage("echo", "\"%s\" is no port", remote.port);
    struct dicom_peer peer = {.our_ae = remote.calling,
                              .ae_title = remote.called,
                              .host = remote.host,
                              .port = (int)port,
                              .connect_timeout_s = 5,
                              .acse_timeout_s = 10,
                              .dimse_timeout_s = 10,
                              .max_pdu_bytes = 16384};
    if (!dicom_library_init(&err))
        return cli_failed(&err);
    if (!dicom_echo(&peer, &err)) {
        cli_failed(&err);
        return strcmp(err.reason, "no_connection") == 0 ? CLI_UNREACHABLE : CLI_REFUSED;
    }
    printf("%s at %s:%ld answers C-ECHO\n", remote.called, remote.host, port);
    return CLI_OK;
}
