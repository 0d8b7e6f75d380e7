/* Withdrawing a study. */
#include "remote.h"
#include "rest.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* "/purge?operator=...&reason=..." owns: caller frees. NULL: no memory. */
static char *purge_path(const struct remote *remote)
{
    struct err err = ERR_INIT;
    const struct passwd *user = getpwuid(getuid());
    struct rest *rest = rest_open(remote->url, NULL, &err);
    char *name = rest ? rest_escape(rest, user ? user->pw_name : "unknown") : NULL;
    char *reason = rest ? rest_escape(rest, remote->reason ? remote->reason : "by an operator") : NULL;
    char *path = NULL;
    if (name && reason && asprintf(&path, "/purge?operator=%s&reason=%s", name, reason) < 0)
        path = NULL;
    free(name);
    free(reason);
    rest_close(rest);
    return path;
}

enum cli_exit remote_purge(int count, char **arguments)
{
    struct remote remote = {0};
    if (!remote_arguments(&remote, count, arguments, "r", true))
        return CLI_USAGE;
    char *path = purge_path(&remote);
    if (!path) {
        fprintf(stderr, "cardioscribe: no memory\n");
        return CLI_REFUSED;
    }
    enum cli_exit end = remote_one_thing(&remote, "POST", "/api/v1/studies/", path, remote_show_done);
    free(path);
    return end;
}
