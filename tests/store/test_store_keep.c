#include "fixture.h"

#include "store/store_keep.h"

#include <string.h>

static const char *const pacs[] = {"PACS", NULL};
static const char comprehensive_3d[] = "1.2.840.10008.5.1.4.1.1.88.34";

static bool nobody_holds(void *context, const char *study_uid)
{
    return context && strcmp(context, study_uid) == 0;
}

/* finished: before which time of the fixture; -1: never. */
static struct store_keep next(struct fixture *f, int64_t finished_ms, int64_t delivered_ms, char *held_uid)
{
    struct store_keep_rule rule = {finished_ms < 0 ? INT64_MIN : start_ms + finished_ms,
                                   delivered_ms < 0 ? INT64_MIN : start_ms + delivered_ms};
    struct store_keep keep;
    if (!store_keep_next(f->store, &rule, nobody_holds, held_uid, &keep, &f->err))
        fail_msg("%s", f->err.text);
    return keep;
}

static int drop(struct fixture *f, struct store_keep keep, int max, bool *more)
{
    int count;
    if (!store_keep_drop(f->store, &keep, "finished_days", max, start_ms + 800000, more, &count, &f->err))
        fail_msg("%s", f->err.text);
    return count;
}

static void deliver(struct fixture *f)
{
    struct store_delivery delivery;
    struct store_report report = {comprehensive_3d, "1.9.1", "1.9.0", "x", "ff"};
    assert_true(due(f, "PACS", 400000, &delivery));
    assert_true(store_delivered(f->store, &delivery, "PACS", &report, 0, "", start_ms + 200000, &f->err));
}

/* Delivered at 200000, its last object came at 0. */
static int64_t delivered(struct fixture *f)
{
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    put(f, (struct arrival){.sop = "1.2.1.1.3"});
    int64_t study = reported(f, pacs);
    deliver(f);
    return study;
}

static void drop_all(struct fixture *f, int64_t study)
{
    bool more;
    struct store_keep keep = next(f, 1, -1, NULL);
    assert_int_equal(keep.study, study);
    drop(f, keep, 64, &more);
    assert_false(more);
}

static void a_finished_study_is_due_by_its_last_object(void **state)
{
    struct fixture *f = *state;
    int64_t study = delivered(f);
    assert_int_equal(next(f, 0, -1, NULL).study, 0);
    assert_int_equal(next(f, 1, -1, NULL).study, study);
    assert_int_equal(next(f, -1, -1, NULL).study, 0);
}

static void a_delivered_study_is_due_by_its_last_delivery(void **state)
{
    struct fixture *f = *state;
    int64_t study = delivered(f);
    assert_int_equal(next(f, -1, 200000, NULL).study, 0);
    assert_int_equal(next(f, -1, 200001, NULL).study, study);
}

static void what_waits_is_never_due(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    int64_t far = 100000000000;
    struct store_put at = put(f, (struct arrival){0});
    assert_int_equal(next(f, far, far, NULL).study, 0); /* receiving */
    queue_one(f, at.study, 1);
    assert_int_equal(next(f, far, far, NULL).study, 0); /* queued */
    struct store_job *job = claim(f, 100000);
    assert_int_equal(next(f, far, far, NULL).study, 0); /* encoding */
    finish(f, job, (struct ending){.destinations = pacs});
    assert_int_equal(next(f, far, far, NULL).study, 0); /* undelivered */
    assert_true(due(f, "PACS", 400000, &delivery));
    assert_true(store_park_delivery(f->store, &delivery, -1, "refused", start_ms, &f->err));
    assert_int_equal(next(f, far, far, NULL).study, 0); /* parked */
}

static void what_is_parked_of_an_older_revision_keeps_the_study(void **state)
{
    struct fixture *f = *state;
    struct store_delivery delivery;
    bool found;
    int64_t study = reported(f, pacs);
    assert_true(due(f, "PACS", 400000, &delivery));
    assert_true(store_park_delivery(f->store, &delivery, -1, "refused", start_ms, &f->err));
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    queue_one(f, study, 2);
    finish(f, claim(f, 300000), (struct ending){.destinations = pacs});
    deliver(f);
    assert_string_equal(state_of(f, study), "delivered");
    assert_int_equal(next(f, 100000000000, 100000000000, NULL).study, 0);
    assert_true(store_requeue_delivery(f->store, delivery.id, start_ms, &found, &f->err));
    deliver(f);
    assert_int_equal(next(f, 100000000000, -1, NULL).study, study);
}

static void what_could_not_be_analysed_is_never_due(void **state)
{
    struct fixture *f = *state;
    finish(f, claimed(f), (struct ending){.failed = true, .reason = "worker_crashed"});
    assert_int_equal(next(f, 100000000000, 100000000000, NULL).study, 0);
}

