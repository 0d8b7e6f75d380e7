#include "fixture.h"

#include <string.h>

static void a_forced_study_is_told_so_until_it_starts(void **state)
{
    struct fixture *f = *state;
    struct store_receiving one;
    enum store_force force;
    struct store_put at = put(f, (struct arrival){0});
    assert_true(store_force_study(f->store, at.study, start_ms, &force, &f->err));
    assert_int_equal(force, STORE_FORCE_ACCEPTED);
    assert_int_equal(store_receiving(f->store, 0, start_ms, f->arena, &one, 1, &f->err), 1);
    assert_true(one.forced);
    queue_one(f, at.study, 1);
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    assert_int_equal(store_receiving(f->store, 0, start_ms, f->arena, &one, 1, &f->err), 1);
    assert_int_equal(one.revision, 2);
    assert_false(one.forced);
    assert_int_equal(events_of(f, at.study, "forced"), 1);
}

static void force_says_when_it_is_too_late_or_unknown(void **state)
{
    struct fixture *f = *state;
    enum store_force force;
    assert_true(store_force_study(f->store, 4711, start_ms, &force, &f->err));
    assert_int_equal(force, STORE_FORCE_UNKNOWN);
    struct store_put at = put(f, (struct arrival){0});
    queue_one(f, at.study, 1);
    assert_true(store_force_study(f->store, at.study, start_ms, &force, &f->err));
    assert_int_equal(force, STORE_FORCE_NOT_NOW);
    assert_string_equal(state_of(f, at.study), "queued");
    assert_int_equal(events_of(f, at.study, "forced"), 0);
}

static void force_of_a_declined_study_is_a_new_revision(void **state)
{
    struct fixture *f = *state;
    struct store_receiving one;
    enum store_force force;
    struct store_put at = put(f, (struct arrival){0});
    decline_one(f, at.study, "too_old");
    assert_true(store_force_study(f->store, at.study, start_ms + 5, &force, &f->err));
    assert_int_equal(force, STORE_FORCE_ACCEPTED);
    assert_string_equal(state_of(f, at.study), "receiving");
    assert_string_equal(reason_of(f, at.study), "");
    assert_int_equal(revision_of(f, at.study), 2);
    assert_int_equal(store_receiving(f->store, 0, start_ms, f->arena, &one, 1, &f->err), 1);
    assert_int_equal(one.revision, 2);
    assert_true(one.forced);
}

static void queueing_makes_one_job_for_each_model(void **state)
{
    struct fixture *f = *state;
    struct store_put at = put(f, (struct arrival){0});
    queue_models(f, at.study, 1, (const char *const[]){"a", "b", NULL});
    assert_string_equal(state_of(f, at.study), "queued");
    assert_int_equal(ask(f, "SELECT count(*) FROM job WHERE state = 'queued'"), 2);
    assert_string_equal(ask_text(f, "SELECT started_by FROM study"), "quiet");
    assert_int_equal(events_of(f, at.study, "job_queued"), 2);
}

static void queueing_another_revision_than_the_present_one_does_nothing(void **state)
{
    struct fixture *f = *state;
    struct store_put at = put(f, (struct arrival){0});
    put(f, (struct arrival){.digest = "bb"}); /* revision 2 */
    queue_one(f, at.study, 1);
    assert_string_equal(state_of(f, at.study), "receiving");
    assert_int_equal(ask(f, "SELECT count(*) FROM job"), 0);
    queue_one(f, at.study, 2);
    queue_one(f, at.study, 2); /* not receiving any more */
    assert_int_equal(ask(f, "SELECT count(*) FROM job"), 1);
}

static void queueing_supersedes_jobs_of_older_revisions_that_have_not_started(void **state)
{
    struct fixture *f = *state;
    struct store_put at = put(f, (struct arrival){0});
    queue_models(f, at.study, 1, (const char *const[]){"a", "b", NULL});
    struct store_job *running = claim(f, 0);
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    queue_one(f, at.study, 2);
    assert_int_equal(ask(f, "SELECT count(*) FROM job WHERE state = 'superseded'"), 1);
    assert_string_equal(
        ask_text(f, arena_printf(f->arena, "SELECT state FROM job WHERE id = %lld", (long long)running->id)),
        "running");
    struct store_job *next = claim(f, 1);
    assert_int_equal(next->revision, 2);
}

static void a_declined_study_keeps_its_reason_and_makes_no_job(void **state)
{
    struct fixture *f = *state;
    struct store_put at = put(f, (struct arrival){0});
    decline_one(f, at.study, "study_too_old");
    assert_string_equal(state_of(f, at.study), "declined");
    assert_string_equal(reason_of(f, at.study), "study_too_old");
    assert_int_equal(ask(f, "SELECT count(*) FROM job"), 0);
    assert_int_equal(events_of(f, at.study, "study_declined"), 1);
}

static void the_series_of_a_study_are_those_with_current_images(void **state)
{
    struct fixture *f = *state;
    struct store_series *series;
    int count;
    struct store_put at = put(f, (struct arrival){0});
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    put(f, (struct arrival){.digest = "bb"});
    put(f, (struct arrival){.side = true, .series = "1.2.1.9", .sop = "1.2.1.9.1"});
    assert_true(store_input_series(f->store, at.study, f->arena, &series, &count, &f->err));
    assert_int_equal(count, 1);
    assert_string_equal(series[0].series_uid, "1.2.1.1");
    assert_string_equal(series[0].modality, "CT");
    assert_int_equal(series[0].input_count, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_forced_study_is_told_so_until_it_starts),
        T(force_says_when_it_is_too_late_or_unknown),
        T(force_of_a_declined_study_is_a_new_revision),
        T(queueing_makes_one_job_for_each_model),
        T(queueing_another_revision_than_the_present_one_does_nothing),
        T(queueing_supersedes_jobs_of_older_revisions_that_have_not_started),
        T(a_declined_study_keeps_its_reason_and_makes_no_job),
        T(the_series_of_a_study_are_those_with_current_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
