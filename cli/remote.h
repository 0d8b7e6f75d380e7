/* What the commands that ask the daemon share: options, one request, and the ways to show its answer. */
#ifndef CLI_REMOTE_H
#define CLI_REMOTE_H

#include "cli.h"
#include "table.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { REMOTE_FILTERS = 5 };

struct remote {
    const char *name; /* of the command */
    const char *url, *token_file, *out;
    bool json;
    const char *filters[REMOTE_FILTERS]; /* --accession, --patient-id, --study-uid, --state, --since */
    const char *host, *port, *called, *calling;
    const char *reason;
    const char *destination;
    bool all, explain;
    const char *id; /* the one argument, or NULL */
};

struct remote_answer {
    long status;
    char *body;
    size_t size;
    json_t *json; /* NULL when the body is none */
};

/* Read a command line. allowed: the letters of the command's own options, see remote.c; those of REST are
 * always allowed; with '?' the one argument may be given. False after having said how the command is used. */
bool remote_arguments(struct remote *remote, int count, char **arguments, const char *allowed, bool wants_id);

/* One request. Anything but CLI_OK has been said. owns: remote_answer_done frees. */
enum cli_exit remote_ask(const struct remote *remote, const char *method, const char *path,
                         struct remote_answer *answer);
void remote_answer_done(struct remote_answer *answer);
bool remote_good(const struct remote_answer *answer);

/* Say why the daemon refused. */
enum cli_exit remote_refused(const struct remote_answer *answer);

/* The body as it came. */
enum cli_exit remote_raw(const struct remote_answer *answer);

/* Ask for the thing that remote->id names, between two parts of a path, and hand the answer to `show`. */
enum cli_exit remote_one_thing(const struct remote *remote, const char *method, const char *before,
                               const char *after,
                               enum cli_exit (*show)(const struct remote *, struct remote_answer *));

/* Ways to show one: "done" and what else it says; everything. */
enum cli_exit remote_show_done(const struct remote *remote, struct remote_answer *answer);
enum cli_exit remote_show_tree(const struct remote *remote, struct remote_answer *answer);

/* Ask for a list, the answer's member `key`, and show it as a table. */
enum cli_exit remote_list(const struct remote *remote, const char *path, const char *key,
                          const struct table_column *columns, int column_count);

#endif
