#include "fixture.h"

#include <string.h>

static const char *const pacs[] = {"PACS", NULL};

static void a_claimed_job_says_what_to_do(void **state)
{
    struct fixture *f = *state;
    struct store_job *job = claimed(f);
    assert_int_equal(job->revision, 1);
    assert_int_equal(job->attempts, 0);
    assert_true(job->live);
    assert_string_equal(job->model, "demo");
    assert_string_equal(job->started_by, "quiet");
    assert_string_equal(job->study_uid, "1.2.1");
    assert_string_equal(state_of(f, job->study), "encoding");
    assert_null(claim(f, 100001));
}

static void jobs_are_claimed_in_the_order_they_came(void **state)
{
    struct fixture *f = *state;
    struct store_put first = put(f, (struct arrival){0});
    struct store_put second =
        put(f, (struct arrival){.study = "1.2.2", .series = "1.2.2.1", .sop = "1.2.2.1.1"});
    queue_one(f, second.study, 1);
    queue_one(f, first.study, 1);
    assert_int_equal(claim(f, 0)->study, second.study);
    assert_int_equal(claim(f, 0)->study, first.study);
}

static void a_job_of_a_study_that_moved_on_is_superseded_instead_of_started(void **state)
{
    struct fixture *f = *state;
    struct store_put at = put(f, (struct arrival){0});
    queue_one(f, at.study, 1);
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    assert_null(claim(f, 0));
    assert_string_equal(ask_text(f, "SELECT state FROM job"), "superseded");
    assert_string_equal(state_of(f, at.study), "receiving");
}

static void a_returned_job_costs_an_attempt_and_goes_behind_the_others(void **state)
{
    struct fixture *f = *state;
    struct store_job *job = claimed(f);
    struct store_put other =
        put(f, (struct arrival){.study = "1.2.2", .series = "1.2.2.1", .sop = "1.2.2.1.1"});
    queue_one(f, other.study, 1);
    assert_true(store_return_job(f->store, job, "worker_crashed", "signal 11", start_ms, &f->err));
    assert_string_equal(state_of(f, job->study), "queued");
    assert_int_equal(events_of(f, job->study, "attempt_failed"), 1);
    assert_int_equal(claim(f, 0)->study, other.study);
    struct store_job *again = claim(f, 0);
    assert_int_equal(again->id, job->id);
    assert_int_equal(again->attempts, 1);
    assert_string_equal(again->reason, "worker_crashed");
}

static void a_finished_job_writes_result_findings_report_and_deliveries(void **state)
{
    struct fixture *f = *state;
    int64_t study = reported(f, (const char *const[]){"PACS", "ARCHIVE", NULL});
    assert_string_equal(state_of(f, study), "encoded");
    assert_int_equal(ask(f, "SELECT count(*) FROM result WHERE analysed = 1"), 1);
    assert_int_equal(
        ask(f, "SELECT count(*) FROM embedding WHERE organ IN ('heart', 'lung') AND length(vector) = 8"), 2);
    assert_int_equal(ask(f, "SELECT count(*) FROM finding WHERE score = 0.5 AND probability IS NULL"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM report"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery WHERE state = 'pending'"), 2);
    assert_string_equal(ask_text(f, "SELECT state FROM job"), "done");
    assert_int_equal(events_of(f, study, "analysed"), 1);
}

static void a_stale_finish_writes_nothing(void **state)
{
    struct fixture *f = *state;
    struct store_job *job = claimed(f);
    assert_false(finish(f, job, (struct ending){.destinations = pacs}));
    assert_true(finish(f, job, (struct ending){.destinations = pacs, .sop = "1.9.9"}));
    assert_int_equal(ask(f, "SELECT count(*) FROM result"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM report"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery"), 1);
    assert_int_equal(events_of(f, job->study, "analysed"), 1);
}

static void a_finish_after_the_lease_was_taken_back_writes_nothing(void **state)
{
    struct fixture *f = *state;
    int count;
    struct store_job *job = claimed(f);
    assert_true(store_requeue_running(f->store, &count, &f->err));
    assert_true(finish(f, job, (struct ending){.destinations = pacs}));
    assert_int_equal(ask(f, "SELECT count(*) FROM result"), 0);
    assert_string_equal(ask_text(f, "SELECT state FROM job"), "queued");
}

