/* Threads: `greeter` owns the listening socket and every connection whose A-ASSOCIATE-RQ has not arrived in
 * full; such a connection costs a descriptor, not a thread, so silent clients delay nobody. A complete
 * request gets a slot and a thread of its own. Lock: `lock` guards the slots; no other lock is taken under
 * it, and the database never: whom the greeter turns away, the doorbook writes down. Stop: `stopping` is seen
 * by the greeter within its poll and by associations between commands; slots are joined by the greeter as
 * they end and by receiver_stop at last. */
#include "daemon/receiver.h"

#include "base/clock.h"
#include "daemon/doorbook.h"
#include "daemon/intake.h"
#include "daemon/log.h"
#include "daemon/metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_WAITING = 512, POLL_MS = 200, ACCEPT_PAUSE_MS = 500, STUDIES_MAX = 4096 };

enum slot_state { SLOT_FREE, SLOT_ACTIVE, SLOT_ENDED };

struct slot {
    enum slot_state state;
    pthread_t thread;
    struct receiver *receiver;
    struct dicom_association *association;
    const struct config_peer *peer; /* as it was when admitted; NULL until the calling AE is known */
    int fd;
    char address[DICOM_ADDRESS_SIZE];
    char (*studies)[UID_SIZE];
    int study_count;
};

struct waiting {
    int fd;
    int64_t deadline_ms;
    char address[DICOM_ADDRESS_SIZE];
};

struct receiver {
    struct service *service;
    struct dicom_acceptor *acceptor;
    struct doorbook *doorbook;
    struct pulse *pulse;
    int listen_fd;
    int64_t accept_from_ms; /* not before; 0: nothing keeps it from accepting */
    pthread_t greeter;
    pthread_mutex_t lock;
    struct slot *slots;
    int slot_count;
    struct waiting waiting[MAX_WAITING];
    int waiting_count;
    char *refused_text;
    const char *refused[CONFIG_MAX_CLASSES];
};

/* ---- one association ---------------------------------------------------------------------------------- */

static bool refuse_association(struct slot *slot, enum dicom_reject reason, const char *status,
                               const char *word, const char *cause)
{
    struct store_refusal refusal = {
        .peer_ae = slot->association ? dicom_association_calling(slot->association) : "",
        .peer_address = slot->address,
        .study_uid = "",
        .sop_class = "",
        .sop_uid = "",
        .status = status,
        .cause = cause,
    };
    dicom_association_reject(slot->association, reason);
    intake_refuse(slot->receiver->service, &refusal, word, LOG_WARNING);
    return false;
}

static const struct config_peer *find_peer(const struct config *config, const char *ae_title,
                                           const char *address, bool *ret_ae_known)
{
    *ret_ae_known = false;
    for (int i = 0; i < config->peer_count; i++) {
        if (strcmp(config->peers[i].ae_title, ae_title) != 0)
            continue;
        *ret_ae_known = true;
        if (strcmp(config->peers[i].address, address) == 0)
            return &config->peers[i];
    }
    return NULL;
}

static int slots_of(struct receiver *receiver, const struct config_peer *peer)
{
    int count = 0;
    for (int i = 0; i < receiver->slot_count; i++)
        count += receiver->slots[i].state == SLOT_ACTIVE && receiver->slots[i].peer &&
                 strcmp(receiver->slots[i].peer->name, peer->name) == 0;
    return count;
}

static bool take_peer_place(struct slot *slot, const struct config_peer *peer, int most)
{
    struct receiver *receiver = slot->receiver;
    pthread_mutex_lock(&receiver->lock);
    bool room = slots_of(receiver, peer) < most;
    if (room)
        slot->peer = peer;
    pthread_mutex_unlock(&receiver->lock);
    return room;
}

