#include "fixture.h"

#include <string.h>

/* The studies being received behind a row number, as they are at a time. */
static int receiving(struct fixture *f, int64_t after, int64_t at_ms, struct store_receiving list[8])
{
    int count = store_receiving(f->store, after, start_ms + at_ms, f->arena, list, 8, &f->err);
    assert_true(count >= 0);
    return count;
}

static struct store_receiving the_only(struct fixture *f, int64_t at_ms)
{
    struct store_receiving list[8];
    assert_int_equal(receiving(f, 0, at_ms, list), 1);
    return list[0];
}

static void a_study_is_told_with_the_times_of_its_objects(void **state)
{
    struct fixture *f = *state;
    struct store_put at = put(f, (struct arrival){.date = "20260203"});
    put(f, (struct arrival){.sop = "1.2.1.1.2", .at_ms = 500});
    put(f, (struct arrival){.series = "1.2.1.2", .sop = "1.2.1.2.1", .side = true, .at_ms = 700});
    struct store_receiving one = the_only(f, 1000);
    assert_int_equal(one.study, at.study);
    assert_int_equal(one.revision, 1);
    assert_false(one.forced);
    assert_string_equal(one.study_date, "20260203");
    assert_string_equal(one.study_uid, "1.2.1");
    assert_int_equal(one.receiving_ms, start_ms);
    assert_int_equal(one.last_object_ms, start_ms + 500);
    assert_int_equal(one.newest_series_ms, start_ms + 700);
    assert_int_equal(one.source_count, 0);
}

static void an_object_from_the_future_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    put(f, (struct arrival){.at_ms = 5});
    put(f, (struct arrival){.series = "1.2.1.2", .sop = "1.2.1.2.1", .at_ms = 86400000});
    assert_int_equal(the_only(f, 1000).newest_series_ms, start_ms + 5);
}

static void those_that_are_not_receiving_are_none_of_them(void **state)
{
    struct fixture *f = *state;
    struct store_receiving list[8];
    struct store_put first = put(f, (struct arrival){0});
    struct store_put second =
        put(f, (struct arrival){.study = "1.2.2", .series = "1.2.2.1", .sop = "1.2.2.1.1"});
    assert_int_equal(receiving(f, 0, 0, list), 2);
    assert_int_equal(receiving(f, first.study, 0, list), 1);
    assert_int_equal(list[0].study, second.study);
    assert_int_equal(receiving(f, second.study, 0, list), 0);
    queue_one(f, first.study, 1);
    assert_int_equal(the_only(f, 0).study, second.study);
}

static void who_sent_its_images_is_kept_once_each(void **state)
{
    struct fixture *f = *state;
    put(f, (struct arrival){.source = "scanner"});
    put(f, (struct arrival){.sop = "1.2.1.1.2", .source = "scanner"});
    put(f, (struct arrival){.sop = "1.2.1.1.3", .source = "pacs"});
    put(f, (struct arrival){.sop = "1.2.1.1.4", .source = "workstation", .side = true});
    struct store_receiving one = the_only(f, 0);
    assert_int_equal(one.source_count, 2);
    assert_string_equal(one.sources[0], "pacs");
    assert_string_equal(one.sources[1], "scanner");
}

static void the_largest_count_that_the_objects_say_is_kept(void **state)
{
    struct fixture *f = *state;
    put(f, (struct arrival){.stated_series = 3, .stated_objects = 10});
    put(f, (struct arrival){.sop = "1.2.1.1.2", .stated_series = 2, .stated_objects = 40});
    put(f, (struct arrival){.sop = "1.2.1.1.3", .stated_series = 1, .stated_objects = 20});
    put(f, (struct arrival){.sop = "1.2.1.1.4"});
    struct store_receiving one = the_only(f, 0);
    assert_int_equal(one.stated_series, 3);
    assert_int_equal(one.stated_objects, 40);
}

static void what_came_is_counted_each_object_as_it_came_last(void **state)
{
    struct fixture *f = *state;
    int series, objects;
    struct store_put at = put(f, (struct arrival){0});
    put(f, (struct arrival){.digest = "bb"});
    put(f, (struct arrival){.series = "1.2.1.2", .sop = "1.2.1.2.1", .side = true});
    assert_true(store_count_objects(f->store, at.study, &series, &objects, &f->err));
    assert_int_equal(series, 2);
    assert_int_equal(objects, 2);
}

static void a_start_keeps_why_and_what_was_missing(void **state)
{
    struct fixture *f = *state;
    struct store_put at = put(f, (struct arrival){0});
    const struct store_new_job job = {"demo", true, "", 0};
    const struct store_start start = {.study = at.study,
                                      .revision = 1,
                                      .last_object_ms = start_ms,
                                      .cause = "force_timer",
                                      .expected = "3 series (1 came)",
                                      .expected_missing = true};
    bool started;
    assert_true(store_queue_study(f->store, &start, &job, 1, start_ms, &started, &f->err));
    assert_true(started);
    struct store_job *claimed_job = claim(f, 0);
    assert_string_equal(claimed_job->started_by, "force_timer");
    assert_string_equal(claimed_job->expected, "3 series (1 came)");
    assert_true(claimed_job->expected_missing);
    assert_string_equal(ask_text(f, "SELECT detail FROM event WHERE kind = 'study_complete'"),
                        "revision 1, force_timer; expected: 3 series (1 came)");
    put(f, (struct arrival){.sop = "1.2.1.1.2"}); /* a late object: nothing is said of the new revision yet */
    assert_int_equal(ask(f, "SELECT expected = '' AND expected_missing = 0 AND started_by = '' FROM study"),
                     1);
}

static void what_came_meanwhile_keeps_a_study_from_starting(void **state)
{
    struct fixture *f = *state;
    struct store_put at = put(f, (struct arrival){0});
    const struct store_new_job job = {"demo", true, "", 0};
    static const char *const names[] = {"ARCHIVE"};
    struct store_start start = {.study = at.study,
                                .revision = 1,
                                .last_object_ms = the_only(f, 0).last_object_ms,
                                .cause = "quiet",
                                .expected = "",
                                .forward = names,
                                .forward_count = 1};
    bool started;
    put(f, (struct arrival){.sop = "1.2.1.1.2", .at_ms = 7});
    assert_true(store_queue_study(f->store, &start, &job, 1, start_ms, &started, &f->err));
    assert_false(started);
    assert_true(store_decline_study(f->store, &start, "too_old", start_ms, &started, &f->err));
    assert_false(started);
    assert_string_equal(state_of(f, at.study), "receiving");
    assert_int_equal(ask(f, "SELECT (SELECT count(*) FROM job) + (SELECT count(*) FROM delivery)"), 0);
    start.last_object_ms = the_only(f, 7).last_object_ms;
    assert_true(store_queue_study(f->store, &start, &job, 1, start_ms, &started, &f->err));
    assert_true(started);
    assert_string_equal(state_of(f, at.study), "queued");
    assert_int_equal(
        ask(f, "SELECT count(*) FROM delivery WHERE what = 'objects' AND destination = 'ARCHIVE'"), 1);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(a_study_is_told_with_the_times_of_its_objects),
        T(an_object_from_the_future_is_not_waited_for),
        T(those_that_are_not_receiving_are_none_of_them),
        T(who_sent_its_images_is_kept_once_each),
        T(the_largest_count_that_the_objects_say_is_kept),
        T(what_came_is_counted_each_object_as_it_came_last),
        T(a_start_keeps_why_and_what_was_missing),
        T(what_came_meanwhile_keeps_a_study_from_starting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
