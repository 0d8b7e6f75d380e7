#include "daemon/mllp.h"

#include "base/clock.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START = 0x0B, END = 0x1C, RETURN = 0x0D };

struct mllp {
    CURL *curl;
    size_t size, taken; /* bytes that have come; of these, given back already */
    char bytes[MLLP_MAX_ANSWER];
};

static bool connect_to(struct mllp *mllp, const struct mllp_receiver *to, struct err *err)
{
    char url[400];
    CURL *curl = mllp->curl;
    snprintf(url, sizeof url, "%s://%s:%d", to->tls ? "https" : "http", to->host, to->port);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L); /* of http nothing is spoken */
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_IPRESOLVE, (long)CURL_IPRESOLVE_V4);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_ENABLE_ALPN, 0L);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)to->connect_timeout_s);
    if (*to->ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, to->ca_file);
    CURLcode code = curl_easy_perform(curl);
    return code == CURLE_OK || err_fail(err, ERR_PEER, "no connection: %s", curl_easy_strerror(code));
}

struct mllp *mllp_open(const struct mllp_receiver *to, struct err *err)
{
    struct mllp *mllp = calloc(1, sizeof *mllp);
    if (mllp)
        mllp->curl = curl_easy_init();
    if (!mllp || !mllp->curl)
        err_fail(err, ERR_NOMEM, "no memory for a connection");
    else if (connect_to(mllp, to, err))
        return mllp;
    mllp_close(mllp);
    return NULL;
}

void mllp_close(struct mllp *mllp)
{
    if (!mllp)
        return;
    curl_easy_cleanup(mllp->curl);
    free(mllp);
}

/* False when the time is over. */
static bool in_time(int64_t until_ms)
{
    return clock_monotonic_ms() < until_ms;
}

/* Up to a second: whoever waits looks at the clock again. */
static void wait_for(const struct mllp *mllp, short events, int64_t until_ms)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    int64_t left_ms = until_ms - clock_monotonic_ms();
    curl_easy_getinfo(mllp->curl, CURLINFO_ACTIVESOCKET, &fd);
    struct pollfd one = {.fd = fd, .events = events};
    if (left_ms > 0)
        poll(&one, 1, left_ms < 1000 ? (int)left_ms : 1000);
}

static bool send_all(struct mllp *mllp, const char *bytes, size_t size, int64_t until_ms, struct err *err)
{
    for (size_t sent = 0; sent < size;) {
        size_t now = 0;
        if (!in_time(until_ms))
            return err_fail(err, ERR_PEER, "the message was not taken in time");
        CURLcode code = curl_easy_send(mllp->curl, bytes + sent, size - sent, &now);
        sent += now;
        if (code == CURLE_AGAIN)
            wait_for(mllp, POLLOUT, until_ms);
        else if (code != CURLE_OK)
            return err_fail(err, ERR_PEER, "the connection broke: %s", curl_easy_strerror(code));
    }
    return true;
}

bool mllp_send(struct mllp *mllp, const char *message, int64_t until_ms, struct err *err)
{
    static const char start[] = {START}, end[] = {END, RETURN};
    return send_all(mllp, start, sizeof start, until_ms, err) &&
           send_all(mllp, message, strlen(message), until_ms, err) &&
           send_all(mllp, end, sizeof end, until_ms, err);
}

/* The block that has come whole, out of what is there. */
static bool complete_block(struct mllp *mllp, const char **ret, size_t *ret_size)
{
    char *from = memchr(mllp->bytes + mllp->taken, START, mllp->size - mllp->taken);
    char *end = from ? memchr(from, END, mllp->size - (size_t)(from - mllp->bytes)) : NULL;
    if (!end || end + 1 == mllp->bytes + mllp->size)
        return false;
    *ret = from + 1;
    *ret_size = (size_t)(end - from) - 1;
    mllp->taken = (size_t)(end - mllp->bytes) + 2; /* the CR, whatever stands there */
    return true;
}

bool mllp_receive(struct mllp *mllp, int64_t until_ms, const char **ret, size_t *ret_size, struct err *err)
{
    memmove(mllp->bytes, mllp->bytes + mllp->taken, mllp->size - mllp->taken);
    mllp->size -= mllp->taken;
    mllp->taken = 0;
    while (!complete_block(mllp, ret, ret_size)) {
        size_t now = 0;
        if (mllp->size == sizeof mllp->bytes)
            return err_fail(err, ERR_PEER, "the answer is too long");
        if (!in_time(until_ms))
            return err_fail(err, ERR_PEER, "no answer in time");
        CURLcode code =
            curl_easy_recv(mllp->curl, mllp->bytes + mllp->size, sizeof mllp->bytes - mllp->size, &now);
        mllp->size += now;
        if (code == CURLE_AGAIN)
            wait_for(mllp, POLLIN, until_ms);
        else if (code != CURLE_OK || now == 0)
            return err_fail(err, ERR_PEER, "the connection ended before an answer");
    }
    return true;
}
