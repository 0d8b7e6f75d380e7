/* The accepting side of dicom_net.h.
 *
 * Threads: dcmnet takes an already accepted socket only through the process-global dcmExternalSocketHandle,
 * so setting it and reading the request happen under `handover`. The request has arrived in full by then, so
 * the lock is held for parsing only. Everything after that is per association. */
extern "C" {
#include "dicom/dicom_head.h"
#include "dicom/dicom_net.h"
#include "dicom/dicom_part10.h"
#include "dicom/dicom_request.h"
}

#include "dicom/dicom_transport.hh"

#include "dcmtk/config/osconfig.h"

#include "dcmtk/dcmdata/dcostrma.h"
#include "dcmtk/dcmdata/dcostrmf.h"
#include "dcmtk/dcmdata/dctk.h"
#include "dcmtk/dcmnet/dcmtrans.h"
#include "dcmtk/dcmnet/dimse.h"
#include "dcmtk/dcmnet/diutil.h"
#include "dcmtk/dcmnet/dul.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <mutex>
#include <new>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace
{
std::mutex handover;

enum { MAX_CLASSES = 512 };

constexpr uint64_t max_command_bytes = 1024 * 1024;

/* Where an object's bytes go. It never fails towards dcmnet, which after a failed write would wait for PDVs
 * that do not come; the first error is kept and asked for afterwards. */
class FileConsumer : public DcmConsumer
{
  public:
    explicit FileConsumer(int fd) : fd(fd)
    {
    }
    OFBool good() const override
    {
        return OFTrue;
    }
    OFCondition status() const override
    {
        return EC_Normal;
    }
    OFBool isFlushed() const override
    {
        return OFTrue;
    }
    offile_off_t avail() const override
    {
        return 1 << 30;
    }
    offile_off_t write(const void *bytes, offile_off_t size) override
    {
        const char *at = static_cast<const char *>(bytes);
        for (offile_off_t left = size; left > 0 && error == 0;) {
            ssize_t done = ::write(fd, at, static_cast<size_t>(left));
            if (done < 0 && errno != EINTR)
                error = errno;
            left -= done > 0 ? done : 0;
            at += done > 0 ? done : 0;
        }
        return size;
    }
    void flush() override
    {
    }
    int error = 0;

  private:
    int fd;
};

class FileStream : public DcmOutputStream
{
  public:
    explicit FileStream(FileConsumer *consumer) : DcmOutputStream(consumer)
    {
    }
};

/* Best first; a sender that offers several gets the first of these. source: PS3.5 annex A. */
const char *const transfer_syntaxes[] = {
    UID_LittleEndianExplicitTransferSyntax, UID_JPEGLSLosslessTransferSyntax,
    UID_JPEGProcess14SV1TransferSyntax,     UID_JPEGProcess14TransferSyntax,
    UID_RLELosslessTransferSyntax,          UID_DeflatedExplicitVRLittleEndianTransferSyntax,
    UID_JPEG2000LosslessOnlyTransferSyntax, UID_BigEndianExplicitTransferSyntax,
    UID_JPEGLSLossyTransferSyntax,          UID_JPEG2000TransferSyntax,
    UID_JPEGProcess2_4TransferSyntax,       UID_JPEGProcess1TransferSyntax,
    UID_LittleEndianImplicitTransferSyntax,
};

bool peer_failed(struct err *err, const char *what, const OFCondition &condition)
{
    return err_fail(err, ERR_PEER, "%s: %s", what, condition.text());
}
} // namespace

struct dicom_acceptor {
    T_ASC_Network *network = nullptr;
    struct dicom_acceptor_options options = {};
    const char *classes[MAX_CLASSES] = {};
    int class_count = 0;
};