/* Closed by default: who calls, from where, and whom, must all be configured. */
static bool admit(struct slot *slot)
{
    const struct config *config = slot->receiver->service->config;
    bool ae_known;
    if (!dicom_association_context_known(slot->association))
        return refuse_association(slot, DICOM_REJECT_APPLICATION_CONTEXT, "reject 1,1,2",
                                  "application_context", "application context unknown");
    if (strcmp(dicom_association_called(slot->association), config->listener.ae_title) != 0)
        return refuse_association(slot, DICOM_REJECT_CALLED_AE, "reject 1,1,7", "called_ae",
                                  "another AE title was called");
    const struct config_peer *peer =
        find_peer(config, dicom_association_calling(slot->association), slot->address, &ae_known);
    if (!peer)
        return refuse_association(slot, DICOM_REJECT_CALLING_AE, "reject 1,1,3",
                                  ae_known ? "other_address" : "unknown_peer",
                                  ae_known ? "calling AE title comes from another address than configured"
                                           : "calling AE title is not configured");
    if (!peer->may_store && !peer->may_echo)
        return refuse_association(slot, DICOM_REJECT_CALLING_AE, "reject 1,1,3", "not_allowed",
                                  "this peer may neither store nor ask for C-ECHO");
    int own = peer->max_associations;
    if (!take_peer_place(slot, peer, own ? own : config->listener.max_associations_per_peer))
        return refuse_association(slot, DICOM_REJECT_LOCAL_LIMIT, "reject 2,3,2", "too_many_of_peer",
                                  "too many associations of this peer");
    return true;
}

static bool note_study(void *context, const char *study_uid)
{
    struct slot *slot = context;
    bool noted = false;
    pthread_mutex_lock(&slot->receiver->lock);
    for (int i = 0; i < slot->study_count && !noted; i++)
        noted = strcmp(slot->studies[i], study_uid) == 0;
    if (!noted && slot->study_count < STUDIES_MAX) {
        void *grown = realloc(slot->studies, (size_t)(slot->study_count + 1) * sizeof *slot->studies);
        if (grown) {
            slot->studies = grown;
            snprintf(slot->studies[slot->study_count++], UID_SIZE, "%s", study_uid);
            noted = true;
        }
    }
    pthread_mutex_unlock(&slot->receiver->lock);
    return noted;
}

static void serve(struct slot *slot)
{
    struct service *service = slot->receiver->service;
    struct intake_peer peer = {.peer = slot->peer, .note_study = note_study, .context = slot};
    snprintf(peer.address, sizeof peer.address, "%s", slot->address);
    struct err err = ERR_INIT;
    int objects = 0;
    enum dicom_next next = DICOM_NEXT_FAILED;
    metrics_count(METRIC_ASSOCIATIONS);
    struct dicom_terms terms = {.echo = slot->peer->may_echo,
                                .dimse_timeout_s = slot->peer->dimse_timeout_s,
                                .idle_timeout_s = slot->peer->idle_timeout_s};
    if (dicom_association_accept(slot->association, &terms, &err))
        while ((next = dicom_association_next(slot->association, &err)) == DICOM_NEXT_ECHO ||
               (next == DICOM_NEXT_STORE && intake_store(service, slot->association, &peer, &err)))
            objects += next == DICOM_NEXT_STORE;
    bool clean = next == DICOM_NEXT_RELEASED;
    if (next == DICOM_NEXT_TIMEOUT)
        metrics_refused(NULL, "idle_timeout");
    else if (next == DICOM_NEXT_FAILED && *err.reason) /* an object's refusal has been counted */
        metrics_refused(NULL, err.reason);
    log_event(clean ? LOG_INFO : LOG_WARNING, "association_ended", "peer=%s objects=%d released=%s cause=%s",
              log_text(slot->peer->name), objects, clean ? "yes" : "no", log_text(err.text));
}

