#include "fixture.h"

#include <string.h>

static json_t *kept[32];
static int kept_count;

/* Dropped at the end of the test. */
static json_t *keep(json_t *json)
{
    assert_non_null(json);
    assert_true(kept_count < 32);
    return kept[kept_count++] = json;
}

static int teardown(void **state)
{
    while (kept_count > 0)
        json_decref(kept[--kept_count]);
    return fixture_teardown(state);
}

static json_t *studies(struct fixture *f, struct store_filter filter)
{
    if (!filter.limit)
        filter.limit = 100;
    return keep(store_view_studies(f->store, &filter, &f->err));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "(none)";
}

static int64_t number(const json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return json_integer_value(json_object_get(object, key));
}

static void studies_are_listed_newest_first(void **state)
{
    struct fixture *f = *state;
    put(f, (struct arrival){.at_ms = 1000});
    put(f, (struct arrival){.study = "1.2.2", .series = "1.2.2.1", .sop = "1.2.2.1.1", .at_ms = 5000});
    put(f, (struct arrival){.study = "1.2.3", .series = "1.2.3.1", .sop = "1.2.3.1.1"});
    json_t *all = studies(f, (struct store_filter){0});
    assert_int_equal(json_array_size(all), 3);
    assert_string_equal(text(json_array_get(all, 0), "study_uid"), "1.2.2");
    assert_string_equal(text(json_array_get(all, 2), "study_uid"), "1.2.3");
    assert_int_equal(number(json_array_get(all, 0), "objects"), 1);
    assert_int_equal(json_array_size(studies(f, (struct store_filter){.limit = 2})), 2);
}

static void each_filter_picks_its_own(void **state)
{
    struct fixture *f = *state;
    put(f, (struct arrival){.at_ms = 1000});
    struct store_put other = put(
        f, (struct arrival){
               .study = "1.2.2", .series = "1.2.2.1", .sop = "1.2.2.1.1", .patient = "P2", .at_ms = 5000});
    queue_one(f, other.study, 1);
    assert_int_equal(json_array_size(studies(f, (struct store_filter){.accession = "ACC"})), 2);
    assert_int_equal(json_array_size(studies(f, (struct store_filter){.accession = "NONE"})), 0);
    assert_int_equal(json_array_size(studies(f, (struct store_filter){.patient_id = "P2"})), 1);
    assert_int_equal(json_array_size(studies(f, (struct store_filter){.study_uid = "1.2.1"})), 1);
    assert_int_equal(json_array_size(studies(f, (struct store_filter){.state = "queued"})), 1);
    assert_int_equal(json_array_size(studies(f, (struct store_filter){.since_ms = start_ms + 5000})), 1);
    assert_int_equal(
        json_array_size(studies(f, (struct store_filter){.patient_id = "P2", .study_uid = "1.2.1"})), 0);
    /* What looks like SQL is a value. */
    assert_int_equal(json_array_size(studies(f, (struct store_filter){.accession = "' OR 1=1 --"})), 0);
}

static void one_study_shows_everything_that_hangs_on_it(void **state)
{
    struct fixture *f = *state;
    int64_t id = reported(f, (const char *const[]){"PACS", NULL});
    put(f, (struct arrival){.side = true, .series = "1.2.1.9", .sop = "1.2.1.9.1"});
    json_t *study = keep(store_view_study(f->store, id, &f->err));
    assert_string_equal(text(study, "state"), "encoded");
    const json_t *objects = json_object_get(study, "objects");
    assert_int_equal(number(objects, "total"), 2);
    assert_int_equal(number(objects, "input"), 1);
    assert_int_equal(number(objects, "other"), 1);
    assert_int_equal(json_array_size(json_object_get(study, "series")), 2);
    assert_int_equal(json_array_size(json_object_get(study, "jobs")), 1);
    const json_t *result = json_array_get(json_object_get(study, "results"), 0);
    assert_string_equal(text(result, "model"), "demo");
    assert_string_equal(text(result, "sr_sop_uid"), "1.9.1");
    assert_string_equal(text(result, "json"), "{\"analysed\": true, \"findings\": []}");
    const json_t *delivery = json_array_get(json_object_get(study, "deliveries"), 0);
    assert_string_equal(text(delivery, "destination"), "PACS");
    assert_string_equal(text(delivery, "state"), "pending");
    assert_true(json_is_null(json_object_get(delivery, "status")));
}

static void an_unknown_study_or_delivery_is_json_null(void **state)
{
    struct fixture *f = *state;
    assert_true(json_is_null(keep(store_view_study(f->store, 4711, &f->err))));
    assert_true(json_is_null(keep(store_view_delivery(f->store, 4711, &f->err))));
}

