/* Commands that ask the daemon. Each is one request and one way to show its answer. */
#include "cli.h"
#include "dicom/dicom_head.h"
#include "dicom/dicom_sr.h"
#include "remote.h"
#include "report/plain_text.h"
#include "rest.h"
#include "table.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const filter_names[] = {"accession", "patient_id", "study_uid", "state", "since"};

/* ---- status, studies, refusals ---- */

enum cli_exit remote_status(int count, char **arguments)
{
    struct remote remote = {0};
    struct remote_answer answer = {0};
    if (!remote_arguments(&remote, count, arguments, "", false))
        return CLI_USAGE;
    enum cli_exit end = remote_ask(&remote, "GET", "/readyz", &answer);
    if (end == CLI_OK && remote.json)
        end = remote_raw(&answer);
    else if (end == CLI_OK && !answer.json)
        end = remote_refused(&answer);
    else if (end == CLI_OK) {
        printf("%s\n", remote_good(&answer) ? "ready" : "NOT ready");
        table_tree(stdout, answer.json);
        end = remote_good(&answer) ? CLI_OK : CLI_REFUSED;
    }
    remote_answer_done(&answer);
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
    if (!remote_arguments(&remote, count, arguments, "01234", false))
        return CLI_USAGE;
    char *path = studies_path(&remote);
    if (!path)
        return CLI_REFUSED;
    enum cli_exit end = remote_list(&remote, path, "studies", columns, sizeof columns / sizeof *columns);
    free(path);
    return end;
}

enum cli_exit remote_refusals(int count, char **arguments)
{
    static const struct table_column columns[] = {
        {"at", "TIME"},         {"peer_ae", "PEER"},  {"peer_address", "ADDRESS"},
        {"sop_uid", "SOP UID"}, {"status", "STATUS"}, {"cause", "CAUSE"}};
    struct remote remote = {0};
    if (!remote_arguments(&remote, count, arguments, "", false))
        return CLI_USAGE;
    return remote_list(&remote, "/api/v1/refusals", "refusals", columns, sizeof columns / sizeof *columns);
}

/* ---- one study ---- */

static enum cli_exit show_events(const struct remote *remote, struct remote_answer *answer)
{
    static const struct table_column columns[] = {{"at", "TIME"}, {"kind", "EVENT"}, {"detail", "DETAIL"}};
    const json_t *events = json_object_get(answer->json, "events");
    if (remote->json)
        return remote_raw(answer);
    if (!remote_good(answer) || !json_is_array(events))
        return remote_refused(answer);
    table_print(stdout, events, columns, sizeof columns / sizeof *columns);
    return CLI_OK;
}

enum cli_exit remote_events(int count, char **arguments)
{
    struct remote remote = {0};
    if (!remote_arguments(&remote, count, arguments, "", true))
        return CLI_USAGE;
    return remote_one_thing(&remote, "GET", "/api/v1/studies/", "/events", show_events);
}

enum cli_exit remote_study(int count, char **arguments)
{
    struct remote remote = {0};
    if (!remote_arguments(&remote, count, arguments, "", true))
        return CLI_USAGE;
    return remote_one_thing(&remote, "GET", "/api/v1/studies/", "", remote_show_tree);
}

enum cli_exit remote_force(int count, char **arguments)
{
    struct remote remote = {0};
    if (!remote_arguments(&remote, count, arguments, "", true))
        return CLI_USAGE;
    return remote_one_thing(&remote, "POST", "/api/v1/studies/", "/force", remote_show_done);
}

/* ---- report ---- */

static bool write_file(int fd, const char *path, const struct remote_answer *answer, struct err *err)
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

static enum cli_exit print_report(const struct remote_answer *answer)
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

static enum cli_exit show_report(const struct remote *remote, struct remote_answer *answer)
{
    struct err err = ERR_INIT;
    if (!remote_good(answer))
        return remote->json ? remote_raw(answer) : remote_refused(answer);
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
    if (!remote_arguments(&remote, count, arguments, "o", true))
        return CLI_USAGE;
    return remote_one_thing(&remote, "GET", "/api/v1/studies/", "/report", show_report);
}