static void *association_main(void *argument)
{
    struct slot *slot = argument;
    struct receiver *receiver = slot->receiver;
    struct err err = ERR_INIT;
    struct dicom_association *association = dicom_association_receive(receiver->acceptor, slot->fd, &err);
    pthread_mutex_lock(&receiver->lock);
    slot->association = association;
    pthread_mutex_unlock(&receiver->lock);
    if (association && receiver->service->stopping)
        dicom_association_interrupt(association);
    if (!association)
        log_event(LOG_WARNING, "association_failed", "cause=%s", log_text(err.text));
    else if (admit(slot))
        serve(slot);
    bool stored = slot->study_count > 0;
    pthread_mutex_lock(&receiver->lock);
    slot->association = NULL;
    slot->study_count = 0;
    pthread_mutex_unlock(&receiver->lock);
    if (stored)
        bell_ring(&receiver->service->arrivals);
    dicom_association_close(association); /* may wait for the peer: before the slot counts as ended */
    pthread_mutex_lock(&receiver->lock);
    slot->state = SLOT_ENDED;
    pthread_mutex_unlock(&receiver->lock);
    return NULL;
}

/* ---- the greeter -------------------------------------------------------------------------------------- */

static enum slot_state state_of(struct slot *slot)
{
    pthread_mutex_lock(&slot->receiver->lock);
    enum slot_state state = slot->state;
    pthread_mutex_unlock(&slot->receiver->lock);
    return state;
}

static void reap_slots(struct receiver *receiver)
{
    for (int i = 0; i < receiver->slot_count; i++) {
        struct slot *slot = &receiver->slots[i];
        if (state_of(slot) != SLOT_ENDED)
            continue;
        pthread_join(slot->thread, NULL);
        free(slot->studies);
        pthread_mutex_lock(&receiver->lock);
        *slot = (struct slot){.state = SLOT_FREE, .receiver = receiver};
        pthread_mutex_unlock(&receiver->lock);
    }
}

static struct slot *free_slot(struct receiver *receiver)
{
    for (int i = 0; i < receiver->slot_count; i++)
        if (state_of(&receiver->slots[i]) == SLOT_FREE)
            return &receiver->slots[i];
    return NULL;
}

static void turn_away(struct receiver *receiver, const struct waiting *waiting, const char *word,
                      const char *cause)
{
    dicom_reject_unread(waiting->fd, DICOM_REJECT_LOCAL_LIMIT);
    doorbook_note(receiver->doorbook, waiting->address, word, cause);
}

static bool below_reserve(struct service *service)
{
    uint64_t free_bytes;
    struct err err = ERR_INIT;
    return spool_free_bytes(service->spool, &free_bytes, &err) &&
           free_bytes < (uint64_t)service->config->storage.reserve_mb << 20;
}

static void begin_association(struct receiver *receiver, const struct waiting *waiting)
{
    reap_slots(receiver);
    struct slot *slot = free_slot(receiver);
    if (!slot) {
        turn_away(receiver, waiting, "too_many_associations", "too many associations");
        return;
    }
    if (below_reserve(receiver->service)) {
        turn_away(receiver, waiting, "below_reserve", "free space is below the reserve");
        return;
    }
    slot->fd = waiting->fd;
    snprintf(slot->address, sizeof slot->address, "%s", waiting->address);
    pthread_mutex_lock(&receiver->lock);
    slot->state = SLOT_ACTIVE;
    bool started = pthread_create(&slot->thread, NULL, association_main, slot) == 0;
    if (!started)
        slot->state = SLOT_FREE;
    pthread_mutex_unlock(&receiver->lock);
    if (!started)
        turn_away(receiver, waiting, "no_memory", "no thread for an association");
}

static void drop_waiting(struct receiver *receiver, int index)
{
    receiver->waiting[index] = receiver->waiting[--receiver->waiting_count];
}

/* One connection: complete, gone, too slow, or still waiting for more. */
static void look_at_waiting(struct receiver *receiver, int index, bool hung_up, int64_t now_ms)
{
    struct waiting waiting = receiver->waiting[index];
    int missing = dicom_request_missing(waiting.fd);
    if (missing > 0 && !hung_up && now_ms < waiting.deadline_ms) {
        setsockopt(waiting.fd, SOL_SOCKET, SO_RCVLOWAT, &missing, sizeof missing);
        return;
    }
    drop_waiting(receiver, index);
    if (missing == 0) {
        begin_association(receiver, &waiting);
        return;
    }
    bool late = missing > 0 && !hung_up;
    metrics_refused(NULL, late ? "request_timeout" : "broken");
    log_event(LOG_WARNING, "connection_dropped", "address=%s cause=%s", log_text(waiting.address),
              late ? "\"association request too slow\"" : "\"closed or no association request\"");
    close(waiting.fd);
}

