/* The configuration: one INI file, one key table. Parsing, --check, --print-keys, reloading, the sample file
 * and the manual are all made from or checked against the table, daemon/config_keys.h. threads: read-only
 * once published, see daemon/service.h. */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include "base/digest.h"
#include "base/err.h"
#include "dicom/dicom_net.h"

#include <stdio.h>

enum {
    CONFIG_NAME = 64, /* of a named section */
    CONFIG_TEXT = 256,
    CONFIG_MAX_PEERS = 64,
    CONFIG_MAX_HL7 = 16,
    CONFIG_MAX_WEBHOOKS = 16,
    CONFIG_MAX_DESTINATIONS = CONFIG_MAX_PEERS + CONFIG_MAX_HL7 + CONFIG_MAX_WEBHOOKS,
    CONFIG_MAX_MODELS = 16,
    CONFIG_MAX_CLASSES = 64,
    CONFIG_MAX_TOKENS = 16
};

/* [peer "NAME"]: another application entity. */
struct config_peer {
    char name[CONFIG_NAME];
    char ae_title[DICOM_AE_SIZE];
    char address[CONFIG_TEXT]; /* host name or IPv4 address */
    int port;
    bool may_store;        /* may send to us */
    bool may_echo;         /* may ask us for C-ECHO */
    bool receives_results; /* gets our reports */
    bool receives_objects; /* gets originals, where a route says so */
    char sr_classes[64];   /* that it is sent: words of the key, most wanted first; see daemon/peers.h */
    char results[16];      /* what it gets of one: sr, sr+summary */
    int acse_timeout_s;    /* 0: the listener's; so are the next two */
    int dimse_timeout_s;
    int idle_timeout_s;
    int max_associations;                             /* 0: listener.max_associations_per_peer */
    int series_quiet_s, study_quiet_s, study_force_s; /* of studies that it sends; -1: those of [assembly] */
    char required_series[CONFIG_TEXT];                /* see study_expected.h */
    int expected_series, expected_instances;          /* 0: nothing is said */
    bool trust_counts;
};

/* [hl7 "NAME"]: who takes results as HL7 messages over MLLP. */
struct config_hl7 {
    char name[CONFIG_NAME];
    char address[CONFIG_TEXT];
    int port, answer_timeout_s;
    bool tls;
    char ca_file[CONFIG_TEXT]; /* "": the system's */
    char acknowledgement[9];   /* enhanced, original */
    char accession_field[6];   /* obr3, obr18, both */
    char processing_id[2];
    char sending_application[CONFIG_NAME], sending_facility[CONFIG_NAME];
    char receiving_application[CONFIG_NAME], receiving_facility[CONFIG_NAME];
};

/* [webhook "NAME"]: who takes results as JSON over HTTP. */
struct config_webhook {
    char name[CONFIG_NAME];
    char url[CONFIG_TEXT];
    char secret_file[CONFIG_TEXT];
    char ca_file[CONFIG_TEXT];
    int answer_timeout_s;
};

/* [model "NAME"] */
struct config_model {
    char name[CONFIG_NAME];
    char folder[CONFIG_TEXT];
    char description_match[CONFIG_TEXT]; /* words, any of which the series or study description must have; ""
                                            all */
    char precision[5];                   /* fp32, bf16, int8: of the image tower */
    bool live;
    char modality[17];   /* filled at start from the model folder; "" when it does not open */
    char products[16];   /* likewise: what its linear layers run on ("avx2") */
    bool needs_mask;     /* likewise: a study must bring its organs' masks */
    bool crops_to_heart; /* likewise: it looks for the heart, in segmentations first */
};

