#include "daemon/config.h"

#include <string.h>

static bool is_destination(const struct config_peer *peer)
{
    return peer->receives_results || peer->receives_objects;
}

int config_all_destinations(const struct config *config,
                            struct config_destination list[CONFIG_MAX_DESTINATIONS])
{
    int count = 0;
    for (int i = 0; i < config->peer_count; i++)
        if (is_destination(&config->peers[i]))
            list[count++] = (struct config_destination){
                .kind = CONFIG_KIND_PEER, .name = config->peers[i].name, .peer = &config->peers[i]};
    for (int i = 0; i < config->hl7_count; i++)
        list[count++] = (struct config_destination){
            .kind = CONFIG_KIND_HL7, .name = config->hl7[i].name, .hl7 = &config->hl7[i]};
    for (int i = 0; i < config->webhook_count; i++)
        list[count++] = (struct config_destination){
            .kind = CONFIG_KIND_WEBHOOK, .name = config->webhooks[i].name, .webhook = &config->webhooks[i]};
    return count;
}

static bool takes_results(const struct config_destination *destination)
{
    return destination->kind != CONFIG_KIND_PEER || destination->peer->receives_results;
}

int config_destinations(const struct config *config, const char **names)
{
    struct config_destination list[CONFIG_MAX_DESTINATIONS];
    int count = config_all_destinations(config, list), named = 0;
    for (int i = 0; i < count; i++)
        if (takes_results(&list[i]))
            names[named++] = list[i].name;
    return named;
}

bool config_find_destination(const struct config *config, const char *name, struct config_destination *ret)
{
    struct config_destination list[CONFIG_MAX_DESTINATIONS];
    int count = config_all_destinations(config, list);
    for (int i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0) {
            *ret = list[i];
            return true;
        }
    return false;
}

bool config_is_destination(const struct config *config, const char *name)
{
    struct config_destination found;
    return config_find_destination(config, name, &found);
}

/* ---- checks -------------------------------------------------------------------------------------------- */

static bool complain(const struct config *config, const char *kind, const char *name, const char *what,
                     struct err *err)
{
    return err_fail(err, ERR_INPUT, "%s: %s \"%s\" %s", config->path, kind, name, what);
}

/* A delivery names its destination and no kind. */
static bool check_names(const struct config *config, struct err *err)
{
    const char *names[CONFIG_MAX_PEERS + CONFIG_MAX_HL7 + CONFIG_MAX_WEBHOOKS];
    int count = 0;
    for (int i = 0; i < config->peer_count; i++)
        names[count++] = config->peers[i].name;
    for (int i = 0; i < config->hl7_count; i++)
        names[count++] = config->hl7[i].name;
    for (int i = 0; i < config->webhook_count; i++)
        names[count++] = config->webhooks[i].name;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(names[i], names[j]) == 0)
                return err_fail(err, ERR_INPUT, "%s: two of peer, hl7 and webhook are called \"%s\"",
                                config->path, names[i]);
    return true;
}

static bool is_url(const char *url)
{
    return strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0;
}

bool config_check_destinations(const struct config *config, struct err *err)
{
    for (int i = 0; i < config->hl7_count; i++)
        if (!config->hl7[i].address[0] || strpbrk(config->hl7[i].address, "/:@?#"))
            return complain(config, "hl7", config->hl7[i].name, "needs an address, and no port in it", err);
    for (int i = 0; i < config->webhook_count; i++) {
        const struct config_webhook *webhook = &config->webhooks[i];
        if (!is_url(webhook->url))
            return complain(config, "webhook", webhook->name, "needs an url, https:// or http://", err);
        if (!webhook->secret_file[0])
            return complain(config, "webhook", webhook->name, "needs a secret_file", err);
    }
    return check_names(config, err);
}
