#include "daemon/config.h"

#include "daemon/config_keys.h"
#include "study/study_expected.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_GIVEN = 1024, INI_LINE = 200 };

/* inih gives no line number and cuts long lines, so lines are counted and measured as it reads them. */
struct reader {
    FILE *file;
    int line;
    struct config *config;
    struct err *err;
    bool failed;
    const void *given[MAX_GIVEN]; /* fields that the file has set */
    int given_count;
};

static bool complain(struct reader *reader, const char *what, const char *detail)
{
    if (!reader->failed)
        err_fail(reader->err, ERR_INPUT, "%s:%d: %s%s", reader->config->path, reader->line, what, detail);
    reader->failed = true;
    return false;
}

static char *read_line(char *text, int size, void *stream)
{
    struct reader *reader = stream;
    if (!fgets(text, size, reader->file))
        return NULL;
    reader->line++;
    if (!strchr(text, '\n') && !feof(reader->file))
        complain(reader, "line too long, at most 198 characters", "");
    return reader->failed ? NULL : text;
}

static bool choice_allowed(const char *choices, const char *value)
{
    size_t length = strlen(value);
    for (const char *at = choices; *at;) {
        size_t run = strcspn(at, "|");
        if (run == length && strncmp(at, value, run) == 0)
            return true;
        at += run + (at[run] == '|');
    }
    return false;
}

static bool set_number(struct reader *reader, const struct config_key *key, void *field, const char *value)
{
    char *end;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (errno || end == value || *end || number < key->min || number > key->max) {
        char text[100];
        snprintf(text, sizeof text, "%s must be a number from %d to %d", key->name, key->min, key->max);
        return complain(reader, text, "");
    }
    *(int *)field = (int)number;
    return true;
}

/* Blanks separate them; what comes again is appended. */
static bool add_word(struct reader *reader, const struct config_key *key, char *field, const char *word)
{
    size_t used = strlen(field);
    if (used + strlen(word) + 2 > key->size)
        return complain(reader, "too many: ", key->name);
    snprintf(field + used, key->size - used, "%s%s", used ? " " : "", word);
    return true;
}

static bool add_uid(struct reader *reader, const struct config_key *key, char *field, const char *word)
{
    return uid_valid(word) ? add_word(reader, key, field, word) : complain(reader, "not a UID: ", word);
}

/* What is not a digest may be a token: it is not repeated. */
static bool add_digest(struct reader *reader, const struct config_key *key, char *field, const char *word)
{
    char digest[DIGEST_HEX_SIZE] = "";
    if (strlen(word) != DIGEST_HEX_SIZE - 1 || word[strspn(word, "0123456789abcdefABCDEF")])
        return complain(reader, key->name,
                        " takes SHA-256 digests of 64 hexadecimal digits, never a token itself;"
                        " `cardioscribe token` makes both");
    for (int i = 0; word[i]; i++)
        digest[i] = (char)tolower((unsigned char)word[i]);
    return add_word(reader, key, field, digest);
}

static bool add_words(struct reader *reader, const struct config_key *key, char *field, const char *value)
{
    char words[INI_LINE], *rest;
    snprintf(words, sizeof words, "%s", value);
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        if (!(key->type == CONFIG_TYPE_UIDS ? add_uid : add_digest)(reader, key, field, word))
            return false;
    return true;
}

/* What comes again replaces the default: an order is given once. */
static bool set_order(struct reader *reader, const struct config_key *key, char *field, const char *value)
{
    char words[INI_LINE], *rest;
    snprintf(words, sizeof words, "%s", value);
    *field = '\0';
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (!choice_allowed(key->choices, word))
            return complain(reader, "not one of ", key->choices);
        for (const char *at = field; *at; at += strcspn(at, " "), at += *at == ' ')
            if (strncmp(at, word, strlen(word)) == 0 && strchr(" ", at[strlen(word)]))
                return complain(reader, "given twice: ", word);
        if (!add_word(reader, key, field, word))
            return false;
    }
    return *field || complain(reader, "needs at least one of ", key->choices);
}

static bool set_value(struct reader *reader, const struct config_key *key, void *base, const char *value)
{
    char *field = (char *)base + key->offset;
    switch (key->type) {
    case CONFIG_TYPE_INT:
        return set_number(reader, key, field, value);
    case CONFIG_TYPE_BOOL:
        if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
            return complain(reader, "must be yes or no: ", key->name);
        *(bool *)field = strcmp(value, "yes") == 0;
        return true;
    case CONFIG_TYPE_CHOICE:
        if (!choice_allowed(key->choices, value))
            return complain(reader, "not one of ", key->choices);
        break;
    case CONFIG_TYPE_AE:
        if (*value && (strlen(value) > 16 || strchr(value, '\\')))
            return complain(reader, "an AE title has 1 to 16 characters: ", value);
        break;
    case CONFIG_TYPE_ORDER:
        return set_order(reader, key, field, value);
    case CONFIG_TYPE_UIDS:
    case CONFIG_TYPE_DIGESTS:
        return add_words(reader, key, field, value);
    case CONFIG_TYPE_TEXT:
        break;
    }
    if (strlen(value) >= key->size)
        return complain(reader, "too long: ", key->name);
    memcpy(field, value, strlen(value) + 1);
    return true;
}

static void set_defaults(struct reader *reader, const char *section, void *base)
{
    for (int i = 0; i < config_key_count; i++)
        if (strcmp(config_keys[i].section, section) == 0)
            set_value(reader, &config_keys[i], base, config_keys[i].initial);
}

/* `peer "PACS"` -> kind and name. */
static bool split_section(const char *section, char kind[32], char name[CONFIG_NAME])
{
    name[0] = '\0';
    if (!strchr(section, ' '))
        return snprintf(kind, 32, "%s", section) < 32;
    int used = 0;
    return sscanf(section, "%31[a-z0-9] \"%63[^\"]\"%n", kind, name, &used) == 2 && used && !section[used];
}

