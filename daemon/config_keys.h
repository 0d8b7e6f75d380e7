/* The one key table of the configuration: every key of every section, with its place in struct config.
 * threads: constant. */
#ifndef DAEMON_CONFIG_KEYS_H
#define DAEMON_CONFIG_KEYS_H

#include "daemon/config.h"

enum config_type {
    CONFIG_TYPE_TEXT,
    CONFIG_TYPE_INT,
    CONFIG_TYPE_BOOL,
    CONFIG_TYPE_AE,
    CONFIG_TYPE_CHOICE,
    CONFIG_TYPE_ORDER, /* some of the choices, separated by blanks, each once */
    CONFIG_TYPE_UIDS,
    CONFIG_TYPE_DIGESTS
};

/* What a changed value needs to take effect. */
enum config_reload { CONFIG_RESTART, CONFIG_RELOAD };

struct config_key {
    const char *section, *name;
    enum config_type type;
    size_t offset; /* in struct config, or in the entry of a named section */
    size_t size;   /* of the field */
    enum config_reload reload;
    const char *initial;
    int min, max;
    const char *choices; /* separated by | */
    const char *help;
};

extern const struct config_key config_keys[];
extern const int config_key_count;

/* Sections without a name. */
extern const char *const config_sections[];
extern const int config_section_count;

/* A kind of section that has a name and may be given many times, [peer "NAME"]: an array in struct config,
 * whose entries begin with char name[CONFIG_NAME]. */
struct config_group {
    const char *kind;
    size_t list, count;       /* offsets in struct config of the array and of the int that counts it */
    size_t size;              /* of an entry */
    int max;                  /* entries */
    enum config_reload whole; /* CONFIG_RELOAD: a reload replaces the list; CONFIG_RESTART: entries stay */
};

extern const struct config_group config_groups[];
extern const int config_group_count;

/* NULL when there is none. */
const struct config_key *config_key_find(const char *section, const char *name);
const struct config_group *config_group_find(const char *kind);

/* The entry at an index below the count; and the count. */
void *config_group_entry(const struct config_group *group, const struct config *config, int index);
int config_group_size(const struct config_group *group, const struct config *config);

/* Whether the values fit together. errors: ERR_INPUT. */
bool config_check(const struct config *config, struct err *err);

#endif
