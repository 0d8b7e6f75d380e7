/* DICOM associations: the accepting side one association at a time, the sending side one delivery at a time.
 * The caller owns sockets that listen, threads and policy; DCMTK stays behind this header.
 * source: PS3.7 (DIMSE), PS3.8 (upper layer). */
#ifndef DICOM_NET_H
#define DICOM_NET_H

#include "base/err.h"
#include "base/uid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DICOM_AE_SIZE = 17, DICOM_COMMENT_SIZE = 65, DICOM_ADDRESS_SIZE = 46 };

/* C-STORE status. source: PS3.4 table B.2-1, PS3.7 annex C. */
enum dicom_status {
    DICOM_SUCCESS = 0x0000,
    DICOM_OUT_OF_RESOURCES = 0xA700,
    DICOM_DATA_SET_MISMATCH = 0xA900,
    DICOM_PATIENT_CONFLICT = 0xA901,
    DICOM_CANNOT_UNDERSTAND = 0xC000,
    DICOM_CLASS_NOT_SUPPORTED = 0x0122,
    DICOM_NOT_AUTHORISED = 0x0124,
    DICOM_PROCESSING_FAILURE = 0x0110
};

/* A-ASSOCIATE-RJ. source: PS3.8 table 9-21. */
enum dicom_reject {
    DICOM_REJECT_CALLING_AE,          /* 1,1,3 */
    DICOM_REJECT_CALLED_AE,           /* 1,1,7 */
    DICOM_REJECT_APPLICATION_CONTEXT, /* 1,1,2 */
    DICOM_REJECT_LOCAL_LIMIT,         /* 2,3,2: transient */
    DICOM_REJECT_CONGESTION           /* 2,3,1: transient */
};

struct dicom_acceptor;
struct dicom_association;

struct dicom_acceptor_options {
    int max_pdu_bytes; /* 16384 to 131072 */
    int acse_timeout_s;
    /* Inside a command or an object: the longest silence. One of either has as long, and a second more for
     * each 4 KiB, in all: a peer is waited for no longer than that. */
    int dimse_timeout_s;
    int idle_timeout_s;         /* between commands */
    int keepalive_s;            /* of silence before TCP asks whether the peer is still there */
    uint64_t max_object_bytes;  /* a larger object aborts its association */
    bool accept_other;          /* storage classes beyond CT and MR */
    const char *const *refused; /* SOP Class UIDs never accepted, even so; borrowed */
    int refused_count;
};

/* owns: caller closes after the last association. threads: any may receive with it. errors: ERR_IO. */
struct dicom_acceptor *dicom_acceptor_open(const struct dicom_acceptor_options *options, struct err *err);
void dicom_acceptor_close(struct dicom_acceptor *acceptor);

/* How much of an A-ASSOCIATE-RQ has arrived on a connected socket, without taking it.
 * Returns the number of bytes that must be there for the whole request (6 until its head is there), 0 when it
 * is complete, or -1 when the peer is gone or speaks something else. source: PS3.8 9.3.2. */
int dicom_request_missing(int fd);

/* Answer a waiting request with a rejection without reading it, and close the socket, at most 0.1 s later so
 * that the peer can close first. */
void dicom_reject_unread(int fd, enum dicom_reject reason);

/* Take the socket and read the whole A-ASSOCIATE-RQ, which must have arrived (dicom_request_missing).
 * owns: consumes fd always; the caller closes the association. errors: ERR_PEER. */
struct dicom_association *dicom_association_receive(struct dicom_acceptor *acceptor, int fd, struct err *err);

const char *dicom_association_calling(const struct dicom_association *association);
const char *dicom_association_called(const struct dicom_association *association);
bool dicom_association_context_known(const struct dicom_association *association);

void dicom_association_reject(struct dicom_association *association, enum dicom_reject reason);

/* What one peer is granted. */
struct dicom_terms {
    bool echo;                           /* Verification is accepted */
    int dimse_timeout_s, idle_timeout_s; /* instead of the acceptor's; 0: those */
};
/* Negotiate presentation contexts and acknowledge. errors: ERR_PEER. */
bool dicom_association_accept(struct dicom_association *association, const struct dicom_terms *terms,
                              struct err *err);

