/* A bearer token, and the digest of it that the daemon is given. */
#include "base/digest.h"
#include "base/file.h"
#include "cli.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* The prefix keeps a token from being taken for a digest, and lets scanners for secrets find it. */
#define PREFIX "cardioscribe-"
enum { TOKEN_BYTES = 32, TOKEN_SIZE = sizeof PREFIX + 2 * TOKEN_BYTES };

static bool make_token(char token[TOKEN_SIZE], struct err *err)
{
    unsigned char bytes[TOKEN_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) /* so few come whole or not at all */
        return err_errno(err, "no random numbers");
    int used = snprintf(token, TOKEN_SIZE, "%s", PREFIX);
    for (int i = 0; i < TOKEN_BYTES; i++)
        used += snprintf(token + used, (size_t)(TOKEN_SIZE - used), "%02x", bytes[i]);
    explicit_bzero(bytes, sizeof bytes);
    return true;
}

/* A new file that its owner alone can read; one that is there is never written over. */
static bool write_token(const char *path, const char *token, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, "%s", path);
    bool ok = dprintf(fd, "%s\n", token) == TOKEN_SIZE;
    if (!ok)
        err_errno(err, "%s is incomplete, delete it", path);
    close(fd);
    return ok && file_sync(path, err);
}

enum cli_exit local_token(int count, char **arguments)
{
    static const struct option known[] = {{"out", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
    const char *out = NULL;
    char token[TOKEN_SIZE], digest[DIGEST_HEX_SIZE];
    struct err err = ERR_INIT;
    for (int which; (which = getopt_long(count, arguments, "", known, NULL)) != -1; out = optarg)
        if (which != 'o')
            return cli_usage(arguments[0], "an option is wrong");
    if (optind != count)
        return cli_usage(arguments[0], "too many arguments");
    if (!make_token(token, &err) || (out && !write_token(out, token, &err)))
        return cli_failed(&err);
    digest_bytes(token, strlen(token), digest);
    if (!out)
        printf("%s\n", token);
    printf("token_sha256 = %s\n", digest);
    fprintf(stderr,
            "%s is for the client and is not shown again; the line \"token_sha256\" belongs into"
            " [api] of the configuration.\n",
            out ? out : "The first line");
    explicit_bzero(token, sizeof token);
    return CLI_OK;
}
