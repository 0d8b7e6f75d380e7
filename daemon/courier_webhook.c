#include "daemon/courier_webhook.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "daemon/courier_document.h"
#include "report/annotation.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SECRET_MIN = 16, SECRET_MAX = 1024, HEADER_SIZE = 200 };

/* The secret without the line's end. owns: caller frees. */
static char *read_secret(const char *path, size_t *ret_size, struct err *err)
{
    struct stat status;
    if (stat(path, &status) == 0 && (status.st_mode & (S_IROTH | S_IWOTH))) {
        err_fail(err, ERR_IO, "the secret's file may be read by everybody: chmod o-rw");
        return NULL;
    }
    char *secret = file_read(path, SECRET_MAX, ret_size, err);
    while (secret && *ret_size > 0 && strchr("\r\n", secret[*ret_size - 1]))
        --*ret_size;
    if (!secret || *ret_size >= SECRET_MIN)
        return secret;
    free(secret);
    err_fail(err, ERR_IO, "the secret is shorter than %d bytes", SECRET_MIN);
    return NULL;
}

/* HMAC over "timestamp.body": an old request cannot be given a new time. */
static bool sign(const char *secret_file, const char *timestamp, const char *body, char hex[DIGEST_HEX_SIZE],
                 struct err *err)
{
    size_t secret_size, size = strlen(timestamp) + 1 + strlen(body);
    char *secret = read_secret(secret_file, &secret_size, err), *text = malloc(size + 1);
    bool ok = secret && (text || err_fail(err, ERR_NOMEM, "no memory for a signature"));
    if (ok) {
        snprintf(text, size + 1, "%s.%s", timestamp, body);
        digest_hmac(secret, secret_size, text, size, hex);
    }
    if (secret)
        explicit_bzero(secret, secret_size);
    free(secret);
    free(text);
    return ok;
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
    char text[HEADER_SIZE];
    snprintf(text, sizeof text, "%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(*list, text);
    if (longer)
        *list = longer;
    return longer != NULL;
}

static bool headers(const char *event, const char *timestamp, const char *signature, struct curl_slist **list)
{
    char signed_with[DIGEST_HEX_SIZE + 10];
    snprintf(signed_with, sizeof signed_with, "v1=%s", signature);
    return add_header(list, "Content-Type", "application/json") &&
           add_header(list, "X-Cardioscribe-Event", event) &&
           add_header(list, "X-Cardioscribe-Timestamp", timestamp) &&
           add_header(list, "X-Cardioscribe-Signature", signed_with) && add_header(list, "Expect", "");
}

/* What the server says beside its status is not read. */
static size_t drop(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes;
    (void)context;
    return size * count;
}

static bool post(CURL *curl, const struct config *config, const struct config_webhook *to,
                 struct curl_slist *list, const char *body, long *ret_status, struct err *err)
{
    curl_easy_setopt(curl, CURLOPT_URL, to->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_IPRESOLVE, (long)CURL_IPRESOLVE_V4);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)config->delivery.connect_timeout_s);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)config->delivery.connect_timeout_s + to->answer_timeout_s);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "cardioscribe/" CARDIOSCRIBE_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
    if (*to->ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, to->ca_file);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK)
        return err_fail(err, ERR_PEER, "no answer: %s", curl_easy_strerror(code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    return true;
}

/* source: RFC 9110 15: what asks for another time, and what will never be otherwise. */
static enum outcome_delivery outcome_of_http(long status)
{
    if (status >= 200 && status < 300)
        return OUTCOME_STORED;
    bool later = status == 408 || status == 425 || status == 429 || status >= 500;
    return later ? OUTCOME_TRY_LATER : OUTCOME_REFUSED;
}

static bool deliver(const struct config *config, const struct config_webhook *to, const json_t *annotation,
                    const char *body, struct attempt *ret, struct err *err)
{
    char timestamp[32], signature[DIGEST_HEX_SIZE], cause[40];
    long status = 0;
    struct curl_slist *list = NULL;
    const char *event = json_string_value(json_object_get(annotation, "event"));
    snprintf(timestamp, sizeof timestamp, "%lld", (long long)(clock_unix_ms() / 1000));
    if (!sign(to->secret_file, timestamp, body, signature, err))
        return false;
    CURL *curl = curl_easy_init();
    bool ok = curl && headers(event, timestamp, signature, &list);
    ok = ok ? post(curl, config, to, list, body, &status, err)
            : err_fail(err, ERR_NOMEM, "no memory for a request");
    curl_slist_free_all(list);
    curl_easy_cleanup(curl);
    snprintf(cause, sizeof cause, "HTTP status %ld", status);
    if (ok)
        attempt_conclude(ret, outcome_of_http(status), -1, cause);
    return ok;
}

void courier_webhook_send(struct service *service, const struct config *config,
                          const struct config_webhook *to, const struct store_delivery *delivery,
                          struct arena *arena, struct attempt *ret)
{
    struct courier_document document;
    json_t *annotation = NULL;
    char *body = NULL;
    struct err err = ERR_INIT;
    bool ok = courier_document_read(service, delivery->result, arena, &document, &err);
    if (ok) {
        annotation = annotation_json(document.report, document.result);
        body = annotation ? json_dumps(annotation, JSON_COMPACT) : NULL;
        ok = body || err_fail(&err, ERR_NOMEM, "no memory for an annotation");
    }
    if (!ok || !deliver(config, to, annotation, body, ret, &err))
        attempt_conclude(ret, OUTCOME_TRY_LATER, -1, err.text);
    free(body);
    json_decref(annotation);
    courier_document_done(&document);
}

int64_t courier_webhook_own_ms(const struct config *config, const struct config_webhook *to)
{
    return 1000LL * (2LL * config->delivery.connect_timeout_s + to->answer_timeout_s);
}
