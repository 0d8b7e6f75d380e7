#include "daemon/config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum type { TYPE_TEXT, TYPE_INT, TYPE_BOOL, TYPE_AE, TYPE_CHOICE, TYPE_UIDS, TYPE_DIGESTS };
enum reload { RESTART, RELOAD };

static const char *const type_names[] = {"text",   "number", "yes/no",         "AE title",
                                         "choice", "UIDs",   "SHA-256 digests"};

struct key {
    const char *section, *name;
    enum type type;
    size_t offset;
    size_t size; /* of the field */
    enum reload reload;
    const char *initial;
    int min, max;
    const char *choices; /* separated by | */
    const char *help;
};

#define AT(member)       offsetof(struct config, member), sizeof(((struct config *)0)->member)
#define PEER_AT(member)  offsetof(struct config_peer, member), sizeof(((struct config_peer *)0)->member)
#define MODEL_AT(member) offsetof(struct config_model, member), sizeof(((struct config_model *)0)->member)

// clang-format off
static const struct key keys[] = {
    {"service", "state_folder", TYPE_TEXT, AT(service.state_folder), RESTART, "/var/lib/cardioscribe", 0, 0, NULL,
     "where objects, reports and the database live; one process at a time"},
    {"service", "station_name", TYPE_TEXT, AT(service.station_name), RELOAD, "CARDIOSCRIBE", 0, 0, NULL,
     "station name in reports, at most 16 characters"},
    {"service", "intended_use", TYPE_CHOICE, AT(service.intended_use), RESTART, "research", 0, 0,
     "research|investigational|clinical", "anything but clinical marks every output as not for clinical use"},
    {"service", "codes_file", TYPE_TEXT, AT(service.codes_file), RESTART,
     "/usr/share/cardioscribe/codes.json", 0, 0, NULL, "table from finding labels to coded terms"},
    {"service", "series_file", TYPE_TEXT, AT(service.series_file), RELOAD, "", 0, 0, NULL,
     "rules that tell series apart, a changed copy of series.json, read again at every reload; empty: built in"},
    {"service", "log_level", TYPE_CHOICE, AT(service.log_level), RELOAD, "info", 0, 0, "debug|info|warning|error",
     "least level that is logged"},
    {"service", "stuck_after_s", TYPE_INT, AT(service.stuck_after_s), RELOAD, "600", 1, 86400, NULL,
     "seconds beyond its own time-outs after which a part that does nothing makes systemd restart the service"},

    {"listener", "address", TYPE_TEXT, AT(listener.address), RESTART, "0.0.0.0", 0, 0, NULL, "IPv4 address to listen on"},
    {"listener", "port", TYPE_INT, AT(listener.port), RESTART, "11112", 1, 65535, NULL, "TCP port of the DICOM listener"},
    {"listener", "ae_title", TYPE_AE, AT(listener.ae_title), RELOAD, "CARDIOSCRIBE", 0, 0, NULL,
     "our application entity title; a request that calls another is rejected"},
    {"listener", "max_associations", TYPE_INT, AT(listener.max_associations), RESTART, "32", 1, 1024, NULL,
     "associations served at once; one more is rejected as transient"},
    {"listener", "max_associations_per_peer", TYPE_INT, AT(listener.max_associations_per_peer), RELOAD,
     "8", 1, 1024, NULL, "of these, for one peer"},
    {"listener", "max_pdu_bytes", TYPE_INT, AT(listener.max_pdu_bytes), RESTART, "131072", 16384, 131072, NULL,
     "largest PDU we announce"},
    {"listener", "acse_timeout_s", TYPE_INT, AT(listener.acse_timeout_s), RESTART, "30", 1, 3600, NULL,
     "seconds a peer has for its association request"},
    {"listener", "dimse_timeout_s", TYPE_INT, AT(listener.dimse_timeout_s), RESTART, "60", 1, 3600, NULL,
     "seconds a peer may stop inside a command or an object, and may take for all of it, with one more for each"
     " 4 KiB"},
    {"listener", "idle_timeout_s", TYPE_INT, AT(listener.idle_timeout_s), RESTART, "60", 1, 86400, NULL,
     "seconds an association may be idle between commands"},
    {"listener", "keepalive_s", TYPE_INT, AT(listener.keepalive_s), RESTART, "60", 1, 3600, NULL,
     "seconds of silence before TCP asks whether the peer is still there; it is asked three times"},
    {"listener", "max_object_mb", TYPE_INT, AT(listener.max_object_mb), RESTART, "4096", 1, 1048576, NULL,
     "a larger object aborts its association"},
    {"listener", "accept_other", TYPE_BOOL, AT(listener.accept_other), RESTART, "yes", 0, 0, NULL,
     "accept and keep storage classes beyond CT and MR; they are never analysed"},
    {"listener", "refused_classes", TYPE_UIDS, AT(listener.refused_classes), RESTART, "", 0, 0, NULL,
     "SOP Class UIDs never accepted, separated by blanks; may be given several times, for at most 64"},

    {"assembly", "series_quiet_s", TYPE_INT, AT(assembly.series_quiet_s), RELOAD, "30", 0, 86400, NULL,
     "seconds without a new object after which a series counts as complete"},
    {"assembly", "study_quiet_s", TYPE_INT, AT(assembly.study_quiet_s), RELOAD, "60", 0, 86400, NULL,
     "the same for the study; it also waits for open associations that stored into it"},
    {"assembly", "study_force_s", TYPE_INT, AT(assembly.study_force_s), RELOAD, "5400", 1, 604800, NULL,
     "seconds after which a study that never falls quiet is taken as complete"},
    {"assembly", "max_study_age_days", TYPE_INT, AT(assembly.max_study_age_days), RELOAD, "0", 0, 36500, NULL,
     "studies with an older Study Date are declined without a report (prefetched priors); 0: no limit"},

    {"pool", "workers", TYPE_INT, AT(pool.workers), RESTART, "1", 1, 64, NULL, "worker processes"},
    {"pool", "threads", TYPE_INT, AT(pool.threads), RESTART, "2", 1, 256, NULL, "threads of the encoder in each worker"},
    {"pool", "job_timeout_s", TYPE_INT, AT(pool.job_timeout_s), RESTART, "900", 1, 86400, NULL,
     "seconds one attempt may take; then the worker is killed"},
    {"pool", "memory_mb", TYPE_INT, AT(pool.memory_mb), RESTART, "8192", 256, 1048576, NULL,
     "data memory one worker may take, beyond its mapped weights"},
    {"pool", "max_jobs", TYPE_INT, AT(pool.max_jobs), RESTART, "500", 1, 1000000, NULL,
     "jobs after which a worker is replaced"},
    {"pool", "replace_above_mb", TYPE_INT, AT(pool.replace_above_mb), RESTART, "4096", 0, 1048576, NULL,
     "memory of its own, without mapped weights, above which a worker is replaced after its job; 0: never"},
    {"pool", "worker_file", TYPE_TEXT, AT(pool.worker_file), RESTART, "", 0, 0, NULL,
     "worker program; empty: found beside the daemon"},

    {"delivery", "connect_timeout_s", TYPE_INT, AT(delivery.connect_timeout_s), RELOAD, "10", 1, 3600, NULL,
     "seconds to connect to a peer"},
    {"delivery", "backoff_first_s", TYPE_INT, AT(delivery.backoff_first_s), RELOAD, "10", 1, 86400, NULL,
     "seconds to the second attempt; doubles with each, with jitter"},
    {"delivery", "backoff_max_s", TYPE_INT, AT(delivery.backoff_max_s), RELOAD, "3600", 1, 604800, NULL,
     "longest wait between attempts"},

    {"storage", "reserve_mb", TYPE_INT, AT(storage.reserve_mb), RELOAD, "1024", 0, 1073741824, NULL,
     "free space below which objects and associations are refused as transient"},
    {"storage", "refusal_days", TYPE_INT, AT(storage.refusal_days), RELOAD, "30", 1, 3650, NULL,
     "days a refusal is remembered"},

    {"api", "address", TYPE_TEXT, AT(api.address), RESTART, "127.0.0.1", 0, 0, NULL,
     "IPv4 address of the REST interface; beyond loopback a token is required"},
    {"api", "port", TYPE_INT, AT(api.port), RESTART, "8042", 1, 65535, NULL, "TCP port of the REST interface"},
    {"api", "token_sha256", TYPE_DIGESTS, AT(api.token_sha256), RELOAD, "", 0, 0, NULL,
     "digests of the tokens that may ask, see cardioscribe token; may be given several times, for at most 16;"
     " empty: none asked, loopback only"},

    {"peer", "ae_title", TYPE_AE, PEER_AT(ae_title), RELOAD, "", 0, 0, NULL, "the peer's application entity title"},
    {"peer", "address", TYPE_TEXT, PEER_AT(address), RELOAD, "", 0, 0, NULL,
     "its IPv4 address; a host name only when it does not store"},
    {"peer", "port", TYPE_INT, PEER_AT(port), RELOAD, "104", 1, 65535, NULL, "its TCP port, for results"},
    {"peer", "may_store", TYPE_BOOL, PEER_AT(may_store), RELOAD, "no", 0, 0, NULL, "it may send objects to us"},
    {"peer", "receives_results", TYPE_BOOL, PEER_AT(receives_results), RELOAD, "no", 0, 0, NULL,
     "our reports are sent to it"},

    {"model", "folder", TYPE_TEXT, MODEL_AT(folder), RESTART, "", 0, 0, NULL, "model folder, see docs/model-folder.md"},
    {"model", "description_match", TYPE_TEXT, MODEL_AT(description_match), RELOAD, "", 0, 0, NULL,
     "words separated by |; a study is taken when a series description has one, any case; empty: every study"},
    {"model", "live", TYPE_BOOL, MODEL_AT(live), RELOAD, "yes", 0, 0, NULL,
     "no: shadow, computed and kept but sent nowhere"},
};
// clang-format on

