#include "daemon/api_keep.h"

#include "daemon/api_answer.h"
#include "daemon/api_request.h"
#include "daemon/withdrawal.h"
#include "store/store_view.h"

#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void answer_purge(const struct store_withdraw *done, struct api_answer *answer)
{
    if (done->outcome != STORE_WITHDREW_STUDY)
        api_refuse(answer, HTTP_CONFLICT, "withdrawn",
                   "the study has been withdrawn already; see its withdrawals");
    else
        api_answer_json(answer, HTTP_OK,
                        json_pack("{s:b,s:I,s:i,s:i}", "withdrawn", true, "study", (json_int_t)done->study,
                                  "objects", done->objects, "delivered_before", done->delivered));
}

void api_keep_purge(const struct api_request *request, struct api_answer *answer)
{
    struct service *service = request->service;
    struct store_withdraw done;
    struct err err = ERR_INIT;
    int64_t study;
    if (!api_request_study(request, &study, answer))
        return;
    const char *reason = api_request_value(request, "reason"),
               *said_by = api_request_value(request, "operator");
    json_t *view = store_view_study(service->store, study, &err);
    if (!view ||
        !withdrawal_by_operator(service, text_of(view, "study_uid"), reason ? reason : "by an operator",
                                request->who, request->address, said_by ? said_by : "", &done, &err))
        api_answer_failure(answer, &err);
    else
        answer_purge(&done, answer);
    json_decref(view);
}

static void tell_who(FILE *to, const json_t *withdrawal)
{
    const char *code = text_of(withdrawal, "code"), *said_by = text_of(withdrawal, "said_by");
    fprintf(to, "at %s by %s at %s%s%s: %s%s%s%s", text_of(withdrawal, "at"), text_of(withdrawal, "who"),
            text_of(withdrawal, "address"), *said_by ? ", who says to be " : "", said_by,
            text_of(withdrawal, "reason"), *code ? " (" : "", code, *code ? ")" : "");
}

/* What left before cannot be taken back from here: it is named. */
static void tell_left(FILE *to, const json_t *study)
{
    const json_t *delivery;
    size_t i;
    int count = 0;
    json_array_foreach(json_object_get(study, "deliveries"), i, delivery)
    {
        if (strcmp(text_of(delivery, "state"), "delivered") != 0)
            continue;
        fprintf(to, "%s %s%s%s to %s at %s", count++ ? ";" : " Delivered before, and still there:",
                strcmp(text_of(delivery, "what"), "objects") == 0 ? "the original objects" : "a result",
                *text_of(delivery, "sop_uid") ? ", SOP Instance UID " : "", text_of(delivery, "sop_uid"),
                text_of(delivery, "destination"), text_of(delivery, "updated_at"));
    }
    fputs(count ? "." : " Nothing of it had been delivered.", to);
}

void api_keep_tell_withdrawn(FILE *to, const json_t *study)
{
    const json_t *withdrawal, *last = NULL;
    size_t i;
    json_array_foreach(json_object_get(study, "withdrawals"), i, withdrawal)
    {
        if (json_is_true(json_object_get(withdrawal, "whole")))
            last = withdrawal;
    }
    fputs("It was withdrawn ", to);
    tell_who(to, last);
    fputs(". Its objects, results and reports are removed here, and nothing of it is sent any more.", to);
    tell_left(to, study);
}

void api_keep_tell_gone(FILE *to, const json_t *study)
{
    const json_t *objects = json_object_get(study, "objects"), *withdrawal;
    long long dropped = json_integer_value(json_object_get(objects, "dropped"));
    size_t i;
    if (dropped)
        fprintf(to, " %lld of its objects have been removed by retention; results and reports are kept.",
                dropped);
    json_array_foreach(json_object_get(study, "withdrawals"), i, withdrawal)
    {
        fprintf(to, " %lld objects were withdrawn ",
                (long long)json_integer_value(json_object_get(withdrawal, "objects")));
        tell_who(to, withdrawal);
        fputs(".", to);
    }
}
