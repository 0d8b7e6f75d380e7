#include "fixture.h"

#include "store/store_withdraw.h"

#include <string.h>

static const char *const pacs[] = {"PACS", NULL};
static const char comprehensive_3d[] = "1.2.840.10008.5.1.4.1.1.88.34";
static char first_slice[][UID_SIZE] = {"1.2.1.1.1"}, second_slice[][UID_SIZE] = {"1.2.1.1.2"};

static struct store_withdraw withdraw(struct fixture *f, struct store_withdrawal what)
{
    struct store_withdraw done;
    what.study_uid = what.study_uid ? what.study_uid : "1.2.1";
    what.via = what.count ? "rejection_note" : "purged";
    what.code = what.count ? "113001" : "";
    what.reason = "Rejected for Quality Reasons";
    what.who = "ARCHIVE";
    what.address = "127.0.0.1";
    what.said_by = "";
    what.note_uid = what.count ? "1.2.7" : "";
    if (!store_withdraw(f->store, &what, start_ms + 300000, &done, &f->err))
        fail_msg("%s", f->err.text);
    return done;
}

static struct store_withdraw note(struct fixture *f, char (*uids)[UID_SIZE], int count)
{
    return withdraw(f, (struct store_withdrawal){.patient_id = "P1", .sop_uids = uids, .count = count});
}

static struct store_withdraw purge(struct fixture *f)
{
    return withdraw(f, (struct store_withdrawal){0});
}

static void deliver(struct fixture *f)
{
    struct store_delivery delivery;
    struct store_report report = {comprehensive_3d, "1.9.1", "1.9.0", "x", "ff"};
    assert_true(due(f, "PACS", 400000, &delivery));
    assert_true(store_delivered(f->store, &delivery, "PACS", &report, 0, "", start_ms + 200000, &f->err));
}

static void a_study_all_images_of_which_are_named_is_withdrawn(void **state)
{
    struct fixture *f = *state;
    int64_t study = reported(f, pacs);
    struct store_withdraw done = note(f, first_slice, 1);
    assert_int_equal(done.outcome, STORE_WITHDREW_STUDY);
    assert_int_equal(done.study, study);
    assert_int_equal(done.objects, 1);
    assert_int_equal(done.delivered, 0);
    assert_string_equal(state_of(f, study), "withdrawn");
    assert_string_equal(reason_of(f, study), "rejection_note");
    assert_int_equal(events_of(f, study, "withdrawn"), 1);
    assert_int_equal(ask(f, "SELECT whole = 1 AND objects = 1 AND code = '113001' AND who = 'ARCHIVE' AND"
                            " address = '127.0.0.1' AND note_uid = '1.2.7' FROM withdrawal"),
                     1);
}

static void nothing_of_a_withdrawn_study_is_delivered(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    bool found;
    int64_t study = reported(f, pacs);
    note(f, first_slice, 1);
    assert_false(due(f, "PACS", 10000000, &delivery));
    assert_true(store_requeue_delivery(f->store, 1, start_ms, &found, &f->err));
    assert_false(found);
    assert_string_equal(state_of(f, study), "withdrawn");
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery WHERE state = 'withdrawn'"), 1);
}

static void results_are_wiped_and_their_files_given_up(void **state)
{
    struct fixture *f = *state;
    reported(f, pacs);
    note(f, first_slice, 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM finding"), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM embedding"), 0);
    assert_string_equal(ask_text(f, "SELECT json FROM result"), "{\"withdrawn\":true}");
    assert_int_equal(ask(f, "SELECT count(*) FROM removal WHERE path LIKE 'reports/%'"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM removal WHERE path LIKE 'objects/%'"), 1);
    assert_int_equal(ask(f, "SELECT bytes FROM spool_use"), 0);
}

static void what_was_delivered_before_stays_named(void **state)
{
    struct fixture *f = *state;
    reported(f, pacs);
    deliver(f);
    struct store_withdraw done = purge(f);
    assert_int_equal(done.outcome, STORE_WITHDREW_STUDY);
    assert_int_equal(done.delivered, 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery WHERE state = 'delivered' AND sop_uid = '1.9.1'"),
                     1);
}

static void what_left_while_it_was_withdrawn_is_named_too(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    struct store_report report = {comprehensive_3d, "1.9.1", "1.9.0", "x", "ff"};
    int64_t study = reported(f, pacs);
    assert_true(due(f, "PACS", 400000, &delivery));
    purge(f);
    assert_true(store_retry_delivery(f->store, &delivery, -1, "down", start_ms, start_ms, &f->err));
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery WHERE state = 'withdrawn'"), 1);
    assert_true(store_delivered(f->store, &delivery, "PACS", &report, 0, "", start_ms, &f->err));
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery WHERE state = 'delivered' AND sop_uid = '1.9.1'"),
                     1);
    assert_string_equal(state_of(f, study), "withdrawn");
}

