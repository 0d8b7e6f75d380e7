#include "daemon/shared.h"

#include "base/shelf.h"
#include "base/turn.h"
#include "daemon/log.h"
#include "pipeline/worker_process.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

_Static_assert((int)CONFIG_MAX_MODELS <= (int)WORKER_SHELVES_MOST, "a worker is given every model's shelf");

static void tell_own(const struct config *config, int place, const struct err *cause)
{
    log_event(LOG_WARNING, "weights_not_shared", "model=%s cause=%s, every worker packs its own",
              log_text(config->models[place].name), log_text(cause->text));
}

void shared_make(struct shared *shared, const struct config *config, int place)
{
    struct err err = ERR_INIT;
    int fd = shelf_make(&err);
    if (fd < 0)
        tell_own(config, place, &err);
    shared->fds[place] = fd < 0 ? 0 : fd;
}

int64_t shared_seal(struct shared *shared, const struct config *config, int place, bool open)
{
    struct err err = ERR_INIT;
    uint64_t bytes = 0;
    int fd = shared->fds[place];
    shared->fds[place] = 0;
    if (fd && !open) /* it was said why */
        close(fd);
    if (!fd || !open)
        return 0;
    fd = shelf_seal(fd, &bytes, &err);
    if (fd < 0)
        tell_own(config, place, &err);
    shared->sealed[place] = fd >= 0;
    shared->fds[place] = fd < 0 ? 0 : fd;
    return (int64_t)bytes;
}

/* Workers that all find cores of their own need none. */
static bool cores_are_short(const struct config *config)
{
    cpu_set_t cores;
    int count = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
    int threads = config->pool.threads;
    return config->pool.workers > 1 && (threads == 0 || config->pool.workers * threads > count);
}

void shared_turn(struct shared *shared, const struct config *config)
{
    struct err err = ERR_INIT;
    int fd = cores_are_short(config) ? turn_make(&err) : 0;
    if (fd < 0)
        log_event(LOG_WARNING, "no_turns", "cause=%s, workers encode beside each other", log_text(err.text));
    shared->turn = fd < 0 ? 0 : fd;
    shared->turn_wait_s =
        config->pool.job_timeout_s / 2 < TURN_MOST_S ? config->pool.job_timeout_s / 2 : TURN_MOST_S;
}

void shared_done(struct shared *shared)
{
    if (shared->turn)
        close(shared->turn);
    for (int i = 0; i < CONFIG_MAX_MODELS; i++)
        if (shared->fds[i])
            close(shared->fds[i]);
    *shared = (struct shared){0};
}

/* The model may be of a configuration before this one. */
static int place_of(const struct config *config, const struct config_model *model)
{
    int place = 0;
    while (place < config->model_count - 1 && strcmp(config->models[place].name, model->name) != 0)
        place++;
    return place;
}

void shared_offer(const struct shared *shared, const struct config *config, const struct config_model *model,
                  json_t *job)
{
    int place = place_of(config, model);
    if (shared->fds[place])
        json_object_set_new(job, shared->sealed[place] ? "packed_fd" : "pack_fd",
                            json_integer(WORKER_SHELF_FD + place));
    if (!shared->turn)
        return;
    json_object_set_new(job, "turn_fd", json_integer(WORKER_TURN_FD));
    json_object_set_new(job, "turn_wait_s", json_integer(shared->turn_wait_s));
}

void shared_note(struct shared *shared, const struct config *config, const struct config_model *model,
                 const json_t *answer)
{
    int place = place_of(config, model);
    const json_t *bytes = json_object_get(answer, "packed_bytes");
    if (!shared->sealed[place] || !json_is_integer(bytes) || json_integer_value(bytes) > 0 ||
        atomic_exchange(&shared->told[place], true))
        return;
    log_event(LOG_WARNING, "weights_not_shared",
              "model=%s cause=\"not what its folder holds now, or not to be mapped\", every worker packs its "
              "own until the service"
              " starts again",
              log_text(config->models[place].name));
}
