#include "fixture.h"

#include <string.h>

static const char *const pacs[] = {"PACS", NULL};
static const char *const two[] = {"PACS", "ARCHIVE", NULL};
static const char comprehensive_3d[] = "1.2.840.10008.5.1.4.1.1.88.34";

static void deliver(struct fixture *f, const char *destination)
{
    struct store_delivery delivery;
    struct store_report report = {comprehensive_3d, "1.9.1", "1.9.0", "x", "ff"};
    assert_true(due(f, destination, 400000, &delivery));
    assert_true(
        store_delivered(f->store, &delivery, destination, &report, 0, "", start_ms + 200000, &f->err));
}

static void a_delivery_is_due_at_its_own_destination_only(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    int64_t study = reported(f, pacs);
    assert_false(due(f, "ARCHIVE", 200000, &delivery));
    assert_false(due(f, "PACS", 119999, &delivery)); /* reported at 120000 */
    assert_true(due(f, "PACS", 120000, &delivery));
    assert_int_equal(delivery.study, study);
    assert_int_equal(delivery.attempts, 0);
    assert_string_equal(delivery.preferred_class, "");
}

static void a_delivered_report_ends_the_study(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    int64_t study = reported(f, pacs);
    deliver(f, "PACS");
    assert_string_equal(state_of(f, study), "delivered");
    assert_false(due(f, "PACS", 10000000, &delivery));
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery WHERE sop_uid = '1.9.1' AND status = 0"), 1);
    assert_int_equal(events_of(f, study, "report_delivered"), 1);
}

static void a_study_is_delivered_when_every_destination_has_it(void **state)
{
    struct fixture *f = *state;
    int64_t study = reported(f, two);
    deliver(f, "ARCHIVE");
    assert_string_equal(state_of(f, study), "encoded");
    deliver(f, "PACS");
    assert_string_equal(state_of(f, study), "delivered");
}

static void the_class_a_destination_took_is_preferred_next_time(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    int64_t study = reported(f, pacs);
    deliver(f, "PACS");
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    queue_one(f, study, 2);
    finish(f, claim(f, 0), (struct ending){.destinations = pacs});
    assert_true(due(f, "PACS", 200000, &delivery));
    assert_string_equal(delivery.preferred_class, comprehensive_3d);
}

static void a_retry_waits_for_its_time_and_survives_a_restart(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    int64_t study = reported(f, pacs);
    assert_true(due(f, "PACS", 200000, &delivery));
    assert_true(store_retry_delivery(f->store, &delivery, -1, "connection refused", start_ms + 210000,
                                     start_ms + 200000, &f->err));
    reopen(f);
    assert_string_equal(state_of(f, study), "encoded");
    assert_false(due(f, "PACS", 209999, &delivery));
    assert_true(due(f, "PACS", 210000, &delivery));
    assert_int_equal(delivery.attempts, 1);
    assert_int_equal(ask(f, "SELECT status IS NULL FROM delivery"), 1);
    assert_string_equal(ask_text(f, "SELECT cause FROM delivery"), "connection refused");
    assert_int_equal(events_of(f, study, "delivery_retry"), 1);
}

static void a_parked_delivery_makes_the_study_undelivered_with_the_cause(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    int64_t study = reported(f, two);
    deliver(f, "ARCHIVE");
    assert_true(due(f, "PACS", 200000, &delivery));
    assert_true(
        store_park_delivery(f->store, &delivery, 0xA900, "class mismatch", start_ms + 200000, &f->err));
    assert_string_equal(state_of(f, study), "undelivered");
    assert_string_equal(reason_of(f, study), "PACS: class mismatch");
    assert_int_equal(ask(f, "SELECT status FROM delivery WHERE destination = 'PACS'"), 0xA900);
    assert_false(due(f, "PACS", 100000000, &delivery));
}