/* The connection stays in the queue and would call again at once: it waits until there is room. */
static void accept_failed(struct receiver *receiver, int64_t now_ms)
{
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
        return;
    struct err err = ERR_INIT;
    err_errno(&err, "accept");
    metrics_count(METRIC_ACCEPTS_FAILED);
    if (receiver->accept_from_ms == 0)
        log_event(LOG_ERROR, "accept_failed", "cause=%s, tried again every %d ms", log_text(err.text),
                  ACCEPT_PAUSE_MS);
    receiver->accept_from_ms = now_ms + ACCEPT_PAUSE_MS;
}

static void accept_works(struct receiver *receiver)
{
    if (receiver->accept_from_ms > 0)
        log_event(LOG_INFO, "accept_works", "waiting=%d", receiver->waiting_count);
    receiver->accept_from_ms = 0;
}

static void accept_one(struct receiver *receiver, int64_t now_ms)
{
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    int fd = accept4(receiver->listen_fd, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        accept_failed(receiver, now_ms);
        return;
    }
    accept_works(receiver);
    struct waiting waiting = {.fd = fd};
    waiting.deadline_ms = now_ms + receiver->service->config->listener.acse_timeout_s * 1000LL;
    inet_ntop(AF_INET, &from.sin_addr, waiting.address, sizeof waiting.address);
    if (receiver->waiting_count == MAX_WAITING) {
        turn_away(receiver, &waiting, "too_many_connections",
                  "too many connections without an association request");
        return;
    }
    receiver->waiting[receiver->waiting_count++] = waiting;
}

static void poll_once(struct receiver *receiver)
{
    bool open = clock_monotonic_ms() >= receiver->accept_from_ms;
    struct pollfd polls[1 + MAX_WAITING] = {{.fd = open ? receiver->listen_fd : -1, .events = POLLIN}};
    int count = receiver->waiting_count;
    pulse_beat(receiver->pulse, POLL_MS);
    for (int i = 0; i < count; i++)
        polls[1 + i] = (struct pollfd){.fd = receiver->waiting[i].fd, .events = POLLIN | POLLRDHUP};
    poll(polls, (nfds_t)(1 + count), POLL_MS);
    int64_t now_ms = clock_monotonic_ms();
    for (int i = count - 1; i >= 0; i--) /* from the end: dropping moves the last one here */
        if (polls[1 + i].revents || now_ms >= receiver->waiting[i].deadline_ms)
            look_at_waiting(receiver, i, polls[1 + i].revents & (POLLRDHUP | POLLHUP | POLLERR), now_ms);
    if (polls[0].revents)
        accept_one(receiver, now_ms);
    reap_slots(receiver);
}

static void *greeter_main(void *argument)
{
    struct receiver *receiver = argument;
    while (!receiver->service->stopping)
        poll_once(receiver);
    for (int i = 0; i < receiver->waiting_count; i++)
        dicom_reject_unread(receiver->waiting[i].fd, DICOM_REJECT_LOCAL_LIMIT);
    return NULL;
}

/* ---- start and stop ----------------------------------------------------------------------------------- */

static bool listen_on(struct receiver *receiver, struct err *err)
{
    const struct config *config = receiver->service->config;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)config->listener.port)};
    int on = 1;
    inet_pton(AF_INET, config->listener.address, &address.sin_addr);
    receiver->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (receiver->listen_fd < 0)
        return err_errno(err, "DICOM listener");
    setsockopt(receiver->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(receiver->listen_fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(receiver->listen_fd, 128) < 0)
        return err_errno(err, "DICOM listener on %s:%d", config->listener.address, config->listener.port);
    return true;
}

