/* Threads: libmicrohttpd's pool (epoll); a request stays on the thread of its connection. They share struct
 * api, which does not change after api_start but for the count of threads; the store and the spool lock for
 * themselves. No lock here. Stops: MHD_stop_daemon closes the listening socket and joins the pool. */
#include "daemon/api.h"

#include "base/digest.h"
#include "daemon/api_input.h"
#include "daemon/api_peers.h"
#include "daemon/api_routes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POOL_THREADS = 4, MAX_CONNECTIONS = 64, IDLE_S = 30, MAX_BODY = 4096, MAX_PATH = 256 };

struct api {
    struct service *service;
    struct pulse *pulses[POOL_THREADS]; /* one each, in the order of their first requests */
    atomic_int threads_seen;
    struct MHD_Daemon *server;
};

/* From the first header to the last byte out. */
struct exchange {
    struct api *api;
    struct MHD_Connection *connection;
    size_t body_bytes;
    struct api_request request;
    struct api_answer answer;
};

/* ---- sending ------------------------------------------------------------------------------------------- */

/* As text with a newline, in malloc's memory. */
static struct MHD_Response *json_response(const json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    size_t size = text ? strlen(text) : 0;
    char *line = text ? realloc(text, size + 2) : NULL;
    if (!line) {
        free(text);
        return NULL;
    }
    memcpy(line + size, "\n", 2);
    struct MHD_Response *response = MHD_create_response_from_buffer(size + 1, line, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(line);
    return response;
}

static struct MHD_Response *text_response(struct api_answer *answer)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(answer->text), answer->text, MHD_RESPMEM_MUST_FREE);
    if (response)
        answer->text = NULL;
    return response;
}

/* libmicrohttpd closes the file. Turns the answer into a 500 when the file cannot be read. */
static struct MHD_Response *file_response(struct api_answer *answer)
{
    struct stat status;
    char disposition[120];
    int fd = open(answer->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool usable = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    struct MHD_Response *response =
        usable ? MHD_create_response_from_fd64((uint64_t)status.st_size, fd) : NULL;
    if (!response) {
        if (fd >= 0)
            close(fd);
        answer->file[0] = '\0';
        api_refuse(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, err_code_name(ERR_CORRUPT),
                   "the report's row is there but its file cannot be read");
        return json_response(answer->body);
    }
    snprintf(disposition, sizeof disposition, "attachment; filename=\"%s\"", answer->file_name);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_DISPOSITION, disposition);
    return response;
}

static enum MHD_Result send_answer(struct exchange *exchange)
{
    struct api_answer *answer = &exchange->answer;
    /* the type is read afterwards: a file that cannot be read turns into JSON */
    bool text = answer->text != NULL;
    struct MHD_Response *response = text            ? text_response(answer)
                                    : *answer->file ? file_response(answer)
                                                    : json_response(answer->body);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                            text            ? "text/plain; version=0.0.4; charset=utf-8"
                            : *answer->file ? "application/dicom"
                                            : "application/json; charset=utf-8");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (answer->allow)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, answer->allow);
    if (answer->status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"cardioscribe\"");
    enum MHD_Result result = MHD_queue_response(exchange->connection, answer->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- who may ask --------------------------------------------------------------------------------------- */

static const char *header_of(const struct exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

/* Digests have one length, and every one is compared to its end: the time taken says nothing about a token.
 */
static bool token_right(const char *digests, const char *header)
{
    char digest[DIGEST_HEX_SIZE];
    bool right = false;
    if (!header || strncasecmp(header, "Bearer ", 7) != 0)
        return false;
    digest_bytes(header + 7, strlen(header + 7), digest);
    for (const char *at = digests; *at; at += DIGEST_HEX_SIZE - 1, at += *at == ' ') {
        volatile unsigned char difference = 0;
        for (int i = 0; i < DIGEST_HEX_SIZE - 1; i++)
            difference = (unsigned char)(difference | (digest[i] ^ at[i]));
        right |= difference == 0;
    }
    return right;
}

/* For the trace of what is changed. */
static void note_client(struct exchange *exchange)
{
    struct api_request *request = &exchange->request;
    const char *header = header_of(exchange, MHD_HTTP_HEADER_AUTHORIZATION);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char digest[DIGEST_HEX_SIZE];
    snprintf(request->who, sizeof request->who, "no token");
    if (*exchange->api->service->config->api.token_sha256 && header &&
        strncasecmp(header, "Bearer ", 7) == 0) {
        digest_bytes(header + 7, strlen(header + 7), digest);
        snprintf(request->who, sizeof request->who, "token %.12s", digest);
    }
    if (info && info->client_addr->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)info->client_addr)->sin_addr,
                  request->address, sizeof request->address);
}