/* Those without a name. */
static const char *const sections[] = {"service",  "listener", "assembly", "pool",
                                       "delivery", "storage",  "api"};
enum { SECTION_COUNT = sizeof sections / sizeof *sections };

enum { KEY_COUNT = sizeof keys / sizeof *keys, MAX_GIVEN = 1024, INI_LINE = 200 };

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

static bool set_number(struct reader *reader, const struct key *key, void *field, const char *value)
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
static bool add_word(struct reader *reader, const struct key *key, char *field, const char *word)
{
    size_t used = strlen(field);
    if (used + strlen(word) + 2 > key->size)
        return complain(reader, "too many: ", key->name);
    snprintf(field + used, key->size - used, "%s%s", used ? " " : "", word);
    return true;
}

static bool add_uid(struct reader *reader, const struct key *key, char *field, const char *word)
{
    return uid_valid(word) ? add_word(reader, key, field, word) : complain(reader, "not a UID: ", word);
}

/* What is not a digest may be a token: it is not repeated. */
static bool add_digest(struct reader *reader, const struct key *key, char *field, const char *word)
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

static bool add_words(struct reader *reader, const struct key *key, char *field, const char *value)
{
    char words[INI_LINE], *rest;
    snprintf(words, sizeof words, "%s", value);
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        if (!(key->type == TYPE_UIDS ? add_uid : add_digest)(reader, key, field, word))
            return false;
    return true;
}

