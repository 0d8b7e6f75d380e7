/* The configuration: one INI file, one key table. Parsing, --check, --print-keys, the sample file and the
 * manual are all made from or checked against the table. threads: read-only after config_load. */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include "base/err.h"
#include "dicom/dicom_net.h"

#include <stdio.h>

enum { CONFIG_TEXT = 256, CONFIG_MAX_PEERS = 64, CONFIG_MAX_MODELS = 16, CONFIG_MAX_CLASSES = 64 };

/* [peer "NAME"]: another application entity. */
struct config_peer {
    char name[64];
    char ae_title[DICOM_AE_SIZE];
    char address[CONFIG_TEXT]; /* host name or IPv4 address */
    int port;
    bool may_store;        /* may send to us */
    bool receives_results; /* gets our reports */
};

/* [model "NAME"] */
struct config_model {
    char name[64];
    char folder[CONFIG_TEXT];
    char description_match[CONFIG_TEXT]; /* words, any of which the series or study description must have; ""
                                            all */
    bool live;
    char modality[17]; /* filled at start from the model folder; "" when it does not open */
};

struct config {
    char path[CONFIG_TEXT];
    struct {
        char state_folder[CONFIG_TEXT];
        char station_name[17];
        char intended_use[17]; /* research, investigational, clinical */
        char codes_file[CONFIG_TEXT];
        char log_level[9];
    } service;
    struct {
        char address[CONFIG_TEXT];
        int port;
        char ae_title[DICOM_AE_SIZE];
        int max_associations, max_associations_per_peer, max_pdu_bytes, acse_timeout_s, dimse_timeout_s;
        int max_object_mb;
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
        char token_file[CONFIG_TEXT];
    } api;
    struct config_peer peers[CONFIG_MAX_PEERS];
    int peer_count;
    struct config_model models[CONFIG_MAX_MODELS];
    int model_count;
};

/* Read and check a file. owns: caller frees. errors: ERR_INPUT with file, line and key; ERR_IO. */
struct config *config_load(const char *path, struct err *err);
void config_free(struct config *config);

/* One line a key, tab separated: section, key, type or limits, default, reloadable, help. */
void config_print_keys(FILE *out);

#endif
