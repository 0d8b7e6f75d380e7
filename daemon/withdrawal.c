#include "daemon/withdrawal.h"

#include "base/clock.h"
#include "daemon/log.h"
#include "daemon/metrics.h"

static void tell(struct service *service, const struct store_withdrawal *what,
                 const struct store_withdraw *done)
{
    static const char *const events[] = {
        [STORE_WITHDREW_STUDY] = "study_withdrawn",      [STORE_WITHDREW_OBJECTS] = "objects_withdrawn",
        [STORE_WITHDREW_AHEAD] = "withdrawn_ahead",      [STORE_WITHDREW_BEFORE] = "withdrawn_before",
        [STORE_WITHDREW_NOTHING] = "withdrawal_of_none", [STORE_WITHDREW_CONFLICT] = "withdrawal_conflict",
    };
    bool conflict = done->outcome == STORE_WITHDREW_CONFLICT;
    log_event(conflict ? LOG_WARNING : LOG_INFO, events[done->outcome],
              "study=%lld via=%s code=%s by=%s objects=%d deliveries_left=%d%s", (long long)done->study,
              what->via, what->code, log_text(what->who), done->objects, done->delivered,
              conflict ? ", the note has another patient: nothing is withdrawn" : "");
    if (done->outcome == STORE_WITHDREW_STUDY)
        metrics_count(METRIC_STUDIES_WITHDRAWN);
    if (done->objects)
        bell_ring(&service->removals);
}

bool withdrawal_by_note(struct service *service, const struct dicom_rejection *note,
                        const struct dicom_identity *note_id, const char *ae_title, const char *address,
                        struct err *err)
{
    for (int i = 0; i < note->study_count; i++) {
        const struct dicom_rejected_study *study = &note->studies[i];
        struct store_withdraw done;
        struct store_withdrawal what = {.study_uid = study->study_uid,
                                        .patient_id = note_id->patient_id,
                                        .via = "rejection_note",
                                        .code = note->code,
                                        .reason = note->meaning,
                                        .who = ae_title,
                                        .address = address,
                                        .said_by = "",
                                        .note_uid = note_id->sop_uid,
                                        .sop_uids = study->sop_uids,
                                        .count = study->count};
        if (!store_withdraw(service->store, &what, clock_unix_ms(), &done, err))
            return false;
        tell(service, &what, &done);
    }
    return true;
}

bool withdrawal_by_operator(struct service *service, const char *study_uid, const char *reason,
                            const char *who, const char *address, const char *said_by,
                            struct store_withdraw *ret, struct err *err)
{
    struct store_withdrawal what = {.study_uid = study_uid,
                                    .via = "purged",
                                    .code = "",
                                    .reason = reason,
                                    .who = who,
                                    .address = address,
                                    .said_by = said_by,
                                    .note_uid = ""};
    if (!store_withdraw(service->store, &what, clock_unix_ms(), ret, err))
        return false;
    tell(service, &what, ret);
    return true;
}