static bool set_value(struct reader *reader, const struct key *key, void *base, const char *value)
{
    char *field = (char *)base + key->offset;
    switch (key->type) {
    case TYPE_INT:
        return set_number(reader, key, field, value);
    case TYPE_BOOL:
        if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
            return complain(reader, "must be yes or no: ", key->name);
        *(bool *)field = strcmp(value, "yes") == 0;
        return true;
    case TYPE_CHOICE:
        if (!choice_allowed(key->choices, value))
            return complain(reader, "not one of ", key->choices);
        break;
    case TYPE_AE:
        if (*value && (strlen(value) > 16 || strchr(value, '\\')))
            return complain(reader, "an AE title has 1 to 16 characters: ", value);
        break;
    case TYPE_UIDS:
    case TYPE_DIGESTS:
        return add_words(reader, key, field, value);
    case TYPE_TEXT:
        break;
    }
    if (strlen(value) >= key->size)
        return complain(reader, "too long: ", key->name);
    memcpy(field, value, strlen(value) + 1);
    return true;
}

static void set_defaults(struct reader *reader, const char *section, void *base)
{
    for (int i = 0; i < KEY_COUNT; i++)
        if (strcmp(keys[i].section, section) == 0)
            set_value(reader, &keys[i], base, keys[i].initial);
}

