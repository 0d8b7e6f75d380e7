#include "daemon/courier_objects.h"

#include "daemon/courier_dicom.h"
#include "store/store_route.h"

#include <stdio.h>
#include <string.h>

enum {
    NOTE_EVERY = 20, /* a note is a transaction */
    BYTES_A_MS = 4   /* what the slowest line that we wait for takes, as of a sender */
};

struct sending {
    struct service *service;
    const struct store_delivery *delivery;
    struct dicom_sender *sender;
    struct pulse *pulse;
    int64_t own_ms;
    int64_t upto, noted; /* the last one that the destination has, with all before it; as the row says */
    int sent, refused;   /* in this attempt */
    int status;          /* of the refusal that came first, or of the last object; -1 none */
    char refusal[200];   /* that came first */
    struct attempt *attempt;
};

/* In words that hold for one object; outcome_of_status speaks of a report's classes. */
static enum outcome_delivery send_one(struct sending *sending, const struct store_original *object,
                                      int *ret_status, char cause[200])
{
    char path[PATH_MAX], comment[DICOM_COMMENT_SIZE];
    uint16_t status;
    struct err err = ERR_INIT;
    spool_path(sending->service->spool, object->path, path);
    if (!dicom_sender_store(sending->sender, path, &status, comment, &err)) {
        bool ours = err.code == ERR_IO || err.code == ERR_UNSUPPORTED;
        snprintf(cause, 200, "%.199s", ours && err.code == ERR_IO ? "the object cannot be read" : err.text);
        return ours ? OUTCOME_REFUSED : OUTCOME_TRY_LATER;
    }
    *ret_status = status;
    snprintf(cause, 200, "status 0x%04x%s%s", status, *comment ? ": " : "", comment);
    enum outcome_delivery outcome = outcome_of_status(status);
    return outcome == OUTCOME_OTHER_CLASS ? OUTCOME_REFUSED : outcome;
}

static bool note(struct sending *sending, struct err *err)
{
    if (sending->upto == sending->noted)
        return true;
    sending->noted = sending->upto;
    return store_set_sent_upto(sending->service->store, sending->delivery->id, sending->upto, err);
}

/* False ends the attempt, with its outcome set. */
static bool send_object(struct sending *sending, const struct store_original *object)
{
    char cause[200];
    int status = -1;
    struct err err = ERR_INIT;
    pulse_beat(sending->pulse, sending->own_ms + object->size_bytes / BYTES_A_MS);
    enum outcome_delivery outcome = send_one(sending, object, &status, cause);
    if (outcome == OUTCOME_TRY_LATER) {
        attempt_conclude(sending->attempt, OUTCOME_TRY_LATER, status, cause);
        return false;
    }
    if (!sending->refused)
        sending->status = status;
    if (outcome == OUTCOME_STORED) {
        sending->sent++;
    } else if (sending->refused++ == 0) {
        snprintf(sending->refusal, sizeof sending->refusal, "%s", cause);
    }
    if (!sending->refused)
        sending->upto = object->id;
    if (sending->sent % NOTE_EVERY != 0 || note(sending, &err))
        return true;
    attempt_conclude(sending->attempt, OUTCOME_TRY_LATER, -1, err.text);
    return false;
}

static bool send_batch(struct sending *sending, int64_t *after, bool *ret_more, struct err *err)
{
    struct store_original *objects;
    int count;
    struct arena *arena = arena_new();
    bool ok = arena ? store_originals(sending->service->store, sending->delivery->study, *after, arena,
                                      &objects, &count, err)
                    : err_fail(err, ERR_NOMEM, "no memory for a list of originals");
    *ret_more = ok && count > 0;
    for (int i = 0; ok && *ret_more && i < count; i++) {
        *after = objects[i].id;
        *ret_more = !sending->service->stopping && send_object(sending, &objects[i]);
    }
    arena_free(arena);
    return ok;
}

static void conclude(struct sending *sending)
{
    char text[280];
    if (sending->refused)
        snprintf(text, sizeof text, "%d of %d originals refused, the first: %s", sending->refused,
                 sending->refused + sending->sent, sending->refusal);
    else
        snprintf(text, sizeof text, "%d originals", sending->sent);
    attempt_conclude(sending->attempt, sending->refused ? OUTCOME_REFUSED : OUTCOME_STORED, sending->status,
                     text);
}

static void send_all(struct sending *sending)
{
    struct err err = ERR_INIT;
    int64_t after = sending->upto;
    bool more = true, ok = true;
    attempt_conclude(sending->attempt, OUTCOME_STORED, -1, "");
    while (ok && more)
        ok = send_batch(sending, &after, &more, &err);
    if (ok && sending->attempt->outcome == OUTCOME_STORED && sending->service->stopping)
        attempt_conclude(sending->attempt, OUTCOME_TRY_LATER, -1, "the service stops");
    ok = note(sending, &err) && ok;
    if (!ok)
        attempt_conclude(sending->attempt, OUTCOME_TRY_LATER, -1, err.text);
    else if (sending->attempt->outcome == OUTCOME_STORED)
        conclude(sending);
}

static void open_and_send(struct sending *sending, const struct config *config, const struct config_peer *to,
                          const struct store_original *kinds, int count)
{
    struct dicom_context contexts[DICOM_CONTEXTS_MAX];
    struct err err = ERR_INIT;
    struct dicom_peer peer = courier_dicom_peer(config, to);
    for (int i = 0; i < count && i < DICOM_CONTEXTS_MAX; i++)
        contexts[i] = (struct dicom_context){kinds[i].sop_class, kinds[i].transfer_syntax};
    sending->sender =
        dicom_sender_open_for(&peer, contexts, count < DICOM_CONTEXTS_MAX ? count : DICOM_CONTEXTS_MAX, &err);
    if (!sending->sender) {
        bool permanent = strcmp(err.reason, "rejected_permanent") == 0;
        attempt_conclude(sending->attempt, permanent ? OUTCOME_REFUSED : OUTCOME_TRY_LATER, -1, err.text);
        return;
    }
    send_all(sending);
    dicom_sender_close(sending->sender);
}

void courier_objects_send(struct service *service, const struct config *config, const struct config_peer *to,
                          const struct store_delivery *delivery, struct pulse *pulse, struct arena *arena,
                          struct attempt *ret)
{
    struct sending sending = {.service = service,
                              .delivery = delivery,
                              .pulse = pulse,
                              .own_ms = courier_dicom_own_ms(config),
                              .status = -1,
                              .attempt = ret};
    struct store_original *kinds;
    struct err err = ERR_INIT;
    int count;
    if (!store_sent_upto(service->store, delivery->study, to->name, &sending.upto, &err) ||
        !store_original_kinds(service->store, delivery->study, sending.upto, arena, DICOM_CONTEXTS_MAX,
                              &kinds, &count, &err)) {
        attempt_conclude(ret, OUTCOME_TRY_LATER, -1, err.text);
        return;
    }
    if (count == 0)
        attempt_conclude(ret, OUTCOME_STORED, -1, "nothing new");
    else
        open_and_send(&sending, config, to, kinds, count);
}
