#include "daemon/completeness.h"

#include <string.h>

static int larger(int one, int other)
{
    return one > other ? one : other;
}

static const struct config_peer *peer_named(const struct config *config, const char *name)
{
    for (int i = 0; i < config->peer_count; i++)
        if (strcmp(config->peers[i].name, name) == 0)
            return &config->peers[i];
    return NULL;
}

/* -1 in a peer's section: that of [assembly]. */
static int seconds(int own, int of_all)
{
    return own < 0 ? of_all : own;
}

struct sum {
    int series_quiet_s, study_quiet_s, force_s;
    bool trusted;
    struct study_expected expected;
};

static bool add_peer(const struct config *config, const struct config_peer *peer, struct arena *arena,
                     struct sum *sum)
{
    struct study_expected *expected = &sum->expected;
    sum->series_quiet_s = larger(sum->series_quiet_s,
                                 seconds(peer ? peer->series_quiet_s : -1, config->assembly.series_quiet_s));
    sum->study_quiet_s =
        larger(sum->study_quiet_s, seconds(peer ? peer->study_quiet_s : -1, config->assembly.study_quiet_s));
    sum->force_s =
        larger(sum->force_s, seconds(peer ? peer->study_force_s : -1, config->assembly.study_force_s));
    if (!peer)
        return true;
    sum->trusted |= peer->trust_counts;
    expected->series = larger(expected->series, peer->expected_series);
    expected->images = larger(expected->images, peer->expected_instances);
    if (*peer->required_series && strcmp(peer->required_series, expected->required) != 0)
        expected->required = arena_printf(arena, "%s%s%s", expected->required, *expected->required ? "," : "",
                                          peer->required_series);
    return expected->required != NULL;
}

bool completeness_of(const struct config *config, const struct completeness_source *source,
                     struct arena *arena, struct completeness *ret, struct err *err)
{
    struct sum sum = {.expected = {.required = ""}};
    bool ok = source->peer_count > 0 || add_peer(config, NULL, arena, &sum);
    for (int i = 0; ok && i < source->peer_count; i++)
        ok = add_peer(config, peer_named(config, source->peers[i]), arena, &sum);
    if (!ok)
        return err_fail(err, ERR_NOMEM, "no memory for what a study waits for");
    if (sum.trusted) {
        sum.expected.all_series = source->stated_series;
        sum.expected.all_objects = source->stated_objects;
    }
    *ret = (struct completeness){sum.series_quiet_s * 1000LL, sum.study_quiet_s * 1000LL,
                                 sum.force_s * 1000LL, sum.expected};
    return true;
}

static bool run_out(int64_t since_ms, int64_t wait_ms, int64_t now_ms)
{
    return now_ms - since_ms >= wait_ms || since_ms > now_ms;
}

bool completeness_overdue(const struct completeness *completeness, const struct store_receiving *study,
                          int64_t now_ms)
{
    return study->forced || now_ms - study->receiving_ms >= completeness->force_ms;
}

/* What was expected came, or the study is quiet, in time. */
static bool quiet(const struct completeness *completeness, const struct store_receiving *study,
                  int64_t now_ms)
{
    bool series = run_out(study->newest_series_ms, completeness->series_quiet_ms, now_ms);
    return series && (study_expects_anything(&completeness->expected) ||
                      run_out(study->last_object_ms, completeness->study_quiet_ms, now_ms));
}

bool completeness_ripe(const struct completeness *completeness, const struct store_receiving *study,
                       int64_t now_ms)
{
    return completeness_overdue(completeness, study, now_ms) || quiet(completeness, study, now_ms);
}

const char *completeness_cause(const struct completeness *completeness, const struct store_receiving *study,
                               bool all_came, int64_t now_ms)
{
    if (study->forced)
        return "forced";
    if (all_came && quiet(completeness, study, now_ms))
        return study_expects_anything(&completeness->expected) ? "rules_met" : "quiet";
    return completeness_overdue(completeness, study, now_ms) ? "force_timer" : NULL;
}
