#include "daemon/metrics.h"

#include "base/clock.h"
#include "store/store_view.h"

#include <string.h>

enum { BUCKETS = 12, STATUSES = 16 };

static const char *const counter_names[METRIC_COUNTERS][2] = {
    {"associations_total", "Associations accepted."},
    {"objects_stored_total", "Objects stored and acknowledged."},
    {"objects_known_total", "Objects that came again with the same data set."},
    {"attempts_failed_total", "Job attempts that ended in a crash, a time-out or an error."},
    {"results_analysed_total", "Results of an encoder."},
    {"results_not_analysed_total", "Results that say why nothing was analysed."},
    {"reports_delivered_total", "Reports a destination has acknowledged."},
    {"deliveries_retried_total", "Delivery attempts that will be repeated."},
    {"deliveries_parked_total", "Deliveries refused for good."},
};

static const char *const histogram_names[METRIC_HISTOGRAMS][2] = {
    {"store_seconds", "Time from a C-STORE request to its response."},
    {"job_seconds", "Time from a job's claim to its recorded result."},
    {"encode_seconds", "Time in the encoder."},
    {"send_seconds", "Time of one delivery attempt."},
};

static const double bounds[BUCKETS] = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 900};

/* The statuses that can be refused with; the last row takes the rest. */
static const char *const statuses[STATUSES] = {"A700",         "A900",         "A901",         "C000",
                                               "0110",         "0122",         "0124",         "reject 1,1,1",
                                               "reject 1,1,2", "reject 1,1,3", "reject 1,1,7", "reject 2,3,1",
                                               "reject 2,3,2", "abort",        "timeout",      "other"};

static struct {
    atomic_ullong counters[METRIC_COUNTERS];
    atomic_ullong refusals[STATUSES];
    struct {
        atomic_ullong buckets[BUCKETS + 1];
        atomic_ullong microseconds;
    } histograms[METRIC_HISTOGRAMS];
} metrics;

void metrics_count(enum metric_counter counter)
{
    metrics.counters[counter]++;
}

void metrics_observe(enum metric_histogram histogram, double seconds)
{
    int bucket = 0;
    while (bucket < BUCKETS && seconds > bounds[bucket])
        bucket++;
    metrics.histograms[histogram].buckets[bucket]++;
    metrics.histograms[histogram].microseconds += (unsigned long long)(seconds * 1e6);
}

void metrics_refused(const char *status)
{
    int row = 0;
    while (row < STATUSES - 1 && strcmp(statuses[row], status) != 0)
        row++;
    metrics.refusals[row]++;
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

static void write_group(FILE *out, const json_t *counts, const char *key, const char *help)
{
    const char *state;
    json_t *number;
    write_head(out, key, "gauge", help);
    json_object_foreach((json_t *)json_object_get(counts, key), state, number) fprintf(
        out, "cardioscribe_%s{state=\"%s\"} %lld\n", key, state, (long long)json_integer_value(number));
}

static void write_gauge(FILE *out, const char *name, const char *help, double value)
{
    write_head(out, name, "gauge", help);
    fprintf(out, "cardioscribe_%s %.17g\n", name, value);
}

bool metrics_write(struct service *service, FILE *out, struct err *err)
{
    json_t *counts = store_view_counts(service->store, err);
    uint64_t free_bytes = 0;
    if (!counts || !spool_free_bytes(service->spool, &free_bytes, err)) {
        json_decref(counts);
        return false;
    }
    write_counters(out);
    for (int i = 0; i < METRIC_HISTOGRAMS; i++)
        write_histogram(out, i);
    write_group(out, counts, "studies", "Studies by state.");
    write_group(out, counts, "jobs", "Jobs by state; queued is the length of the queue.");
    write_group(out, counts, "deliveries", "Deliveries by state; pending is the length of the outbox.");
    json_decref(counts);
    write_gauge(out, "workers_ready", "Worker processes that can take a job.", service->workers_ready);
    write_gauge(out, "models_ready", "Model folders that opened.", service->models_ready);
    write_gauge(out, "spool_free_bytes", "Bytes free where the state folder is.", (double)free_bytes);
    write_gauge(out, "spool_reserve_bytes", "Bytes below which objects are refused.",
                (double)service->config->storage.reserve_mb * 1048576);
    write_gauge(out, "uptime_seconds", "Seconds since the service started.",
                (double)(clock_unix_ms() - service->started_ms) / 1000);
    return true;
}