struct config {
    struct config *replaced; /* the one that ran before; freed together */
    char path[CONFIG_TEXT];
    struct {
        char state_folder[CONFIG_TEXT];
        char station_name[17];
        char intended_use[17]; /* research, investigational, clinical */
        char codes_file[CONFIG_TEXT];
        char series_file[CONFIG_TEXT]; /* "": the rules that are built in */
        char routes_file[CONFIG_TEXT]; /* "": no rules, results go to all who receive them */
        char log_level[9];
        int stuck_after_s;
    } service;
    struct {
        char address[CONFIG_TEXT];
        int port;
        char ae_title[DICOM_AE_SIZE];
        int max_associations, max_associations_per_peer, max_pdu_bytes, acse_timeout_s, dimse_timeout_s;
        int idle_timeout_s, keepalive_s, max_object_mb;
        bool accept_other;
        char refused_classes[CONFIG_MAX_CLASSES * UID_SIZE]; /* SOP Class UIDs separated by blanks */
    } listener;
    struct {
        int series_quiet_s, study_quiet_s, study_force_s, max_study_age_days;
    } assembly;
    struct {
        int workers, threads, job_timeout_s, memory_mb, max_jobs, replace_above_mb;
        char worker_file[CONFIG_TEXT];
    } pool;
    struct {
        int connect_timeout_s, backoff_first_s, backoff_max_s;
    } delivery;
    struct {
        int reserve_mb, refusal_days;
    } storage;
    struct {
        bool rejection_notes;
        int finished_days, delivered_hours; /* -1: never */
        int free_low_mb, free_high_mb, used_high_mb, used_low_mb;
    } retention;
    struct {
        char address[CONFIG_TEXT];
        int port;
        char token_sha256[CONFIG_MAX_TOKENS * DIGEST_HEX_SIZE]; /* digests separated by blanks, lower case */
    } api;
    struct config_peer peers[CONFIG_MAX_PEERS];
    int peer_count;
    struct config_hl7 hl7[CONFIG_MAX_HL7];
    int hl7_count;
    struct config_webhook webhooks[CONFIG_MAX_WEBHOOKS];
    int webhook_count;
    struct config_model models[CONFIG_MAX_MODELS];
    int model_count;
};

/* Read and check a file. owns: caller frees. errors: ERR_INPUT with file, line and key; ERR_IO. */
struct config *config_load(const char *path, struct err *err);
/* And every one that it replaced. */
void config_free(struct config *config);

/* What something can be sent to. Peers, hl7 and webhooks share one space of names: two of one name are an
 * error of the configuration. */
enum config_kind { CONFIG_KIND_PEER, CONFIG_KIND_HL7, CONFIG_KIND_WEBHOOK };
struct config_destination {
    enum config_kind kind;
    const char *name;
    const struct config_peer *peer; /* of its kind; the others are NULL */
    const struct config_hl7 *hl7;
    const struct config_webhook *webhook;
};

/* All destinations, of results or of originals. Returns how many. Borrowed, like all below. */
int config_all_destinations(const struct config *config,
                            struct config_destination list[CONFIG_MAX_DESTINATIONS]);
/* The names of those that receive results; names: [CONFIG_MAX_DESTINATIONS]. */
int config_destinations(const struct config *config, const char **names);
bool config_find_destination(const struct config *config, const char *name, struct config_destination *ret);
bool config_is_destination(const struct config *config, const char *name);

/* Part of reading and merging. errors: ERR_INPUT. */
bool config_check_destinations(const struct config *config, struct err *err);

/* Keys as "section.key", "peer" when any peer differs, "model" when the list of models does; separated by
 * blanks, "" for none. */
enum { CONFIG_CHANGES = 1024 };
struct config_changes {
    char applied[CONFIG_CHANGES], after_restart[CONFIG_CHANGES];
};

/* What `wanted`, loaded from the file again, makes of the running configuration: its reloadable keys, and of
 * the rest what runs. All of [peer], [hl7] and [webhook] is reloadable; a model's folder and the list of
 * models are not. owns:   caller frees; both arguments are borrowed. errors: ERR_INPUT when the two do not
 * fit together (the last token removed while the address that is served is beyond loopback); ERR_NOMEM. */
struct config *config_merge(const struct config *running, const struct config *wanted,
                            struct config_changes *ret, struct err *err);

/* One line a key, tab separated: section, key, type or limits, default, reloadable, help. */
void config_print_keys(FILE *out);

#endif