static void what_may_be_analysed_yet_is_never_due(void **state)
{
    static const char *const reasons[] = {"model_unavailable", "model_not_configured", "pixels_dropped"};
    struct fixture *f = *state;
    int64_t study = reported(f, NULL);
    for (int i = 0; i < 3; i++) {
        ask(f, arena_printf(f->arena, "UPDATE study SET state = 'declined', reason = '%s' RETURNING id",
                            reasons[i]));
        assert_int_equal(next(f, 100000000000, 100000000000, NULL).study, 0);
    }
    ask(f, "UPDATE study SET reason = 'no_model_for_modality' RETURNING id");
    assert_int_equal(next(f, 1, -1, NULL).study, study);
}

static void an_answer_that_goes_nowhere_is_finished(void **state)
{
    struct fixture *f = *state;
    int64_t study = reported(f, NULL);
    assert_string_equal(state_of(f, study), "encoded");
    assert_int_equal(next(f, 1, -1, NULL).study, study);
    assert_int_equal(next(f, -1, 100000000000, NULL).study, 0);
}

static void a_study_that_an_association_holds_is_left(void **state)
{
    struct fixture *f = *state;
    char held_uid[] = "1.2.1";
    delivered(f);
    assert_int_equal(next(f, 1, -1, held_uid).study, 0);
}