struct dicom_association {
    T_ASC_Association *dul = nullptr;
    const struct dicom_acceptor *acceptor = nullptr;
    std::atomic<bool> interrupted{false};
    int fd = -1; /* dcmnet's, once it has taken it */
    int dimse_timeout_s = 0, idle_timeout_s = 0;
    bool ended = false;
    bool rejected = false;
    T_DIMSE_C_StoreRQ request = {};
    T_ASC_PresentationContextID context = 0;
    uint64_t received_bytes = 0;
    bool too_large = false;
};

static bool class_refused(const struct dicom_acceptor_options &options, const char *uid)
{
    for (int i = 0; i < options.refused_count; i++)
        if (strcmp(options.refused[i], uid) == 0)
            return true;
    return false;
}

static void list_classes(struct dicom_acceptor *acceptor)
{
    acceptor->classes[acceptor->class_count++] = UID_VerificationSOPClass;
    for (int i = 0; i < numberOfDcmAllStorageSOPClassUIDs && acceptor->class_count < MAX_CLASSES; i++) {
        const char *uid = dcmAllStorageSOPClassUIDs[i];
        enum dicom_kind kind = dicom_class_kind(uid);
        bool wanted = kind == DICOM_KIND_CT || kind == DICOM_KIND_MR || acceptor->options.accept_other;
        if (wanted && !class_refused(acceptor->options, uid))
            acceptor->classes[acceptor->class_count++] = uid;
    }
}

struct dicom_acceptor *dicom_acceptor_open(const struct dicom_acceptor_options *options, struct err *err)
{
    auto acceptor = std::unique_ptr<dicom_acceptor>(new (std::nothrow) dicom_acceptor);
    if (!acceptor) {
        err_fail(err, ERR_NOMEM, "no memory for the listener");
        return nullptr;
    }
    acceptor->options = *options;
    list_classes(acceptor.get());
    dcmSocketReceiveTimeout.set(options->dimse_timeout_s);
    dcmSocketSendTimeout.set(options->dimse_timeout_s);
    const std::lock_guard<std::mutex> lock(handover);
    int placeholder = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dcmExternalSocketHandle.set(placeholder); /* keeps dcmnet from opening a listening socket of its own */
    OFCondition condition =
        ASC_initializeNetwork(NET_ACCEPTOR, 0, options->acse_timeout_s, &acceptor->network);
    dcmExternalSocketHandle.set(DCMNET_INVALID_SOCKET);
    close(placeholder);
    if (condition.bad()) {
        err_fail(err, ERR_IO, "DICOM network: %s", condition.text());
        return nullptr;
    }
    ASC_setTransportLayer(acceptor->network, dicom_transport_layer(), 1);
    return acceptor.release();
}

void dicom_acceptor_close(struct dicom_acceptor *acceptor)
{
    if (!acceptor)
        return;
    ASC_dropNetwork(&acceptor->network);
    delete acceptor;
}

int dicom_request_missing(int fd)
{
    enum { HEAD = 6 };
    unsigned char head[HEAD];
    ssize_t got = recv(fd, head, HEAD, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK))
        return -1;
    if (got > 0 && head[0] != 0x01) /* A-ASSOCIATE-RQ */
        return -1;
    if (got < HEAD)
        return HEAD;
    uint32_t length = (uint32_t)head[2] << 24 | (uint32_t)head[3] << 16 | (uint32_t)head[4] << 8 | head[5];
    int available = 0;
    if (length > DICOM_REQUEST_MAX || ioctl(fd, FIONREAD, &available) < 0)
        return -1;
    return available >= HEAD + (int)length ? 0 : HEAD + (int)length;
}

struct reject_code {
    unsigned char result, source, reason;
};

static struct reject_code reject_code(enum dicom_reject reason)
{
    static const struct reject_code codes[] = {{1, 1, 3}, {1, 1, 7}, {1, 1, 2}, {2, 3, 2}, {2, 3, 1}};
    return codes[reason];
}

