#include "daemon/courier_dicom.h"

#include "daemon/courier_copy.h"
#include "daemon/courier_summary.h"
#include "daemon/peers.h"
#include "dicom/dicom_capture.h"
#include "dicom/dicom_sr.h"

#include <stdio.h>
#include <string.h>

static bool write_in_class(const char *from, const struct store_report *to, const char *incoming,
                           struct arena *arena, struct err *err)
{
    (void)arena;
    return dicom_sr_reclass(from, to->sop_class, report_class_uid, incoming, err);
}

/* What the destination took before comes first: a result is never stored there in two classes. */
static int class_order(const struct config_peer *to, const char *preferred,
                       const char *order[PEERS_SR_CLASSES])
{
    const char *classes[PEERS_SR_CLASSES];
    int wanted = peers_sr_classes(to, classes), count = 0;
    for (int i = 0; i < wanted; i++)
        if (strcmp(classes[i], preferred) == 0)
            order[count++] = classes[i];
    for (int i = 0; i < wanted; i++)
        if (strcmp(classes[i], preferred) != 0)
            order[count++] = classes[i];
    return count;
}

static void send_file(struct service *service, struct dicom_sender *sender, const struct store_report *report,
                      struct attempt *attempt)
{
    char path[PATH_MAX], comment[DICOM_COMMENT_SIZE];
    uint16_t status;
    struct err err = ERR_INIT;
    spool_path(service->spool, report->path, path);
    if (!dicom_sender_store(sender, path, &status, comment, &err)) {
        attempt_conclude(attempt, OUTCOME_TRY_LATER, -1, err.text);
        return;
    }
    char cause[160];
    snprintf(cause, sizeof cause, "status 0x%04x%s%s", status, *comment ? ": " : "", comment);
    attempt_conclude(attempt, outcome_of_status(status), status, status == DICOM_SUCCESS ? "" : cause);
}

/* Send in the best class the peer negotiates; on 0122 try the next. */
static void send_in_some_class(struct service *service, struct dicom_sender *sender, const char *const *order,
                               int count, const struct store_delivery *delivery, struct arena *arena,
                               struct attempt *attempt)
{
    struct store_report *report;
    struct err err = ERR_INIT;
    attempt_conclude(attempt, OUTCOME_REFUSED, -1, "the peer accepts none of the SR classes it is sent");
    for (int i = 0; i < count; i++) {
        if (!dicom_sender_accepts(sender, order[i]))
            continue;
        struct courier_copy form = {.sop_class = order[i], .write = write_in_class};
        if (!courier_copy_find(service, delivery->result, &form, arena, &report, &err)) {
            attempt_conclude(attempt, OUTCOME_TRY_LATER, -1, err.text);
            return;
        }
        attempt->report = report;
        send_file(service, sender, report, attempt);
        if (attempt->outcome != OUTCOME_OTHER_CLASS)
            return;
    }
}

/* The report has been stored. What becomes of the page is what becomes of the delivery: a resend is the same
 * two objects. */
static void send_summary(struct service *service, struct dicom_sender *sender,
                         const struct store_delivery *delivery, struct arena *arena, struct attempt *attempt)
{
    struct store_report *page;
    struct err err = ERR_INIT;
    struct attempt second = {0};
    if (!dicom_sender_accepts(sender, DICOM_SECONDARY_CAPTURE))
        attempt_conclude(&second, OUTCOME_REFUSED, -1, "the peer does not accept Secondary Capture");
    else if (!courier_copy_find(service, delivery->result, &courier_summary, arena, &page, &err))
        attempt_conclude(&second, OUTCOME_TRY_LATER, -1, err.text);
    else
        send_file(service, sender, page, &second);
    if (second.outcome == OUTCOME_STORED)
        return;
    char cause[sizeof second.cause + 60];
    snprintf(cause, sizeof cause, "the report is stored, its summary page is not: %s", second.cause);
    attempt_conclude(attempt, second.outcome == OUTCOME_TRY_LATER ? OUTCOME_TRY_LATER : OUTCOME_REFUSED,
                     second.status, cause);
}

struct dicom_peer courier_dicom_peer(const struct config *config, const struct config_peer *to)
{
    int acse_s = to->acse_timeout_s, dimse_s = to->dimse_timeout_s;
    return (struct dicom_peer){.our_ae = config->listener.ae_title,
                               .ae_title = to->ae_title,
                               .host = to->address,
                               .port = to->port,
                               .connect_timeout_s = config->delivery.connect_timeout_s,
                               .acse_timeout_s = acse_s ? acse_s : config->listener.acse_timeout_s,
                               .dimse_timeout_s = dimse_s ? dimse_s : config->listener.dimse_timeout_s,
                               .max_pdu_bytes = config->listener.max_pdu_bytes};
}

void courier_dicom_send(struct service *service, const struct config *config, const struct config_peer *to,
                        const struct store_delivery *delivery, struct arena *arena, struct attempt *ret)
{
    const char *order[PEERS_SR_CLASSES + 1];
    int count = class_order(to, delivery->preferred_class, order);
    bool summary = strcmp(to->results, "sr+summary") == 0;
    struct dicom_peer peer = courier_dicom_peer(config, to);
    struct err err = ERR_INIT;
    order[count] = DICOM_SECONDARY_CAPTURE;
    struct dicom_sender *sender = dicom_sender_open(&peer, order, count + summary, &err);
    if (!sender) {
        bool permanent = strcmp(err.reason, "rejected_permanent") == 0;
        attempt_conclude(ret, permanent ? OUTCOME_REFUSED : OUTCOME_TRY_LATER, -1, err.text);
        return;
    }
    send_in_some_class(service, sender, order, count, delivery, arena, ret);
    if (summary && ret->outcome == OUTCOME_STORED)
        send_summary(service, sender, delivery, arena, ret);
    dicom_sender_close(sender);
}

/* Connecting, agreeing and releasing, and in each class, the page's too, what dcmnet waits for: room for the
 * data set, and the answer. */
int64_t courier_dicom_own_ms(const struct config *config)
{
    int64_t most_s = 0;
    for (int i = 0; i < config->peer_count; i++) {
        struct dicom_peer peer = courier_dicom_peer(config, &config->peers[i]);
        int64_t own_s = (int64_t)peer.connect_timeout_s + 2 * peer.acse_timeout_s +
                        (int64_t)2 * (PEERS_SR_CLASSES + 1) * peer.dimse_timeout_s;
        most_s = own_s > most_s ? own_s : most_s;
    }
    return 1000 * most_s;
}
