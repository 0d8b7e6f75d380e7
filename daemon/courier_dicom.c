#include "daemon/courier_dicom.h"

#include "base/clock.h"
#include "dicom/dicom_sr.h"

#include <stdio.h>
#include <string.h>

/* The most wanted first. source: docs/report.md. */
static const char *const sr_classes[] = {DICOM_SR_COMPREHENSIVE_3D, DICOM_SR_COMPREHENSIVE,
                                         DICOM_SR_ENHANCED};
enum { SR_CLASSES = 3 };

/* The result's report in a class: made on first need from the one it was written in, and persisted before it
 * is sent. */
static bool report_in_class(struct service *service, int64_t result, const char *sop_class,
                            struct arena *arena, struct store_report **ret, struct err *err)
{
    struct store_report *base;
    char from[PATH_MAX], incoming[PATH_MAX];
    if (!store_find_report(service->store, result, sop_class, arena, ret, err))
        return false;
    if (*ret)
        return true;
    if (!store_find_report(service->store, result, "", arena, &base, err))
        return false;
    if (!base)
        return err_fail(err, ERR_CORRUPT, "the result has no report");
    struct store_report *copy = ARENA_NEW(arena, struct store_report);
    char *uid = arena_alloc(arena, UID_SIZE, 1);
    char *relative = arena_alloc(arena, SPOOL_RELATIVE_SIZE, 1);
    char *sha256 = arena_alloc(arena, DIGEST_HEX_SIZE, 1);
    if (!copy || !uid || !relative || !sha256)
        return err_fail(err, ERR_NOMEM, "no memory for a report");
    report_class_uid(base->sop_uid, sop_class, uid);
    *copy = (struct store_report){sop_class, uid, base->series_uid, relative, sha256};
    spool_path(service->spool, base->path, from);
    spool_incoming(service->spool, incoming);
    spool_report_path(uid, relative);
    bool ok = dicom_sr_reclass(from, sop_class, report_class_uid, incoming, err) &&
              digest_file(incoming, 0, sha256, err) &&
              spool_commit(service->spool, incoming, relative, err) &&
              store_add_report(service->store, result, copy, clock_unix_ms(), err);
    spool_discard(incoming);
    *ret = copy;
    return ok;
}

/* What the destination took before comes first: a result is never stored there in two classes. */
static void class_order(const char *preferred, const char *order[SR_CLASSES])
{
    int count = 0;
    for (int i = 0; i < SR_CLASSES; i++)
        if (strcmp(sr_classes[i], preferred) == 0)
            order[count++] = sr_classes[i];
    for (int i = 0; i < SR_CLASSES; i++)
        if (strcmp(sr_classes[i], preferred) != 0)
            order[count++] = sr_classes[i];
}

static void send_report(struct service *service, struct dicom_sender *sender,
                        const struct store_report *report, struct attempt *attempt)
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
static void send_in_some_class(struct service *service, struct dicom_sender *sender,
                               const struct store_delivery *delivery, struct arena *arena,
                               struct attempt *attempt)
{
    const char *order[SR_CLASSES];
    struct store_report *report;
    struct err err = ERR_INIT;
    attempt_conclude(attempt, OUTCOME_REFUSED, -1, "the peer accepts none of the three SR classes");
    class_order(delivery->preferred_class, order);
    for (int i = 0; i < SR_CLASSES; i++) {
        if (!dicom_sender_accepts(sender, order[i]))
            continue;
        if (!report_in_class(service, delivery->result, order[i], arena, &report, &err)) {
            attempt_conclude(attempt, OUTCOME_TRY_LATER, -1, err.text);
            return;
        }
        attempt->report = report;
        send_report(service, sender, report, attempt);
        if (attempt->outcome != OUTCOME_OTHER_CLASS)
            return;
    }
}

void courier_dicom_send(struct service *service, const struct config *config, const struct config_peer *to,
                        const struct store_delivery *delivery, struct arena *arena, struct attempt *ret)
{
    struct dicom_peer peer = {.our_ae = config->listener.ae_title,
                              .ae_title = to->ae_title,
                              .host = to->address,
                              .port = to->port,
                              .connect_timeout_s = config->delivery.connect_timeout_s,
                              .acse_timeout_s = config->listener.acse_timeout_s,
                              .dimse_timeout_s = config->listener.dimse_timeout_s,
                              .max_pdu_bytes = config->listener.max_pdu_bytes};
    struct err err = ERR_INIT;
    struct dicom_sender *sender = dicom_sender_open(&peer, sr_classes, SR_CLASSES, &err);
    if (!sender) {
        bool permanent = strcmp(err.reason, "rejected_permanent") == 0;
        attempt_conclude(ret, permanent ? OUTCOME_REFUSED : OUTCOME_TRY_LATER, -1, err.text);
        return;
    }
    send_in_some_class(service, sender, delivery, arena, ret);
    dicom_sender_close(sender);
}

/* Connecting, agreeing and releasing, and in each class what dcmnet waits for: room for the data set, and the
 * answer. */
int64_t courier_dicom_own_ms(const struct config *config)
{
    return 1000 * ((int64_t)config->delivery.connect_timeout_s + 2 * config->listener.acse_timeout_s +
                   (int64_t)2 * SR_CLASSES * config->listener.dimse_timeout_s);
}