void dicom_reject_unread(int fd, enum dicom_reject reason)
{
    struct reject_code code = reject_code(reason);
    const unsigned char pdu[] = {0x03, 0, 0, 0, 0, 4, 0, code.result, code.source, code.reason};
    send(fd, pdu, sizeof pdu, MSG_NOSIGNAL | MSG_DONTWAIT);
    unsigned char drain[4096];
    while (recv(fd, drain, sizeof drain, MSG_DONTWAIT) > 0) /* or the kernel resets and the answer is lost */
        ;
    /* the requestor closes first, PS3.8 9.2.3 AE-8; briefly, because the caller serves other connections */
    struct pollfd closing = {fd, POLLRDHUP, 0};
    poll(&closing, 1, 100);
    shutdown(fd, SHUT_WR);
    close(fd);
}

struct dicom_association *dicom_association_receive(struct dicom_acceptor *acceptor, int fd, struct err *err)
{
    auto association = std::unique_ptr<dicom_association>(new (std::nothrow) dicom_association);
    if (!association) {
        close(fd);
        err_fail(err, ERR_NOMEM, "no memory for an association");
        return nullptr;
    }
    if (!dicom_request_check(fd, err)) {
        close(fd);
        return nullptr;
    }
    dicom_transport_tune(fd, acceptor->options.keepalive_s);
    association->acceptor = acceptor;
    association->fd = fd;
    OFCondition condition;
    {
        const std::lock_guard<std::mutex> lock(handover);
        dcmExternalSocketHandle.set(fd);
        condition =
            ASC_receiveAssociation(acceptor->network, &association->dul, acceptor->options.max_pdu_bytes,
                                   nullptr, nullptr, OFFalse, DUL_NOBLOCK, acceptor->options.acse_timeout_s);
        dcmExternalSocketHandle.set(DCMNET_INVALID_SOCKET);
    }
    if (!dicom_transport.socket_taken)
        close(fd);
    if (condition.good())
        return association.release();
    peer_failed(err, "association request", condition);
    dicom_association_close(association.release());
    return nullptr;
}

const char *dicom_association_calling(const struct dicom_association *association)
{
    return association->dul->params->DULparams.callingAPTitle;
}

const char *dicom_association_called(const struct dicom_association *association)
{
    return association->dul->params->DULparams.calledAPTitle;
}

bool dicom_association_context_known(const struct dicom_association *association)
{
    return strcmp(association->dul->params->DULparams.applicationContextName,
                  UID_StandardApplicationContext) == 0;
}

void dicom_association_reject(struct dicom_association *association, enum dicom_reject reason)
{
    struct reject_code code = reject_code(reason);
    T_ASC_RejectParameters parameters;
    parameters.result = (T_ASC_RejectParametersResult)code.result;
    parameters.source = (T_ASC_RejectParametersSource)code.source;
    parameters.reason = (T_ASC_RejectParametersReason)((code.source << 8) | code.reason);
    ASC_rejectAssociation(association->dul, &parameters);
    association->ended = association->rejected = true;
}

static void take_terms(struct dicom_association *association, const struct dicom_terms *terms)
{
    const struct dicom_acceptor_options &options = association->acceptor->options;
    association->idle_timeout_s = terms->idle_timeout_s ? terms->idle_timeout_s : options.idle_timeout_s;
    association->dimse_timeout_s = terms->dimse_timeout_s ? terms->dimse_timeout_s : options.dimse_timeout_s;
    dicom_transport_patience(association->fd, association->dimse_timeout_s);
}

bool dicom_association_accept(struct dicom_association *association, const struct dicom_terms *terms,
                              struct err *err)
{
    take_terms(association, terms);
    int first = terms->echo ? 0 : 1; /* Verification is the first of the list */
    /* dcmnet takes both lists as not const, and leaves them alone */
    auto **classes = const_cast<const char **>(association->acceptor->classes);
    OFCondition condition = ASC_acceptContextsWithPreferredTransferSyntaxes(
        association->dul->params, classes + first, association->acceptor->class_count - first,
        const_cast<const char **>(transfer_syntaxes),
        (int)(sizeof transfer_syntaxes / sizeof *transfer_syntaxes));
    if (condition.good())
        condition = ASC_acknowledgeAssociation(association->dul);
    return condition.good() || peer_failed(err, "association acknowledgement", condition);
}

