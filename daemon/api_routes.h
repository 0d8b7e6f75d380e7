/* The routes of the REST interface, without HTTP's mechanics: one request in, one answer out. The table in
 * api_routes.c is the list; docs/openapi.yaml is compared with it. threads: any. */
#ifndef DAEMON_API_ROUTES_H
#define DAEMON_API_ROUTES_H

#include "daemon/api.h"

#include <jansson.h>
#include <limits.h>

enum { API_MAX_VALUE = 257, API_MAX_PARAMETERS = 8 };

struct api_route;

struct api_parameter {
    char name[32], value[API_MAX_VALUE]; /* decoded */
};

/* A request whose path and parameters have been decoded. Zeroed, then filled by the functions below. */
struct api_request {
    struct service *service;
    const struct api_route *route;
    char id[API_MAX_VALUE]; /* what stands for {id} in the path */
    char who[24];           /* "token " and the first digits of its digest, or "no token" */
    char address[46];       /* the client's */
    struct api_parameter parameters[API_MAX_PARAMETERS];
    int parameter_count;
};

/* What is to be sent: a JSON body, or plain text, or a file as application/dicom when file is not "".
 * owns: body is the caller's to decref. */
struct api_answer {
    unsigned status;
    json_t *body;
    char *text; /* plain text instead; malloc's, the caller's to free */
    char file[PATH_MAX], file_name[80];
    const char *allow; /* the methods of the path, with status 405 */
};

/* Find the route of a decoded path; HEAD counts as GET. False with the answer (404, 405) set. */
bool api_routes_find(struct api_request *request, const char *method, const char *path,
                     struct api_answer *answer);

/* Add a parameter, both parts still escaped; value may be NULL. False with the answer (400) set. */
bool api_routes_parameter(struct api_request *request, const char *raw_name, const char *raw_value,
                          struct api_answer *answer);

/* Do what the route does. */
void api_routes_answer(struct api_request *request, struct api_answer *answer);

/* {"error": {"code", "text"}} with a status. */
void api_refuse(struct api_answer *answer, unsigned status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