/* `peer "PACS"` -> kind and name. */
static bool split_section(const char *section, char kind[32], char name[64])
{
    name[0] = '\0';
    if (!strchr(section, ' '))
        return snprintf(kind, 32, "%s", section) < 32;
    int used = 0;
    return sscanf(section, "%31[a-z] \"%63[^\"]\"%n", kind, name, &used) == 2 && used && !section[used];
}

static struct config_peer *peer_named(struct reader *reader, const char *name)
{
    struct config *config = reader->config;
    for (int i = 0; i < config->peer_count; i++)
        if (strcmp(config->peers[i].name, name) == 0)
            return &config->peers[i];
    if (config->peer_count == CONFIG_MAX_PEERS)
        return NULL;
    struct config_peer *peer = &config->peers[config->peer_count++];
    snprintf(peer->name, sizeof peer->name, "%s", name);
    set_defaults(reader, "peer", peer);
    return peer;
}

static struct config_model *model_named(struct reader *reader, const char *name)
{
    struct config *config = reader->config;
    for (int i = 0; i < config->model_count; i++)
        if (strcmp(config->models[i].name, name) == 0)
            return &config->models[i];
    if (config->model_count == CONFIG_MAX_MODELS)
        return NULL;
    struct config_model *model = &config->models[config->model_count++];
    snprintf(model->name, sizeof model->name, "%s", name);
    set_defaults(reader, "model", model);
    return model;
}

static const struct key *find_key(const char *section, const char *name)
{
    for (int i = 0; i < KEY_COUNT; i++)
        if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

static bool is_list(const struct key *key)
{
    return key->type == TYPE_UIDS || key->type == TYPE_DIGESTS;
}

/* inih hands an indented line on as the same key again, so a continued value would silently replace the
 * first. */
static bool given_once(struct reader *reader, const struct key *key, const void *field)
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
    char kind[32], label[64];
    if (!split_section(section, kind, label))
        return complain(reader, "no section of ours: ", section);
    const struct key *key = find_key(kind, name);
    if (!key) {
        char text[160];
        snprintf(text, sizeof text, "unknown key %s in section [%s]", name, kind);
        return complain(reader, text, "");
    }
    bool named = strcmp(kind, "peer") == 0 || strcmp(kind, "model") == 0;
    if (named != (label[0] != '\0'))
        return complain(reader, named ? "section needs a name: " : "section takes no name: ", section);
    void *base = reader->config;
    if (named)
        base = *kind == 'p' ? (void *)peer_named(reader, label) : (void *)model_named(reader, label);
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
    return true;
}

static bool check_whole(const struct config *config, struct err *err)
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
    return true;
}

static bool parse(struct config *config, FILE *file, struct err *err)
{
    struct reader reader = {.file = file, .config = config, .err = err};
    for (int i = 0; i < SECTION_COUNT; i++)
        set_defaults(&reader, sections[i], config);
    int result = ini_parse_stream(read_line, &reader, take_key, &reader);
    if (reader.failed)
        return false;
    if (result != 0)
        return err_fail(err, ERR_INPUT, "%s:%d: not a key, a section or a comment", config->path, result);
    return check_whole(config, err);
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

const struct config_peer *config_destination(const struct config *config, const char *name)
{
    for (int i = 0; i < config->peer_count; i++)
        if (config->peers[i].receives_results && strcmp(config->peers[i].name, name) == 0)
            return &config->peers[i];
    return NULL;
}

/* ---- reloading ----------------------------------------------------------------------------------------- */

static bool same(const struct key *key, const void *base, const void *other_base)
{
    const char *field = (const char *)base + key->offset, *other = (const char *)other_base + key->offset;
    bool text = key->type != TYPE_INT && key->type != TYPE_BOOL; /* bytes behind the NUL mean nothing */
    return text ? strcmp(field, other) == 0 : memcmp(field, other, key->size) == 0;
}

static bool same_peer(const struct config_peer *peer, const struct config_peer *other)
{
    for (int i = 0; i < KEY_COUNT; i++)
        if (strcmp(keys[i].section, "peer") == 0 && !same(&keys[i], peer, other))
            return false;
    return strcmp(peer->name, other->name) == 0;
}

static bool same_peers(const struct config *running, const struct config *wanted)
{
    for (int i = 0; i < running->peer_count && running->peer_count == wanted->peer_count; i++)
        if (!same_peer(&running->peers[i], &wanted->peers[i]))
            return false;
    return running->peer_count == wanted->peer_count;
}

/* Once, however many models differ in a key. */
static void note(char list[CONFIG_CHANGES], const char *name)
{
    size_t used = strlen(list), length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += length)
        if ((at == list || at[-1] == ' ') && strchr(" ", at[length]))
            return;
    snprintf(list + used, CONFIG_CHANGES - used, "%s%s", used ? " " : "", name);
}

