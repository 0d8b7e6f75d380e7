#include "fixture.h"

#include <string.h>

static void a_new_object_opens_a_study(void **state)
{
    struct fixture *f = *state;
    struct store_put at = put(f, (struct arrival){0});
    assert_int_equal(at.outcome, STORE_NEW);
    assert_int_equal(at.revision, 1);
    assert_false(at.reopened);
    assert_string_equal(state_of(f, at.study), "receiving");
    assert_int_equal(events_of(f, at.study, "study_opened"), 1);
    assert_int_equal(ask(f, "SELECT first_object_ms = last_object_ms FROM study"), 1);
}

static void a_second_object_joins_the_study_and_renews_its_timer(void **state)
{
    struct fixture *f = *state;
    struct store_put first = put(f, (struct arrival){0});
    struct store_put second = put(f, (struct arrival){.sop = "1.2.1.1.2", .at_ms = 700});
    assert_int_equal(second.study, first.study);
    assert_int_equal(second.outcome, STORE_NEW);
    assert_int_equal(second.revision, 1);
    assert_int_equal(ask(f, "SELECT last_object_ms - first_object_ms FROM study"), 700);
    assert_int_equal(ask(f, "SELECT count(*) FROM series"), 1);
}

static void the_same_data_set_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct store_put first = put(f, (struct arrival){0});
    queue_one(f, first.study, 1);
    struct store_put again = put(f, (struct arrival){.at_ms = 5000});
    assert_int_equal(again.outcome, STORE_SAME);
    assert_int_equal(again.study, first.study);
    assert_false(again.reopened);
    assert_int_equal(ask(f, "SELECT count(*) FROM instance"), 1);
    assert_int_equal(ask(f, "SELECT last_object_ms - first_object_ms FROM study"), 0);
    assert_string_equal(state_of(f, first.study), "queued");
}

static void other_content_raises_the_revision_and_keeps_both_rows(void **state)
{
    struct fixture *f = *state;
    struct store_put first = put(f, (struct arrival){0});
    struct store_put changed = put(f, (struct arrival){.digest = "bb"});
    assert_int_equal(changed.outcome, STORE_CHANGED);
    assert_int_equal(changed.revision, 2);
    assert_int_equal(revision_of(f, first.study), 2);
    assert_int_equal(ask(f, "SELECT count(*) FROM instance"), 2);
    assert_string_equal(ask_text(f, "SELECT data_sha256 FROM instance WHERE current = 1"), "bb");
    assert_int_equal(events_of(f, first.study, "revision_raised"), 1);
}

static void a_study_that_is_receiving_is_raised_once(void **state)
{
    struct fixture *f = *state;
    struct store_put at = put(f, (struct arrival){0});
    for (int i = 0; i < 5; i++)
        put(f, (struct arrival){.digest = (const char *[]){"b", "c", "d", "e", "f"}[i]});
    assert_int_equal(revision_of(f, at.study), 2);
    assert_int_equal(events_of(f, at.study, "revision_raised"), 1);
}

static void content_that_comes_back_is_the_newest_again(void **state)
{
    struct fixture *f = *state;
    put(f, (struct arrival){.digest = "a"});
    put(f, (struct arrival){.digest = "b"});
    assert_int_equal(put(f, (struct arrival){.digest = "a"}).outcome, STORE_CHANGED);
    assert_string_equal(ask_text(f, "SELECT data_sha256 FROM instance WHERE current = 1"), "a");
}

