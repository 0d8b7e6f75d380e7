#include "daemon/intake.h"

#include "base/clock.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/outcome.h"
#include "daemon/withdrawal.h"
#include "dicom/dicom_head.h"
#include "dicom/dicom_part10.h"
#include "dicom/dicom_seg.h"
#include "pipeline/heart.h"
#include "store/store_keep.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How the object is answered. cause: for the refusal's row, log and Error Comment. */
struct verdict {
    uint16_t status;
    uint32_t offending_tag;
    char comment[DICOM_COMMENT_SIZE];
    char cause[300];
    char word[40]; /* for the metrics */
    enum log_level level;
};

struct arrival {
    struct service *service;
    const struct intake_peer *peer;
    const char *asked_class, *asked_uid; /* of the C-STORE-RQ; NULL when adopted */
    struct dicom_head *head;
    char data_sha256[DIGEST_HEX_SIZE];
    char relative[SPOOL_RELATIVE_SIZE];
    int64_t size_bytes;
    int64_t now_ms;
    bool feeds_encoder;
    const struct dicom_rejection *note; /* that is obeyed; NULL for any other object */
};

static bool refuse(struct verdict *verdict, uint16_t status, const char *word, const char *comment,
                   const char *cause)
{
    *verdict = (struct verdict){.status = status, .level = LOG_WARNING};
    snprintf(verdict->comment, sizeof verdict->comment, "%s", comment);
    snprintf(verdict->cause, sizeof verdict->cause, "%s", cause);
    snprintf(verdict->word, sizeof verdict->word, "%s", word);
    return false;
}

static bool refuse_error(struct verdict *verdict, const struct err *err)
{
    const struct outcome *outcome = outcome_of(err->code);
    bool broken = err->code == ERR_PEER && *err->reason;
    refuse(verdict, outcome->dimse_status, broken ? err->reason : outcome->cause, outcome->dimse_comment,
           err->text);
    verdict->level = outcome->level;
    return false;
}

void intake_refuse(struct service *service, const struct store_refusal *refusal, const char *cause,
                   enum log_level level)
{
    int64_t row = 0;
    struct err err = ERR_INIT;
    if (!store_refuse(service->store, refusal, clock_unix_ms(), &row, &err))
        log_event(LOG_ERROR, "refusal_not_recorded", "cause=%s", log_text(err.text));
    metrics_refused(refusal->status, cause);
    log_event(level, "refused", "refusal=%lld peer=%s status=%s cause=%s", (long long)row,
              log_text(refusal->peer_ae), log_text(refusal->status), log_text(refusal->cause));
}

/* broken: the association ended inside the object, so that it was never answered. */
static void record_refusal(const struct arrival *arrival, const struct verdict *verdict, bool broken)
{
    char status[8] = "abort";
    if (!broken)
        snprintf(status, sizeof status, "%04X", verdict->status);
    struct store_refusal refusal = {
        .peer_ae = arrival->peer->peer->ae_title,
        .peer_address = arrival->peer->address,
        .study_uid = arrival->head ? arrival->head->id.study_uid : "",
        .sop_class = arrival->asked_class,
        .sop_uid = arrival->asked_uid,
        .status = status,
        .cause = verdict->cause,
    };
    intake_refuse(arrival->service, &refusal, verdict->word, verdict->level);
}

static bool refuse_tag(struct verdict *verdict, uint32_t tag, const char *attribute, const char *fault)
{
    char comment[DICOM_COMMENT_SIZE], cause[120];
    snprintf(comment, sizeof comment, "%s %s", attribute, fault);
    snprintf(cause, sizeof cause, "%s of the data set %s", attribute, fault);
    refuse(verdict, DICOM_DATA_SET_MISMATCH, "identity", comment, cause);
    verdict->offending_tag = tag;
    return false;
}

static bool identity_ok(const struct arrival *arrival, struct verdict *verdict)
{
    static const char missing[] = "is missing or illegal", differs[] = "differs from the command";
    const struct dicom_identity *id = &arrival->head->id;
    if (!uid_valid(id->sop_class) || arrival->head->kind == DICOM_KIND_UNKNOWN)
        return refuse_tag(verdict, 0x00080016, "SOP Class UID", "is missing or no storage class");
    if (!uid_valid(id->sop_uid))
        return refuse_tag(verdict, 0x00080018, "SOP Instance UID", missing);
    if (!uid_valid(id->study_uid))
        return refuse_tag(verdict, 0x0020000D, "Study Instance UID", missing);
    if (!uid_valid(id->series_uid))
        return refuse_tag(verdict, 0x0020000E, "Series Instance UID", missing);
    if (arrival->asked_class && strcmp(arrival->asked_class, id->sop_class) != 0)
        return refuse_tag(verdict, 0x00080016, "SOP Class UID", differs);
    if (arrival->asked_uid && strcmp(arrival->asked_uid, id->sop_uid) != 0)
        return refuse_tag(verdict, 0x00080018, "SOP Instance UID", differs);
    return true;
}

