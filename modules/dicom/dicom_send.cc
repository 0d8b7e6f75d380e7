/* The sending side of dicom_net.h. */
extern "C" {
#include "dicom/dicom_net.h"
}

#include "dicom/dicom_transport.hh"

#include "dcmtk/config/osconfig.h"

#include "dcmtk/dcmdata/dcostrmf.h"
#include "dcmtk/dcmdata/dctk.h"
#include "dcmtk/dcmnet/dcmtrans.h"
#include "dcmtk/dcmnet/dimse.h"
#include "dcmtk/dcmnet/diutil.h"
#include "dcmtk/dcmnet/dul.h"

#include <memory>
#include <new>

struct dicom_sender {
    T_ASC_Network *network = nullptr;
    T_ASC_Association *dul = nullptr;
    struct dicom_peer peer = {};
    bool broken = false;
};

namespace
{
/* Its own time-outs inside a read or a write instead of dcmnet's process-wide ones. */
class PatientLayer : public DcmTransportLayer
{
  public:
    explicit PatientLayer(int seconds) : seconds(seconds)
    {
    }
    DcmTransportConnection *createConnection(DcmNativeSocketType fd, OFBool) override
    {
        auto *connection = new (std::nothrow) DcmTCPConnection(fd); /* sets dcmnet's */
        dicom_transport_patience(fd, seconds);
        return connection;
    }

  private:
    int seconds;
};
} // namespace

static bool peer_failed(struct err *err, const char *what, const OFCondition &condition)
{
    return err_fail(err, ERR_PEER, "%s: %s", what, condition.text());
}

// What DCMTK can write besides the syntax that the file is in.
static OFCondition propose_context(T_ASC_Parameters *parameters, int index,
                                   const struct dicom_context &context)
{
    const char *syntaxes[] = {context.transfer_syntax, UID_LittleEndianExplicitTransferSyntax,
                              UID_LittleEndianImplicitTransferSyntax};
    bool same = strcmp(syntaxes[0], syntaxes[1]) == 0 || strcmp(syntaxes[0], syntaxes[2]) == 0;
    bool compressed = DcmXfer(context.transfer_syntax).isEncapsulated();
    return ASC_addPresentationContext(parameters, (T_ASC_PresentationContextID)(2 * index + 1),
                                      context.sop_class, syntaxes + (same ? 1 : 0),
                                      compressed ? 1
                                      : same     ? 2
                                                 : 3);
}

static OFCondition propose(T_ASC_Parameters *parameters, const struct dicom_context *contexts, int count)
{
    OFCondition condition = EC_Normal;
    for (int i = 0; i < count && condition.good(); i++)
        condition = propose_context(parameters, i, contexts[i]);
    return condition;
}

/* source: PS3.8 table 9-21 */
static const char *reject_words(int source, int reason)
{
    static const struct {
        int source, reason;
        const char *words;
    } known[] = {{1, 2, "application context not supported"},
                 {1, 3, "calling AE title not recognized"},
                 {1, 7, "called AE title not recognized"},
                 {2, 2, "protocol version not supported"},
                 {3, 1, "temporary congestion"},
                 {3, 2, "local limit exceeded"}};
    for (const auto &one : known)
        if (one.source == source && one.reason == reason)
            return one.words;
    return "no reason given";
}

static bool request_failed(T_ASC_Parameters *parameters, const OFCondition &condition, struct err *err)
{
    if (condition != DUL_ASSOCIATIONREJECTED) {
        err_decline(err, "no_connection", "association: %s", condition.text());
        err->code = ERR_PEER;
        return false;
    }
    T_ASC_RejectParameters reject;
    ASC_getRejectParameters(parameters, &reject);
    bool permanent = reject.result == ASC_RESULT_REJECTEDPERMANENT;
    err_decline(err, permanent ? "rejected_permanent" : "rejected_transient",
                "association rejected %s: %s (result %d, source %d, reason %d)",
                permanent ? "for good" : "for now",
                reject_words((int)reject.source, (int)reject.reason & 0xff), (int)reject.result,
                (int)reject.source, (int)reject.reason & 0xff);
    err->code = ERR_PEER;
    return false;
}