static bool open_acceptor(struct receiver *receiver, struct err *err)
{
    const struct config *config = receiver->service->config;
    struct dicom_acceptor_options options = {
        .max_pdu_bytes = config->listener.max_pdu_bytes,
        .acse_timeout_s = config->listener.acse_timeout_s,
        .dimse_timeout_s = config->listener.dimse_timeout_s,
        .idle_timeout_s = config->listener.idle_timeout_s,
        .keepalive_s = config->listener.keepalive_s,
        .max_object_bytes = (uint64_t)config->listener.max_object_mb << 20,
        .accept_other = config->listener.accept_other,
        .refused = receiver->refused,
    };
    receiver->refused_text = strdup(config->listener.refused_classes);
    if (!receiver->refused_text)
        return err_fail(err, ERR_NOMEM, "no memory for the listener");
    char *rest = NULL;
    for (char *word = strtok_r(receiver->refused_text, " ", &rest);
         word && options.refused_count < CONFIG_MAX_CLASSES; word = strtok_r(NULL, " ", &rest))
        receiver->refused[options.refused_count++] = word;
    receiver->acceptor = dicom_acceptor_open(&options, err);
    return receiver->acceptor != NULL;
}

static void receiver_free(struct receiver *receiver)
{
    if (receiver->listen_fd >= 0)
        close(receiver->listen_fd);
    doorbook_stop(receiver->doorbook);
    dicom_acceptor_close(receiver->acceptor);
    pthread_mutex_destroy(&receiver->lock);
    free(receiver->slots);
    free(receiver->refused_text);
    free(receiver);
}

struct receiver *receiver_start(struct service *service, struct err *err)
{
    struct receiver *receiver = calloc(1, sizeof *receiver);
    int slots = service->config->listener.max_associations;
    if (!receiver || !(receiver->slots = calloc((size_t)slots, sizeof *receiver->slots))) {
        free(receiver);
        err_fail(err, ERR_NOMEM, "no memory for the listener");
        return NULL;
    }
    receiver->service = service;
    receiver->slot_count = slots;
    receiver->listen_fd = -1;
    receiver->pulse = pulse_new(&service->pulses, "listener", "");
    pthread_mutex_init(&receiver->lock, NULL);
    for (int i = 0; i < slots; i++)
        receiver->slots[i].receiver = receiver;
    if (open_acceptor(receiver, err) && listen_on(receiver, err) &&
        (receiver->doorbook = doorbook_start(service, err))) {
        if (pthread_create(&receiver->greeter, NULL, greeter_main, receiver) == 0) {
            service->listener_ok = true;
            return receiver;
        }
        err_fail(err, ERR_NOMEM, "no thread for the listener");
    }
    receiver_free(receiver);
    return NULL;
}

void receiver_stop(struct receiver *receiver)
{
    if (!receiver)
        return;
    receiver->service->listener_ok = false;
    pthread_join(receiver->greeter, NULL);
    pthread_mutex_lock(&receiver->lock);
    for (int i = 0; i < receiver->slot_count; i++)
        if (receiver->slots[i].association)
            dicom_association_interrupt(receiver->slots[i].association);
    pthread_mutex_unlock(&receiver->lock);
    for (int i = 0; i < receiver->slot_count; i++)
        if (state_of(&receiver->slots[i]) != SLOT_FREE) {
            pthread_join(receiver->slots[i].thread, NULL);
            free(receiver->slots[i].studies);
        }
    receiver_free(receiver);
}

bool receiver_holds(struct receiver *receiver, const char *study_uid)
{
    bool held = false;
    pthread_mutex_lock(&receiver->lock);
    for (int i = 0; i < receiver->slot_count && !held; i++)
        for (int j = 0; j < receiver->slots[i].study_count && !held; j++)
            held = strcmp(receiver->slots[i].studies[j], study_uid) == 0;
    pthread_mutex_unlock(&receiver->lock);
    return held;
}