static void choose_place(struct arrival *arrival)
{
    char key[DIGEST_HEX_SIZE], text[3 * UID_SIZE + DIGEST_HEX_SIZE];
    const struct dicom_identity *id = &arrival->head->id;
    snprintf(text, sizeof text, "%s|%s|%s", id->study_uid, id->sop_uid, arrival->data_sha256);
    digest_bytes(text, strlen(text), key);
    spool_object_path(key, arrival->relative);
}

static bool shows_heart(const struct arrival *arrival, const char *path, struct arena *arena)
{
    struct err none = ERR_INIT;
    const struct dicom_segmentation *record;
    struct dicom_seg *seg = dicom_seg_open(path, arrival->head, arena, &record, &none);
    bool shows = seg && heart_is_named(record);
    dicom_seg_close(seg);
    return shows;
}

/* Images; and segmentations where a model needs the organs' masks, or looks for a heart that they show.
 * Elsewhere these change no result, and a late one would make a new revision for nothing. */
static bool feeds_encoder(const struct arrival *arrival, const char *path, struct arena *arena)
{
    const struct config *config = arrival->service->config;
    if (arrival->head->kind == DICOM_KIND_CT || arrival->head->kind == DICOM_KIND_MR)
        return true;
    bool organs = false, heart = false;
    for (int i = 0; i < config->model_count; i++) {
        organs |= config->models[i].needs_mask;
        heart |= config->models[i].crops_to_heart;
    }
    return dicom_is_seg(arrival->head->id.sop_class) &&
           (organs || (heart && shows_heart(arrival, path, arena)));
}

static bool read_note(struct arrival *arrival, const char *path, struct arena *arena, struct verdict *verdict)
{
    struct err err = ERR_INIT;
    if (!arrival->service->config->retention.rejection_notes ||
        !dicom_is_key_objects(arrival->head->id.sop_class))
        return true;
    return dicom_rejection_read(path, arena, &arrival->note, &err) || refuse_error(verdict, &err);
}

static bool read_object(struct arrival *arrival, const char *path, uint64_t offset, struct arena *arena,
                        struct verdict *verdict)
{
    struct err err = ERR_INIT;
    struct stat status;
    if (!dicom_head_read(path, arena, &arrival->head, &err))
        return refuse_error(verdict, &err);
    if (!identity_ok(arrival, verdict))
        return false;
    if (!digest_file(path, offset, arrival->data_sha256, &err))
        return refuse_error(verdict, &err);
    arrival->size_bytes = stat(path, &status) == 0 ? (int64_t)status.st_size : 0;
    choose_place(arrival);
    arrival->feeds_encoder = feeds_encoder(arrival, path, arena);
    return read_note(arrival, path, arena, verdict);
}

static void discard_object(const struct arrival *arrival)
{
    char path[PATH_MAX];
    spool_path(arrival->service->spool, arrival->relative, path);
    spool_discard(path);
}

static bool record_object(struct arrival *arrival, struct verdict *verdict)
{
    struct err err = ERR_INIT;
    struct store_put put;
    bool trusted = arrival->peer && arrival->peer->peer->trust_counts;
    struct store_object object = {
        .id = &arrival->head->id,
        .feeds_encoder = arrival->feeds_encoder,
        .data_sha256 = arrival->data_sha256,
        .path = arrival->relative,
        .size_bytes = arrival->size_bytes,
        .received_ms = arrival->now_ms,
        .peer_ae = arrival->peer ? arrival->peer->peer->ae_title : "",
        .peer_address = arrival->peer ? arrival->peer->address : "",
        .source = arrival->peer ? arrival->peer->peer->name : NULL,
        .stated_series = trusted ? arrival->head->study_series : 0,
        .stated_objects = trusted ? arrival->head->study_objects : 0,
    };
    /* before the note's own row: once that is there, the note is known and not looked into again */
    if (arrival->note && !withdrawal_by_note(arrival->service, arrival->note, object.id, object.peer_ae,
                                             object.peer_address, &err))
        return refuse_error(verdict, &err);
    if (!store_put(arrival->service->store, &object, &put, &err))
        return refuse_error(verdict, &err);
    if (put.outcome == STORE_WITHDRAWN) {
        discard_object(arrival);
        metrics_count(METRIC_OBJECTS_KNOWN);
        return true;
    }
    if (put.outcome == STORE_CONFLICT) {
        discard_object(arrival);
        return refuse(verdict, DICOM_PATIENT_CONFLICT, "patient_conflict", "Patient ID conflict",
                      "the study is known with another Patient ID");
    }
    if (put.reopened)
        log_event(LOG_INFO, "study_reopened", "study=%lld revision=%d", (long long)put.study, put.revision);
    metrics_count(METRIC_OBJECTS_STORED);
    log_event(LOG_DEBUG, "object_stored", "study=%lld revision=%d", (long long)put.study, put.revision);
    return true;
}

/* Acknowledged before, and still there? Then nothing may touch it that can still fail here. */
static bool is_known(const struct arrival *arrival, bool *ret, struct err *err)
{
    char path[PATH_MAX];
    if (!store_object_current(arrival->service->store, arrival->relative, ret, err))
        return false;
    spool_path(arrival->service->spool, arrival->relative, path);
    *ret = *ret && access(path, R_OK) == 0;
    return true;
}

