#include "daemon/metrics.h"

#include "base/clock.h"
#include "store/store_keep.h"
#include "store/store_view.h"

#include <string.h>

enum { BUCKETS = 12, STATUSES = 14, CAUSES = 27 };

static const char *const counter_names[METRIC_COUNTERS][2] = {
    {"associations_total", "Associations accepted."},
    {"accepts_failed_total", "Attempts to take a connection that failed for want of descriptors or memory."},
    {"objects_stored_total", "Objects stored and acknowledged."},
    {"objects_known_total", "Objects that came again with the same data set."},
    {"attempts_failed_total", "Job attempts that ended in a crash, a time-out or an error."},
    {"results_analysed_total", "Results of an encoder."},
    {"results_not_analysed_total", "Results that say why nothing was analysed."},
    {"results_outside_domain_total",
     "Results of an encoder whose study lies outside the domain of its model: no label was assessed."},
    {"reports_delivered_total", "Reports, HL7 messages and events that a destination has acknowledged."},
    {"deliveries_retried_total", "Delivery attempts that will be repeated."},
    {"deliveries_parked_total", "Deliveries refused for good."},
    {"objects_dropped_total", "Objects removed by retention."},
    {"studies_withdrawn_total", "Studies withdrawn as a whole."},
};

static const char *const histogram_names[METRIC_HISTOGRAMS][2] = {
    {"store_seconds", "Time from a C-STORE request to its response."},
    {"job_seconds", "Time from a job's claim to its recorded result."},
    {"encode_seconds", "Time in the encoder."},
    {"send_seconds", "Time of one delivery attempt."},
};

static const double bounds[BUCKETS] = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 900};

/* The statuses that can be refused with. */
static const char *const statuses[STATUSES] = {
    "A700",         "A900",         "A901",         "C000",         "0110",         "0122",  "0124",
    "reject 1,1,1", "reject 1,1,2", "reject 1,1,3", "reject 1,1,7", "reject 2,3,2", "abort", "other"};

// clang-format off
/* Why: of who may call, of what is too much, of what is wrong with an object, of what is wrong here. */
static const char *const causes[CAUSES] = {
    "unknown_peer", "other_address", "called_ae", "application_context", "not_allowed",
    "too_many_associations", "too_many_of_peer", "too_many_connections", "too_many_studies", "object_too_large",
    "request_timeout", "idle_timeout", "timeout", "too_slow", "broken",
    "class_not_agreed", "identity", "patient_conflict", "unreadable",
    "below_reserve", "storage_full", "storage_failure", "database_busy", "database_damaged", "no_memory",
    "stopping", "other"};
// clang-format on

// clang-format off
/* Why nothing was analysed: of models, of what came, of series, of geometry and pixels, of the gate, of
 * attempts. tests/house compares them with the words of docs/volumes.md, conf/series.json and the modules. A
 * worker may say any word, and so may a site's own rules: what is not listed is "other". */
static const char *const reasons[] = {
    "no_model_for_modality", "no_model_matches", "model_unavailable", "model_not_configured", "pixels_dropped", "no_study_path",
    "no_ct_or_mr_image", "study_too_old", "no_dicom_files", "no_study_uid", "several_studies", "precision_not_measured",
    "precision_out_of_bound", "precision_means",
    "no_series", "other_object", "other_modality", "no_pixels", "localizer", "derived", "bolus_tracking", "map", "burnt_in",
    "other_body_part", "no_rule", "colour_image", "single_image",
    "no_geometry", "no_uid", "mixed_sizes", "modality_lut", "mixed_rescale", "absurd_geometry", "no_pixel_spacing",
    "oblique_axes", "mixed_orientation", "too_few_slices", "too_many_slices", "mixed_phases", "mixed_series",
    "gantry_tilt", "irregular_shift", "incomplete_concatenation",
    "missing_slices", "irregular_spacing", "bad_rescale", "float_pixels",
    "volume_too_large", "spacing_too_coarse", "field_too_small", "stack_too_short", "other_role", "not_gated",
    "lossy_images", "incomplete_series", "missing_view", "not_finite", "constant_volume", "input_not_finite", "embedding_not_finite", "scores_not_finite",
    "worker_crashed", "worker_timeout", "worker_garbled", "worker_input", "worker_unsupported", "worker_nomem", "worker_io",
    "input", "unsupported", "model_changed", "report_impossible", "other"};
