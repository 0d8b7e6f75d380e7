/* Studies and objects that are taken back, by a rejection note or by an operator: what follows in the daemon.
 */
#ifndef DAEMON_WITHDRAWAL_H
#define DAEMON_WITHDRAWAL_H

#include "daemon/service.h"
#include "dicom/dicom_records.h"
#include "dicom/dicom_rejection.h"
#include "store/store_withdraw.h"

/* Withdraw what a note names, study by study; one of another patient than the note's is left as it is. Doing
 * it again changes nothing. note_id: of the note itself. errors: as store.h. threads: any. */
bool withdrawal_by_note(struct service *service, const struct dicom_rejection *note,
                        const struct dicom_identity *note_id, const char *ae_title, const char *address,
                        struct err *err);

/* The whole study. Texts are told in the trace as they are. errors: as store.h. threads: any. */
bool withdrawal_by_operator(struct service *service, const char *study_uid, const char *reason,
                            const char *who, const char *address, const char *said_by,
                            struct store_withdraw *ret, struct err *err);

#endif
