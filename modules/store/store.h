/* The index: what arrived, what is to be done, what came of it. SQLite in WAL mode behind this header.
 *
 * Every public function is one transaction: it has happened whole, and survives a power cut, or not at all.
 * threads: any, all functions; one connection with its own lock.
 * errors:  ERR_FULL (disk), ERR_BUSY (locked by another process for 3 s), ERR_CORRUPT (damaged; never
 * recreated, and once seen nothing is written any more), ERR_IO, ERR_NOMEM, ERR_BUG (a statement broke a
 * constraint). Not repeated below. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/arena.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/uid.h"
#include "dicom/dicom_records.h"

#include <stddef.h>
#include <stdint.h>

struct store;

/* Open or create the database and bring its schema up to date, migration by migration. owns: caller closes.
 */
struct store *store_open(const char *path, struct err *err);
void store_close(struct store *store); /* accepts NULL */

/* Can it be written now? A probe for readiness: writes what is there already. */
bool store_probe(struct store *store, struct err *err);

/* ---- arrival ------------------------------------------------------------------------------------------- */

struct store_object {
    const struct dicom_identity *id;
    bool feeds_encoder; /* CT or MR image class; a segmentation, where a model needs one */
    const char *data_sha256, *path;
    int64_t size_bytes, received_ms;
    const char *peer_ae, *peer_address;
    const char *source;                /* the name of the peer's section; NULL: unknown */
    int stated_series, stated_objects; /* what it says of the whole study; 0: nothing */
};

enum store_outcome {
    STORE_NEW,
    STORE_SAME,     /* this data set is here already: nothing changed */
    STORE_CHANGED,  /* the same SOP Instance UID with another data set: both kept, this one current */
    STORE_CONFLICT, /* the study is there with another Patient ID: nothing written */
    STORE_WITHDRAWN /* the object was withdrawn before: nothing written, its file is not wanted */
};

struct store_put {
    enum store_outcome outcome;
    int64_t study;
    int revision;
    bool reopened; /* the study had been complete and has a new revision now */
};

/* Record an object whose file is in place. An input object opens the study, or reopens it as a new revision;
 * a side object, and a report of ours that comes back, changes no state. One that retention had dropped is
 * kept again, which changes no state either. */
bool store_put(struct store *store, const struct store_object *object, struct store_put *ret,
               struct err *err);

/* Is this the file of an object as it was acknowledged last? Then its sender need only be told so again. */
bool store_object_current(struct store *store, const char *path, bool *ret, struct err *err);

/* Is a committed row of an object, current or not, or of a report, pointing at this file? */
bool store_path_known(struct store *store, const char *path, bool *ret, struct err *err);

/* A row of what was not accepted. *ret_id: its number, for the log. Empty strings where unknown. */
struct store_refusal {
    const char *peer_ae, *peer_address, *study_uid, *sop_class, *sop_uid, *status, *cause;
};
bool store_refuse(struct store *store, const struct store_refusal *refusal, int64_t now_ms, int64_t *ret_id,
                  struct err *err);
bool store_forget_refusals(struct store *store, int64_t before_ms, struct err *err);

/* ---- reconciliation at start --------------------------------------------------------------------------- */

/* Calls back with every instance file the index knows (lost ones too): reports whether it is there. */
typedef bool (*store_file_exists)(void *context, const char *path);
/* Marks rows whose file is gone as lost, and found again ones as there. *ret_lost: rows newly marked. */
bool store_check_files(struct store *store, store_file_exists exists, void *context, int *ret_lost,
                       struct err *err);
/* Jobs that ran when the last process ended go back to the queue, without costing an attempt. */
bool store_requeue_running(struct store *store, int *ret_count, struct err *err);

/* ---- assembly ------------------------------------------------------------------------------------------ */

/* Is the study in use by an open association? Called under the store's lock: it may take locks of its own,
 * but not call the store. */
typedef bool (*store_study_held)(void *context, const char *study_uid);

/* A study in `receiving`. */
struct store_receiving {
    int64_t study;
    int revision;
    bool forced;
    int64_t receiving_ms;     /* since when this revision is */
    int64_t last_object_ms;   /* when its newest input object came; its first object, when none came */
    int64_t newest_series_ms; /* when its newest object of any kind came, but for what lies in the future */
    int stated_series, stated_objects; /* the largest number that its objects say */
    char study_date[17], study_uid[UID_SIZE];
    const char **sources; /* names of the peers that sent it; arena */
    int source_count;
};