static void abort_association(struct dicom_association *association)
{
    dicom_transport_part();
    ASC_abortAssociation(association->dul);
    dicom_transport.part_by_ms = 0;
    association->ended = true;
}

static int64_t grace_ms(const struct dicom_association *association)
{
    return association->dimse_timeout_s * INT64_C(1000);
}

static void tell_too_slow(const char *what, struct err *err)
{
    err_fail(err, ERR_PEER, "%s: slower than %llu bytes a second", what,
             (unsigned long long)dicom_transport_slowest_bytes_s);
    OFStandard::strlcpy(err->reason, "too_slow", sizeof err->reason);
}

static enum dicom_next give_up(struct dicom_association *association, enum dicom_next next)
{
    abort_association(association);
    return next;
}

static bool wait_for_command(struct dicom_association *association)
{
    for (int waited_s = 0; waited_s < association->idle_timeout_s; waited_s++) {
        if (association->interrupted)
            return false;
        if (ASC_dataWaiting(association->dul, 1))
            return true;
    }
    return false;
}

static enum dicom_next condition_to_next(struct dicom_association *association, const OFCondition &condition,
                                         struct err *err)
{
    if (condition == DUL_PEERREQUESTEDRELEASE) {
        ASC_acknowledgeRelease(association->dul);
        association->ended = true;
        return DICOM_NEXT_RELEASED;
    }
    peer_failed(err, "association", condition);
    if (condition == DUL_PEERABORTEDASSOCIATION || condition == DUL_NETWORKCLOSED) {
        association->ended = true;
        return DICOM_NEXT_ABORTED;
    }
    return give_up(association, DICOM_NEXT_FAILED);
}

static enum dicom_next command_to_next(struct dicom_association *association, T_DIMSE_Message &message,
                                       struct err *err)
{
    OFCondition condition;
    if (message.CommandField == DIMSE_C_ECHO_RQ) {
        condition = DIMSE_sendEchoResponse(association->dul, association->context, &message.msg.CEchoRQ,
                                           STATUS_Success, nullptr);
        return condition.good() ? DICOM_NEXT_ECHO : condition_to_next(association, condition, err);
    }
    if (message.CommandField == DIMSE_C_STORE_RQ) {
        association->request = message.msg.CStoreRQ;
        association->received_bytes = 0;
        return DICOM_NEXT_STORE;
    }
    err_fail(err, ERR_PEER, "unexpected DIMSE command 0x%04x", (unsigned)message.CommandField);
    return give_up(association, DICOM_NEXT_FAILED);
}

enum dicom_next dicom_association_next(struct dicom_association *association, struct err *err)
{
    if (!wait_for_command(association)) {
        bool asked = association->interrupted;
        err_fail(err, asked ? ERR_CANCELLED : ERR_PEER, asked ? "shutting down" : "idle for too long");
        return give_up(association, asked ? DICOM_NEXT_ABORTED : DICOM_NEXT_TIMEOUT);
    }
    T_DIMSE_Message message = {};
    DcmDataset *detail = nullptr;
    dicom_transport.may_read = max_command_bytes;
    dicom_transport_time(grace_ms(association));
    OFCondition condition =
        DIMSE_receiveCommand(association->dul, DIMSE_NONBLOCKING, association->dimse_timeout_s,
                             &association->context, &message, &detail);
    dicom_transport.may_read = dicom_transport_no_limit;
    delete detail;
    if (condition.good())
        return command_to_next(association, message, err);
    if (!dicom_transport.too_slow)
        return condition_to_next(association, condition, err);
    tell_too_slow("command", err);
    return give_up(association, DICOM_NEXT_FAILED);
}

