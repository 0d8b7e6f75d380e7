#include "rest.h"

#include "base/file.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct rest {
    CURL *curl;
    struct curl_slist *headers;
    char url[1024];
};

struct body {
    char *bytes;
    size_t size;
    bool too_large;
};

static const size_t max_body = (size_t)256 << 20;
static const long answer_within_s = 60, connect_within_s = 5;

/* A token is a password. */
static bool is_private(const char *file, struct err *err)
{
    struct stat status;
    if (stat(file, &status) != 0)
        return err_errno(err, "%s", file);
    return !(status.st_mode & (S_IRWXG | S_IRWXO)) ||
           err_fail(err, ERR_INPUT, "%s holds a token, but others may read it: chmod 600", file);
}

static bool add_token(struct rest *rest, const char *file, struct err *err)
{
    char header[1100];
    size_t size;
    if (!is_private(file, err))
        return false;
    char *token = file_read(file, 1000, &size, err);
    if (!token)
        return false;
    while (size > 0 && (token[size - 1] == '\n' || token[size - 1] == '\r' || token[size - 1] == ' '))
        token[--size] = '\0';
    bool clean = size > 0 && strlen(token) == size;
    for (size_t i = 0; i < size; i++)
        clean = clean && token[i] > ' ' && token[i] < 127;
    if (clean) {
        snprintf(header, sizeof header, "Authorization: Bearer %s", token);
        rest->headers = curl_slist_append(rest->headers, header);
    }
    explicit_bzero(header, sizeof header);
    explicit_bzero(token, size);
    free(token);
    return clean || err_fail(err, ERR_INPUT, "%s does not hold one token", file);
}

struct rest *rest_open(const char *url, const char *token_file, struct err *err)
{
    struct rest *rest = calloc(1, sizeof *rest);
    if (rest)
        rest->curl = curl_easy_init();
    if (!rest || !rest->curl) {
        free(rest);
        err_fail(err, ERR_NOMEM, "no memory for a request");
        return NULL;
    }
    size_t length = strlen(url);
    while (length > 0 && url[length - 1] == '/')
        length--;
    bool fits = snprintf(rest->url, sizeof rest->url, "%.*s", (int)length, url) < (int)sizeof rest->url ||
                err_fail(err, ERR_INPUT, "the URL is too long");
    if (fits && (!token_file || add_token(rest, token_file, err)))
        return rest;
    rest_close(rest);
    return NULL;
}

void rest_close(struct rest *rest)
{
    if (!rest)
        return;
    curl_slist_free_all(rest->headers);
    curl_easy_cleanup(rest->curl);
    free(rest);
}

static size_t take(char *bytes, size_t size, size_t count, void *to)
{
    struct body *body = to;
    size_t more = size * count;
    body->too_large = body->size + more > max_body;
    char *grown = body->too_large ? NULL : realloc(body->bytes, body->size + more + 1);
    if (!grown)
        return 0;
    memcpy(grown + body->size, bytes, more);
    body->bytes = grown;
    body->size += more;
    grown[body->size] = '\0';
    return more;
}

static void prepare(struct rest *rest, const char *method, const char *url, struct body *body)
{
    CURL *curl = rest->curl;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, rest->headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, answer_within_s);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, connect_within_s);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "cardioscribe/" CARDIOSCRIBE_VERSION);
    if (strcmp(method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    }
}

static bool failed(CURLcode code, const struct rest *rest, const struct body *body, struct err *err)
{
    if (body->too_large)
        return err_fail(err, ERR_INPUT, "the daemon's answer is too long");
    if (code == CURLE_OUT_OF_MEMORY || code == CURLE_WRITE_ERROR)
        return err_fail(err, ERR_NOMEM, "no memory for the daemon's answer");
    return err_fail(err, ERR_PEER, "no daemon answers at %.100s: %s", rest->url, curl_easy_strerror(code));
}

bool rest_ask(struct rest *rest, const char *method, const char *path, long *ret_status, char **ret_body,
              size_t *ret_size, struct err *err)
{
    struct body body = {.bytes = calloc(1, 1)};
    size_t room = strlen(rest->url) + strlen(path) + 1;
    char *url = malloc(room);
    if (!url || !body.bytes) {
        free(url);
        free(body.bytes);
        return err_fail(err, ERR_NOMEM, "no memory for a request");
    }
    snprintf(url, room, "%s%s", rest->url, path);
    prepare(rest, method, url, &body);
    CURLcode code = curl_easy_perform(rest->curl);
    free(url);
    if (code != CURLE_OK) {
        free(body.bytes);
        return failed(code, rest, &body, err);
    }
    curl_easy_getinfo(rest->curl, CURLINFO_RESPONSE_CODE, ret_status);
    *ret_body = body.bytes;
    *ret_size = body.size;
    return true;
}

char *rest_escape(struct rest *rest, const char *text)
{
    char *curls = curl_easy_escape(rest->curl, text, 0);
    char *ours = curls ? strdup(curls) : NULL;
    curl_free(curls);
    return ours;
}
