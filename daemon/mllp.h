/* HL7 messages over TCP, in the frame <VT> message <FS><CR>, inside TLS where asked. One message and one
 * answer at a time. source: HL7 v2.5.1 implementation guide, appendix C (minimal lower layer protocol);
 * libcurl's connection without a protocol carries it. threads: one at a time. */
#ifndef DAEMON_MLLP_H
#define DAEMON_MLLP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mllp;

struct mllp_receiver {
    const char *host;
    int port, connect_timeout_s;
    bool tls;
    const char *ca_file; /* "": the system's */
};

enum { MLLP_MAX_ANSWER = 65536 };

/* owns: caller closes. errors: ERR_PEER (no connection, no TLS), ERR_NOMEM. */
struct mllp *mllp_open(const struct mllp_receiver *to, struct err *err);

/* Send the whole message. errors: ERR_PEER, also when it takes beyond until_ms (clock_monotonic_ms). */
bool mllp_send(struct mllp *mllp, const char *message, int64_t until_ms, struct err *err);

/* The next framed block; what stands before its frame is passed over. Borrowed until the next call.
 * errors: ERR_PEER (closed, too long, nothing complete until until_ms). */
bool mllp_receive(struct mllp *mllp, int64_t until_ms, const char **ret, size_t *ret_size, struct err *err);

void mllp_close(struct mllp *mllp); /* accepts NULL */

#endif