static bool request(struct dicom_sender *sender, const struct dicom_context *contexts, int count,
                    struct err *err)
{
    const struct dicom_peer &peer = sender->peer;
    OFCondition condition = ASC_initializeNetwork(NET_REQUESTOR, 0, peer.acse_timeout_s, &sender->network);
    T_ASC_Parameters *parameters = nullptr;
    if (condition.good())
        ASC_setTransportLayer(sender->network, new PatientLayer(peer.dimse_timeout_s), 1);
    if (condition.good())
        condition = ASC_createAssociationParameters(&parameters, peer.max_pdu_bytes);
    if (condition.bad())
        return peer_failed(err, "DICOM network", condition);
    char address[300];
    snprintf(address, sizeof address, "%s:%d", peer.host, peer.port);
    ASC_setAPTitles(parameters, peer.our_ae, peer.ae_title, nullptr);
    ASC_setTransportLayerType(parameters, OFFalse);
    ASC_setPresentationAddresses(parameters, OFStandard::getHostName().c_str(), address);
    condition = propose(parameters, contexts, count);
    if (condition.good()) {
        dcmConnectionTimeout.set(peer.connect_timeout_s);
        condition = ASC_requestAssociation(sender->network, parameters, &sender->dul);
        if (condition.good())
            return true;
    }
    request_failed(parameters, condition, err);
    if (sender->dul)
        ASC_destroyAssociation(&sender->dul); /* owns the parameters */
    else
        ASC_destroyAssociationParameters(&parameters);
    return false;
}

struct dicom_sender *dicom_sender_open_for(const struct dicom_peer *peer,
                                           const struct dicom_context *contexts, int count, struct err *err)
{
    auto sender = std::unique_ptr<dicom_sender>(new (std::nothrow) dicom_sender);
    if (!sender) {
        err_fail(err, ERR_NOMEM, "no memory for an association");
        return nullptr;
    }
    sender->peer = *peer;
    if (request(sender.get(), contexts, count, err))
        return sender.release();
    ASC_dropNetwork(&sender->network);
    return nullptr;
}

struct dicom_sender *dicom_sender_open(const struct dicom_peer *peer, const char *const *classes,
                                       int class_count, struct err *err)
{
    struct dicom_context contexts[DICOM_CONTEXTS_MAX] = {
        {UID_VerificationSOPClass, UID_LittleEndianExplicitTransferSyntax}};
    for (int i = 0; i < class_count && i < DICOM_CONTEXTS_MAX; i++)
        contexts[i] = {classes[i], UID_LittleEndianExplicitTransferSyntax};
    return dicom_sender_open_for(peer, contexts, class_count ? class_count : 1, err);
}

bool dicom_sender_accepts(const struct dicom_sender *sender, const char *sop_class)
{
    return ASC_findAcceptedPresentationContextID(sender->dul, sop_class) != 0;
}

static T_DIMSE_C_StoreRQ store_request(struct dicom_sender *sender, const OFString &sop_class,
                                       const OFString &sop_uid)
{
    T_DIMSE_C_StoreRQ request = {};
    request.MessageID = sender->dul->nextMsgID++;
    OFStandard::strlcpy(request.AffectedSOPClassUID, sop_class.c_str(), sizeof request.AffectedSOPClassUID);
    OFStandard::strlcpy(request.AffectedSOPInstanceUID, sop_uid.c_str(),
                        sizeof request.AffectedSOPInstanceUID);
    request.DataSetType = DIMSE_DATASET_PRESENT;
    request.Priority = DIMSE_PRIORITY_MEDIUM;
    return request;
}

static void take_comment(DcmDataset *detail, char comment[DICOM_COMMENT_SIZE])
{
    OFString text;
    if (detail && detail->findAndGetOFString(DCM_ErrorComment, text).good())
        snprintf(comment, DICOM_COMMENT_SIZE, "%s", text.c_str());
}