static void merge_key(const struct key *key, void *base, const void *wanted, struct config_changes *changes)
{
    char name[80];
    if (same(key, base, wanted))
        return;
    if (key->reload == RELOAD)
        memcpy((char *)base + key->offset, (const char *)wanted + key->offset, key->size);
    snprintf(name, sizeof name, "%s.%s", key->section, key->name);
    note(key->reload == RELOAD ? changes->applied : changes->after_restart, name);
}

static void merge_section(const char *section, void *base, const void *wanted, struct config_changes *changes)
{
    for (int i = 0; i < KEY_COUNT; i++)
        if (strcmp(keys[i].section, section) == 0)
            merge_key(&keys[i], base, wanted, changes);
}

static void merge_peers(struct config *merged, const struct config *wanted, struct config_changes *changes)
{
    if (same_peers(merged, wanted))
        return;
    memcpy(merged->peers, wanted->peers, sizeof merged->peers);
    merged->peer_count = wanted->peer_count;
    note(changes->applied, "peer");
}

/* Models stay in their places: the series number of a model's reports is its place. */
static void merge_models(struct config *merged, const struct config *wanted, struct config_changes *changes)
{
    bool same_list = merged->model_count == wanted->model_count;
    for (int i = 0; i < merged->model_count; i++) {
        struct config_model *model = &merged->models[i];
        int at = 0;
        while (at < wanted->model_count && strcmp(wanted->models[at].name, model->name) != 0)
            at++;
        same_list = same_list && at == i;
        if (at < wanted->model_count)
            merge_section("model", model, &wanted->models[at], changes);
    }
    if (!same_list)
        note(changes->after_restart, "model");
}

struct config *config_merge(const struct config *running, const struct config *wanted,
                            struct config_changes *ret, struct err *err)
{
    struct config *merged = malloc(sizeof *merged);
    *ret = (struct config_changes){0};
    if (!merged) {
        err_fail(err, ERR_NOMEM, "no memory for a configuration");
        return NULL;
    }
    *merged = *running;
    merged->replaced = NULL;
    for (int i = 0; i < SECTION_COUNT; i++)
        merge_section(sections[i], merged, wanted, ret);
    merge_peers(merged, wanted, ret);
    merge_models(merged, wanted, ret);
    if (check_whole(merged, err))
        return merged;
    err_prefix(err, "with what takes effect after a restart only");
    config_free(merged);
    return NULL;
}

/* ---- showing ------------------------------------------------------------------------------------------- */

static void print_type(FILE *out, const struct key *key)
{
    if (key->type == TYPE_INT)
        fprintf(out, "%d..%d", key->min, key->max);
    else
        fputs(key->type == TYPE_CHOICE ? key->choices : type_names[key->type], out);
}

void config_print_keys(FILE *out)
{
    for (int i = 0; i < KEY_COUNT; i++) {
        fprintf(out, "%s\t%s\t", keys[i].section, keys[i].name);
        print_type(out, &keys[i]);
        fprintf(out, "\t%s\t%s\t%s\n", keys[i].initial, keys[i].reload == RELOAD ? "yes" : "no",
                keys[i].help);
    }
}
