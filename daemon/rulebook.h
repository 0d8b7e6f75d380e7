/* The rules that tell series apart (pipeline/series_rules.h), as the text that goes to a worker with every
 * study. They are read and checked at the start and at every reload, so a file that is being edited, or is
 * wrong, changes nothing. threads: what was published is immutable and stays valid until the service has
 * stopped. */
#ifndef DAEMON_RULEBOOK_H
#define DAEMON_RULEBOOK_H

#include "base/digest.h"
#include "base/err.h"

#include <jansson.h>

struct rulebook {
    struct rulebook *replaced; /* the one before; freed together */
    char *text;                /* NULL: what is built in */
    char sha256[DIGEST_HEX_SIZE];
    int rule_count;
};

/* in: path "" is what is built in. owns: caller frees. errors: those of series_rules_read, all naming the
 * file. */
struct rulebook *rulebook_open(const char *path, struct err *err);
/* And every one that it replaced. Accepts NULL. */
void rulebook_free(struct rulebook *rulebook);

/* Add it to the job of a study. */
void rulebook_offer(const struct rulebook *rulebook, json_t *job);

#endif