// DCMTK answers with another uncompressed one where there is none of that syntax.
static bool accepted_in(struct dicom_sender *sender, T_ASC_PresentationContextID id, const char *syntax)
{
    T_ASC_PresentationContext context;
    return id != 0 && ASC_findAcceptedPresentationContext(sender->dul->params, id, &context).good() &&
           strcmp(context.acceptedTransferSyntax, syntax) == 0;
}

// In the syntax that the file is in; else in one that needs no decoding.
static T_ASC_PresentationContextID context_for(struct dicom_sender *sender, const char *sop_class,
                                               const DcmXfer &syntax)
{
    const char *syntaxes[] = {syntax.getXferID(), UID_LittleEndianExplicitTransferSyntax,
                              UID_LittleEndianImplicitTransferSyntax};
    for (int i = 0; i < (syntax.isEncapsulated() ? 1 : 3); i++) {
        auto id = ASC_findAcceptedPresentationContextID(sender->dul, sop_class, syntaxes[i]);
        if (accepted_in(sender, id, syntaxes[i]))
            return id;
    }
    return 0;
}

bool dicom_sender_store(struct dicom_sender *sender, const char *path, uint16_t *ret_status,
                        char comment[DICOM_COMMENT_SIZE], struct err *err)
{
    comment[0] = '\0';
    DcmFileFormat file;
    OFCondition condition = file.loadFile(OFFilename(path));
    if (condition.bad())
        return err_fail(err, ERR_IO, "read %s: %s", path, condition.text());
    OFString sop_class, sop_uid;
    file.getDataset()->findAndGetOFString(DCM_SOPClassUID, sop_class);
    file.getDataset()->findAndGetOFString(DCM_SOPInstanceUID, sop_uid);
    DcmXfer syntax(file.getDataset()->getOriginalXfer());
    T_ASC_PresentationContextID context = context_for(sender, sop_class.c_str(), syntax);
    if (context == 0)
        return err_fail(err, ERR_UNSUPPORTED, "the peer takes no %s in %s",
                        dcmFindNameOfUID(sop_class.c_str(), sop_class.c_str()), syntax.getXferName());
    T_DIMSE_C_StoreRQ request = store_request(sender, sop_class, sop_uid);
    T_DIMSE_C_StoreRSP response = {};
    DcmDataset *detail = nullptr;
    condition = DIMSE_storeUser(sender->dul, context, &request, nullptr, file.getDataset(), nullptr, nullptr,
                                DIMSE_NONBLOCKING, sender->peer.dimse_timeout_s, &response, &detail);
    take_comment(detail, comment);
    delete detail;
    if (condition.bad()) {
        sender->broken = true;
        return peer_failed(err, "C-STORE", condition);
    }
    *ret_status = response.DimseStatus;
    return true;
}

bool dicom_sender_echo(struct dicom_sender *sender, struct err *err)
{
    DIC_US status = 0;
    DcmDataset *detail = nullptr;
    if (!dicom_sender_accepts(sender, UID_VerificationSOPClass)) {
        err_decline(err, "no_verification", "the peer does not accept Verification");
        err->code = ERR_PEER;
        return false;
    }
    OFCondition condition = DIMSE_echoUser(sender->dul, sender->dul->nextMsgID++, DIMSE_NONBLOCKING,
                                           sender->peer.dimse_timeout_s, &status, &detail);
    delete detail;
    if (condition.bad()) {
        sender->broken = true;
        return peer_failed(err, "C-ECHO", condition);
    }
    return status == STATUS_Success || err_fail(err, ERR_PEER, "C-ECHO status 0x%04x", status);
}

void dicom_sender_close(struct dicom_sender *sender)
{
    if (!sender)
        return;
    if (sender->broken)
        ASC_abortAssociation(sender->dul);
    else
        ASC_releaseAssociation(sender->dul);
    ASC_destroyAssociation(&sender->dul);
    ASC_dropNetwork(&sender->network);
    delete sender;
}

bool dicom_echo(const struct dicom_peer *peer, struct err *err)
{
    struct dicom_sender *sender = dicom_sender_open(peer, nullptr, 0, err);
    bool ok = sender && dicom_sender_echo(sender, err);
    dicom_sender_close(sender);
    return ok;
}
