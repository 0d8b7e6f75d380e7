#include "daemon/courier_hl7.h"

#include "base/clock.h"
#include "daemon/courier_document.h"
#include "daemon/mllp.h"
#include "report/hl7.h"

#include <stdlib.h>
#include <string.h>

static enum hl7_accession accession_of(const char *word)
{
    if (strcmp(word, "obr3") == 0)
        return HL7_ACCESSION_OBR3;
    return strcmp(word, "obr18") == 0 ? HL7_ACCESSION_OBR18 : HL7_ACCESSION_BOTH;
}

static char *message_of(const struct courier_document *document, const struct config_hl7 *to)
{
    const char *modality =
        json_string_value(json_object_get(json_object_get(document->result, "input"), "modality"));
    struct hl7_options options = {.sending_application = to->sending_application,
                                  .sending_facility = to->sending_facility,
                                  .receiving_application = to->receiving_application,
                                  .receiving_facility = to->receiving_facility,
                                  .processing_id = to->processing_id,
                                  .accession = accession_of(to->accession_field),
                                  .enhanced = strcmp(to->acknowledgement, "enhanced") == 0,
                                  .modality = modality ? modality : ""};
    return hl7_oru_r01(document->report, &options);
}

/* source: HL7 v2.5.1 2.9: an error is in the message, a rejection in the receiver. */
static void judge(enum hl7_answer answer, const char *words, struct attempt *ret)
{
    static const enum outcome_delivery outcomes[] = {[HL7_ANSWER_ACCEPTED] = OUTCOME_STORED,
                                                     [HL7_ANSWER_ERROR] = OUTCOME_REFUSED,
                                                     [HL7_ANSWER_REJECTED] = OUTCOME_TRY_LATER,
                                                     [HL7_ANSWER_STRANGE] = OUTCOME_TRY_LATER};
    attempt_conclude(ret, outcomes[answer], -1, words);
}

/* An answer to another message is a late one: the next is waited for. */
static bool exchange(struct mllp *mllp, const char *message, const char *control_id, int64_t within_ms,
                     struct attempt *ret, struct err *err)
{
    const char *bytes;
    size_t size;
    char words[HL7_WORDS_SIZE];
    enum hl7_answer answer = HL7_ANSWER_STRANGE;
    int64_t until_ms = clock_monotonic_ms() + within_ms;
    if (!mllp_send(mllp, message, until_ms, err))
        return false;
    while (answer == HL7_ANSWER_STRANGE) {
        if (!mllp_receive(mllp, until_ms, &bytes, &size, err))
            return false;
        answer = hl7_read_answer(bytes, size, control_id, words);
    }
    judge(answer, words, ret);
    return true;
}

static bool send_message(const struct config *config, const struct config_hl7 *to, const char *message,
                         const char *control_id, struct attempt *ret, struct err *err)
{
    struct mllp_receiver receiver = {.host = to->address,
                                     .port = to->port,
                                     .connect_timeout_s = config->delivery.connect_timeout_s,
                                     .tls = to->tls,
                                     .ca_file = to->ca_file};
    struct mllp *mllp = mllp_open(&receiver, err);
    bool ok = mllp && exchange(mllp, message, control_id, to->answer_timeout_s * 1000LL, ret, err);
    mllp_close(mllp);
    return ok;
}

void courier_hl7_send(struct service *service, const struct config *config, const struct config_hl7 *to,
                      const struct store_delivery *delivery, struct arena *arena, struct attempt *ret)
{
    struct courier_document document;
    char control_id[HL7_CONTROL_ID_SIZE], *message = NULL;
    struct err err = ERR_INIT;
    bool ok = courier_document_read(service, delivery->result, arena, &document, &err);
    if (ok) {
        hl7_control_id(document.report->sop_uid, control_id);
        message = message_of(&document, to);
        ok = message || err_fail(&err, ERR_NOMEM, "no memory for a message");
    }
    if (!ok || !send_message(config, to, message, control_id, ret, &err))
        attempt_conclude(ret, OUTCOME_TRY_LATER, -1, err.text);
    free(message);
    courier_document_done(&document);
}

int64_t courier_hl7_own_ms(const struct config *config, const struct config_hl7 *to)
{
    return 1000LL * (config->delivery.connect_timeout_s + to->answer_timeout_s);
}