// clang-format on
enum { REASONS = sizeof reasons / sizeof *reasons };

static struct {
    atomic_ullong counters[METRIC_COUNTERS];
    atomic_ullong refusals[STATUSES];
    atomic_ullong by_cause[CAUSES];
    atomic_ullong by_reason[REASONS];
    struct {
        atomic_ullong buckets[BUCKETS + 1];
        atomic_ullong microseconds;
    } histograms[METRIC_HISTOGRAMS];
} metrics;

void metrics_count(enum metric_counter counter)
{
    metrics.counters[counter]++;
}

void metrics_add(enum metric_counter counter, int count)
{
    metrics.counters[counter] += (unsigned)count;
}

void metrics_observe(enum metric_histogram histogram, double seconds)
{
    int bucket = 0;
    while (bucket < BUCKETS && seconds > bounds[bucket])
        bucket++;
    metrics.histograms[histogram].buckets[bucket]++;
    metrics.histograms[histogram].microseconds += (unsigned long long)(seconds * 1e6);
}

/* The last row takes what is not listed. */
static int row_of(const char *const *names, int count, const char *name)
{
    int row = 0;
    while (row < count - 1 && strcmp(names[row], name) != 0)
        row++;
    return row;
}

void metrics_refused(const char *status, const char *cause)
{
    if (status)
        metrics.refusals[row_of(statuses, STATUSES, status)]++;
    metrics.by_cause[row_of(causes, CAUSES, cause)]++;
}

void metrics_not_analysed(const char *reason)
{
    metrics.by_reason[row_of(reasons, REASONS, reason ? reason : "other")]++;
}

static void write_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP cardioscribe_%s %s\n# TYPE cardioscribe_%s %s\n", name, help, name, type);
}

static void write_counters(FILE *out)
{
    for (int i = 0; i < METRIC_COUNTERS; i++) {
        write_head(out, counter_names[i][0], "counter", counter_names[i][1]);
        fprintf(out, "cardioscribe_%s %llu\n", counter_names[i][0], metrics.counters[i]);
    }
    write_head(out, "refusals_total", "counter", "Objects and associations not accepted, by status.");
    for (int i = 0; i < STATUSES; i++)
        fprintf(out, "cardioscribe_refusals_total{status=\"%s\"} %llu\n", statuses[i], metrics.refusals[i]);
    write_head(out, "refusals_by_cause_total", "counter",
               "The same by cause, and associations that were ended for a time-out.");
    for (int i = 0; i < CAUSES; i++)
        fprintf(out, "cardioscribe_refusals_by_cause_total{cause=\"%s\"} %llu\n", causes[i],
                metrics.by_cause[i]);
    write_head(out, "not_analysed_total", "counter",
               "Results that say why nothing was analysed, and studies declined without one, by reason.");
    for (int i = 0; i < REASONS; i++)
        fprintf(out, "cardioscribe_not_analysed_total{reason=\"%s\"} %llu\n", reasons[i],
                metrics.by_reason[i]);
}

static void write_histogram(FILE *out, int which)
{
    const char *name = histogram_names[which][0];
    unsigned long long total = 0;
    write_head(out, name, "histogram", histogram_names[which][1]);
    for (int i = 0; i < BUCKETS; i++) {
        total += metrics.histograms[which].buckets[i];
        fprintf(out, "cardioscribe_%s_bucket{le=\"%g\"} %llu\n", name, bounds[i], total);
    }
    total += metrics.histograms[which].buckets[BUCKETS];
    fprintf(out, "cardioscribe_%s_bucket{le=\"+Inf\"} %llu\n", name, total);
    fprintf(out, "cardioscribe_%s_sum %.6f\n", name, (double)metrics.histograms[which].microseconds / 1e6);
    fprintf(out, "cardioscribe_%s_count %llu\n", name, total);
}