static void a_delivery_shows_its_state(void **state)
{
    struct fixture *f = *state;
    reported(f, (const char *const[]){"PACS", NULL});
    json_t *delivery = keep(store_view_delivery(f->store, 1, &f->err));
    assert_string_equal(text(delivery, "destination"), "PACS");
    assert_string_equal(text(delivery, "state"), "pending");
}

static void events_come_in_their_order(void **state)
{
    struct fixture *f = *state;
    int64_t id = reported(f, NULL);
    json_t *events = keep(store_view_events(f->store, id, &f->err));
    static const char *const kinds[] = {"study_opened", "study_complete", "job_queued",
                                        "encoding",     "analysed",       "encoded"};
    assert_int_equal(json_array_size(events), 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(text(json_array_get(events, i), "kind"), kinds[i]);
}

static void refusals_come_newest_first_and_limited(void **state)
{
    struct fixture *f = *state;
    struct store_refusal refusal = {"AE", "127.0.0.1", "", "", "", "0xA700", "disk full"};
    int64_t id;
    for (int i = 0; i < 5; i++)
        assert_true(store_refuse(f->store, &refusal, start_ms + i, &id, &f->err));
    json_t *rows = keep(store_view_refusals(f->store, start_ms + 1, 3, &f->err));
    assert_int_equal(json_array_size(rows), 3);
    assert_int_equal(number(json_array_get(rows, 0), "at_ms"), start_ms + 4);
    assert_int_equal(json_array_size(keep(store_view_refusals(f->store, start_ms + 4, 9, &f->err))), 1);
}

static void reports_come_newest_revision_first(void **state)
{
    struct fixture *f = *state;
    int64_t id = reported(f, NULL);
    put(f, (struct arrival){.sop = "1.2.1.1.2"});
    queue_one(f, id, 2);
    finish(f, claim(f, 0), (struct ending){.sop = "1.9.2000"});
    json_t *reports = keep(store_view_reports(f->store, id, &f->err));
    assert_int_equal(json_array_size(reports), 2);
    assert_string_equal(text(json_array_get(reports, 0), "sop_uid"), "1.9.2000");
    assert_int_equal(number(json_array_get(reports, 0), "revision"), 2);
    assert_string_equal(text(json_array_get(reports, 0), "path"), "reports/1.9.2000.dcm");
}

static void counts_are_by_state(void **state)
{
    struct fixture *f = *state;
    reported(f, (const char *const[]){"PACS", "ARCHIVE", NULL});
    put(f, (struct arrival){.study = "1.2.2", .series = "1.2.2.1", .sop = "1.2.2.1.1"});
    json_t *counts = keep(store_view_counts(f->store, &f->err));
    const json_t *by_state = json_object_get(counts, "studies");
    assert_int_equal(number(by_state, "encoded"), 1);
    assert_int_equal(number(by_state, "receiving"), 1);
    assert_int_equal(number(json_object_get(counts, "jobs"), "done"), 1);
    assert_int_equal(number(json_object_get(counts, "deliveries"), "pending"), 2);
}

static void the_oldest_of_what_waits_has_its_time(void **state)
{
    struct fixture *f = *state;
    reported(f, (const char *const[]){"PACS", "ARCHIVE", NULL});
    put(f, (struct arrival){.study = "1.2.2", .series = "1.2.2.1", .sop = "1.2.2.1.1", .at_ms = 7000});
    put(f, (struct arrival){.study = "1.2.3", .series = "1.2.3.1", .sop = "1.2.3.1.1", .at_ms = 5000});
    json_t *oldest = keep(store_view_oldest(f->store, &f->err));
    assert_int_equal(number(json_object_get(oldest, "studies"), "receiving"), start_ms + 5000);
    assert_int_equal(json_object_size(json_object_get(oldest, "jobs")), 0);
    assert_int_equal(number(json_object_get(oldest, "deliveries"), "pending"),
                     ask(f, "SELECT created_ms FROM result"));
}

static void text_that_is_no_utf8_is_still_shown(void **state)
{
    struct fixture *f = *state;
    put(f, (struct arrival){.patient = "M\xfcller"});
    json_t *rows = studies(f, (struct store_filter){0});
    assert_string_equal(text(json_array_get(rows, 0), "patient_id"), "M?ller");
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(studies_are_listed_newest_first),
        T(each_filter_picks_its_own),
        T(one_study_shows_everything_that_hangs_on_it),
        T(an_unknown_study_or_delivery_is_json_null),
        T(a_delivery_shows_its_state),
        T(events_come_in_their_order),
        T(refusals_come_newest_first_and_limited),
        T(reports_come_newest_revision_first),
        T(counts_are_by_state),
        T(the_oldest_of_what_waits_has_its_time),
        T(text_that_is_no_utf8_is_still_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
