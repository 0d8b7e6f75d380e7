#include "daemon/routebook.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

static bool receives_results(const struct config *config, const char *name)
{
    const char *names[CONFIG_MAX_DESTINATIONS];
    bool found = false;
    for (int i = config_destinations(config, names); i > 0 && !found; i--)
        found = strcmp(names[i - 1], name) == 0;
    return found;
}

static bool receives_objects(const struct config *config, const char *name)
{
    struct config_destination to;
    return config_find_destination(config, name, &to) && to.peer && to.peer->receives_objects;
}

/* A rule that sends to nobody would be found out by the report that is missing. */
static bool check_rule(const struct config *config, const struct routing_rule *rule, int index,
                       struct err *err)
{
    const char *path = config->service.routes_file;
    for (int i = 0; i < rule->deliver.count; i++)
        if (!receives_results(config, rule->deliver.list[i]))
            return err_fail(err, ERR_INPUT,
                            "%s: rules[%d].deliver: no destination of results is called \"%s\"", path, index,
                            rule->deliver.list[i]);
    for (int i = 0; i < rule->forward.count; i++)
        if (!receives_objects(config, rule->forward.list[i]))
            return err_fail(err, ERR_INPUT,
                            "%s: rules[%d].forward: no peer with receives_objects is called \"%s\"", path,
                            index, rule->forward.list[i]);
    return true;
}

static bool read_rules(struct routebook *to, const struct config *config, struct err *err)
{
    size_t size;
    const char *path = config->service.routes_file;
    char *text = file_read(path, ROUTING_MAX_BYTES, &size, err);
    bool ok = text && routing_rules_parse(text, size, path, to->arena, &to->rules, err);
    free(text);
    for (int i = 0; ok && i < to->rules->rule_count; i++)
        ok = check_rule(config, &to->rules->rules[i], i, err);
    return ok;
}

struct routebook *routebook_open(const struct config *config, struct err *err)
{
    struct routebook *routebook = calloc(1, sizeof *routebook);
    if (routebook)
        routebook->arena = arena_new();
    bool ok = (routebook && routebook->arena) || err_fail(err, ERR_NOMEM, "no memory for the routing rules");
    if (ok && *config->service.routes_file)
        ok = read_rules(routebook, config, err);
    if (ok)
        return routebook;
    routebook_free(routebook);
    return NULL;
}

void routebook_free(struct routebook *routebook)
{
    while (routebook) {
        struct routebook *replaced = routebook->replaced;
        arena_free(routebook->arena);
        free(routebook);
        routebook = replaced;
    }
}

const char *routebook_sha256(const struct routebook *routebook)
{
    return routebook->rules ? routebook->rules->sha256 : "";
}