static void a_failed_job_parks_the_study_with_its_reason(void **state)
{
    struct fixture *f = *state;
    struct store_job *job = claimed(f);
    assert_false(
        finish(f, job, (struct ending){.failed = true, .reason = "time_limit", .destinations = pacs}));
    assert_string_equal(state_of(f, job->study), "parked");
    assert_string_equal(reason_of(f, job->study), "time_limit");
    assert_int_equal(ask(f, "SELECT attempts FROM job WHERE state = 'failed'"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery"), 1); /* the report says so: no silence */
}

static void a_parked_study_can_be_forced_and_is_analysed_again(void **state)
{
    struct fixture *f = *state;
    enum store_force force;
    struct store_job *job = claimed(f);
    finish(f, job, (struct ending){.failed = true, .reason = "time_limit"});
    assert_true(store_force_study(f->store, job->study, start_ms, &force, &f->err));
    assert_int_equal(force, STORE_FORCE_ACCEPTED);
    assert_int_equal(revision_of(f, job->study), 2);
    queue_one(f, job->study, 2);
    struct store_job *again = claim(f, 0);
    assert_int_equal(again->revision, 2);
    assert_int_equal(again->attempts, 0);
    finish(f, again, (struct ending){0});
    assert_string_equal(state_of(f, job->study), "encoded");
}

static void a_job_that_analysed_nothing_declines_the_study(void **state)
{
    struct fixture *f = *state;
    struct store_job *job = claimed(f);
    finish(f, job, (struct ending){.declined = true, .reason = "too_few_slices", .destinations = pacs});
    assert_string_equal(state_of(f, job->study), "declined");
    assert_string_equal(reason_of(f, job->study), "too_few_slices");
    assert_int_equal(events_of(f, job->study, "not_analysed"), 1);
}

static void one_model_that_could_analyse_is_enough(void **state)
{
    struct fixture *f = *state;
    struct store_put at = put(f, (struct arrival){0});
    queue_models(f, at.study, 1, (const char *const[]){"a", "b", NULL});
    struct store_job *a = claim(f, 0), *b = claim(f, 0);
    finish(f, a, (struct ending){.declined = true, .reason = "too_few_slices", .destinations = pacs});
    assert_string_equal(state_of(f, at.study), "encoding");
    finish(f, b, (struct ending){.destinations = pacs});
    assert_string_equal(state_of(f, at.study), "encoded");
}

/* Analysed, but outside the domain of every model that took it. */
static void a_study_of_which_no_model_says_anything_keeps_the_reason(void **state)
{
    static const char *const outside = "outside_domain";
    for (int said = 0; said < 3; said++) { /* by how many of two models */
        struct fixture *f = *state;
        struct store_put at = put(f, (struct arrival){.study = arena_printf(f->arena, "1.2.77.%d", said)});
        queue_models(f, at.study, 1, (const char *const[]){"a", "b", NULL});
        struct store_job *a = claim(f, 100000);
        finish(f, a, (struct ending){.reason = said > 0 ? "" : outside});
        struct store_job *b = claim(f, 100000);
        finish(f, b, (struct ending){.reason = said > 1 ? "" : outside});
        assert_string_equal(state_of(f, at.study), "encoded");
        assert_string_equal(reason_of(f, at.study), said ? "" : outside);
        assert_int_equal(events_of(f, at.study, "analysed"), 2);
    }
}

static void jobs_that_ran_at_a_crash_go_back_without_costing_an_attempt(void **state)
{
    struct fixture *f = *state;
    int count;
    struct store_job *job = claimed(f);
    reopen(f);
    assert_true(store_requeue_running(f->store, &count, &f->err));
    assert_int_equal(count, 1);
    assert_string_equal(state_of(f, job->study), "queued");
    struct store_job *again = claim(f, 200000);
    assert_int_equal(again->id, job->id);
    assert_int_equal(again->attempts, 0);
    assert_true(store_requeue_running(f->store, &count, &f->err));
    assert_true(store_requeue_running(f->store, &count, &f->err));
    assert_int_equal(count, 0);
}

static void a_job_whose_lease_ran_out_is_claimed_again(void **state)
{
    struct fixture *f = *state;
    struct store_job *job = claimed(f); /* at 100000, for 60000 */
    assert_null(claim(f, 160000));
    struct store_job *again = claim(f, 160001);
    assert_non_null(again);
    assert_int_equal(again->id, job->id);
}

static void a_study_whose_lease_ran_out_is_queued_while_another_goes_first(void **state)
{
    struct fixture *f = *state;
    struct store_job *job = claimed(f);
    assert_true(store_return_job(f->store, job, "crash", "", start_ms, &f->err));
    assert_int_equal(claim(f, 100000)->id, job->id); /* with an attempt behind it */
    struct store_put other =
        put(f, (struct arrival){.study = "1.2.2", .series = "1.2.2.1", .sop = "1.2.2.1.1"});
    queue_one(f, other.study, 1);
    assert_int_equal(claim(f, 200000)->study, other.study);
    assert_string_equal(state_of(f, job->study), "queued");
    assert_string_equal(state_of(f, other.study), "encoding");
}

static void inputs_are_the_current_images_that_are_there(void **state)
{
    struct fixture *f = *state;
    struct store_inputs inputs;
    struct store_put at = put(f, (struct arrival){0});
    put(f, (struct arrival){.digest = "bb"});
    put(f, (struct arrival){.side = true, .series = "1.2.1.9", .sop = "1.2.1.9.1"});
    assert_true(store_job_inputs(f->store, at.study, f->arena, &inputs, &f->err));
    assert_int_equal(inputs.count, 1);
    assert_string_equal(inputs.items[0].path, "objects/1.2.1-1.2.1.1.1-bb");
    assert_string_equal(inputs.items[0].sop_uid, "1.2.1.1.1");
    assert_string_equal(inputs.items[0].series_uid, "1.2.1.1");
    assert_int_equal(inputs.lost_count, 0);
    assert_int_equal(inputs.other_count, 1);
}

static void many_inputs_are_all_listed(void **state)
{
    struct fixture *f = *state;
    struct store_inputs inputs;
    struct store_put at = {0};
    for (int i = 0; i < 600; i++)
        at = put(f, (struct arrival){.sop = arena_printf(f->arena, "1.3.%d", 1000 + i)});
    assert_true(store_job_inputs(f->store, at.study, f->arena, &inputs, &f->err));
    assert_int_equal(inputs.count, 600);
    assert_string_equal(inputs.items[0].sop_uid, "1.3.1000");
    assert_string_equal(inputs.items[599].sop_uid, "1.3.1599");
}

static void the_predecessor_is_the_models_last_report_of_an_older_revision(void **state)
{
    struct fixture *f = *state;
    struct store_document before;
    bool found;
    struct store_job *job = claimed(f);
    finish(f, job, (struct ending){.sop = "1.9.100"});
    assert_true(store_predecessor(f->store, job->study, "demo", 1, &found, &before, &f->err));
    assert_false(found);
    assert_true(store_predecessor(f->store, job->study, "demo", 2, &found, &before, &f->err));
    assert_true(found);
    assert_string_equal(before.sop_uid, "1.9.100");
    assert_string_equal(before.series_uid, "1.9.0");
    assert_true(store_predecessor(f->store, job->study, "another", 2, &found, &before, &f->err));
    assert_false(found);
}

static void a_result_that_breaks_a_rule_leaves_the_job_running(void **state)
{
    struct fixture *f = *state;
    struct store_job *job = claimed(f);
    bool stale;
    struct store_finding twice[] = {{"a", "absent", false, false, 0, 0}, {"a", "absent", false, false, 0, 0}};
    struct store_finish bad = {.job = job,
                               .analysed = true,
                               .reason = "",
                               .json = "{}",
                               .findings = twice,
                               .finding_count = 2,
                               .report = {"1.2", "1.3", "1.4", "p", "ff"}};
    assert_false(store_finish_job(f->store, &bad, start_ms, &stale, &f->err));
    assert_int_equal(f->err.code, ERR_BUG);
    assert_string_equal(ask_text(f, "SELECT state FROM job"), "running");
    assert_int_equal(ask(f, "SELECT count(*) FROM result"), 0);
    assert_false(finish(f, job, (struct ending){0})); /* and the connection still works */
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_claimed_job_says_what_to_do),
        T(jobs_are_claimed_in_the_order_they_came),
        T(a_job_of_a_study_that_moved_on_is_superseded_instead_of_started),
        T(a_returned_job_costs_an_attempt_and_goes_behind_the_others),
        T(a_finished_job_writes_result_findings_report_and_deliveries),
        T(a_stale_finish_writes_nothing),
        T(a_finish_after_the_lease_was_taken_back_writes_nothing),
        T(a_failed_job_parks_the_study_with_its_reason),
        T(a_parked_study_can_be_forced_and_is_analysed_again),
        T(a_job_that_analysed_nothing_declines_the_study),
        T(one_model_that_could_analyse_is_enough),
        T(a_study_of_which_no_model_says_anything_keeps_the_reason),
        T(jobs_that_ran_at_a_crash_go_back_without_costing_an_attempt),
        T(a_job_whose_lease_ran_out_is_claimed_again),
        T(a_study_whose_lease_ran_out_is_queued_while_another_goes_first),
        T(inputs_are_the_current_images_that_are_there),
        T(many_inputs_are_all_listed),
        T(the_predecessor_is_the_models_last_report_of_an_older_revision),
        T(a_result_that_breaks_a_rule_leaves_the_job_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