static void another_patient_in_a_known_study_writes_nothing(void **state)
{
    struct fixture *f = *state;
    struct store_put first = put(f, (struct arrival){0});
    struct store_put other = put(f, (struct arrival){.patient = "P2", .sop = "1.2.1.1.2"});
    assert_int_equal(other.outcome, STORE_CONFLICT);
    assert_int_equal(other.study, first.study);
    assert_int_equal(ask(f, "SELECT count(*) FROM instance"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM event"), 1);
}

static void a_side_object_changes_no_state(void **state)
{
    struct fixture *f = *state;
    struct store_put first = put(f, (struct arrival){0});
    queue_one(f, first.study, 1);
    struct store_put side =
        put(f, (struct arrival){.side = true, .series = "1.2.1.9", .sop = "1.2.1.9.1", .at_ms = 9000});
    assert_int_equal(side.outcome, STORE_NEW);
    assert_false(side.reopened);
    assert_int_equal(revision_of(f, first.study), 1);
    assert_string_equal(state_of(f, first.study), "queued");
    assert_string_equal(ask_text(f, "SELECT kind FROM instance WHERE sop_uid = '1.2.1.9.1'"), "other");
}

static void our_own_report_that_comes_back_changes_no_state(void **state)
{
    struct fixture *f = *state;
    struct store_job *job = claimed(f);
    finish(f, job, (struct ending){.sop = "1.9.77"});
    assert_string_equal(state_of(f, job->study), "encoded");
    struct store_put own =
        put(f, (struct arrival){.side = true, .series = "1.9.0", .sop = "1.9.77", .at_ms = 130000});
    assert_int_equal(own.outcome, STORE_NEW);
    assert_false(own.reopened);
    assert_string_equal(ask_text(f, "SELECT kind FROM instance WHERE sop_uid = '1.9.77'"), "own");
    assert_string_equal(state_of(f, job->study), "encoded");
    assert_int_equal(revision_of(f, job->study), 1);
    assert_int_equal(events_of(f, job->study, "own_report_returned"), 1);
}

static void our_own_report_is_own_even_when_it_looks_like_an_image(void **state)
{
    struct fixture *f = *state;
    struct store_job *job = claimed(f);
    finish(f, job, (struct ending){.sop = "1.9.77"});
    assert_false(put(f, (struct arrival){.sop = "1.9.77"}).reopened);
    assert_int_equal(revision_of(f, job->study), 1);
}

static void a_late_image_after_delivery_reopens_as_the_next_revision(void **state)
{
    struct fixture *f = *state;
    static const char *const pacs[] = {"PACS", NULL};
    struct store_delivery delivery;
    int64_t study = reported(f, pacs);
    assert_true(due(f, "PACS", 200000, &delivery));
    struct store_report report = {"1.2.840.10008.5.1.4.1.1.88.34", "1.9.1", "1.9.0", "x", "ff"};
    assert_true(store_delivered(f->store, &delivery, "PACS", &report, 0, "", start_ms + 200000, &f->err));
    assert_string_equal(state_of(f, study), "delivered");
    struct store_put late = put(f, (struct arrival){.sop = "1.2.1.1.2", .at_ms = 300000});
    assert_true(late.reopened);
    assert_int_equal(late.revision, 2);
    assert_string_equal(state_of(f, study), "receiving");
    assert_int_equal(revision_of(f, study), 2);
    assert_int_equal(ask(f, "SELECT receiving_ms - first_object_ms FROM study"), 300000);
}

static void a_late_image_reopens_from_every_state(void **state)
{
    struct fixture *f = *state;
    struct store_put at = put(f, (struct arrival){0});
    decline_one(f, at.study, "too_old");
    assert_true(put(f, (struct arrival){.sop = "1.2.2"}).reopened); /* declined */
    queue_one(f, at.study, 2);
    assert_true(put(f, (struct arrival){.sop = "1.2.3"}).reopened); /* queued */
    queue_one(f, at.study, 3);
    struct store_job *job = claim(f, 0);
    assert_string_equal(state_of(f, at.study), "encoding");
    struct store_put late = put(f, (struct arrival){.sop = "1.2.4"});
    assert_true(late.reopened);
    assert_int_equal(late.revision, 4);
    /* The running job is not disturbed: its result is kept, and the study goes on receiving. */
    assert_false(finish(f, job, (struct ending){0}));
    assert_string_equal(state_of(f, at.study), "receiving");
    assert_int_equal(ask(f, "SELECT revision FROM result"), 3);
}

static bool present;
static bool file_there(void *context, const char *path)
{
    ++*(int *)context;
    return present;
}

static void a_lost_file_is_marked_and_comes_back(void **state)
{
    struct fixture *f = *state;
    struct store_inputs inputs;
    int asked = 0, lost;
    struct store_put at = put(f, (struct arrival){0});
    present = false;
    assert_true(store_check_files(f->store, file_there, &asked, &lost, &f->err));
    assert_int_equal(asked, 1);
    assert_int_equal(lost, 1);
    assert_true(store_job_inputs(f->store, at.study, f->arena, &inputs, &f->err));
    assert_int_equal(inputs.count, 0);
    assert_int_equal(inputs.lost_count, 1);
    assert_true(store_check_files(f->store, file_there, &asked, &lost, &f->err));
    assert_int_equal(lost, 0); /* not newly */
    present = true;
    assert_true(store_check_files(f->store, file_there, &asked, &lost, &f->err));
    assert_true(store_job_inputs(f->store, at.study, f->arena, &inputs, &f->err));
    assert_int_equal(inputs.count, 1);
}

static void a_lost_object_that_is_sent_again_is_found(void **state)
{
    struct fixture *f = *state;
    int asked = 0, lost;
    bool known;
    put(f, (struct arrival){0});
    assert_true(store_object_current(f->store, "objects/1.2.1-1.2.1.1.1-aa", &known, &f->err));
    assert_true(known);
    present = false;
    assert_true(store_check_files(f->store, file_there, &asked, &lost, &f->err));
    assert_true(store_object_current(f->store, "objects/1.2.1-1.2.1.1.1-aa", &known, &f->err));
    assert_false(known);
    assert_int_equal(put(f, (struct arrival){0}).outcome, STORE_SAME);
    assert_int_equal(ask(f, "SELECT lost FROM instance"), 0);
}

static void every_file_of_a_large_index_is_checked_once(void **state)
{
    struct fixture *f = *state;
    int asked = 0, lost;
    for (int i = 0; i < 1001; i++)
        put(f, (struct arrival){.sop = arena_printf(f->arena, "1.3.%d", i)});
    present = false;
    assert_true(store_check_files(f->store, file_there, &asked, &lost, &f->err));
    assert_int_equal(asked, 1001);
    assert_int_equal(lost, 1001);
}

static void a_refusal_is_kept_until_it_is_forgotten(void **state)
{
    struct fixture *f = *state;
    struct store_refusal refusal = {"AE", "127.0.0.1", "1.2", "1.3", "1.4", "0xA700", "disk full"};
    int64_t first, second;
    assert_true(store_refuse(f->store, &refusal, start_ms, &first, &f->err));
    assert_true(store_refuse(f->store, &refusal, start_ms + 10, &second, &f->err));
    assert_true(second > first);
    assert_true(store_forget_refusals(f->store, start_ms + 10, &f->err));
    assert_int_equal(ask(f, "SELECT count(*) FROM refusal"), 1);
    assert_int_equal(ask(f, "SELECT id FROM refusal"), second);
}

static void what_was_put_survives_a_restart(void **state)
{
    struct fixture *f = *state;
    struct store_put at = put(f, (struct arrival){0});
    reopen(f);
    assert_int_equal(put(f, (struct arrival){0}).outcome, STORE_SAME);
    assert_string_equal(state_of(f, at.study), "receiving");
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_new_object_opens_a_study),
        T(a_second_object_joins_the_study_and_renews_its_timer),
        T(the_same_data_set_changes_nothing),
        T(other_content_raises_the_revision_and_keeps_both_rows),
        T(a_study_that_is_receiving_is_raised_once),
        T(content_that_comes_back_is_the_newest_again),
        T(another_patient_in_a_known_study_writes_nothing),
        T(a_side_object_changes_no_state),
        T(our_own_report_that_comes_back_changes_no_state),
        T(our_own_report_is_own_even_when_it_looks_like_an_image),
        T(a_late_image_after_delivery_reopens_as_the_next_revision),
        T(a_late_image_reopens_from_every_state),
        T(a_lost_file_is_marked_and_comes_back),
        T(a_lost_object_that_is_sent_again_is_found),
        T(every_file_of_a_large_index_is_checked_once),
        T(a_refusal_is_kept_until_it_is_forgotten),
        T(what_was_put_survives_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