/* Those behind the row number `after`, in the order of their numbers. Returns how many, at most max; -1 on
 * failure. */
int store_receiving(struct store *store, int64_t after, int64_t now_ms, struct arena *arena,
                    struct store_receiving *studies, int max, struct err *err);

struct store_series {
    char series_uid[UID_SIZE];
    const char *modality, *description;
    int input_count;
    int dropped_count; /* of them: their files are gone, by retention */
};
/* The series of a study with current input objects, in an arena; none when nothing but side objects came. */
bool store_input_series(struct store *store, int64_t study, struct arena *arena, struct store_series **ret,
                        int *ret_count, struct err *err);
/* Of every kind, each as it came last. */
bool store_count_objects(struct store *store, int64_t study, int *ret_series, int *ret_objects,
                         struct err *err);

struct store_new_job {
    const char *model;  /* "" when nothing can analyse the study */
    bool live;          /* false: shadow, computed and kept, sent nowhere */
    const char *reason; /* for model "": why not analysed */
    int priority;       /* higher is taken first */
};
/* Why, and on what grounds, a study leaves `receiving`. */
struct store_start {
    int64_t study;
    int revision;
    int64_t last_object_ms; /* as it was when this was decided; -1: whatever came since */
    const char *cause;      /* "quiet", "rules_met", "forced", "force_timer" */
    const char *expected;   /* what was expected and what of it came; "": nothing was expected */
    bool expected_missing;
    const char *const *forward; /* destinations of the originals; their rows are written with the start */
    int forward_count;
};
/* receiving -> queued, with one job each. A job of an older revision that has not started is superseded.
 * *ret_started false: nothing was done, as the study is not receiving that revision any more, or another
 * input object has come. */
bool store_queue_study(struct store *store, const struct store_start *start, const struct store_new_job *jobs,
                       int job_count, int64_t now_ms, bool *ret_started, struct err *err);
/* receiving -> declined, without a report; of the start, its cause and what was expected are not kept. */
bool store_decline_study(struct store *store, const struct store_start *start, const char *reason,
                         int64_t now_ms, bool *ret_started, struct err *err);

enum store_force {
    STORE_FORCE_ACCEPTED, /* receiving: complete as soon as nothing holds it; declined, parked: analysed again
                             as a new revision */
    STORE_FORCE_UNKNOWN,
    STORE_FORCE_NOT_NOW /* queued, encoding, or there is an answer already */
};
bool store_force_study(struct store *store, int64_t study, int64_t now_ms, enum store_force *ret,
                       struct err *err);

/* ---- jobs ---------------------------------------------------------------------------------------------- */

struct store_job {
    int64_t id, study;
    int revision, attempts;
    bool live;
    const char *model, *reason;         /* arena */
    const char *started_by, *study_uid; /* arena */
    const char *expected;               /* see store_start; arena */
    bool expected_missing;
};

/* Take the oldest queued job for lease_ms. *ret is NULL when there is none. Study: queued -> encoding. */
bool store_claim_job(struct store *store, int64_t now_ms, int64_t lease_ms, struct arena *arena,
                     struct store_job **ret, struct err *err);

struct store_input {
    const char *path;
    char sop_class[UID_SIZE], sop_uid[UID_SIZE], series_uid[UID_SIZE];
};
struct store_inputs {
    struct store_input *items; /* current input objects that are not lost */
    int count;
    int lost_count, other_count;
};
bool store_job_inputs(struct store *store, int64_t study, struct arena *arena, struct store_inputs *ret,
                      struct err *err);

/* A worker failed: back to the queue with one attempt more. */
bool store_return_job(struct store *store, const struct store_job *job, const char *reason,
                      const char *detail, int64_t now_ms, struct err *err);

/* Back to the queue without an attempt: the fault was not the study's. */
bool store_release_job(struct store *store, const struct store_job *job, int64_t now_ms, struct err *err);
/* Is it still wanted? One whose study was withdrawn is not. */
bool store_job_runs(struct store *store, const struct store_job *job, bool *ret, struct err *err);
/* The job goes on beyond its lease. */
bool store_renew_job(struct store *store, const struct store_job *job, int64_t lease_until_ms,
                     struct err *err);

/* The job cannot end in a report: failed, and the study parked. */
bool store_fail_job(struct store *store, const struct store_job *job, const char *reason, const char *detail,
                    int64_t now_ms, struct err *err);

