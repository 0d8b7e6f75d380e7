#include "daemon/api_answer.h"

#include <stdarg.h>

void api_answer_json(struct api_answer *answer, unsigned status, json_t *body)
{
    answer->status = status;
    answer->body = body;
}

void api_refuse(struct api_answer *answer, unsigned status, const char *code, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    api_answer_json(answer, status, json_pack("{s:{s:s,s:s}}", "error", "code", code, "text", text));
}

void api_answer_failure(struct api_answer *answer, const struct err *err)
{
    bool passes = err->code == ERR_BUSY || err->code == ERR_FULL || err->code == ERR_NOMEM;
    api_refuse(answer, passes ? HTTP_UNAVAILABLE : HTTP_INTERNAL_ERROR, err_code_name(err->code), "%s",
               err->text);
}

void api_answer_bad(struct api_answer *answer, const char *text)
{
    api_refuse(answer, HTTP_BAD_REQUEST, "bad_request", "%s", text);
}

void api_answer_no_study(struct api_answer *answer)
{
    api_refuse(answer, HTTP_NOT_FOUND, "not_found",
               "there is no study with this row number or Study Instance UID");
}

void api_answer_view(struct api_answer *answer, json_t *view, const struct err *err)
{
    if (!view) {
        api_answer_failure(answer, err);
    } else if (json_is_null(view)) {
        json_decref(view);
        api_answer_no_study(answer);
    } else {
        api_answer_json(answer, HTTP_OK, view);
    }
}

void api_answer_accepted(struct bell *bell, struct api_answer *answer)
{
    if (bell)
        bell_ring(bell);
    api_answer_json(answer, HTTP_ACCEPTED, json_pack("{s:b}", "accepted", true));
}
