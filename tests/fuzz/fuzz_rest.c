/* A REST request as libmicrohttpd hands it over: lines of method, escaped path, then NAME=VALUE each; every
 * line also as a number, a row and a time. */
#include "daemon/api_input.h"
#include "daemon/api_routes.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void check_refusal(const struct api_answer *answer)
{
    fuzz_must(answer->status >= 400 && answer->status < 500, "the asker is at fault");
    fuzz_must(json_is_object(answer->body), "a refusal says why");
}

static void check_decoding(const char *raw)
{
    char text[64], exact[1];
    if (api_input_decode(raw, text, sizeof text)) {
        fuzz_touch_text(text, sizeof text);
        fuzz_must(strlen(text) <= strlen(raw), "decoding makes nothing longer");
        for (const char *at = text; *at; at++)
            fuzz_must((unsigned char)*at >= 0x20 && *at != 0x7f, "no control character comes through");
    }
    fuzz_must(api_input_decode(raw, exact, sizeof exact) == (*raw == '\0'), "no room, no text");
}

static void check_values(const char *text)
{
    long number;
    int64_t row, time_ms;
    if (api_input_number(text, 1, 1000, &number))
        fuzz_must(number >= 1 && number <= 1000, "a number is within its bounds");
    if (api_input_row(text, &row))
        fuzz_must(row >= 0, "a row number is not negative");
    (void)api_input_time(text, &time_ms);
    check_decoding(text);
}

static void ask(const char *method, const char *path, char *rest)
{
    struct api_request *request = calloc(1, sizeof *request);
    struct api_answer *answer = calloc(1, sizeof *answer);
    fuzz_must(request && answer, "the machine has memory");
    bool going = api_routes_find(request, method, path, answer);
    fuzz_must(going == (answer->body == NULL) && going == (request->route != NULL && !answer->allow),
              "a route or a refusal");
    for (char *line; going && (line = strsep(&rest, "\n"));) {
        char *value = strchr(line, '=');
        if (value)
            *value++ = '\0';
        going = api_routes_parameter(request, line, value, answer);
        fuzz_must(request->parameter_count <= API_MAX_PARAMETERS, "parameters are bounded");
    }
    fuzz_touch_text(request->id, sizeof request->id);
    if (!going)
        check_refusal(answer);
    json_decref(answer->body);
    free(answer);
    free(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *text = fuzz_text(bytes, size), *rest = text, path[512];
    char *method = strsep(&rest, "\n"), *raw_path = rest ? strsep(&rest, "\n") : NULL;
    check_values(method);
    if (raw_path && api_input_decode(raw_path, path, sizeof path)) {
        char *again = rest ? strdup(rest) : NULL, *left = again;
        for (char *line; (line = strsep(&left, "\n"));)
            check_values(line);
        free(again);
        ask(method, path, rest);
    }
    free(text);
    return 0;
}