static void objects_go_in_small_steps_and_rows_and_results_stay(void **state)
{
    struct fixture *f = *state;
    bool more;
    int64_t study = delivered(f);
    struct store_keep keep = next(f, 1, -1, NULL);
    assert_int_equal(ask(f, "SELECT bytes FROM spool_use"), 300);
    assert_int_equal(drop(f, keep, 2, &more), 2);
    assert_true(more);
    assert_int_equal(ask(f, "SELECT bytes FROM spool_use"), 100);
    assert_int_equal(events_of(f, study, "objects_dropped"), 0);
    keep = next(f, 1, -1, NULL); /* as after a crash: it is found again */
    assert_int_equal(drop(f, keep, 2, &more), 1);
    assert_false(more);
    assert_int_equal(events_of(f, study, "objects_dropped"), 1);
    assert_int_equal(ask(f, "SELECT bytes FROM spool_use"), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM instance WHERE gone = 'dropped' AND current = 1"), 3);
    assert_int_equal(ask(f, "SELECT count(*) FROM removal"), 3);
    assert_int_equal(ask(f, "SELECT count(*) FROM finding"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM embedding"), 2);
    assert_int_equal(ask(f, "SELECT count(*) FROM report WHERE gone = 0"), 1);
    assert_string_equal(state_of(f, study), "delivered");
    assert_int_equal(next(f, 100000000000, -1, NULL).study, 0);
}

static void a_study_that_moved_on_is_not_dropped(void **state)
{
    struct fixture *f = *state;
    bool more;
    delivered(f);
    struct store_keep keep = next(f, 1, -1, NULL);
    put(f, (struct arrival){.sop = "1.2.1.1.4", .at_ms = 500000});
    assert_int_equal(drop(f, keep, 64, &more), 0);
    assert_false(more);
    assert_int_equal(ask(f, "SELECT count(*) FROM instance WHERE gone <> ''"), 0);
}

static void a_study_objects_of_which_come_again_is_dropped_no_further(void **state)
{
    struct fixture *f = *state;
    bool more;
    int64_t study = delivered(f);
    struct store_keep keep = next(f, 1, -1, NULL);
    assert_int_equal(drop(f, keep, 2, &more), 2);
    put(f, (struct arrival){.sop = "1.2.1.1.2", .at_ms = 500000});
    assert_string_equal(state_of(f, study), "delivered");
    assert_int_equal(drop(f, keep, 64, &more), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM instance WHERE gone = ''"), 2);
}

static void a_dropped_object_that_comes_again_is_kept_and_asks_for_nothing(void **state)
{
    struct fixture *f = *state;
    bool current;
    int64_t study = delivered(f);
    drop_all(f, study);
    const char *path = "objects/1.2.1-1.2.1.1.1-aa";
    assert_true(store_object_current(f->store, path, &current, &f->err));
    assert_false(current);
    struct store_put at = put(f, (struct arrival){.at_ms = 900000});
    assert_int_equal(at.outcome, STORE_SAME);
    assert_false(at.reopened);
    assert_int_equal(revision_of(f, study), 1);
    assert_string_equal(state_of(f, study), "delivered");
    assert_true(store_object_current(f->store, path, &current, &f->err));
    assert_true(current);
    assert_int_equal(ask(f, "SELECT bytes FROM spool_use"), 100);
    assert_int_equal(ask(f, "SELECT count(*) FROM removal"), 2);
    assert_int_equal(next(f, 900000, -1, NULL).study, 0); /* its time begins anew */
    assert_int_equal(next(f, 900001, -1, NULL).study, study);
}

static void dropped_objects_that_were_missed_open_the_study_once_when_they_come(void **state)
{
    struct fixture *f = *state;
    int64_t study = delivered(f);
    drop_all(f, study);
    ask(f, "UPDATE study SET state = 'declined', reason = 'pixels_dropped' RETURNING id");
    assert_true(put(f, (struct arrival){.at_ms = 900000}).reopened);
    assert_false(put(f, (struct arrival){.sop = "1.2.1.1.2", .at_ms = 900001}).reopened);
    assert_string_equal(state_of(f, study), "receiving");
    assert_int_equal(revision_of(f, study), 2);
}

static void dropped_images_are_told_and_never_fed(void **state)
{
    struct fixture *f = *state;
    struct store_series *series;
    struct store_inputs inputs;
    int count;
    int64_t study = delivered(f);
    drop_all(f, study);
    put(f, (struct arrival){.sop = "1.2.1.1.4", .at_ms = 900000});
    assert_string_equal(state_of(f, study), "receiving");
    assert_true(store_input_series(f->store, study, f->arena, &series, &count, &f->err));
    assert_int_equal(count, 1);
    assert_int_equal(series[0].input_count, 4);
    assert_int_equal(series[0].dropped_count, 3);
    assert_true(store_job_inputs(f->store, study, f->arena, &inputs, &f->err));
    assert_int_equal(inputs.count, 1);
    assert_int_equal(inputs.lost_count, 0);
}

struct removed {
    int count;
    const char *refuse;
};

static bool note_removed(void *context, const char *path)
{
    struct removed *removed = context;
    if (removed->refuse && strcmp(removed->refuse, path) == 0)
        return false;
    removed->count++;
    return true;
}

static void files_given_up_are_removed_once(void **state)
{
    struct fixture *f = *state;
    struct removed removed = {.refuse = "objects/1.2.1-1.2.1.1.2-aa"};
    int count;
    drop_all(f, delivered(f));
    assert_true(store_keep_remove(f->store, note_removed, &removed, 64, &count, &f->err));
    assert_int_equal(count, 2);
    assert_int_equal(ask(f, "SELECT count(*) FROM removal"), 1); /* left for another time */
    reopen(f);
    removed = (struct removed){0};
    assert_true(store_keep_remove(f->store, note_removed, &removed, 64, &count, &f->err));
    assert_int_equal(removed.count, 1);
    assert_true(store_keep_remove(f->store, note_removed, &removed, 64, &count, &f->err));
    assert_int_equal(count, 0);
}

static void a_spared_file_is_not_removed(void **state)
{
    struct fixture *f = *state;
    struct removed removed = {0};
    int count;
    drop_all(f, delivered(f));
    assert_true(store_keep_spare(f->store, "objects/1.2.1-1.2.1.1.1-aa", &f->err));
    assert_true(store_keep_spare(f->store, "objects/unknown", &f->err));
    assert_true(store_keep_remove(f->store, note_removed, &removed, 64, &count, &f->err));
    assert_int_equal(removed.count, 2);
}

static void a_file_given_up_is_neither_lost_nor_known(void **state)
{
    struct fixture *f = *state;
    bool known;
    drop_all(f, delivered(f));
    assert_true(store_path_known(f->store, "objects/1.2.1-1.2.1.1.1-aa", &known, &f->err));
    assert_false(known);
    assert_int_equal(ask(f, "SELECT coalesce(sum(lost), 0) FROM instance"), 0);
}

static void used_bytes_are_those_of_the_files_that_are_here(void **state)
{
    struct fixture *f = *state;
    int64_t bytes;
    put(f, (struct arrival){0});
    put(f, (struct arrival){0});
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    assert_true(store_keep_used(f->store, &bytes, &f->err));
    assert_int_equal(bytes, 200);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_finished_study_is_due_by_its_last_object),
        T(a_delivered_study_is_due_by_its_last_delivery),
        T(what_waits_is_never_due),
        T(what_is_parked_of_an_older_revision_keeps_the_study),
        T(what_could_not_be_analysed_is_never_due),
        T(what_may_be_analysed_yet_is_never_due),
        T(an_answer_that_goes_nowhere_is_finished),
        T(a_study_that_an_association_holds_is_left),
        T(objects_go_in_small_steps_and_rows_and_results_stay),
        T(a_study_that_moved_on_is_not_dropped),
        T(a_study_objects_of_which_come_again_is_dropped_no_further),
        T(a_dropped_object_that_comes_again_is_kept_and_asks_for_nothing),
        T(dropped_objects_that_were_missed_open_the_study_once_when_they_come),
        T(dropped_images_are_told_and_never_fed),
        T(files_given_up_are_removed_once),
        T(a_spared_file_is_not_removed),
        T(a_file_given_up_is_neither_lost_nor_known),
        T(used_bytes_are_those_of_the_files_that_are_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
