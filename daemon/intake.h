/* One object on its way from the wire to a row: the only place where `Success` is decided. */
#ifndef DAEMON_INTAKE_H
#define DAEMON_INTAKE_H

#include "daemon/log.h"
#include "daemon/service.h"
#include "dicom/dicom_net.h"

/* Called with the object's Study Instance UID before its row is committed, so that the study cannot be taken
 * as complete while the association is open. */
typedef bool (*intake_note_study)(void *context, const char *study_uid);

struct intake_peer {
    const struct config_peer *peer;
    char address[DICOM_ADDRESS_SIZE];
    intake_note_study note_study;
    void *context;
};

/* Receive, check, make durable and record the object that DICOM_NEXT_STORE announced, then answer it. Returns
 * false when the association is over; err says why. Refusals are answered, recorded and logged here. */
bool intake_store(struct service *service, struct dicom_association *association,
                  const struct intake_peer *peer, struct err *err);

/* Record an object file that has no row: a crash fell between rename and commit. relative: under objects/. */
bool intake_adopt(struct service *service, const char *relative, struct err *err);

/* A row and a log line for what was not accepted. status: "C000" or "reject 1,1,3"; cause: the word for
 * metrics_refused. */
void intake_refuse(struct service *service, const struct store_refusal *refusal, const char *cause,
                   enum log_level level);

#endif