const char *dicom_association_sop_class(const struct dicom_association *association)
{
    return association->request.AffectedSOPClassUID;
}

const char *dicom_association_sop_uid(const struct dicom_association *association)
{
    return association->request.AffectedSOPInstanceUID;
}

/* The progress callback cannot refuse; the next read does. */
static void count_bytes(void *context, unsigned long bytes)
{
    auto *association = static_cast<struct dicom_association *>(context);
    /* dcmnet counts in 32 bits */
    association->received_bytes += static_cast<uint32_t>(static_cast<uint32_t>(bytes) -
                                                         static_cast<uint32_t>(association->received_bytes));
    if (association->received_bytes <= association->acceptor->options.max_object_bytes)
        return;
    association->too_large = true;
    dicom_transport.may_read = 0;
}

/* dcmnet does not say whether the meta header was written whole, so the length decides. */
static bool check_length(const struct dicom_association *association, const char *path, uint64_t *ret_offset,
                         struct err *err)
{
    uint64_t offset = 0;
    struct stat status;
    if (!dicom_part10_data_set(path, &offset, err))
        return false;
    if (stat(path, &status) < 0)
        return err_errno(err, "stat the received file");
    if ((uint64_t)status.st_size != offset + association->received_bytes)
        return err_fail(err, ERR_FULL, "wrote %llu of %llu bytes", (unsigned long long)status.st_size,
                        (unsigned long long)(offset + association->received_bytes));
    *ret_offset = offset;
    return true;
}

static bool receive_failed(struct dicom_association *association, const OFCondition &condition,
                           struct err *err)
{
    bool too_large = association->too_large || dicom_transport.may_read == 0;
    dicom_transport.may_read = dicom_transport_no_limit;
    if (too_large)
        err_fail(err, ERR_PEER, "object larger than %llu bytes",
                 (unsigned long long)association->acceptor->options.max_object_bytes);
    else if (dicom_transport.too_slow)
        tell_too_slow("object", err);
    else
        peer_failed(err, "object", condition);
    bool late =
        dicom_transport.fell_silent || condition == DIMSE_NODATAAVAILABLE || condition == DUL_READTIMEOUT;
    if (!*err->reason)
        OFStandard::strlcpy(err->reason,
                            too_large ? "object_too_large"
                            : late    ? "timeout"
                                      : "broken",
                            sizeof err->reason);
    abort_association(association);
    return false;
}

bool dicom_association_class_agreed(const struct dicom_association *association)
{
    T_ASC_PresentationContext context;
    return ASC_findAcceptedPresentationContext(association->dul->params, association->context, &context)
               .good() &&
           strcmp(context.abstractSyntax, association->request.AffectedSOPClassUID) == 0;
}

/* The meta header is dcmnet's; what follows is written by us. Returns the file, open at its end, or -1. */
static int create_file(struct dicom_association *association, const char *path, struct err *err)
{
    DcmOutputFileStream *head = nullptr;
    OFCondition condition = DIMSE_createFilestream(OFFilename(path), &association->request, association->dul,
                                                   association->context, 1, &head);
    delete head;
    if (condition.bad()) {
        err_fail(err, ERR_FULL, "create the incoming file: %s", condition.text());
        return -1;
    }
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        err_errno(err, "open the incoming file");
    return fd;
}

