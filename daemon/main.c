/* Order of start and stop, signals, watchdog. Rooms open from the ground up and close from the top down:
 * spool and store, models, reconciliation, pool, courier, API, and the listener and the assembler that asks
 * it last, so that nothing is acknowledged before everything behind it stands. They close the other way
 * round, but for the bells, which outlive every thread. */
#include "base/clock.h"
#include "daemon/api.h"
#include "daemon/assembler.h"
#include "daemon/courier.h"
#include "daemon/janitor.h"
#include "daemon/keeper.h"
#include "daemon/log.h"
#include "daemon/pool.h"
#include "daemon/receiver.h"
#include "dicom/dicom_head.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>

static const char usage[] =
    "usage: cardioscribed -c FILE [--check]\n"
    "       cardioscribed --print-keys | --print-routes | --version | --help\n"
    "\n"
    "Receives cardiac CT and MR studies over DICOM C-STORE, analyses them, and sends the results back as\n"
    "Structured Reports. See cardioscribed(8) and cardioscribed.conf(5).\n"
    "\n"
    "  -c, --config FILE   configuration file\n"
    "      --check         read the configuration and the rules it names, say whether they are right, and "
    "end\n"
    "      --print-keys    every configuration key: section, key, type, default, reloadable, help\n"
    "      --print-routes  every REST route\n";

/* START_S: any step of the start; CHECK_MB_S: of the database; LOOK_S_MB: for the objects that one MB of the
 * database names. LOOK_US: between looks at the rooms. */
enum { START_S = 90, CHECK_MB_S = 4, LOOK_S_MB = 10, LOOK_US = 1000000 };

struct rooms {
    struct service service;
    struct config *config;     /* the running one, which holds those that it replaced */
    struct rulebook *rulebook; /* likewise */
    struct routebook *routebook;
    struct arena *arena;
    struct janitor *janitor;
    struct pool *pool;
    struct assembler *assembler;
    struct courier *courier;
    struct api *api;
    struct receiver *receiver;
    struct keeper *keeper;
    const struct pulse *stuck; /* as told last */
};

/* systemd gives up on a start that it hears nothing of: it is told what is done now, and for how long at
 * most.
 */
static void announce(const char *step, int64_t most_s)
{
    sd_notifyf(0, "STATUS=%s\nEXTEND_TIMEOUT_USEC=%lld", step, (long long)most_s * 1000000);
}

static int64_t size_mb_of(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? status.st_size >> 20 : 0;
}

/* Every page is read. source: docs/architecture.md: measured at 40 MB/s and more; a disk may be ten times as
 * slow. */
static struct store *open_store(const char *path, struct err *err)
{
    int64_t size_mb = size_mb_of(path), begin_ms = clock_monotonic_ms();
    announce("checking the database", START_S + size_mb / CHECK_MB_S);
    log_event(LOG_INFO, "checking_database", "size_mb=%lld, every page is read", (long long)size_mb);
    struct store *store = store_open(path, err);
    if (store)
        log_event(LOG_INFO, "database_checked", "size_mb=%lld seconds=%.1f", (long long)size_mb,
                  (double)(clock_monotonic_ms() - begin_ms) / 1000);
    return store;
}

static bool look_for_objects(struct service *service, struct err *err)
{
    char path[PATH_MAX];
    spool_path(service->spool, "cardioscribe.db", path);
    announce("looking for every object", START_S + size_mb_of(path) * LOOK_S_MB);
    return janitor_reconcile(service, err);
}

static void publish_rulebook(struct rooms *rooms, struct rulebook *rulebook)
{
    rulebook->replaced = rooms->rulebook;
    rooms->rulebook = rulebook;
    rooms->service.rulebook = rulebook;
    log_event(LOG_INFO, "series_rules", "source=%s rules=%d sha256=%.12s",
              rulebook->text ? "file" : "built_in", rulebook->rule_count, rulebook->sha256);
}

static void publish_routebook(struct rooms *rooms, struct routebook *routebook)
{
    routebook->replaced = rooms->routebook;
    rooms->routebook = routebook;
    rooms->service.routebook = routebook;
    log_event(LOG_INFO, "routing_rules", "rules=%d sha256=%.12s",
              routebook->rules ? routebook->rules->rule_count : 0, routebook_sha256(routebook));
}

static bool open_books(struct rooms *rooms, const struct config *config, struct err *err)
{
    struct rulebook *rulebook = rulebook_open(config->service.series_file, err);
    struct routebook *routebook = rulebook ? routebook_open(config, err) : NULL;
    if (!routebook) {
        rulebook_free(rulebook);
        return false;
    }
    publish_rulebook(rooms, rulebook);
    publish_routebook(rooms, routebook);
    return true;
}

