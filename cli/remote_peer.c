/* Commands about peers. */
#include "dicom/dicom_head.h"
#include "dicom/dicom_net.h"
#include "remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum cli_exit remote_peers(int count, char **arguments)
{
    static const struct table_column columns[] = {{"name", "NAME"},
                                                  {"ae_title", "AE"},
                                                  {"address", "ADDRESS"},
                                                  {"port", "PORT"},
                                                  {"may_store", "STORES"},
                                                  {"receives_results", "GETS RESULTS"},
                                                  {"receives_objects", "GETS ORIGINALS"},
                                                  {"pending", "WAITING"},
                                                  {"parked", "PARKED"}};
    struct remote remote = {0};
    if (!remote_arguments(&remote, count, arguments, "", false))
        return CLI_USAGE;
    return remote_list(&remote, "/api/v1/peers", "peers", columns, sizeof columns / sizeof *columns);
}

static enum cli_exit show_echo(const struct remote *remote, struct remote_answer *answer)
{
    if (remote->json)
        return remote_raw(answer);
    if (!remote_good(answer))
        return remote_refused(answer);
    printf("%s answers C-ECHO (%lld ms)\n", remote->id,
           (long long)json_integer_value(json_object_get(answer->json, "wall_ms")));
    return CLI_OK;
}

/* To the daemon itself, as any peer would. */
static enum cli_exit echo_daemon(const struct remote *remote)
{
    struct err err = ERR_INIT;
    char *end;
    long port = strtol(remote->port, &end, 10);
    if (*end || port < 1 || port > 65535)
        return cli_usage("echo", "\"%s\" is no port", remote->port);
    struct dicom_peer peer = {.our_ae = remote->calling,
                              .ae_title = remote->called,
                              .host = remote->host,
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
    printf("%s at %s:%ld answers C-ECHO\n", remote->called, remote->host, port);
    return CLI_OK;
}

enum cli_exit remote_echo(int count, char **arguments)
{
    struct remote remote = {
        .host = "127.0.0.1", .port = "11112", .called = "CARDIOSCRIBE", .calling = "CARDIOSCRIBE"};
    if (!remote_arguments(&remote, count, arguments, "hpac?", false))
        return CLI_USAGE;
    if (remote.id)
        return remote_one_thing(&remote, "POST", "/api/v1/peers/", "/echo", show_echo);
    return echo_daemon(&remote);
}