static void a_job_that_runs_ends_stale(void **state)
{
    struct fixture *f = *state;
    struct store_job *job = claimed(f);
    bool runs;
    assert_true(store_job_runs(f->store, job, &runs, &f->err));
    assert_true(runs);
    purge(f);
    assert_true(store_job_runs(f->store, job, &runs, &f->err));
    assert_false(runs);
    assert_true(finish(f, job, (struct ending){.destinations = pacs}));
    assert_int_equal(ask(f, "SELECT count(*) FROM result"), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery"), 0);
    assert_string_equal(state_of(f, job->study), "withdrawn");
    assert_null(claim(f, 900000));
}

static void a_withdrawn_object_that_comes_again_is_not_taken(void **state)
{
    struct fixture *f = *state;
    int64_t study = reported(f, pacs);
    note(f, first_slice, 1);
    assert_int_equal(put(f, (struct arrival){0}).outcome, STORE_WITHDRAWN);
    assert_int_equal(put(f, (struct arrival){.digest = "bb"}).outcome, STORE_WITHDRAWN);
    assert_string_equal(state_of(f, study), "withdrawn");
    assert_int_equal(revision_of(f, study), 1);
    assert_int_equal(put(f, (struct arrival){.patient = "P2"}).outcome, STORE_CONFLICT);
}

static void another_object_opens_a_withdrawn_study_again(void **state)
{
    struct fixture *f = *state;
    int64_t study = reported(f, pacs);
    note(f, first_slice, 1);
    struct store_put at = put(f, (struct arrival){.sop = "1.2.1.1.9"});
    assert_int_equal(at.outcome, STORE_NEW);
    assert_true(at.reopened);
    assert_string_equal(state_of(f, study), "receiving");
    assert_int_equal(revision_of(f, study), 2);
}

static void some_images_withdrawn_make_a_new_revision_without_them(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    struct store_inputs inputs;
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    int64_t study = reported(f, pacs);
    struct store_withdraw done = note(f, second_slice, 1);
    assert_int_equal(done.outcome, STORE_WITHDREW_OBJECTS);
    assert_true(done.reopened);
    assert_string_equal(state_of(f, study), "receiving");
    assert_int_equal(revision_of(f, study), 2);
    assert_false(due(f, "PACS", 10000000, &delivery));
    assert_true(store_job_inputs(f->store, study, f->arena, &inputs, &f->err));
    assert_int_equal(inputs.count, 1);
    assert_string_equal(inputs.items[0].sop_uid, "1.2.1.1.1");
    assert_int_equal(inputs.lost_count, 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM finding"), 1); /* the former revision's, as history */
}

static void a_side_object_withdrawn_raises_no_revision(void **state)
{
    struct fixture *f = *state;
    put(f, (struct arrival){.sop = "1.2.1.1.2", .side = true});
    int64_t study = reported(f, pacs);
    struct store_withdraw done = note(f, second_slice, 1);
    assert_int_equal(done.outcome, STORE_WITHDREW_OBJECTS);
    assert_false(done.reopened);
    assert_int_equal(revision_of(f, study), 1);
    assert_string_equal(state_of(f, study), "encoded");
}

static void the_same_note_again_changes_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t study = reported(f, pacs);
    note(f, first_slice, 1);
    assert_int_equal(note(f, first_slice, 1).outcome, STORE_WITHDREW_BEFORE);
    assert_int_equal(purge(f).outcome, STORE_WITHDREW_BEFORE);
    assert_int_equal(ask(f, "SELECT count(*) FROM withdrawal"), 1);
    assert_int_equal(events_of(f, study, "withdrawn"), 1);
}

static void a_note_that_comes_before_its_objects_is_remembered(void **state)
{
    struct fixture *f = *state;
    struct store_withdraw done = note(f, first_slice, 1);
    assert_int_equal(done.outcome, STORE_WITHDREW_AHEAD);
    assert_int_equal(done.study, 0);
    assert_int_equal(put(f, (struct arrival){0}).outcome, STORE_WITHDRAWN);
    assert_int_equal(ask(f, "SELECT count(*) FROM study"), 0);
    assert_int_equal(put(f, (struct arrival){.patient = "P2"}).outcome,
                     STORE_NEW); /* no note of this patient's */
}

static void a_note_of_another_patient_withdraws_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t study = reported(f, pacs);
    struct store_withdraw done =
        withdraw(f, (struct store_withdrawal){.patient_id = "P2", .sop_uids = first_slice, .count = 1});
    assert_int_equal(done.outcome, STORE_WITHDREW_CONFLICT);
    assert_string_equal(state_of(f, study), "encoded");
    assert_int_equal(ask(f, "SELECT count(*) FROM withdrawal"), 0);
}

