#include "daemon/config_keys.h"

#include <stddef.h>
#include <string.h>

/* Short names keep a row readable. */
#define TEXT    CONFIG_TYPE_TEXT
#define INT     CONFIG_TYPE_INT
#define BOOL    CONFIG_TYPE_BOOL
#define AE      CONFIG_TYPE_AE
#define CHOICE  CONFIG_TYPE_CHOICE
#define ORDER   CONFIG_TYPE_ORDER
#define UIDS    CONFIG_TYPE_UIDS
#define DIGESTS CONFIG_TYPE_DIGESTS
#define RESTART CONFIG_RESTART
#define RELOAD  CONFIG_RELOAD

static const char *const type_names[] = {"text",   "number", "yes/no", "AE title",
                                         "choice", "order",  "UIDs",   "SHA-256 digests"};

#define AT(member)       offsetof(struct config, member), sizeof(((struct config *)0)->member)
#define PEER_AT(member)  offsetof(struct config_peer, member), sizeof(((struct config_peer *)0)->member)
#define HL7_AT(member)   offsetof(struct config_hl7, member), sizeof(((struct config_hl7 *)0)->member)
#define HOOK_AT(member)  offsetof(struct config_webhook, member), sizeof(((struct config_webhook *)0)->member)
#define MODEL_AT(member) offsetof(struct config_model, member), sizeof(((struct config_model *)0)->member)

