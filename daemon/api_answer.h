/* Answers that the routes share. threads: any. */
#ifndef DAEMON_API_ANSWER_H
#define DAEMON_API_ANSWER_H

#include "daemon/api_routes.h"

/* source: RFC 9110 section 15 */
enum api_status {
    HTTP_OK = 200,
    HTTP_ACCEPTED = 202,
    HTTP_BAD_REQUEST = 400,
    HTTP_NOT_FOUND = 404,
    HTTP_METHOD_NOT_ALLOWED = 405,
    HTTP_CONFLICT = 409,
    HTTP_INTERNAL_ERROR = 500,
    HTTP_BAD_GATEWAY = 502,
    HTTP_UNAVAILABLE = 503
};

/* owns: takes the body. */
void api_answer_json(struct api_answer *answer, unsigned status, json_t *body);

/* What failed inside: 503 when it passes, else 500. */
void api_answer_failure(struct api_answer *answer, const struct err *err);

/* 400 */
void api_answer_bad(struct api_answer *answer, const char *text);

/* 404 for a study */
void api_answer_no_study(struct api_answer *answer);

/* A view, which is taken, or the failure that left it NULL, or 404 for a study where it is JSON null. */
void api_answer_view(struct api_answer *answer, json_t *view, const struct err *err);

/* 202, after ringing for the room that does it; bell may be NULL. */
void api_answer_accepted(struct bell *bell, struct api_answer *answer);

#endif