enum dicom_next {
    DICOM_NEXT_ECHO,
    DICOM_NEXT_STORE,
    DICOM_NEXT_RELEASED,
    DICOM_NEXT_ABORTED,
    DICOM_NEXT_TIMEOUT,
    DICOM_NEXT_FAILED
};

/* Wait for the peer's next command, at most the idle time-out. ECHO and RELEASED are already answered.
 * FAILED and TIMEOUT: the association has been aborted. err tells the cause of ABORTED, TIMEOUT, FAILED;
 * FAILED with the reason "too_slow": the command came slower than it may. */
enum dicom_next dicom_association_next(struct dicom_association *association, struct err *err);

/* The C-STORE-RQ that DICOM_NEXT_STORE announced. Borrowed until the next call. */
const char *dicom_association_sop_class(const struct dicom_association *association);
const char *dicom_association_sop_uid(const struct dicom_association *association);

/* Is that class the one its presentation context was negotiated for? A peer could otherwise send a class we
 * refuse inside a context we accept. */
bool dicom_association_class_agreed(const struct dicom_association *association);

/* Receive the announced object into a new Part 10 file, its data set's bytes as sent. *ret_offset: where the
 * data set starts. The file's length is checked against the bytes received; nothing is synced.
 * errors: ERR_FULL (disk; the object was read to its end: answer and go on), ERR_PEER (association aborted:
 * close; reason "object_too_large", "too_slow", "timeout", "broken"), ERR_IO as ERR_FULL. */
bool dicom_association_store(struct dicom_association *association, const char *path, uint64_t *ret_offset,
                             struct err *err);
/* Read the announced object and throw it away. errors: ERR_PEER as above. */
bool dicom_association_skip(struct dicom_association *association, struct err *err);

/* Answer the C-STORE-RQ. comment: "" or up to 64 characters, cut, becomes Error Comment (0000,0902).
 * offending_tag: 0xGGGGEEEE for Offending Element (0000,0901), or 0. errors: ERR_PEER. */
bool dicom_association_answer(struct dicom_association *association, uint16_t status, const char *comment,
                              uint32_t offending_tag, struct err *err);

/* Ask a blocked call on the association to come back with ABORTED. threads: any. */
void dicom_association_interrupt(struct dicom_association *association);
void dicom_association_close(struct dicom_association *association); /* accepts NULL */

/* The sending side. */
struct dicom_peer {
    const char *our_ae, *ae_title, *host;
    int port;
    int connect_timeout_s, acse_timeout_s, dimse_timeout_s;
    int max_pdu_bytes;
};

struct dicom_sender;

/* Open an association that proposes the storage classes named, explicit and implicit little endian.
 * in:     class_count 0 proposes Verification only.
 * errors: ERR_PEER; reason "rejected_permanent", "rejected_transient", "no_connection", "" else. */
struct dicom_sender *dicom_sender_open(const struct dicom_peer *peer, const char *const *classes,
                                       int class_count, struct err *err);
/* The same for files of their own transfer syntaxes: a context each. An uncompressed one is proposed in both
 * little endian syntaxes too; a compressed one is sent as it is or not at all.
 * in: count from 1 to DICOM_CONTEXTS_MAX, which is what one association can hold (PS3.8 9.3.2.2). */
enum { DICOM_CONTEXTS_MAX = 128 };
struct dicom_context {
    const char *sop_class, *transfer_syntax;
};
struct dicom_sender *dicom_sender_open_for(const struct dicom_peer *peer,
                                           const struct dicom_context *contexts, int count, struct err *err);
bool dicom_sender_accepts(const struct dicom_sender *sender, const char *sop_class);
/* Send one Part 10 file. *ret_status: the peer's status; comment: its Error Comment.
 * errors: ERR_PEER (transport: use a new association), ERR_IO (our file), ERR_UNSUPPORTED (no presentation
 * context for its class). */
bool dicom_sender_store(struct dicom_sender *sender, const char *path, uint16_t *ret_status,
                        char comment[DICOM_COMMENT_SIZE], struct err *err);
bool dicom_sender_echo(struct dicom_sender *sender, struct err *err);
void dicom_sender_close(struct dicom_sender *sender); /* releases; accepts NULL */

/* Open, C-ECHO, release. errors: ERR_PEER; reason as dicom_sender_open, or "no_verification". */
bool dicom_echo(const struct dicom_peer *peer, struct err *err);

#endif