// clang-format off
const struct config_key config_keys[] = {
    {"service", "state_folder", TEXT, AT(service.state_folder), RESTART, "/var/lib/cardioscribe", 0, 0, NULL,
     "where objects, reports and the database live; one process at a time"},
    {"service", "station_name", TEXT, AT(service.station_name), RELOAD, "CARDIOSCRIBE", 0, 0, NULL,
     "station name in reports, at most 16 characters"},
    {"service", "intended_use", CHOICE, AT(service.intended_use), RESTART, "research", 0, 0,
     "research|investigational|clinical", "anything but clinical marks every output as not for clinical use"},
    {"service", "codes_file", TEXT, AT(service.codes_file), RESTART,
     "/usr/share/cardioscribe/codes.json", 0, 0, NULL, "table from finding labels to coded terms"},
    {"service", "series_file", TEXT, AT(service.series_file), RELOAD, "", 0, 0, NULL,
     "rules that tell series apart, a changed copy of series.json, read again at every reload; empty: built in"},
    {"service", "routes_file", TEXT, AT(service.routes_file), RELOAD, "", 0, 0, NULL,
     "rules that say where results and originals go, see docs/routing.md, read again at every reload; empty: none"},
    {"service", "log_level", CHOICE, AT(service.log_level), RELOAD, "info", 0, 0, "debug|info|warning|error",
     "least level that is logged"},
    {"service", "stuck_after_s", INT, AT(service.stuck_after_s), RELOAD, "600", 1, 86400, NULL,
     "seconds beyond its own time-outs after which a part that does nothing makes systemd restart the service"},

    {"listener", "address", TEXT, AT(listener.address), RESTART, "0.0.0.0", 0, 0, NULL, "IPv4 address to listen on"},
    {"listener", "port", INT, AT(listener.port), RESTART, "11112", 1, 65535, NULL, "TCP port of the DICOM listener"},
    {"listener", "ae_title", AE, AT(listener.ae_title), RELOAD, "CARDIOSCRIBE", 0, 0, NULL,
     "our application entity title; a request that calls another is rejected"},
    {"listener", "max_associations", INT, AT(listener.max_associations), RESTART, "32", 1, 1024, NULL,
     "associations served at once; one more is rejected as transient"},
    {"listener", "max_associations_per_peer", INT, AT(listener.max_associations_per_peer), RELOAD,
     "8", 1, 1024, NULL, "of these, for one peer"},
    {"listener", "max_pdu_bytes", INT, AT(listener.max_pdu_bytes), RESTART, "131072", 16384, 131072, NULL,
     "largest PDU we announce"},
    {"listener", "acse_timeout_s", INT, AT(listener.acse_timeout_s), RESTART, "30", 1, 3600, NULL,
     "seconds a peer has for its association request"},
    {"listener", "dimse_timeout_s", INT, AT(listener.dimse_timeout_s), RESTART, "60", 1, 3600, NULL,
     "seconds a peer may stop inside a command or an object, and may take for all of it, with one more for each"
     " 4 KiB"},
    {"listener", "idle_timeout_s", INT, AT(listener.idle_timeout_s), RESTART, "60", 1, 86400, NULL,
     "seconds an association may be idle between commands"},
    {"listener", "keepalive_s", INT, AT(listener.keepalive_s), RESTART, "60", 1, 3600, NULL,
     "seconds of silence before TCP asks whether the peer is still there; it is asked three times"},
    {"listener", "max_object_mb", INT, AT(listener.max_object_mb), RESTART, "4096", 1, 1048576, NULL,
     "a larger object aborts its association"},
    {"listener", "accept_other", BOOL, AT(listener.accept_other), RESTART, "yes", 0, 0, NULL,
     "accept and keep storage classes beyond CT and MR; they are never analysed"},
    {"listener", "refused_classes", UIDS, AT(listener.refused_classes), RESTART, "", 0, 0, NULL,
     "SOP Class UIDs never accepted, separated by blanks; may be given several times, for at most 64"},

    {"assembly", "series_quiet_s", INT, AT(assembly.series_quiet_s), RELOAD, "30", 0, 86400, NULL,
     "seconds without a new object after which a series counts as complete"},
    {"assembly", "study_quiet_s", INT, AT(assembly.study_quiet_s), RELOAD, "60", 0, 86400, NULL,
     "the same for the study; it also waits for open associations that stored into it"},
    {"assembly", "study_force_s", INT, AT(assembly.study_force_s), RELOAD, "5400", 1, 604800, NULL,
     "seconds after which a study that never falls quiet is taken as complete"},
    {"assembly", "max_study_age_days", INT, AT(assembly.max_study_age_days), RELOAD, "0", 0, 36500, NULL,
     "studies with an older Study Date are declined without a report (prefetched priors); 0: no limit"},

    {"pool", "workers", INT, AT(pool.workers), RESTART, "1", 1, 64, NULL,
     "worker processes; where their threads are more than the cores, one encodes while the others read"},
    {"pool", "threads", INT, AT(pool.threads), RESTART, "2", 1, 256, NULL, "threads of the encoder in each worker"},
    {"pool", "job_timeout_s", INT, AT(pool.job_timeout_s), RESTART, "900", 1, 86400, NULL,
     "seconds one attempt may take; then the worker is killed"},
    {"pool", "memory_mb", INT, AT(pool.memory_mb), RESTART, "8192", 256, 1048576, NULL,
     "data memory one worker may take; packed weights that all workers share do not count"},
    {"pool", "max_jobs", INT, AT(pool.max_jobs), RESTART, "500", 1, 1000000, NULL,
     "jobs after which a worker is replaced"},
    {"pool", "replace_above_mb", INT, AT(pool.replace_above_mb), RESTART, "4096", 0, 1048576, NULL,
     "memory of its own above which a worker is replaced after its job, without packed weights that are shared; 0: never"},
    {"pool", "worker_file", TEXT, AT(pool.worker_file), RESTART, "", 0, 0, NULL,
     "worker program; empty: found beside the daemon"},

    {"delivery", "connect_timeout_s", INT, AT(delivery.connect_timeout_s), RELOAD, "10", 1, 3600, NULL,
     "seconds to connect to a peer"},
    {"delivery", "backoff_first_s", INT, AT(delivery.backoff_first_s), RELOAD, "10", 1, 86400, NULL,
     "seconds to the second attempt; doubles with each, with jitter"},
    {"delivery", "backoff_max_s", INT, AT(delivery.backoff_max_s), RELOAD, "3600", 1, 604800, NULL,
     "longest wait between attempts"},

    {"storage", "reserve_mb", INT, AT(storage.reserve_mb), RELOAD, "1024", 0, 1073741824, NULL,
     "free space below which objects and associations are refused as transient"},
    {"storage", "refusal_days", INT, AT(storage.refusal_days), RELOAD, "30", 1, 3650, NULL,
     "days a refusal is remembered"},

    {"retention", "rejection_notes", BOOL, AT(retention.rejection_notes), RELOAD, "yes", 0, 0, NULL,
     "a rejection note that a peer sends withdraws the objects it names; no: it is kept and not obeyed"},
    {"retention", "finished_days", INT, AT(retention.finished_days), RELOAD, "-1", -1, 36500, NULL,
     "days after its last object came that a finished study's objects are removed; -1: never"},
    {"retention", "delivered_hours", INT, AT(retention.delivered_hours), RELOAD, "-1", -1, 876000, NULL,
     "hours after the last delivery that a study's objects are removed, 0 at once; -1: never"},
    {"retention", "free_low_mb", INT, AT(retention.free_low_mb), RELOAD, "0", 0, 1073741824, NULL,
     "free space below which objects of finished studies are removed, the oldest first; 0: whatever is free"},
    {"retention", "free_high_mb", INT, AT(retention.free_high_mb), RELOAD, "0", 0, 1073741824, NULL,
     "free space at which that ends, not less than free_low_mb"},
    {"retention", "used_high_mb", INT, AT(retention.used_high_mb), RELOAD, "0", 0, 1073741824, NULL,
     "what objects may take before those of finished studies are removed, the oldest first; 0: no quota"},
    {"retention", "used_low_mb", INT, AT(retention.used_low_mb), RELOAD, "0", 0, 1073741824, NULL,
     "what they take when that ends, not more than used_high_mb"},

    {"api", "address", TEXT, AT(api.address), RESTART, "127.0.0.1", 0, 0, NULL,
     "IPv4 address of the REST interface; beyond loopback a token is required"},
    {"api", "port", INT, AT(api.port), RESTART, "8042", 1, 65535, NULL, "TCP port of the REST interface"},
    {"api", "token_sha256", DIGESTS, AT(api.token_sha256), RELOAD, "", 0, 0, NULL,
     "digests of the tokens that may ask, see cardioscribe token; may be given several times, for at most 16;"
     " empty: none asked, loopback only"},

    {"peer", "ae_title", AE, PEER_AT(ae_title), RELOAD, "", 0, 0, NULL, "the peer's application entity title"},
    {"peer", "address", TEXT, PEER_AT(address), RELOAD, "", 0, 0, NULL,
     "its IPv4 address; a host name only when it does not store"},
    {"peer", "port", INT, PEER_AT(port), RELOAD, "104", 1, 65535, NULL, "its TCP port, for results"},
    {"peer", "may_store", BOOL, PEER_AT(may_store), RELOAD, "no", 0, 0, NULL, "it may send objects to us"},
    {"peer", "may_echo", BOOL, PEER_AT(may_echo), RELOAD, "yes", 0, 0, NULL,
     "it may ask us for C-ECHO; one that may neither store nor ask is rejected"},
    {"peer", "receives_results", BOOL, PEER_AT(receives_results), RELOAD, "no", 0, 0, NULL,
     "our reports are sent to it"},
    {"peer", "receives_objects", BOOL, PEER_AT(receives_objects), RELOAD, "no", 0, 0, NULL,
     "original objects may be forwarded to it, see service.routes_file"},
    {"peer", "sr_classes", ORDER, PEER_AT(sr_classes), RELOAD, "comprehensive-3d comprehensive enhanced", 0, 0,
     "comprehensive-3d|comprehensive|enhanced",
     "SR classes it is sent reports in, separated by blanks: the first that it accepts, or what it took before"},
    {"peer", "results", CHOICE, PEER_AT(results), RELOAD, "sr", 0, 0, "sr|sr+summary",
     "what it gets of a result: the report, or also a page of it as an image (Secondary Capture)"},
    {"peer", "acse_timeout_s", INT, PEER_AT(acse_timeout_s), RELOAD, "0", 0, 3600, NULL,
     "seconds it has to answer our association request; 0: listener.acse_timeout_s"},
    {"peer", "dimse_timeout_s", INT, PEER_AT(dimse_timeout_s), RELOAD, "0", 0, 3600, NULL,
     "seconds it may stop inside a command or an object, and take to answer one; 0: listener.dimse_timeout_s"},
    {"peer", "idle_timeout_s", INT, PEER_AT(idle_timeout_s), RELOAD, "0", 0, 86400, NULL,
     "seconds its associations may be idle between commands; 0: listener.idle_timeout_s"},
    {"peer", "max_associations", INT, PEER_AT(max_associations), RELOAD, "0", 0, 1024, NULL,
     "associations of it that are served at once; 0: listener.max_associations_per_peer"},
    {"peer", "series_quiet_s", INT, PEER_AT(series_quiet_s), RELOAD, "-1", -1, 86400, NULL,
     "for its studies in place of assembly.series_quiet_s, seconds; -1: that of [assembly]"},
    {"peer", "study_quiet_s", INT, PEER_AT(study_quiet_s), RELOAD, "-1", -1, 86400, NULL,
     "for its studies in place of assembly.study_quiet_s, seconds; -1: that of [assembly]"},
    {"peer", "study_force_s", INT, PEER_AT(study_force_s), RELOAD, "-1", -1, 604800, NULL,
     "for its studies in place of assembly.study_force_s, seconds; -1: that of [assembly]"},
    {"peer", "required_series", TEXT, PEER_AT(required_series), RELOAD, "", 0, 0, NULL,
     "series its studies wait for, separated by commas: for each, words separated by |; a description that has one"
     " will do, any case; empty: not said"},
    {"peer", "expected_series", INT, PEER_AT(expected_series), RELOAD, "0", 0, 10000, NULL,
     "series of CT or MR images that its studies have at least and wait for; 0: not said"},
    {"peer", "expected_instances", INT, PEER_AT(expected_instances), RELOAD, "0", 0, 1000000, NULL,
     "CT or MR images that its studies have at least and wait for; 0: not said"},
    {"peer", "trust_counts", BOOL, PEER_AT(trust_counts), RELOAD, "no", 0, 0, NULL,
     "its studies wait for as many series and objects as (0020,1206) and (0020,1208) in its objects say, if they do"},

    {"hl7", "address", TEXT, HL7_AT(address), RELOAD, "", 0, 0, NULL, "its host name or IPv4 address"},
    {"hl7", "port", INT, HL7_AT(port), RELOAD, "2575", 1, 65535, NULL, "its TCP port, for MLLP"},
    {"hl7", "tls", BOOL, HL7_AT(tls), RELOAD, "no", 0, 0, NULL, "MLLP inside TLS, its certificate checked"},
    {"hl7", "ca_file", TEXT, HL7_AT(ca_file), RELOAD, "", 0, 0, NULL,
     "certificates it may be signed by, PEM; empty: the system's"},
    {"hl7", "answer_timeout_s", INT, HL7_AT(answer_timeout_s), RELOAD, "30", 1, 3600, NULL,
     "seconds to wait for its answer; then the same message is sent again later"},
    {"hl7", "acknowledgement", CHOICE, HL7_AT(acknowledgement), RELOAD, "enhanced", 0, 0, "enhanced|original",
     "asked for: enhanced, that it has the message (MSH-15 AL); original, that it has worked on it"},
    {"hl7", "accession_field", CHOICE, HL7_AT(accession_field), RELOAD, "both", 0, 0, "obr3|obr18|both",
     "where the accession number goes"},
    {"hl7", "processing_id", CHOICE, HL7_AT(processing_id), RELOAD, "P", 0, 0, "P|T|D",
     "MSH-11: production, training or debugging"},
    {"hl7", "sending_application", TEXT, HL7_AT(sending_application), RELOAD, "CARDIOSCRIBE", 0, 0, NULL,
     "MSH-3, what sends"},
    {"hl7", "sending_facility", TEXT, HL7_AT(sending_facility), RELOAD, "", 0, 0, NULL, "MSH-4, where that stands"},
    {"hl7", "receiving_application", TEXT, HL7_AT(receiving_application), RELOAD, "", 0, 0, NULL,
     "MSH-5, what receives"},
    {"hl7", "receiving_facility", TEXT, HL7_AT(receiving_facility), RELOAD, "", 0, 0, NULL,
     "MSH-6, where that stands"},

    {"webhook", "url", TEXT, HOOK_AT(url), RELOAD, "", 0, 0, NULL, "where results are posted; redirects are not followed"},
    {"webhook", "secret_file", TEXT, HOOK_AT(secret_file), RELOAD, "", 0, 0, NULL,
     "file with the secret that signs them, 16 bytes at least, read at each delivery"},
    {"webhook", "ca_file", TEXT, HOOK_AT(ca_file), RELOAD, "", 0, 0, NULL,
     "certificates the server may be signed by, PEM; empty: the system's"},
    {"webhook", "answer_timeout_s", INT, HOOK_AT(answer_timeout_s), RELOAD, "30", 1, 3600, NULL,
     "seconds for sending and answer together"},

    {"model", "folder", TEXT, MODEL_AT(folder), RESTART, "", 0, 0, NULL, "model folder, see docs/model-folder.md"},
    {"model", "description_match", TEXT, MODEL_AT(description_match), RELOAD, "", 0, 0, NULL,
     "words separated by |; a study is taken when a series description has one, any case; empty: every study"},
    {"model", "precision", CHOICE, MODEL_AT(precision), RESTART, "fp32", 0, 0, "fp32|bf16|int8",
     "arithmetic of the image tower; for fewer bits the folder must hold precision.json (cardioscribe model measure)"},
    {"model", "live", BOOL, MODEL_AT(live), RELOAD, "yes", 0, 0, NULL,
     "no: shadow, computed and kept but sent nowhere"},
};
// clang-format on
const int config_key_count = sizeof config_keys / sizeof *config_keys;

