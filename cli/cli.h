/* What the commands share: one table, one way to end. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/err.h"

enum cli_exit {
    CLI_OK,
    CLI_REFUSED,    /* bad input, or the other side said no */
    CLI_USAGE,      /* the command line makes no sense */
    CLI_UNREACHABLE /* no daemon at that address */
};

/* in: arguments[0] is the command's name. */
typedef enum cli_exit (*cli_run)(int count, char **arguments);

/* Without a daemon: everything heavy runs in the worker binary. */
enum cli_exit local_encode(int count, char **arguments);
enum cli_exit local_text(int count, char **arguments);
enum cli_exit local_tokenize(int count, char **arguments);
enum cli_exit local_model(int count, char **arguments);
enum cli_exit local_volume(int count, char **arguments);
enum cli_exit local_pixels(int count, char **arguments);
enum cli_exit local_token(int count, char **arguments);

/* With the daemon, over its REST interface. */
enum cli_exit remote_status(int count, char **arguments);
enum cli_exit remote_studies(int count, char **arguments);
enum cli_exit remote_study(int count, char **arguments);
enum cli_exit remote_report(int count, char **arguments);
enum cli_exit remote_events(int count, char **arguments);
enum cli_exit remote_force(int count, char **arguments);
enum cli_exit remote_retry(int count, char **arguments);
enum cli_exit remote_purge(int count, char **arguments);
enum cli_exit remote_parked(int count, char **arguments);
enum cli_exit remote_route(int count, char **arguments);
enum cli_exit remote_refusals(int count, char **arguments);
enum cli_exit remote_peers(int count, char **arguments);
enum cli_exit remote_echo(int count, char **arguments);

/* "cardioscribe NAME: message" on stderr, then how it is used. Returns CLI_USAGE. */
enum cli_exit cli_usage(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "cardioscribe: text" on stderr. Returns CLI_REFUSED. */
enum cli_exit cli_failed(const struct err *err);

#endif