static void a_note_of_another_patient_that_came_first_changes_nothing(void **state)
{
    struct fixture *f = *state;
    char both[][UID_SIZE] = {"1.2.1.1.1", "1.2.1.1.2"};
    withdraw(f, (struct store_withdrawal){.patient_id = "P2", .sop_uids = both, .count = 2});
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    int64_t study = reported(f, pacs);
    assert_int_equal(note(f, first_slice, 1).outcome, STORE_WITHDREW_OBJECTS);
    assert_int_equal(ask(f, "SELECT count(*) FROM instance WHERE gone = 'withdrawn'"), 1);
    assert_int_equal(note(f, second_slice, 1).outcome, STORE_WITHDREW_STUDY);
    assert_string_equal(state_of(f, study), "withdrawn");
}

static void masks_alone_are_nothing_to_analyse(void **state)
{
    struct fixture *f = *state;
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    ask(f, "UPDATE instance SET modality = 'SEG' WHERE sop_uid = '1.2.1.1.2' RETURNING id");
    int64_t study = reported(f, pacs);
    assert_int_equal(note(f, first_slice, 1).outcome, STORE_WITHDREW_STUDY);
    assert_string_equal(state_of(f, study), "withdrawn");
}

static void a_mask_withdrawn_makes_a_new_revision(void **state)
{
    struct fixture *f = *state;
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    ask(f, "UPDATE instance SET modality = 'SEG' WHERE sop_uid = '1.2.1.1.2' RETURNING id");
    reported(f, pacs);
    struct store_withdraw done = note(f, second_slice, 1);
    assert_int_equal(done.outcome, STORE_WITHDREW_OBJECTS);
    assert_true(done.reopened);
}

static void a_study_that_never_came_cannot_be_purged(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(purge(f).outcome, STORE_WITHDREW_NOTHING);
    assert_int_equal(ask(f, "SELECT count(*) FROM withdrawal"), 0);
}

static void the_trace_is_shown_with_the_study(void **state)
{
    struct fixture *f = *state;
    int64_t study = reported(f, pacs);
    purge(f);
    json_t *view = store_view_study(f->store, study, &f->err);
    const json_t *trace = json_array_get(json_object_get(view, "withdrawals"), 0);
    assert_string_equal(json_string_value(json_object_get(trace, "via")), "purged");
    assert_int_equal(json_integer_value(json_object_get(trace, "at_ms")), start_ms + 300000);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(view, "objects"), "withdrawn")), 1);
    json_decref(view);
    json_t *reports = store_view_reports(f->store, study, &f->err);
    assert_int_equal(json_array_size(reports), 0);
    json_decref(reports);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_study_all_images_of_which_are_named_is_withdrawn),
        T(nothing_of_a_withdrawn_study_is_delivered),
        T(results_are_wiped_and_their_files_given_up),
        T(what_was_delivered_before_stays_named),
        T(what_left_while_it_was_withdrawn_is_named_too),
        T(a_job_that_runs_ends_stale),
        T(a_withdrawn_object_that_comes_again_is_not_taken),
        T(another_object_opens_a_withdrawn_study_again),
        T(some_images_withdrawn_make_a_new_revision_without_them),
        T(a_side_object_withdrawn_raises_no_revision),
        T(the_same_note_again_changes_nothing),
        T(a_note_that_comes_before_its_objects_is_remembered),
        T(a_note_of_another_patient_withdraws_nothing),
        T(a_note_of_another_patient_that_came_first_changes_nothing),
        T(masks_alone_are_nothing_to_analyse),
        T(a_mask_withdrawn_makes_a_new_revision),
        T(a_study_that_never_came_cannot_be_purged),
        T(the_trace_is_shown_with_the_study),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