static bool host_is_here(const char *host)
{
    char name[64];
    struct in_addr address;
    if (!host)
        return true; /* HTTP/1.0; a browser always names one */
    size_t length = strcspn(host, ":");
    if (length >= sizeof name)
        return false;
    memcpy(name, host, length);
    name[length] = '\0';
    return strcasecmp(name, "localhost") == 0 ||
           (inet_pton(AF_INET, name, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

/* False with the answer set. */
static bool may_enter(struct exchange *exchange, const char *method, const char *path)
{
    const struct config *config = exchange->api->service->config;
    const char *digests = config->api.token_sha256;
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (reads && strcmp(path, "/healthz") == 0)
        return true;
    if (*digests && !token_right(digests, header_of(exchange, MHD_HTTP_HEADER_AUTHORIZATION)))
        api_refuse(&exchange->answer, MHD_HTTP_UNAUTHORIZED, "unauthorized",
                   "give the token as \"Authorization: Bearer TOKEN\"");
    else if (!*digests && !host_is_here(header_of(exchange, MHD_HTTP_HEADER_HOST)))
        api_refuse(&exchange->answer, MHD_HTTP_FORBIDDEN, "forbidden",
                   "without a token this interface is for this machine alone: Host must be 127.0.0.1 or"
                   " localhost");
    else if (!*digests && !reads && header_of(exchange, MHD_HTTP_HEADER_ORIGIN))
        api_refuse(&exchange->answer, MHD_HTTP_FORBIDDEN, "forbidden",
                   "without a token no web page may change anything: Origin must not be there");
    return !exchange->answer.body;
}

/* ---- one request --------------------------------------------------------------------------------------- */

static enum MHD_Result take_parameter(void *to, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct exchange *exchange = to;
    return api_routes_parameter(&exchange->request, name, value, &exchange->answer) ? MHD_YES : MHD_NO;
}

static struct pulse *pulse_of_thread(struct api *api)
{
    static _Thread_local struct pulse *mine;
    if (!mine) {
        int number = api->threads_seen++;
        mine = number < POOL_THREADS ? api->pulses[number] : NULL;
    }
    return mine;
}

static void find_answer(struct exchange *exchange, const char *method, const char *raw_path)
{
    char path[MAX_PATH];
    bool well_formed = api_input_decode(raw_path, path, sizeof path) && !strcasestr(raw_path, "%2f");
    if (!may_enter(exchange, method, well_formed ? path : ""))
        return;
    if (!well_formed) {
        api_refuse(&exchange->answer, MHD_HTTP_BAD_REQUEST, "bad_request",
                   "the path is malformed or too long");
        return;
    }
    if (!api_routes_find(&exchange->request, method, path, &exchange->answer))
        return;
    MHD_get_connection_values(exchange->connection, MHD_GET_ARGUMENT_KIND, take_parameter, exchange);
    if (!exchange->answer.body)
        api_routes_answer(&exchange->request, &exchange->answer);
}

static struct exchange *begin(struct api *api, struct MHD_Connection *connection)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        return NULL;
    exchange->api = api;
    exchange->connection = connection;
    exchange->request.service = api->service;
    note_client(exchange);
    return exchange;
}

/* libmicrohttpd calls once with the headers, then for each piece of a body, then once more. */
static enum MHD_Result take_request(void *context, struct MHD_Connection *connection, const char *path,
                                    const char *method, const char *version, const char *body,
                                    size_t *body_size, void **state)
{
    struct exchange *exchange = *state;
    if (!exchange) {
        *state = exchange = begin(context, connection);
        if (!exchange)
            return MHD_NO;
        const char *length = header_of(exchange, MHD_HTTP_HEADER_CONTENT_LENGTH);
        if (!length || (strlen(length) <= 4 && strtol(length, NULL, 10) <= MAX_BODY))
            return MHD_YES;
        api_refuse(&exchange->answer, MHD_HTTP_CONTENT_TOO_LARGE, "too_large", "no request has a body here");
        return send_answer(exchange);
    }
    if (*body_size > 0) {
        exchange->body_bytes += *body_size;
        *body_size = 0;
        return exchange->body_bytes > MAX_BODY ? MHD_NO : MHD_YES;
    }
    struct pulse *pulse = pulse_of_thread(exchange->api);
    pulse_beat(pulse, API_PEERS_OWN_MS);
    find_answer(exchange, method, path);
    pulse_rest(pulse);
    return send_answer(exchange);
}

static void forget_request(void *context, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode code)
{
    struct exchange *exchange = *state;
    if (exchange) {
        json_decref(exchange->answer.body);
        free(exchange->answer.text);
    }
    free(exchange);
    *state = NULL;
}

/* Escapes stay as they are: api_input_decode reads them later, and strictly. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text)
{
    return strlen(text);
}

/* ---- start and stop ------------------------------------------------------------------------------------ */

static bool listen_on(struct api *api, struct err *err)
{
    const struct config *config = api->service->config;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)config->api.port)};
    if (inet_pton(AF_INET, config->api.address, &address.sin_addr) != 1)
        return err_fail(err, ERR_INPUT, "api.address %s is no IPv4 address", config->api.address);
    errno = 0;
    api->server =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)config->api.port, NULL, NULL, take_request,
                         api, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_THREAD_POOL_SIZE,
                         (unsigned)POOL_THREADS, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                         MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_NOTIFY_COMPLETED,
                         forget_request, NULL, MHD_OPTION_END);
    return api->server ||
           err_errno(err, "REST cannot listen on %s:%d", config->api.address, config->api.port);
}

struct api *api_start(struct service *service, struct err *err)
{
    struct api *api = calloc(1, sizeof *api);
    if (!api) {
        err_fail(err, ERR_NOMEM, "no memory for the REST interface");
        return NULL;
    }
    api->service = service;
    for (int i = 0; i < POOL_THREADS; i++)
        api->pulses[i] = pulse_new(&service->pulses, "api", "");
    if (listen_on(api, err))
        return api;
    api_stop(api);
    return NULL;
}

void api_stop(struct api *api)
{
    if (!api)
        return;
    if (api->server)
        MHD_stop_daemon(api->server);
    free(api);
}
