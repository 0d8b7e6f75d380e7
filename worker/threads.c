/* Threads: all wait at `wanted` until there are pieces to take; whoever comes takes some under the lock, and
 * the last to leave signals `finished`. A run waits for those who came, never for one that is still waking
 * up: where processors are shared that takes longer than a run. One lock guards everything here and is never
 * held while a piece runs; `open` and `working` are also looked at without it, for a moment before a thread
 * goes to sleep, because an encoder asks for its next run at once. `ending` ends them between runs. */
#include "threads.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* A hostile file may make the parser use 512 KiB (dicom_load.hh). */
enum { STACK_BYTES = 4 << 20 };
/* Some tenths of a millisecond: what waking a thread takes where the processor itself is virtual. */
enum { LOOKS = 30000 };

struct threads {
    struct crew crew;
    pthread_mutex_t lock;
    pthread_cond_t wanted, finished;
    pthread_t *ids;
    int started;
    bool ending;
    /* of the run */
    crew_piece piece;
    void *work;
    int count, next;
    atomic_uint open;    /* 1: there are pieces to take */
    atomic_uint working; /* threads that came, the caller's not among them */
    int failed;          /* the lowest piece that did; count when none has */
    struct err err;
};

/* The lock is held. */
static void take_pieces(struct threads *threads, int seat)
{
    while (threads->open) {
        int number = threads->next++;
        struct err err = ERR_INIT;
        threads->open = threads->next < threads->count;
        pthread_mutex_unlock(&threads->lock);
        bool done = threads->piece(threads->work, seat, number, &err);
        pthread_mutex_lock(&threads->lock);
        if (!done && number < threads->failed) {
            threads->failed = number;
            threads->err = err;
        }
        if (!done)
            threads->open = 0;
    }
}

/* Without the lock, for a moment: whether it came to there being some, or none. */
static bool look(const atomic_uint *what, bool until_some)
{
    for (int i = 0; i < LOOKS && (atomic_load_explicit(what, memory_order_relaxed) != 0) != until_some; i++) {
#ifdef __x86_64__
        __builtin_ia32_pause();
#endif
    }
    return (*what != 0) == until_some;
}

struct seat {
    struct threads *threads;
    int number;
};

static void *sit(void *argument)
{
    struct seat seat = *(struct seat *)argument;
    struct threads *threads = seat.threads;
    free(argument);
    pthread_mutex_lock(&threads->lock);
    while (!threads->ending) {
        if (threads->open) {
            threads->working++;
            take_pieces(threads, seat.number);
            if (--threads->working == 0)
                pthread_cond_signal(&threads->finished);
            continue;
        }
        pthread_mutex_unlock(&threads->lock);
        bool opened = look(&threads->open, true);
        pthread_mutex_lock(&threads->lock);
        while (!opened && !threads->ending && !threads->open)
            pthread_cond_wait(&threads->wanted, &threads->lock);
    }
    pthread_mutex_unlock(&threads->lock);
    return NULL;
}

static bool run(void *self, int count, crew_piece piece, void *work, struct err *err)
{
    struct threads *threads = self;
    pthread_mutex_lock(&threads->lock);
    threads->piece = piece;
    threads->work = work;
    threads->count = threads->failed = count;
    threads->next = 0;
    threads->open = 1;
    pthread_cond_broadcast(&threads->wanted);
    take_pieces(threads, 0);
    if (threads->working > 0) {
        pthread_mutex_unlock(&threads->lock);
        look(&threads->working, false);
        pthread_mutex_lock(&threads->lock);
    }
    while (threads->working > 0)
        pthread_cond_wait(&threads->finished, &threads->lock);
    bool done = threads->failed == count;
    if (!done)
        *err = threads->err;
    pthread_mutex_unlock(&threads->lock);
    return done;
}

static bool start_one(struct threads *threads, const pthread_attr_t *attributes, struct err *err)
{
    struct seat *seat = malloc(sizeof *seat);
    if (!seat)
        return err_fail(err, ERR_NOMEM, "no memory for a thread");
    *seat = (struct seat){threads, threads->started + 1};
    errno = pthread_create(&threads->ids[threads->started], attributes, sit, seat);
    if (errno == 0) {
        threads->started++;
        return true;
    }
    free(seat);
    return err_errno(err, "start a thread");
}

struct threads *threads_start(int seats, struct err *err)
{
    struct threads *threads = calloc(1, sizeof *threads);
    pthread_t *ids = calloc((size_t)seats, sizeof *ids);
    pthread_attr_t attributes;
    if (!threads || !ids) {
        free(threads);
        free(ids);
        err_fail(err, ERR_NOMEM, "no memory for %d threads", seats);
        return NULL;
    }
    threads->crew = (struct crew){seats, run, threads};
    threads->ids = ids;
    pthread_mutex_init(&threads->lock, NULL);
    pthread_cond_init(&threads->wanted, NULL);
    pthread_cond_init(&threads->finished, NULL);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    bool ok = true;
    while (ok && threads->started < seats - 1)
        ok = start_one(threads, &attributes, err);
    pthread_attr_destroy(&attributes);
    if (ok)
        return threads;
    threads_stop(threads);
    return NULL;
}

const struct crew *threads_crew(const struct threads *threads)
{
    return &threads->crew;
}

void threads_stop(struct threads *threads)
{
    if (!threads)
        return;
    pthread_mutex_lock(&threads->lock);
    threads->ending = true;
    pthread_cond_broadcast(&threads->wanted);
    pthread_mutex_unlock(&threads->lock);
    for (int i = 0; i < threads->started; i++)
        pthread_join(threads->ids[i], NULL);
    pthread_cond_destroy(&threads->wanted);
    pthread_cond_destroy(&threads->finished);
    pthread_mutex_destroy(&threads->lock);
    free(threads->ids);
    free(threads);
}