static bool receive_into(struct dicom_association *association, int fd, struct err *err)
{
    FileConsumer consumer(fd);
    FileStream stream(&consumer);
    T_ASC_PresentationContextID context = association->context;
    association->received_bytes = 0;
    /* what wraps the data is bounded too, or fragments without any would never end */
    dicom_transport.may_read = 2 * association->acceptor->options.max_object_bytes + max_command_bytes;
    dicom_transport_time(grace_ms(association));
    OFCondition condition =
        DIMSE_receiveDataSetInFile(association->dul, DIMSE_NONBLOCKING, association->dimse_timeout_s,
                                   &context, &stream, count_bytes, association);
    if (condition.good() && context != association->context)
        condition = makeDcmnetCondition(DIMSEC_INVALIDPRESENTATIONCONTEXTID, OF_error,
                                        "the data set came in another presentation context");
    if (condition.bad() || association->too_large)
        return receive_failed(association, condition, err);
    dicom_transport.may_read = dicom_transport_no_limit;
    errno = consumer.error;
    return consumer.error == 0 || err_errno(err, "write the incoming file");
}

bool dicom_association_store(struct dicom_association *association, const char *path, uint64_t *ret_offset,
                             struct err *err)
{
    struct err cause = ERR_INIT;
    int fd = create_file(association, path, &cause);
    if (fd < 0) {
        if (dicom_association_skip(association, err))
            *err = cause;
        return false;
    }
    bool ok = receive_into(association, fd, err);
    if (close(fd) < 0 && ok)
        ok = err_errno(err, "close the incoming file");
    return ok && check_length(association, path, ret_offset, err);
}

bool dicom_association_skip(struct dicom_association *association, struct err *err)
{
    DIC_UL bytes = 0, count = 0;
    dicom_transport.may_read = association->acceptor->options.max_object_bytes;
    dicom_transport_time(grace_ms(association));
    OFCondition condition = DIMSE_ignoreDataSet(association->dul, DIMSE_NONBLOCKING,
                                                association->dimse_timeout_s, &bytes, &count);
    if (condition.good())
        dicom_transport.may_read = dicom_transport_no_limit;
    return condition.good() || receive_failed(association, condition, err);
}

bool dicom_association_answer(struct dicom_association *association, uint16_t status, const char *comment,
                              uint32_t offending_tag, struct err *err)
{
    T_DIMSE_C_StoreRSP response = {};
    response.MessageIDBeingRespondedTo = association->request.MessageID;
    response.DimseStatus = status;
    response.DataSetType = DIMSE_DATASET_NULL;
    OFStandard::strlcpy(response.AffectedSOPClassUID, association->request.AffectedSOPClassUID,
                        sizeof response.AffectedSOPClassUID);
    OFStandard::strlcpy(response.AffectedSOPInstanceUID, association->request.AffectedSOPInstanceUID,
                        sizeof response.AffectedSOPInstanceUID);
    response.opts = O_STORE_AFFECTEDSOPCLASSUID | O_STORE_AFFECTEDSOPINSTANCEUID;
    DcmDataset detail;
    if (*comment)
        detail.putAndInsertOFStringArray(DCM_ErrorComment, OFString(comment).substr(0, 64));
    const Uint16 tag[] = {static_cast<Uint16>(offending_tag >> 16),
                          static_cast<Uint16>(offending_tag & 0xffff)};
    if (offending_tag)
        detail.putAndInsertUint16Array(DCM_OffendingElement, tag, 1);
    OFCondition condition =
        DIMSE_sendStoreResponse(association->dul, association->context, &association->request, &response,
                                detail.isEmpty() ? nullptr : &detail);
    return condition.good() || peer_failed(err, "C-STORE response", condition);
}

void dicom_association_interrupt(struct dicom_association *association)
{
    association->interrupted = true;
}

void dicom_association_close(struct dicom_association *association)
{
    if (!association)
        return;
    if (association->dul) {
        if (!association->ended)
            abort_association(association);
        if (association->rejected) /* the requestor closes, PS3.8 9.2.3 AE-8: a close of ours may overtake the
                                      answer */
            ASC_dataWaiting(association->dul, 2);
        ASC_dropSCPAssociation(association->dul, 2);
        ASC_destroyAssociation(&association->dul);
    }
    delete association;
}