/* The newest report made of this model's results on the study, in an older revision. *found false when there
 * is none. */
struct store_document {
    char sop_class[UID_SIZE], sop_uid[UID_SIZE], series_uid[UID_SIZE];
};
bool store_predecessor(struct store *store, int64_t study, const char *model, int revision, bool *found,
                       struct store_document *ret, struct err *err);

struct store_finding {
    const char *label, *state;
    bool has_score, has_probability;
    double score, probability;
};
struct store_embedding {
    const char *organ; /* "" for the whole study's */
    const float *vector;
    int dim;
};
struct store_report {
    const char *sop_class, *sop_uid, *series_uid, *path, *sha256;
};
struct store_finish {
    const struct store_job *job;
    bool failed; /* attempts used up: the study is parked with `reason` */
    bool analysed;
    const char *reason; /* why nothing is said of it; "" when something is */
    const char *json;
    const struct store_embedding *embeddings;
    int embedding_count;
    const struct store_finding *findings;
    int finding_count;
    struct store_report report;
    const char *const *destinations;
    int destination_count;
    int priority;               /* of the deliveries; higher goes first */
    const char *const *forward; /* destinations of the originals, if they were not sent before */
    int forward_count;
};
/* Result, embeddings, findings, report and outbox rows in one step. *ret_stale: the job is not running any
 * more (done by another, superseded): nothing was written. */
bool store_finish_job(struct store *store, const struct store_finish *finish, int64_t now_ms, bool *ret_stale,
                      struct err *err);

/* ---- delivery ------------------------------------------------------------------------------------------ */

enum store_what {
    STORE_WHAT_RESULT, /* the report or annotation of one result */
    STORE_WHAT_OBJECTS /* the study's originals; result is 0 */
};
struct store_delivery {
    enum store_what what;
    int64_t id, result, study;
    int64_t sent_upto; /* of objects: the last instance row that the destination has */
    int revision, attempts;
    char preferred_class[UID_SIZE]; /* what the destination took last, or "" */
};
/* The delivery due at a destination: the highest priority, then the oldest. *found false when there is none.
 * Of one study and model, and of one study's objects, none is due before the one that was queued before it
 * has ended. */
bool store_due_delivery(struct store *store, const char *destination, int64_t now_ms, bool *found,
                        struct store_delivery *ret, struct err *err);
/* The result's report in a class: path and UID in the arena; *ret NULL when it has none yet. */
bool store_find_report(struct store *store, int64_t result, const char *sop_class, struct arena *arena,
                       struct store_report **ret, struct err *err);
/* The result as it was recorded, in the arena; *ret NULL when there is no such result. */
bool store_result_json(struct store *store, int64_t result, struct arena *arena, const char **ret,
                       struct err *err);
/* A copy in another class; another route may have added the same one: then nothing happens. */
bool store_add_report(struct store *store, int64_t result, const struct store_report *report, int64_t now_ms,
                      struct err *err);
/* The originals of a revision, to each destination once: a row that is there already stays as it is. */
bool store_forward_objects(struct store *store, int64_t study, int revision, const char *const *destinations,
                           int count, int64_t now_ms, struct err *err);
/* in: report: what was stored there; NULL: no DICOM report (an annotation, originals). status: of DIMSE, -1
 * when none was spoken; here and below. Older annotations of the same study and model that wait there or were
 * parked are withdrawn: after this one they would be shown in its place. */
bool store_delivered(struct store *store, const struct store_delivery *delivery, const char *destination,
                     const struct store_report *report, int status, const char *note, int64_t now_ms,
                     struct err *err);
bool store_retry_delivery(struct store *store, const struct store_delivery *delivery, int status,
                          const char *cause, int64_t next_ms, int64_t now_ms, struct err *err);
bool store_park_delivery(struct store *store, const struct store_delivery *delivery, int status,
                         const char *cause, int64_t now_ms, struct err *err);
/* Parks what waits for destinations that are not in the list: nobody would ever take it. */
bool store_park_unrouted(struct store *store, const char *const *destinations, int count, int64_t now_ms,
                         int *ret_parked, struct err *err);
/* parked -> pending, or pending -> due now. *found false: no such delivery, or delivered or withdrawn. */
bool store_requeue_delivery(struct store *store, int64_t delivery, int64_t now_ms, bool *found,
                            struct err *err);

#endif
