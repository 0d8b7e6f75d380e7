/* What routing asks of the index, and what it leaves there. */
#include "store/store_route.h"

#include "fixture.h"

#include <stdio.h>
#include <string.h>

static void a_series_is_there_once_for_each_sender_and_our_reports_are_not(void **state)
{
    struct fixture *f = *state;
    struct store_sent_study sent;
    bool found;
    int64_t study = put(f, (struct arrival){.sop = "1.2.1.1.1"}).study;
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    put(f, (struct arrival){.series = "1.2.1.2", .sop = "1.2.1.2.1", .side = true});
    queue_one(f, study, 1);
    finish(f, claim(f, 0), (struct ending){.sop = "1.9.7"});
    put(f, (struct arrival){.series = "1.9.0", .sop = "1.9.7", .side = true});
    assert_true(store_sent_study(f->store, study, f->arena, &found, &sent, &f->err));
    assert_true(found);
    assert_int_equal(sent.revision, 1);
    assert_int_equal(sent.series_count, 2);
    assert_string_equal(sent.series[0].modality, "CT");
    assert_true(*sent.series[0].peer_ae && *sent.series[0].path);
    ask(f, "UPDATE instance SET peer_ae = 'OTHER' WHERE sop_uid = '1.2.1.1.2' RETURNING 1");
    assert_true(store_sent_study(f->store, study, f->arena, &found, &sent, &f->err));
    assert_int_equal(sent.series_count, 3);
    assert_true(store_sent_study(f->store, study + 1, f->arena, &found, &sent, &f->err));
    assert_false(found);
}

static int originals(struct fixture *f, int64_t study, int64_t after, struct store_original **ret)
{
    int count;
    assert_true(store_originals(f->store, study, after, f->arena, ret, &count, &f->err));
    return count;
}

static void originals_come_in_order_and_in_their_newest_form(void **state)
{
    struct fixture *f = *state;
    struct store_original *list, *kinds;
    int count;
    int64_t study = put(f, (struct arrival){.sop = "1.2.1.1.1", .digest = "aa"}).study;
    put(f, (struct arrival){.sop = "1.2.1.1.2", .digest = "bb"});
    put(f, (struct arrival){.sop = "1.2.1.1.3", .digest = "cc", .side = true});
    assert_int_equal(originals(f, study, 0, &list), 3);
    assert_true(list[0].id < list[1].id && list[1].id < list[2].id);
    assert_int_equal(originals(f, study, list[1].id, &kinds), 1);
    assert_int_equal(kinds[0].id, list[2].id);
    put(f, (struct arrival){.sop = "1.2.1.1.1", .digest = "dd"}); /* again, with other content */
    assert_int_equal(originals(f, study, 0, &list), 3);
    assert_true(list[2].id > kinds[0].id);
    assert_true(store_original_kinds(f->store, study, 0, f->arena, 8, &kinds, &count, &f->err));
    assert_in_range(count, 1, 2);
    assert_true(*kinds[0].sop_class && *kinds[0].transfer_syntax);
    assert_true(store_original_kinds(f->store, study, list[2].id, f->arena, 8, &kinds, &count, &f->err));
    assert_int_equal(count, 0);
}

static void more_originals_than_a_batch_come_batch_by_batch(void **state)
{
    struct fixture *f = *state;
    struct store_original *list;
    int64_t study = 0;
    for (int i = 0; i < STORE_ORIGINALS + 3; i++) {
        char sop[40], digest[40];
        snprintf(sop, sizeof sop, "1.2.1.1.%d", i + 1);
        snprintf(digest, sizeof digest, "%d", i);
        study = put(f, (struct arrival){.sop = sop, .digest = digest}).study;
    }
    assert_int_equal(originals(f, study, 0, &list), STORE_ORIGINALS);
    assert_int_equal(originals(f, study, list[STORE_ORIGINALS - 1].id, &list), 3);
}

static void what_a_destination_has_is_known_across_revisions(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"ARCHIVE"};
    struct store_delivery delivery;
    int64_t upto, study = put(f, (struct arrival){.sop = "1.2.1.1.1"}).study;
    assert_true(store_sent_upto(f->store, study, "ARCHIVE", &upto, &f->err));
    assert_int_equal(upto, 0);
    assert_true(store_forward_objects(f->store, study, 1, names, 1, start_ms, &f->err));
    assert_true(due(f, "ARCHIVE", 200000, &delivery));
    assert_true(store_set_sent_upto(f->store, delivery.id, 41, &f->err));
    assert_true(store_delivered(f->store, &delivery, "ARCHIVE", NULL, 0, "", start_ms + 200000, &f->err));
    assert_true(store_forward_objects(f->store, study, 2, names, 1, start_ms, &f->err));
    reopen(f);
    assert_true(store_sent_upto(f->store, study, "ARCHIVE", &upto, &f->err));
    assert_int_equal(upto, 41);
    assert_true(store_sent_upto(f->store, study, "OTHER", &upto, &f->err));
    assert_int_equal(upto, 0);
}

