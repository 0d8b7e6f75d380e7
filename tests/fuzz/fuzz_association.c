/* All a peer sends on one connection, from its A-ASSOCIATE-RQ on; then it falls silent for good. Received as
 * the daemon does it: requests answered, objects stored into a file or thrown away in turn. */
#include "dicom/dicom_head.h"
#include "dicom/dicom_net.h"
#include "fuzz.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SENT_MAX = 60000, COMMANDS_MAX = 16, MIN_PDU = 16384, TIMEOUT_S = 10, OBJECT_MAX = 1 << 15 };

static struct dicom_acceptor *start(void)
{
    static struct dicom_acceptor *acceptor;
    static const struct dicom_acceptor_options options = {.max_pdu_bytes = MIN_PDU,
                                                          .acse_timeout_s = TIMEOUT_S,
                                                          .dimse_timeout_s = TIMEOUT_S,
                                                          .idle_timeout_s = TIMEOUT_S,
                                                          .max_object_bytes = OBJECT_MAX,
                                                          .accept_other = true};
    struct err err = ERR_INIT;
    if (!acceptor)
        acceptor = dicom_library_init(&err) ? dicom_acceptor_open(&options, &err) : NULL;
    fuzz_must(acceptor, "DCMTK starts");
    return acceptor;
}

/* Two ends of a TCP connection on loopback. */
static bool connect_pair(int *ret_peer, int *ret_ours)
{
    static int listener = -1;
    static struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    if (listener < 0) {
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0 ||
            getsockname(listener, (struct sockaddr *)&address, &size) < 0)
            return false;
    }
    *ret_peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(*ret_peer, (struct sockaddr *)&address, sizeof address) < 0)
        return false;
    *ret_ours = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    return *ret_ours >= 0;
}

static bool take_object(struct dicom_association *association, int number)
{
    struct err err = ERR_INIT;
    uint64_t offset;
    char path[40];
    snprintf(path, sizeof path, "/dev/shm/fuzz-association-%d", (int)getpid());
    fuzz_touch_text(dicom_association_sop_class(association), UID_SIZE);
    fuzz_touch_text(dicom_association_sop_uid(association), UID_SIZE);
    bool taken = number % 2 ? dicom_association_skip(association, &err)
                            : dicom_association_store(association, path, &offset, &err);
    unlink(path);
    if (!taken)
        fuzz_must_refuse(&err);
    return taken && dicom_association_answer(association, DICOM_SUCCESS, "", 0, &err);
}

static void serve(struct dicom_association *association)
{
    struct err err = ERR_INIT;
    fuzz_touch_text(dicom_association_calling(association), DICOM_AE_SIZE);
    fuzz_touch_text(dicom_association_called(association), DICOM_AE_SIZE);
    if (!dicom_association_context_known(association) || !*dicom_association_calling(association) ||
        !*dicom_association_called(association)) {
        dicom_association_reject(association, DICOM_REJECT_CALLING_AE);
        return;
    }
    const struct dicom_terms terms = {.echo = true};
    bool going = dicom_association_accept(association, &terms, &err);
    if (!going)
        fuzz_must_refuse(&err);
    for (int i = 0; going && i < COMMANDS_MAX; i++) {
        enum dicom_next next = dicom_association_next(association, &err);
        if (next != DICOM_NEXT_ECHO && next != DICOM_NEXT_STORE && next != DICOM_NEXT_RELEASED)
            fuzz_must_refuse(&err);
        going = next == DICOM_NEXT_ECHO || (next == DICOM_NEXT_STORE && take_object(association, i));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct dicom_acceptor *acceptor = start();
    struct err err = ERR_INIT;
    struct linger reset = {.l_onoff = 1};
    int peer = -1, ours = -1;
    size = size < SENT_MAX ? size : SENT_MAX;
    if (!connect_pair(&peer, &ours)) {
        perror("connect_pair");
        fuzz_must(false, "the machine has sockets");
    }
    fuzz_must(send(peer, bytes, size, MSG_DONTWAIT) == (ssize_t)size, "what is sent fits the socket");
    shutdown(peer, SHUT_WR);
    if (dicom_request_missing(ours) != 0) {
        dicom_reject_unread(ours, DICOM_REJECT_CONGESTION);
    } else {
        struct dicom_association *association = dicom_association_receive(acceptor, ours, &err);
        if (association)
            serve(association);
        else
            fuzz_must_refuse(&err);
        dicom_association_close(association);
    }
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset); /* or used ports pile up */
    close(peer);
    return 0;
}