static bool open_ground(struct rooms *rooms, struct err *err)
{
    struct service *service = &rooms->service;
    const struct config *config = service->config;
    char path[PATH_MAX];
    struct report_codes *codes;
    if (!dicom_library_init(err))
        return false;
    service->dictionary_ok = true;
    rooms->arena = arena_new();
    if (!rooms->arena)
        return err_fail(err, ERR_NOMEM, "no memory");
    if (!report_codes_load(config->service.codes_file, rooms->arena, &codes, err))
        return false;
    service->codes = codes;
    if (!open_books(rooms, config, err))
        return false;
    service->spool = spool_open(config->service.state_folder, err);
    if (!service->spool)
        return false;
    spool_path(service->spool, "cardioscribe.db", path);
    if (!janitor_index_sane(service, path, err))
        return false;
    service->store = open_store(path, err);
    return service->store != NULL;
}

static bool open_rooms(struct rooms *rooms, struct config *config, struct err *err)
{
    struct service *service = &rooms->service;
    if (!open_ground(rooms, err))
        return false;
    announce("opening the models", START_S + (config->model_count + 1LL) * config->pool.job_timeout_s);
    return (rooms->pool = pool_open(service, config, err)) && look_for_objects(service, err) &&
           pool_start(rooms->pool, err) && (rooms->courier = courier_start(service, err)) &&
           (rooms->janitor = janitor_start(service, err)) && (rooms->api = api_start(service, err)) &&
           (rooms->receiver = receiver_start(service, err)) &&
           (rooms->keeper = keeper_start(service, rooms->receiver, err)) &&
           (rooms->assembler = assembler_start(service, rooms->receiver, err));
}

static void close_rooms(struct rooms *rooms)
{
    rooms->service.stopping = true;
    assembler_stop(rooms->assembler);
    keeper_stop(rooms->keeper);
    receiver_stop(rooms->receiver);
    api_stop(rooms->api);
    janitor_stop(rooms->janitor);
    pool_stop(rooms->pool);
    courier_stop(rooms->courier);
    store_close(rooms->service.store);
    spool_close(rooms->service.spool);
    bell_done(&rooms->service.arrivals);
    bell_done(&rooms->service.jobs);
    bell_done(&rooms->service.outbox);
    bell_done(&rooms->service.removals);
    arena_free(rooms->arena);
    dicom_library_done();
}

/* Blocks the signals for every thread to come; they are taken by wait_for_end alone. */
static sigset_t block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return set;
}

/* What cannot be read, or does not fit, changes nothing. */
static struct config *read_again(const struct config *running, struct config_changes *ret,
                                 struct rulebook **ret_rulebook, struct routebook **ret_routebook)
{
    struct err err = ERR_INIT;
    struct config *wanted = config_load(running->path, &err);
    struct config *merged = wanted ? config_merge(running, wanted, ret, &err) : NULL;
    struct rulebook *rulebook = merged ? rulebook_open(merged->service.series_file, &err) : NULL;
    struct routebook *routebook = rulebook ? routebook_open(merged, &err) : NULL;
    config_free(wanted);
    *ret_rulebook = rulebook;
    *ret_routebook = routebook;
    if (routebook)
        return merged;
    rulebook_free(rulebook);
    config_free(merged);
    log_event(LOG_ERROR, "reload_refused", "cause=%s, the running configuration stays", log_text(err.text));
    return NULL;
}

static void publish(struct rooms *rooms, struct config *config)
{
    config->replaced = rooms->config;
    rooms->config = config;
    rooms->service.config = config;
    log_set_level(config->service.log_level);
    courier_follow(rooms->courier);
}

static void reload(struct rooms *rooms)
{
    struct config_changes changes;
    struct rulebook *rulebook;
    struct routebook *routebook;
    struct config *config = read_again(rooms->config, &changes, &rulebook, &routebook);
    if (!config)
        return;
    if (strcmp(rulebook->sha256, rooms->rulebook->sha256) != 0)
        publish_rulebook(rooms, rulebook);
    else
        rulebook_free(rulebook);
    if (*changes.applied)
        publish(rooms, config);
    else
        config_free(config);
    if (strcmp(routebook_sha256(routebook), routebook_sha256(rooms->routebook)) != 0)
        publish_routebook(rooms, routebook);
    else
        routebook_free(routebook);
    if (*changes.after_restart)
        log_event(LOG_WARNING, "reload_incomplete", "keys=\"%s\", takes effect after restart",
                  changes.after_restart);
    log_event(LOG_INFO, "reloaded", "applied=\"%s\"", changes.applied);
}

/* One line when the first room is stuck and one when none is any more. */
static bool all_alive(struct rooms *rooms)
{
    int64_t late_ms, after_ms = rooms->config->service.stuck_after_s * 1000LL;
    const struct pulse *stuck = pulse_stuck(&rooms->service.pulses, after_ms, &late_ms);
    if (stuck && !rooms->stuck)
        log_event(LOG_ERROR, "room_stuck", "room=%s late_s=%lld, systemd is not told that all is well",
                  log_text(stuck->name), (long long)late_ms / 1000);
    else if (!stuck && rooms->stuck)
        log_event(LOG_INFO, "room_back", "room=%s", log_text(rooms->stuck->name));
    rooms->stuck = stuck;
    return !stuck;
}