static void *entry_named(struct reader *reader, const struct config_group *group, const char *name)
{
    struct config *config = reader->config;
    int *count = (int *)((char *)config + group->count);
    for (int i = 0; i < *count; i++)
        if (strcmp(config_group_entry(group, config, i), name) == 0)
            return config_group_entry(group, config, i);
    if (*count == group->max)
        return NULL;
    char *entry = config_group_entry(group, config, (*count)++);
    snprintf(entry, CONFIG_NAME, "%s", name);
    set_defaults(reader, group->kind, entry);
    return entry;
}

static bool is_list(const struct config_key *key)
{
    return key->type == CONFIG_TYPE_UIDS || key->type == CONFIG_TYPE_DIGESTS;
}

/* inih hands an indented line on as the same key again, so a continued value would silently replace the
 * first. */
static bool given_once(struct reader *reader, const struct config_key *key, const void *field)
{
    for (int i = 0; i < reader->given_count; i++)
        if (reader->given[i] == field && !is_list(key))
            return complain(reader, "given twice: ", key->name);
    if (reader->given_count < MAX_GIVEN)
        reader->given[reader->given_count++] = field;
    return true;
}

static int take_key(void *user, const char *section, const char *name, const char *value)
{
    struct reader *reader = user;
    char kind[32], label[CONFIG_NAME];
    if (!split_section(section, kind, label))
        return complain(reader, "no section of ours: ", section);
    const struct config_key *key = config_key_find(kind, name);
    if (!key) {
        char text[160];
        snprintf(text, sizeof text, "unknown key %s in section [%s]", name, kind);
        return complain(reader, text, "");
    }
    const struct config_group *group = config_group_find(kind);
    if ((group != NULL) != (label[0] != '\0'))
        return complain(reader, group ? "section needs a name: " : "section takes no name: ", section);
    void *base = group ? entry_named(reader, group, label) : reader->config;
    if (!base)
        return complain(reader, "too many sections: ", section);
    return given_once(reader, key, (char *)base + key->offset) && set_value(reader, key, base, value);
}

static bool is_address(const char *text)
{
    struct in_addr address;
    return inet_pton(AF_INET, text, &address) == 1;
}

static bool check_peer(const struct config *config, const struct config_peer *peer, struct err *err)
{
    if (!peer->ae_title[0] || !peer->address[0])
        return err_fail(err, ERR_INPUT, "%s: peer \"%s\" needs ae_title and address", config->path,
                        peer->name);
    if (peer->may_store && !is_address(peer->address))
        return err_fail(err, ERR_INPUT, "%s: peer \"%s\" stores, so its address must be an IPv4 address",
                        config->path, peer->name);
    if (!study_expected_valid(peer->required_series))
        return err_fail(err, ERR_INPUT, "%s: peer \"%s\": a series in required_series has no word",
                        config->path, peer->name);
    return true;
}

static bool check_retention(const struct config *config, struct err *err)
{
    if (config->retention.free_high_mb < config->retention.free_low_mb)
        return err_fail(err, ERR_INPUT, "%s: retention.free_high_mb is less than free_low_mb", config->path);
    if (config->retention.used_low_mb > config->retention.used_high_mb)
        return err_fail(err, ERR_INPUT, "%s: retention.used_low_mb is more than used_high_mb", config->path);
    return true;
}

bool config_check(const struct config *config, struct err *err)
{
    if (!config->listener.ae_title[0])
        return err_fail(err, ERR_INPUT, "%s: listener.ae_title is empty", config->path);
    if (!is_address(config->listener.address) || !is_address(config->api.address))
        return err_fail(err, ERR_INPUT, "%s: listener and api need an IPv4 address", config->path);
    if (strncmp(config->api.address, "127.", 4) != 0 && !config->api.token_sha256[0])
        return err_fail(err, ERR_INPUT, "%s: api.address %s is not loopback, so api.token_sha256 is required",
                        config->path, config->api.address);
    for (int i = 0; i < config->peer_count; i++)
        if (!check_peer(config, &config->peers[i], err))
            return false;
    for (int i = 0; i < config->model_count; i++)
        if (!config->models[i].folder[0])
            return err_fail(err, ERR_INPUT, "%s: model \"%s\" needs a folder", config->path,
                            config->models[i].name);
    return check_retention(config, err) && config_check_destinations(config, err);
}

static bool parse(struct config *config, FILE *file, struct err *err)
{
    struct reader reader = {.file = file, .config = config, .err = err};
    for (int i = 0; i < config_section_count; i++)
        set_defaults(&reader, config_sections[i], config);
    int result = ini_parse_stream(read_line, &reader, take_key, &reader);
    if (reader.failed)
        return false;
    if (result != 0)
        return err_fail(err, ERR_INPUT, "%s:%d: not a key, a section or a comment", config->path, result);
    return config_check(config, err);
}

struct config *config_load(const char *path, struct err *err)
{
    struct config *config = calloc(1, sizeof *config);
    FILE *file = fopen(path, "re");
    if (!config || !file)
        err_errno(err, "open %s", path);
    bool ok = config && file;
    if (ok && snprintf(config->path, sizeof config->path, "%s", path) >= (int)sizeof config->path)
        ok = err_fail(err, ERR_INPUT, "the path of the configuration is too long to be read again: %s", path);
    ok = ok && parse(config, file, err);
    if (file)
        fclose(file);
    if (ok)
        return config;
    free(config);
    return NULL;
}

void config_free(struct config *config)
{
    while (config) {
        struct config *replaced = config->replaced;
        free(config);
        config = replaced;
    }
}
