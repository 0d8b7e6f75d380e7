#include "daemon/packed.h"

#include "base/shelf.h"
#include "daemon/log.h"
#include "pipeline/worker_process.h"

#include <string.h>
#include <unistd.h>

_Static_assert((int)CONFIG_MAX_MODELS <= (int)WORKER_SHELVES_MOST, "a worker is given every model's shelf");

static void tell_own(const struct config *config, int place, const struct err *cause)
{
    log_event(LOG_WARNING, "weights_not_shared", "model=%s cause=%s, every worker packs its own",
              log_text(config->models[place].name), log_text(cause->text));
}

void packed_make(struct packed *packed, const struct config *config, int place)
{
    struct err err = ERR_INIT;
    int fd = shelf_make(&err);
    if (fd < 0)
        tell_own(config, place, &err);
    packed->fds[place] = fd < 0 ? 0 : fd;
}

int64_t packed_seal(struct packed *packed, const struct config *config, int place, bool open)
{
    struct err err = ERR_INIT;
    uint64_t bytes = 0;
    int fd = packed->fds[place];
    packed->fds[place] = 0;
    if (fd && !open) /* it was said why */
        close(fd);
    if (!fd || !open)
        return 0;
    fd = shelf_seal(fd, &bytes, &err);
    if (fd < 0)
        tell_own(config, place, &err);
    packed->sealed[place] = fd >= 0;
    packed->fds[place] = fd < 0 ? 0 : fd;
    return (int64_t)bytes;
}

void packed_done(struct packed *packed)
{
    for (int i = 0; i < CONFIG_MAX_MODELS; i++)
        if (packed->fds[i])
            close(packed->fds[i]);
    *packed = (struct packed){0};
}

/* The model may be of a configuration before this one. */
static int place_of(const struct config *config, const struct config_model *model)
{
    int place = 0;
    while (place < config->model_count - 1 && strcmp(config->models[place].name, model->name) != 0)
        place++;
    return place;
}

void packed_offer(const struct packed *packed, const struct config *config, const struct config_model *model,
                  json_t *job)
{
    int place = place_of(config, model);
    if (packed->fds[place])
        json_object_set_new(job, packed->sealed[place] ? "packed_fd" : "pack_fd",
                            json_integer(WORKER_SHELF_FD + place));
}

void packed_note(struct packed *packed, const struct config *config, const struct config_model *model,
                 const json_t *answer)
{
    int place = place_of(config, model);
    const json_t *bytes = json_object_get(answer, "packed_bytes");
    if (!packed->sealed[place] || !json_is_integer(bytes) || json_integer_value(bytes) > 0 ||
        atomic_exchange(&packed->told[place], true))
        return;
    log_event(LOG_WARNING, "weights_not_shared",
              "model=%s cause=\"its folder is not what it was\", every worker packs its own until the service"
              " starts again",
              log_text(config->models[place].name));
}