static void originals_alone_deliver_no_study_but_park_it(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"ARCHIVE"};
    struct store_delivery delivery;
    int64_t study = reported(f, NULL); /* held: computed, sent nowhere */
    assert_true(store_forward_objects(f->store, study, 1, names, 1, start_ms, &f->err));
    assert_true(due(f, "ARCHIVE", 200000, &delivery));
    assert_true(store_park_delivery(f->store, &delivery, 0x0124, "not authorised", start_ms, &f->err));
    assert_string_equal(state_of(f, study), "undelivered");
    bool found;
    assert_true(store_requeue_delivery(f->store, delivery.id, start_ms, &found, &f->err));
    assert_true(due(f, "ARCHIVE", 200000, &delivery));
    assert_true(store_delivered(f->store, &delivery, "ARCHIVE", NULL, 0, "", start_ms, &f->err));
    assert_string_equal(state_of(f, study), "encoded");
}

static void jobs_of_a_higher_priority_are_taken_first(void **state)
{
    struct fixture *f = *state;
    struct store_job *job;
    static const char *const studies[] = {"1.2.1", "1.2.2", "1.2.3", "1.2.4"};
    int64_t numbers[4];
    for (int i = 0; i < 4; i++) {
        char series[20], sop[24];
        snprintf(series, sizeof series, "%s.1", studies[i]);
        snprintf(sop, sizeof sop, "%s.1.1", studies[i]);
        numbers[i] = put(f, (struct arrival){.study = studies[i], .series = series, .sop = sop}).study;
        queue_one(f, numbers[i], 1);
    }
    ask(f, "UPDATE job SET priority = 1 WHERE study_id = 3 RETURNING 1");
    ask(f, "UPDATE job SET priority = -1 WHERE study_id = 1 RETURNING 1");
    const int64_t order[] = {numbers[2], numbers[1], numbers[3], numbers[0]};
    for (int i = 0; i < 4; i++) {
        job = claim(f, 0);
        assert_non_null(job);
        assert_int_equal(job->study, order[i]);
    }
}

static void what_was_given_up_is_listed_and_found(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    int64_t next, study = reported(f, (const char *const[]){"PACS", "ARCHIVE", NULL});
    assert_true(due(f, "PACS", 200000, &delivery));
    assert_true(store_park_delivery(f->store, &delivery, -1, "rejected", start_ms, &f->err));
    assert_true(due(f, "ARCHIVE", 200000, &delivery));
    assert_true(store_park_delivery(f->store, &delivery, 0xA900, "mismatch", start_ms, &f->err));
    json_t *all = store_view_parked(f->store, "", 100, &f->err);
    json_t *one = store_view_parked(f->store, "ARCHIVE", 100, &f->err);
    assert_int_equal(json_array_size(all), 2);
    assert_int_equal(json_array_size(one), 1);
    const json_t *row = json_array_get(one, 0);
    assert_int_equal(json_integer_value(json_object_get(row, "study")), study);
    assert_int_equal(json_integer_value(json_object_get(row, "status")), 0xA900);
    assert_string_equal(json_string_value(json_object_get(row, "cause")), "mismatch");
    assert_string_equal(json_string_value(json_object_get(row, "what")), "result");
    json_decref(all);
    json_decref(one);
    assert_true(store_next_parked(f->store, "ARCHIVE", 0, &next, &f->err));
    assert_int_equal(next, delivery.id);
    assert_true(store_next_parked(f->store, "ARCHIVE", next, &next, &f->err));
    assert_int_equal(next, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_series_is_there_once_for_each_sender_and_our_reports_are_not),
        T(originals_come_in_order_and_in_their_newest_form),
        T(more_originals_than_a_batch_come_batch_by_batch),
        T(what_a_destination_has_is_known_across_revisions),
        T(originals_alone_deliver_no_study_but_park_it),
        T(jobs_of_a_higher_priority_are_taken_first),
        T(what_was_given_up_is_listed_and_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
