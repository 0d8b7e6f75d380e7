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
    int acse_timeout_s;    /* 0: the listener's; so are the next two */
    int dimse_timeout_s;
    int idle_timeout_s;
    int max_associations; /* 0: listener.max_associations_per_peer */
};

/* [model "NAME"] */
struct config_model {
    char name[CONFIG_NAME];
    char folder[CONFIG_TEXT];
    char description_match[CONFIG_TEXT]; /* words, any of which the series or study description must have; ""
                                            all */
    bool live;
    char modality[17];   /* filled at start from the model folder; "" when it does not open */
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
        char address[CONFIG_TEXT];
        int port;
        char token_sha256[CONFIG_MAX_TOKENS * DIGEST_HEX_SIZE]; /* digests separated by blanks, lower case */
    } api;
    struct config_peer peers[CONFIG_MAX_PEERS];
    int peer_count;
    struct config_model models[CONFIG_MAX_MODELS];
    int model_count;
};

/* Read and check a file. owns: caller frees. errors: ERR_INPUT with file, line and key; ERR_IO. */
struct config *config_load(const char *path, struct err *err);
/* And every one that it replaced. */
void config_free(struct config *config);

/* The peer of this name, if results are sent to it; else NULL. Borrowed. */
const struct config_peer *config_destination(const struct config *config, const char *name);

/* Keys as "section.key", "peer" when any peer differs, "model" when the list of models does; separated by
 * blanks, "" for none. */
enum { CONFIG_CHANGES = 1024 };
struct config_changes {
    char applied[CONFIG_CHANGES], after_restart[CONFIG_CHANGES];
};

/* What `wanted`, loaded from the file again, makes of the running configuration: its reloadable keys, and of
 * the rest what runs. All of [peer] is reloadable; a model's folder and the list of models are not.
 * owns:   caller frees; both arguments are borrowed.
 * errors: ERR_INPUT when the two do not fit together (the last token removed while the address that is served
 *         is beyond loopback); ERR_NOMEM. */
struct config *config_merge(const struct config *running, const struct config *wanted,
                            struct config_changes *ret, struct err *err);

/* One line a key, tab separated: section, key, type or limits, default, reloadable, help. */
void config_print_keys(FILE *out);

#endif