const char *const config_sections[] = {"service",  "listener", "assembly",  "pool",
                                       "delivery", "storage",  "retention", "api"};
const int config_section_count = sizeof config_sections / sizeof *config_sections;

#define GROUP(list, count)                                                                                   \
    offsetof(struct config, list), offsetof(struct config, count), sizeof(*((struct config *)0)->list),      \
        sizeof(((struct config *)0)->list) / sizeof(*((struct config *)0)->list)

const struct config_group config_groups[] = {
    {"peer", GROUP(peers, peer_count), RELOAD},
    {"hl7", GROUP(hl7, hl7_count), RELOAD},
    {"webhook", GROUP(webhooks, webhook_count), RELOAD},
    {"model", GROUP(models, model_count), RESTART},
};
const int config_group_count = sizeof config_groups / sizeof *config_groups;

const struct config_key *config_key_find(const char *section, const char *name)
{
    for (int i = 0; i < config_key_count; i++)
        if (strcmp(config_keys[i].section, section) == 0 && strcmp(config_keys[i].name, name) == 0)
            return &config_keys[i];
    return NULL;
}

const struct config_group *config_group_find(const char *kind)
{
    for (int i = 0; i < config_group_count; i++)
        if (strcmp(config_groups[i].kind, kind) == 0)
            return &config_groups[i];
    return NULL;
}

void *config_group_entry(const struct config_group *group, const struct config *config, int index)
{
    return (char *)config + group->list + (size_t)index * group->size;
}

int config_group_size(const struct config_group *group, const struct config *config)
{
    return *(const int *)((const char *)config + group->count);
}

static void print_type(FILE *out, const struct config_key *key)
{
    if (key->type == CONFIG_TYPE_INT)
        fprintf(out, "%d..%d", key->min, key->max);
    else
        fputs(key->choices ? key->choices : type_names[key->type], out);
}

void config_print_keys(FILE *out)
{
    for (const struct config_key *key = config_keys; key < config_keys + config_key_count; key++) {
        fprintf(out, "%s\t%s\t", key->section, key->name);
        print_type(out, key);
        fprintf(out, "\t%s\t%s\t%s\n", key->initial, key->reload == CONFIG_RELOAD ? "yes" : "no", key->help);
    }
}