/* Waiting states have an age. */
static const struct {
    const char *name, *help, *oldest_help, *states[10], *waiting[5];
} groups[] = {
    {"studies",
     "Studies by state.",
     "Seconds since the last object of the study that waits longest, by state.",
     {"receiving", "queued", "encoding", "encoded", "delivered", "declined", "parked", "undelivered",
      "withdrawn"},
     {"receiving", "queued", "encoding", "encoded"}},
    {"jobs",
     "Jobs by state; queued is the length of the queue.",
     "Age of the oldest job, by state.",
     {"queued", "running", "done", "failed", "superseded"},
     {"queued", "running"}},
    {"deliveries",
     "Deliveries by state; pending is the length of the outbox.",
     "Age of the oldest result that is not delivered, by state.",
     {"pending", "delivered", "parked", "withdrawn"},
     {"pending"}},
};

static void write_groups(FILE *out, const json_t *counts, const json_t *oldest)
{
    double now_ms = (double)clock_unix_ms();
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        const json_t *count = json_object_get(counts, groups[i].name);
        const json_t *since = json_object_get(oldest, groups[i].name);
        write_head(out, groups[i].name, "gauge", groups[i].help);
        for (const char *const *state = groups[i].states; *state; state++)
            fprintf(out, "cardioscribe_%s{state=\"%s\"} %lld\n", groups[i].name, *state,
                    (long long)json_integer_value(json_object_get(count, *state)));
        fprintf(out,
                "# HELP cardioscribe_%s_oldest_seconds %s\n# TYPE cardioscribe_%s_oldest_seconds gauge\n",
                groups[i].name, groups[i].oldest_help, groups[i].name);
        for (const char *const *state = groups[i].waiting; *state; state++) {
            double since_ms = (double)json_integer_value(json_object_get(since, *state));
            fprintf(out, "cardioscribe_%s_oldest_seconds{state=\"%s\"} %.3f\n", groups[i].name, *state,
                    since_ms > 0 ? (now_ms - since_ms) / 1000 : 0.0);
        }
    }
}

static void write_gauge(FILE *out, const char *name, const char *help, double value)
{
    write_head(out, name, "gauge", help);
    fprintf(out, "cardioscribe_%s %.17g\n", name, value);
}

static void write_gauges(FILE *out, const struct service *service, double free_bytes)
{
    int64_t used_bytes = 0;
    struct err unreadable = ERR_INIT;
    if (store_keep_used(service->store, &used_bytes, &unreadable))
        write_gauge(out, "spool_used_bytes", "Bytes of the objects that are kept.", (double)used_bytes);
    write_gauge(out, "workers_ready", "Worker processes that can take a job.", service->workers_ready);
    write_gauge(out, "models_ready", "Model folders that opened.", service->models_ready);
    write_gauge(out, "packed_bytes", "Bytes of packed weights that all workers share.",
                (double)service->packed_bytes);
    write_gauge(out, "spool_free_bytes", "Bytes free where the state folder is.", free_bytes);
    write_gauge(out, "spool_reserve_bytes", "Bytes below which objects are refused.",
                (double)service->config->storage.reserve_mb * 1048576);
    write_gauge(out, "uptime_seconds", "Seconds since the service started.",
                (double)(clock_unix_ms() - service->started_ms) / 1000);
}

bool metrics_write(struct service *service, FILE *out, struct err *err)
{
    uint64_t free_bytes = 0;
    if (!spool_free_bytes(service->spool, &free_bytes, err))
        return false;
    struct err unreadable = ERR_INIT;
    json_t *counts = store_view_counts(service->store, &unreadable);
    json_t *oldest = counts ? store_view_oldest(service->store, &unreadable) : NULL;
    write_counters(out);
    for (int i = 0; i < METRIC_HISTOGRAMS; i++)
        write_histogram(out, i);
    if (oldest)
        write_groups(out, counts, oldest);
    write_gauge(out, "database_readable", "0: what is counted from the database is left out.",
                oldest ? 1 : 0);
    write_gauges(out, service, (double)free_bytes);
    json_decref(counts);
    json_decref(oldest);
    return true;
}
