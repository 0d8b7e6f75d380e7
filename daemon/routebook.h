/* The rules that say where results and originals go (routing/routing_rules.h). They are read and checked at
 * the start and at every reload, together with the configuration that names the destinations. threads: what
 * was published is immutable and stays valid until the service has stopped. */
#ifndef DAEMON_ROUTEBOOK_H
#define DAEMON_ROUTEBOOK_H

#include "daemon/config.h"
#include "routing/routing_rules.h"

struct routebook {
    struct routebook *replaced; /* the one before; freed together */
    struct arena *arena;
    const struct routing_rules
        *rules; /* NULL: no file, every result to every destination that receives them */
};

/* Read the file that the configuration names, if it names one. The DICOM dictionary must be loaded.
 * owns: caller frees. errors: those of routing_rules_parse; ERR_INPUT when a rule delivers or forwards to
 * what the configuration does not send that to; ERR_IO. All name the file. */
struct routebook *routebook_open(const struct config *config, struct err *err);
/* And every one that it replaced. Accepts NULL. */
void routebook_free(struct routebook *routebook);

/* "" without a file. */
const char *routebook_sha256(const struct routebook *routebook);

#endif