/* From a complete incoming file to a durable object with a row. */
static bool keep_object(struct arrival *arrival, const char *incoming, struct verdict *verdict)
{
    struct err err = ERR_INIT;
    bool known;
    if (!is_known(arrival, &known, &err))
        return refuse_error(verdict, &err);
    if (known) {
        metrics_count(METRIC_OBJECTS_KNOWN);
        return true;
    }
    if (!arrival->peer->note_study(arrival->peer->context, arrival->head->id.study_uid))
        return refuse(verdict, DICOM_OUT_OF_RESOURCES, "too_many_studies",
                      "Too many studies in one association", "too many studies in one association");
    if (!store_keep_spare(arrival->service->store, arrival->relative, &err) ||
        !spool_commit(arrival->service->spool, incoming, arrival->relative, &err))
        return refuse_error(verdict, &err);
    return record_object(arrival, verdict);
}

static bool space_left(struct service *service, struct verdict *verdict)
{
    uint64_t free_bytes;
    struct err err = ERR_INIT;
    if (!spool_free_bytes(service->spool, &free_bytes, &err))
        return refuse_error(verdict, &err);
    if (free_bytes >= (uint64_t)service->config->storage.reserve_mb << 20)
        return true;
    refuse(verdict, DICOM_OUT_OF_RESOURCES, "below_reserve", "Out of storage",
           "free space is below the reserve");
    verdict->level = LOG_ERROR;
    return false;
}

static bool may_receive(struct service *service, const struct dicom_association *association,
                        const struct intake_peer *peer, struct verdict *verdict)
{
    if (!peer->peer->may_store)
        return refuse(verdict, DICOM_NOT_AUTHORISED, "not_allowed", "Not authorised to store",
                      "this peer may not store");
    if (!dicom_association_class_agreed(association))
        return refuse(verdict, DICOM_CLASS_NOT_SUPPORTED, "class_not_agreed",
                      "SOP class not negotiated in this context",
                      "the SOP class of the command is not that of its presentation context");
    return space_left(service, verdict);
}

/* Returns false when the association broke; otherwise *verdict is the answer. */
static bool take_object(struct arrival *arrival, struct dicom_association *association, struct arena *arena,
                        struct verdict *verdict, struct err *err)
{
    char incoming[PATH_MAX];
    uint64_t offset;
    struct err cause = ERR_INIT;
    if (!may_receive(arrival->service, association, arrival->peer, verdict))
        return dicom_association_skip(association, err) || refuse_error(verdict, err);
    spool_incoming(arrival->service->spool, incoming);
    bool received = dicom_association_store(association, incoming, &offset, &cause);
    arrival->now_ms = clock_unix_ms(); /* an object has arrived when it is complete */
    if (received && read_object(arrival, incoming, offset, arena, verdict))
        keep_object(arrival, incoming, verdict);
    spool_discard(incoming);
    if (received)
        return true;
    refuse_error(verdict, &cause);
    if (cause.code != ERR_PEER)
        return true;
    *err = cause;
    return false;
}

bool intake_store(struct service *service, struct dicom_association *association,
                  const struct intake_peer *peer, struct err *err)
{
    struct arena *arena = arena_new();
    if (!arena)
        return err_fail(err, ERR_NOMEM, "no memory for an object");
    struct verdict verdict = {0};
    struct arrival arrival = {.service = service,
                              .peer = peer,
                              .asked_class = dicom_association_sop_class(association),
                              .asked_uid = dicom_association_sop_uid(association)};
    int64_t begin_ms = clock_monotonic_ms();
    bool ok = take_object(&arrival, association, arena, &verdict, err);
    if (verdict.status != DICOM_SUCCESS)
        record_refusal(&arrival, &verdict, !ok);
    ok = ok &&
         dicom_association_answer(association, verdict.status, verdict.comment, verdict.offending_tag, err);
    metrics_observe(METRIC_STORE_SECONDS, (double)(clock_monotonic_ms() - begin_ms) / 1000);
    arena_free(arena);
    return ok;
}

bool intake_adopt(struct service *service, const char *relative, struct err *err)
{
    char path[PATH_MAX], place[SPOOL_RELATIVE_SIZE];
    struct arena *arena = arena_new();
    if (!arena)
        return err_fail(err, ERR_NOMEM, "no memory for an object");
    struct verdict verdict = {0};
    struct arrival arrival = {.service = service, .now_ms = clock_unix_ms()};
    snprintf(place, sizeof place, "%s", relative);
    spool_path(service->spool, relative, path);
    uint64_t offset;
    bool ok = dicom_part10_data_set(path, &offset, err) ? read_object(&arrival, path, offset, arena, &verdict)
                                                        : refuse_error(&verdict, err);
    if (ok && strcmp(arrival.relative, place) != 0)
        ok =
            refuse(&verdict, DICOM_PROCESSING_FAILURE, "identity", "", "its content does not match its name");
    ok = ok && record_object(&arrival, &verdict);
    arena_free(arena);
    return ok || err_fail(err, ERR_CORRUPT, "%s", verdict.cause);
}
