#include "daemon/api_request.h"

#include "daemon/api_answer.h"
#include "daemon/api_input.h"
#include "daemon/api_view.h"

#include <string.h>

const char *api_request_value(const struct api_request *request, const char *name)
{
    for (int i = 0; i < request->parameter_count; i++)
        if (strcmp(request->parameters[i].name, name) == 0)
            return request->parameters[i].value;
    return NULL;
}

bool api_request_number(const struct api_request *request, const char *name, long initial, long min, long max,
                        long *ret, struct api_answer *answer)
{
    const char *value = api_request_value(request, name);
    *ret = initial;
    if (!value || api_input_number(value, min, max, ret))
        return true;
    api_refuse(answer, HTTP_BAD_REQUEST, "bad_request", "%s is a whole number from %ld to %ld", name, min,
               max);
    return false;
}

bool api_request_since(const struct api_request *request, int64_t *ret_ms, struct api_answer *answer)
{
    const char *value = api_request_value(request, "since");
    *ret_ms = 0;
    if (!value || api_input_time(value, ret_ms))
        return true;
    api_answer_bad(answer, "since is neither milliseconds since 1970 nor a time like 2026-11-21T10:15:30Z");
    return false;
}

bool api_request_study(const struct api_request *request, int64_t *ret, struct api_answer *answer)
{
    struct err err = ERR_INIT;
    if (!api_view_find_study(request->service, request->id, ret, &err))
        api_answer_failure(answer, &err);
    else if (*ret == 0)
        api_answer_no_study(answer);
    else
        return true;
    return false;
}