static int wait_for_end(struct rooms *rooms, const sigset_t *set)
{
    uint64_t watchdog_us = 0;
    bool watched = sd_watchdog_enabled(0, &watchdog_us) > 0;
    uint64_t step_us = watched && watchdog_us / 2 < LOOK_US ? watchdog_us / 2 : LOOK_US;
    struct timespec step = {(time_t)(step_us / 1000000), (long)(step_us % 1000000) * 1000};
    for (;;) {
        int number = sigtimedwait(set, NULL, &step);
        if (number > 0 && number != SIGHUP)
            return number;
        if (all_alive(rooms) && watched)
            sd_notify(0, "WATCHDOG=1");
        if (number != SIGHUP)
            continue;
        sd_notify(0, "RELOADING=1");
        reload(rooms);
        sd_notify(0, "READY=1");
    }
}

/* Takes the configuration. */
static int serve(struct config *config)
{
    struct rooms rooms = {.service = {.config = config, .started_ms = clock_unix_ms()}, .config = config};
    struct err err = ERR_INIT;
    sigset_t signals = block_signals();
    bell_init(&rooms.service.arrivals);
    bell_init(&rooms.service.jobs);
    bell_init(&rooms.service.outbox);
    bell_init(&rooms.service.removals);
    log_set_level(config->service.log_level);
    log_event(LOG_INFO, "starting", "version=%s", CARDIOSCRIBE_VERSION);
    bool ok = open_rooms(&rooms, config, &err);
    if (ok) {
        log_event(LOG_INFO, "ready", "dicom=%s:%d ae=%s api=%s:%d models=%d intended_use=%s",
                  config->listener.address, config->listener.port, log_text(config->listener.ae_title),
                  config->api.address, config->api.port, config->model_count, config->service.intended_use);
        sd_notify(0, "READY=1");
        int number = wait_for_end(&rooms, &signals);
        sd_notify(0, "STOPPING=1");
        log_event(LOG_INFO, "stopping", "signal=%d", number);
    } else {
        log_event(LOG_ERROR, "not_started", "code=%s cause=%s", err_code_name(err.code), log_text(err.text));
    }
    close_rooms(&rooms);
    config_free(rooms.config);
    rulebook_free(rooms.rulebook);
    routebook_free(rooms.routebook);
    log_event(LOG_INFO, "stopped", "clean=%s", ok ? "yes" : "no");
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool books_correct(const struct config *config, int *ret_series_rules, int *ret_routing_rules)
{
    struct err err = ERR_INIT;
    struct rulebook *rulebook = rulebook_open(config->service.series_file, &err);
    struct routebook *routebook = NULL;
    if (!rulebook)
        fprintf(stderr, "%s: service.series_file: %s\n", config->path, err.text);
    else if ((*config->service.routes_file && !dicom_library_init(&err)) ||
             !(routebook = routebook_open(config, &err)))
        fprintf(stderr, "%s: service.routes_file: %s\n", config->path, err.text);
    bool ok = routebook != NULL;
    *ret_series_rules = ok ? rulebook->rule_count : 0;
    *ret_routing_rules = ok && routebook->rules ? routebook->rules->rule_count : 0;
    rulebook_free(rulebook);
    routebook_free(routebook);
    return ok;
}

/* Takes the configuration. */
static int check(struct config *config)
{
    int series_rules, routing_rules;
    bool ok = books_correct(config, &series_rules, &routing_rules);
    if (ok)
        printf("%s: correct, %d peers, %d models, %d series rules, %d routing rules\n", config->path,
               config->peer_count, config->model_count, series_rules, routing_rules);
    config_free(config);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

struct arguments {
    const char *config;
    bool check;
};

/* Returns -1 to go on, or the exit status. */
static int read_arguments(int argc, char **argv, struct arguments *arguments)
{
    enum { CHECK = 256, KEYS, ROUTES, VERSION, HELP };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, CHECK},
        {"print-keys", no_argument, NULL, KEYS},
        {"print-routes", no_argument, NULL, ROUTES},
        {"version", no_argument, NULL, VERSION},
        {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "c:", options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            arguments->config = optarg;
            break;
        case CHECK:
            arguments->check = true;
            break;
        case KEYS:
            config_print_keys(stdout);
            return EXIT_SUCCESS;
        case ROUTES:
            api_print_routes(stdout);
            return EXIT_SUCCESS;
        case VERSION:
            puts("cardioscribed " CARDIOSCRIBE_VERSION);
            return EXIT_SUCCESS;
        case HELP:
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            return 2;
        }
    }
    if (arguments->config && optind == argc)
        return -1;
    fputs(usage, stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct err err = ERR_INIT;
    int status = read_arguments(argc, argv, &arguments);
    if (status >= 0)
        return status;
    struct config *config = config_load(arguments.config, &err);
    if (!config) {
        fprintf(stderr, "%s\n", err.text);
        return EXIT_FAILURE;
    }
    return arguments.check ? check(config) : serve(config);
}
