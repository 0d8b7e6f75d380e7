#include "daemon/embeddings.h"

#include "base/file.h"
#include "daemon/log.h"
#include "pipeline/text_cache.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

void embeddings_folder(const struct service *service, char path[PATH_MAX])
{
    struct err err = ERR_INIT;
    spool_path(service->spool, "text", path);
    if (!file_make_folder(path, &err))
        log_event(LOG_WARNING, "text_not_kept", "cause=%s, computed in every worker", log_text(err.text));
}

void embeddings_offer(const struct service *service, json_t *job)
{
    char path[PATH_MAX];
    spool_path(service->spool, "text", path);
    json_object_set_new(job, "text_cache", json_string(path));
}

void embeddings_take(const struct service *service, const char *model, const json_t *answer)
{
    static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
    char path[PATH_MAX], name[TEXT_CACHE_NAME_SIZE];
    struct err err = ERR_INIT;
    const json_t *told = json_object_get(answer, "text_vectors");
    const char *damaged = json_string_value(json_object_get(told, "damaged"));
    if (!told)
        return;
    if (damaged)
        log_event(LOG_WARNING, "text_cache_damaged", "model=%s cause=%s, computed and written anew",
                  log_text(model), log_text(damaged));
    spool_path(service->spool, "text", path);
    pthread_mutex_lock(&writing);
    bool kept = text_cache_keep(path, told, name, &err);
    pthread_mutex_unlock(&writing);
    if (kept)
        log_event(LOG_INFO, "text_kept", "model=%s texts=%zu file=%s", log_text(model),
                  json_object_size(json_object_get(told, "vectors")), name);
    else
        log_event(LOG_WARNING, "text_not_kept", "model=%s cause=%s, will be computed again", log_text(model),
                  log_text(err.text));
}

static bool is_of(const char *name, const char *const *digests, int count)
{
    for (int i = 0; i < count; i++)
        if (*digests[i] && strncmp(name, digests[i], DIGEST_HEX_SIZE - 1) == 0 &&
            strcmp(name + DIGEST_HEX_SIZE - 1, ".safetensors") == 0)
            return true;
    return false;
}

void embeddings_sweep(const struct service *service, const char *const *digests, int count)
{
    char path[PATH_MAX], relative[SPOOL_RELATIVE_SIZE];
    int removed = 0;
    spool_path(service->spool, "text", path);
    DIR *folder = opendir(path);
    for (const struct dirent *entry; folder && (entry = readdir(folder));) {
        if (*entry->d_name == '.' || is_of(entry->d_name, digests, count) ||
            snprintf(relative, sizeof relative, "text/%s", entry->d_name) >= (int)sizeof relative)
            continue;
        spool_path(service->spool, relative, path);
        spool_discard(path);
        removed++;
    }
    if (folder)
        closedir(folder);
    if (removed)
        log_event(LOG_INFO, "text_swept", "files=%d", removed);
}