static void a_parked_delivery_can_be_put_back(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    bool found;
    int64_t study = reported(f, pacs);
    assert_true(due(f, "PACS", 200000, &delivery));
    assert_true(store_park_delivery(f->store, &delivery, 0xA900, "no", start_ms + 200000, &f->err));
    assert_true(store_requeue_delivery(f->store, delivery.id, start_ms + 300000, &found, &f->err));
    assert_true(found);
    assert_string_equal(state_of(f, study), "encoded");
    assert_string_equal(reason_of(f, study), "");
    assert_true(due(f, "PACS", 300000, &delivery));
    assert_int_equal(events_of(f, study, "delivery_requeued"), 1);
    deliver(f, "PACS");
    assert_string_equal(state_of(f, study), "delivered");
}

static void a_waiting_delivery_is_due_now_when_put_back(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    bool found;
    reported(f, pacs);
    assert_true(due(f, "PACS", 200000, &delivery));
    assert_true(store_retry_delivery(f->store, &delivery, -1, "x", start_ms + 900000, start_ms, &f->err));
    assert_true(store_requeue_delivery(f->store, delivery.id, start_ms + 300000, &found, &f->err));
    assert_true(found);
    assert_true(due(f, "PACS", 300000, &delivery));
}

static void a_delivered_or_unknown_delivery_is_not_put_back(void **state)
{
    struct fixture *f = *state;
    bool found;
    int64_t study = reported(f, pacs);
    deliver(f, "PACS");
    assert_true(store_requeue_delivery(f->store, 1, start_ms, &found, &f->err));
    assert_false(found);
    assert_true(store_requeue_delivery(f->store, 4711, start_ms, &found, &f->err));
    assert_false(found);
    assert_string_equal(state_of(f, study), "delivered");
    assert_int_equal(events_of(f, study, "delivery_requeued"), 0);
}

static void a_delivery_of_an_old_revision_leaves_the_new_ones_state_alone(void **state)
{
    struct fixture *f = *state;
    int64_t study = reported(f, pacs);
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    deliver(f, "PACS");
    assert_string_equal(state_of(f, study), "receiving");
    queue_one(f, study, 2);
    struct store_job *job = claim(f, 0);
    finish(f, job, (struct ending){.destinations = pacs});
    assert_string_equal(state_of(f, study), "encoded");
}

static void a_study_without_destinations_stays_encoded(void **state)
{
    struct fixture *f = *state;
    int64_t study = reported(f, NULL);
    assert_string_equal(state_of(f, study), "encoded");
}

static void a_declined_study_stays_declined_when_its_report_arrives(void **state)
{
    struct fixture *f = *state;
    struct store_job *job = claimed(f);
    finish(f, job, (struct ending){.declined = true, .reason = "too_few_slices", .destinations = pacs});
    deliver(f, "PACS");
    assert_string_equal(state_of(f, job->study), "declined");
}

static void a_report_in_another_class_is_found_by_its_class(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    struct store_report *found;
    static const char enhanced[] = "1.2.840.10008.5.1.4.1.1.88.22";
    reported(f, pacs);
    assert_true(due(f, "PACS", 200000, &delivery));
    assert_true(store_find_report(f->store, delivery.result, enhanced, f->arena, &found, &f->err));
    assert_null(found);
    struct store_report other = {enhanced, "1.9.55", "1.9.0", "reports/1.9.55.dcm", "ee"};
    assert_true(store_add_report(f->store, delivery.result, &other, start_ms, &f->err));
    assert_true(store_find_report(f->store, delivery.result, enhanced, f->arena, &found, &f->err));
    assert_string_equal(found->sop_uid, "1.9.55");
    assert_string_equal(found->path, "reports/1.9.55.dcm");
    assert_true(store_find_report(f->store, delivery.result, "", f->arena, &found, &f->err));
    assert_string_equal(found->sop_class, comprehensive_3d); /* the first */
    /* another route may have made the same copy */
    assert_true(store_add_report(f->store, delivery.result, &other, start_ms, &f->err));
    assert_int_equal(ask(f, "SELECT count(*) FROM report"), 2);
}

