/* Threads: one, which alone writes. Lock: `lock` guards the notes and is never held while writing. Stop:
 * `stopping`; what still waits is told without a row. */
#include "daemon/doorbook.h"

#include "daemon/intake.h"
#include "daemon/log.h"
#include "daemon/metrics.h"

#include <stdio.h>
#include <stdlib.h>

enum { NOTES = 256, LOOK_MS = 500 };

static const char status[] = "reject 2,3,2";

struct note {
    char address[DICOM_ADDRESS_SIZE];
    const char *word, *cause;
};

struct doorbook {
    struct service *service;
    struct pulse *pulse;
    struct bell bell;
    pthread_t thread;
    pthread_mutex_t lock;
    struct note notes[NOTES]; /* a ring */
    int first, count;
    atomic_bool stopping;
};

static bool take_note(struct doorbook *doorbook, struct note *ret)
{
    pthread_mutex_lock(&doorbook->lock);
    bool taken = doorbook->count > 0;
    if (taken) {
        *ret = doorbook->notes[doorbook->first];
        doorbook->first = (doorbook->first + 1) % NOTES;
        doorbook->count--;
    }
    pthread_mutex_unlock(&doorbook->lock);
    return taken;
}

static void write_note(struct doorbook *doorbook, const struct note *note)
{
    struct store_refusal refusal = {"", note->address, "", "", "", status, note->cause};
    intake_refuse(doorbook->service, &refusal, note->word, LOG_WARNING);
}

static void tell_note(const char *word, const char *cause)
{
    metrics_refused(status, word);
    log_event(LOG_WARNING, "refused", "refusal=0 peer=\"\" status=\"%s\" cause=%s", status, log_text(cause));
}

static void *doorbook_main(void *argument)
{
    struct doorbook *doorbook = argument;
    struct note note;
    unsigned seen = 0;
    for (;;) {
        pulse_beat(doorbook->pulse, LOOK_MS);
        bool stopping = doorbook->stopping; /* before the look: what comes later was noted too late */
        if (take_note(doorbook, &note)) {
            if (stopping)
                tell_note(note.word, note.cause);
            else
                write_note(doorbook, &note);
        } else if (stopping) {
            return NULL;
        } else {
            bell_wait(&doorbook->bell, &seen, LOOK_MS);
        }
    }
}

void doorbook_note(struct doorbook *doorbook, const char *address, const char *word, const char *cause)
{
    pthread_mutex_lock(&doorbook->lock);
    bool room = doorbook->count < NOTES;
    if (room) {
        struct note *note = &doorbook->notes[(doorbook->first + doorbook->count++) % NOTES];
        snprintf(note->address, sizeof note->address, "%s", address);
        note->word = word;
        note->cause = cause;
    }
    pthread_mutex_unlock(&doorbook->lock);
    if (room)
        bell_ring(&doorbook->bell);
    else
        tell_note(word, cause);
}

struct doorbook *doorbook_start(struct service *service, struct err *err)
{
    struct doorbook *doorbook = calloc(1, sizeof *doorbook);
    if (doorbook) {
        doorbook->service = service;
        doorbook->pulse = pulse_new(&service->pulses, "doorbook", "");
        bell_init(&doorbook->bell);
        pthread_mutex_init(&doorbook->lock, NULL);
        if (pthread_create(&doorbook->thread, NULL, doorbook_main, doorbook) == 0)
            return doorbook;
        pthread_mutex_destroy(&doorbook->lock);
        bell_done(&doorbook->bell);
    }
    free(doorbook);
    err_fail(err, ERR_NOMEM, "no memory or thread for refusals");
    return NULL;
}

void doorbook_stop(struct doorbook *doorbook)
{
    if (!doorbook)
        return;
    doorbook->stopping = true;
    bell_ring(&doorbook->bell);
    pthread_join(doorbook->thread, NULL);
    pthread_mutex_destroy(&doorbook->lock);
    bell_done(&doorbook->bell);
    free(doorbook);
}
