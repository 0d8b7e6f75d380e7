#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "daemon/completeness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct config config;
static struct arena *arena;

/* Without keys of its own. */
static struct config_peer *add_peer(const char *name)
{
    struct config_peer *peer = &config.peers[config.peer_count++];
    *peer = (struct config_peer){.series_quiet_s = -1, .study_quiet_s = -1, .study_force_s = -1};
    snprintf(peer->name, sizeof peer->name, "%s", name);
    return peer;
}

static int set_up(void **state)
{
    (void)state;
    config = (struct config){.assembly = {.series_quiet_s = 30, .study_quiet_s = 60, .study_force_s = 500}};
    arena = arena_new();
    return arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* What a study waits for that these peers sent, separated by |. */
static struct completeness of(const char *peers, int stated_series, int stated_objects)
{
    const char *list[8];
    int count = 0;
    struct completeness ret;
    struct err err = ERR_INIT;
    char *rest, *text = arena_strdup(arena, peers);
    for (char *name = strtok_r(text, "|", &rest); name; name = strtok_r(NULL, "|", &rest))
        list[count++] = name;
    const struct completeness_source source = {list, count, stated_series, stated_objects};
    assert_true(completeness_of(&config, &source, arena, &ret, &err));
    return ret;
}

static void without_keys_of_its_own_a_peer_has_those_of_assembly(void **state)
{
    (void)state;
    add_peer("ct");
    const char *const peers[] = {"", "ct", "gone"};
    for (int i = 0; i < 3; i++) {
        struct completeness all = of(peers[i], 3, 40);
        assert_int_equal(all.series_quiet_ms, 30000);
        assert_int_equal(all.study_quiet_ms, 60000);
        assert_int_equal(all.force_ms, 500000);
        assert_false(study_expects_anything(&all.expected));
    }
}

static void a_peer_may_be_faster_or_slower_than_the_others(void **state)
{
    (void)state;
    struct config_peer *fast = add_peer("fast"), *slow = add_peer("slow");
    fast->series_quiet_s = 0;
    fast->study_quiet_s = 5;
    slow->study_quiet_s = 90;
    slow->study_force_s = 1000;
    struct completeness one = of("fast", 0, 0);
    assert_int_equal(one.series_quiet_ms, 0);
    assert_int_equal(one.study_quiet_ms, 5000);
    assert_int_equal(one.force_ms, 500000);
    struct completeness both = of("fast|slow", 0, 0);
    assert_int_equal(both.series_quiet_ms, 30000);
    assert_int_equal(both.study_quiet_ms, 90000);
    assert_int_equal(both.force_ms, 1000000);
}

static void what_several_peers_expect_adds_up(void **state)
{
    (void)state;
    struct config_peer *ct = add_peer("ct"), *pacs = add_peer("pacs");
    strcpy(ct->required_series, "coronary|cta");
    ct->expected_series = 2;
    ct->expected_instances = 10;
    strcpy(pacs->required_series, "calcium");
    pacs->expected_instances = 90;
    struct completeness both = of("ct|pacs", 0, 0);
    assert_string_equal(both.expected.required, "coronary|cta,calcium");
    assert_int_equal(both.expected.series, 2);
    assert_int_equal(both.expected.images, 90);
    strcpy(pacs->required_series, "coronary|cta");
    assert_string_equal(of("ct|pacs", 0, 0).expected.required, "coronary|cta");
}

static bool expects(const char *peers, int stated_series, int stated_objects)
{
    struct completeness completeness = of(peers, stated_series, stated_objects);
    return study_expects_anything(&completeness.expected);
}

static void only_a_peer_that_is_trusted_says_how_much_there_is(void **state)
{
    (void)state;
    add_peer("ct");
    add_peer("pacs")->trust_counts = true;
    assert_false(expects("ct", 3, 40));
    struct completeness one = of("ct|pacs", 3, 40);
    assert_int_equal(one.expected.all_series, 3);
    assert_int_equal(one.expected.all_objects, 40);
    assert_false(expects("pacs", 0, 0));
}

static const struct completeness timers = {30000, 60000, 500000, {.required = ""}};
static const struct completeness rules = {30000, 60000, 500000, {.required = "coronary"}};
enum { START = 1000000 };

static struct store_receiving received(int64_t last_object_ms, int64_t newest_series_ms)
{
    return (struct store_receiving){.receiving_ms = START,
                                    .last_object_ms = START + last_object_ms,
                                    .newest_series_ms = START + newest_series_ms};
}

/* Why the study begins at a time, all expected being there; "" when it does not. */
static const char *cause(const struct completeness *completeness, struct store_receiving study, int64_t at_ms)
{
    const char *why = completeness_cause(completeness, &study, true, START + at_ms);
    assert_int_equal(why != NULL, completeness_ripe(completeness, &study, START + at_ms));
    return why ? why : "";
}

static void a_study_is_complete_when_it_has_been_quiet(void **state)
{
    (void)state;
    assert_string_equal(cause(&timers, received(0, 0), 59999), "");
    assert_string_equal(cause(&timers, received(0, 0), 60000), "quiet");
    assert_string_equal(cause(&timers, received(50000, 50000), 60000), "");
    assert_string_equal(cause(&timers, received(50000, 50000), 110000), "quiet");
}

static void a_study_waits_for_each_of_its_series(void **state)
{
    (void)state;
    static const struct completeness slow_series = {90000, 60000, 500000, {.required = ""}};
    assert_string_equal(cause(&slow_series, received(0, 1000), 90500), "");
    assert_string_equal(cause(&slow_series, received(0, 1000), 91000), "quiet");
}

static void a_study_of_which_all_has_come_waits_for_its_series_only(void **state)
{
    (void)state;
    assert_string_equal(cause(&rules, received(0, 0), 29999), "");
    assert_string_equal(cause(&rules, received(0, 0), 30000), "rules_met");
}

static void a_study_of_which_something_is_missing_waits_for_the_longest_time(void **state)
{
    (void)state;
    struct store_receiving study = received(0, 0);
    assert_null(completeness_cause(&rules, &study, false, START + 60000));
    assert_null(completeness_cause(&rules, &study, false, START + 499999));
    assert_string_equal(completeness_cause(&rules, &study, false, START + 500000), "force_timer");
    assert_false(completeness_overdue(&rules, &study, START + 499999));
    assert_true(completeness_overdue(&rules, &study, START + 500000));
}

static void a_study_that_never_falls_quiet_is_taken_by_the_force_timer(void **state)
{
    (void)state;
    assert_string_equal(cause(&timers, received(499999, 499999), 499999), "");
    assert_string_equal(cause(&timers, received(499999, 499999), 500000), "force_timer");
}

/* After the service stood still, a study that is long quiet is that, not one that never fell quiet. */
static void quiet_and_whole_say_more_than_the_force_timer(void **state)
{
    (void)state;
    assert_string_equal(cause(&timers, received(0, 0), 600000), "quiet");
    assert_string_equal(cause(&rules, received(0, 0), 600000), "rules_met");
}

static void a_forced_study_begins_at_once(void **state)
{
    (void)state;
    struct store_receiving study = received(0, 0);
    study.forced = true;
    assert_string_equal(cause(&timers, study, 1), "forced");
    assert_string_equal(cause(&rules, study, 1), "forced");
    assert_string_equal(completeness_cause(&rules, &study, false, START + 1), "forced");
}

static void a_clock_set_back_keeps_no_study_waiting(void **state)
{
    (void)state;
    assert_string_equal(cause(&timers, received(86400000, 0), 30000), "quiet");
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(without_keys_of_its_own_a_peer_has_those_of_assembly),
        T(a_peer_may_be_faster_or_slower_than_the_others),
        T(what_several_peers_expect_adds_up),
        T(only_a_peer_that_is_trusted_says_how_much_there_is),
        T(a_study_is_complete_when_it_has_been_quiet),
        T(a_study_waits_for_each_of_its_series),
        T(a_study_of_which_all_has_come_waits_for_its_series_only),
        T(a_study_of_which_something_is_missing_waits_for_the_longest_time),
        T(a_study_that_never_falls_quiet_is_taken_by_the_force_timer),
        T(quiet_and_whole_say_more_than_the_force_timer),
        T(a_forced_study_begins_at_once),
        T(a_clock_set_back_keeps_no_study_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