static void an_older_report_goes_first(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    int64_t study = reported(f, pacs);
    assert_true(due(f, "PACS", 200000, &delivery));
    int64_t first = delivery.id;
    assert_true(
        store_retry_delivery(f->store, &delivery, -1, "down", start_ms + 500000, start_ms + 200000, &f->err));
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    queue_one(f, study, 2);
    finish(f, claim(f, 0), (struct ending){.destinations = pacs});
    assert_false(due(f, "PACS", 400000, &delivery));
    assert_true(due(f, "PACS", 500000, &delivery));
    assert_int_equal(delivery.id, first);
}

static void what_waits_for_nobody_is_parked(void **state)
{
    struct fixture *f = *state;
    const char *const known[] = {"ARCHIVE"};
    int parked;
    int64_t study = reported(f, two);
    assert_true(store_park_unrouted(f->store, known, 1, start_ms, &parked, &f->err));
    assert_int_equal(parked, 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery WHERE destination = 'PACS' AND state = 'parked'"),
                     1);
    deliver(f, "ARCHIVE");
    assert_string_equal(state_of(f, study), "undelivered");
}

static void an_annotation_is_delivered_without_a_report(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    int64_t study = reported(f, (const char *const[]){"RIS", NULL});
    assert_true(due(f, "RIS", 200000, &delivery));
    assert_int_equal(delivery.what, STORE_WHAT_RESULT);
    assert_int_equal(delivery.revision, 1);
    assert_true(
        store_delivered(f->store, &delivery, "RIS", NULL, -1, "accepted", start_ms + 200000, &f->err));
    assert_string_equal(state_of(f, study), "delivered");
    assert_int_equal(ask(f, "SELECT status IS NULL AND sop_uid = '' FROM delivery"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM destination"), 0);
    assert_string_equal(ask_text(f, "SELECT detail FROM event WHERE kind = 'annotation_delivered'"),
                        "to RIS, accepted");
}

/* Two revisions of a study at one destination: the older is parked, the newer delivered. */
static int64_t parked_behind_delivered(struct fixture *f, const struct store_report *report)
{
    struct store_delivery older, newer;
    static const char *const names[] = {"RIS", NULL};
    reported(f, names);
    assert_true(due(f, "RIS", 200000, &older));
    assert_true(store_park_delivery(f->store, &older, -1, "AE", start_ms + 200000, &f->err));
    struct store_put at = put(f, (struct arrival){.sop = "1.2.1.1.2", .at_ms = 210000});
    queue_one(f, at.study, 2);
    assert_false(finish(f, claim(f, 220000), (struct ending){.destinations = names}));
    assert_true(due(f, "RIS", 400000, &newer));
    assert_int_equal(newer.revision, 2);
    assert_true(store_delivered(f->store, &newer, "RIS", report, -1, "", start_ms + 400000, &f->err));
    return older.id;
}

static void an_older_annotation_does_not_follow_a_newer(void **state)
{
    struct fixture *f = *state;
    bool found;
    int64_t older = parked_behind_delivered(f, NULL);
    assert_true(store_requeue_delivery(f->store, older, start_ms + 500000, &found, &f->err));
    assert_false(found);
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery WHERE state = 'withdrawn'"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery WHERE state = 'delivered'"), 1);
}

static void an_older_report_may_follow_a_newer(void **state)
{
    struct fixture *f = *state;
    bool found;
    struct store_report report = {comprehensive_3d, "1.9.9", "1.9.0", "reports/x", "ff"};
    int64_t older = parked_behind_delivered(f, &report);
    assert_true(store_requeue_delivery(f->store, older, start_ms + 500000, &found, &f->err));
    assert_true(found); /* an archive keeps both */
}

static void originals_are_forwarded_once_a_revision_and_destination(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    static const char *const names[] = {"PACS", "ARCHIVE"};
    int64_t study = reported(f, (const char *const[]){"PACS", NULL});
    assert_true(store_forward_objects(f->store, study, 1, names, 2, start_ms + 300000, &f->err));
    assert_true(store_forward_objects(f->store, study, 1, names, 2, start_ms + 310000, &f->err));
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery WHERE what = 'objects'"), 2);
    deliver(f, "PACS"); /* the report, which was queued first */
    assert_string_equal(state_of(f, study), "encoded");
    assert_true(due(f, "PACS", 300000, &delivery));
    assert_int_equal(delivery.what, STORE_WHAT_OBJECTS);
    assert_int_equal(delivery.result, 0);
    assert_int_equal(delivery.study, study);
    assert_int_equal(delivery.sent_upto, 0);
    assert_true(store_delivered(f->store, &delivery, "PACS", NULL, 0, "", start_ms + 320000, &f->err));
    assert_true(due(f, "ARCHIVE", 300000, &delivery));
    assert_true(store_delivered(f->store, &delivery, "ARCHIVE", NULL, 0, "", start_ms + 320000, &f->err));
    assert_string_equal(state_of(f, study), "delivered");
    assert_int_equal(events_of(f, study, "objects_delivered"), 2);
}

static void originals_that_wait_do_not_hold_the_report_up(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    static const char *const names[] = {"PACS"};
    int64_t study = reported(f, (const char *const[]){"PACS", NULL});
    assert_true(store_forward_objects(f->store, study, 1, names, 1, start_ms + 100000, &f->err));
    assert_true(due(f, "PACS", 110000, &delivery));
    assert_int_equal(delivery.what, STORE_WHAT_OBJECTS);
    assert_true(
        store_retry_delivery(f->store, &delivery, -1, "down", start_ms + 900000, start_ms + 110000, &f->err));
    assert_true(due(f, "PACS", 200000, &delivery));
    assert_int_equal(delivery.what, STORE_WHAT_RESULT);
}

static void the_higher_priority_goes_first(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    sqlite3 *db;
    static const char *const names[] = {"PACS"};
    int64_t study = reported(f, (const char *const[]){"PACS", NULL});
    assert_true(store_forward_objects(f->store, study, 1, names, 1, start_ms + 150000, &f->err));
    assert_true(due(f, "PACS", 200000, &delivery));
    assert_int_equal(delivery.what, STORE_WHAT_RESULT);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "UPDATE delivery SET priority = 5 WHERE what = 'objects'", NULL, NULL, NULL), 0);
    sqlite3_close(db);
    assert_true(due(f, "PACS", 200000, &delivery));
    assert_int_equal(delivery.what, STORE_WHAT_OBJECTS);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_annotation_is_delivered_without_a_report),
        T(an_older_annotation_does_not_follow_a_newer),
        T(an_older_report_may_follow_a_newer),
        T(originals_are_forwarded_once_a_revision_and_destination),
        T(originals_that_wait_do_not_hold_the_report_up),
        T(the_higher_priority_goes_first),
        T(a_delivery_is_due_at_its_own_destination_only),
        T(a_delivered_report_ends_the_study),
        T(a_study_is_delivered_when_every_destination_has_it),
        T(the_class_a_destination_took_is_preferred_next_time),
        T(a_retry_waits_for_its_time_and_survives_a_restart),
        T(a_parked_delivery_makes_the_study_undelivered_with_the_cause),
        T(a_parked_delivery_can_be_put_back),
        T(a_waiting_delivery_is_due_now_when_put_back),
        T(a_delivered_or_unknown_delivery_is_not_put_back),
        T(a_delivery_of_an_old_revision_leaves_the_new_ones_state_alone),
        T(a_study_without_destinations_stays_encoded),
        T(a_declined_study_stays_declined_when_its_report_arrives),
        T(a_report_in_another_class_is_found_by_its_class),
        T(an_older_report_goes_first),
        T(what_waits_for_nobody_is_parked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
