#include "made_report.h"

static void a_finding_item_means_present_or_undetermined(void **state)
{
    struct finding findings[] = {label("one", FINDING_PRESENT), label("two", FINDING_ABSENT),
                                 label("three", FINDING_UNDETERMINED), label("four", FINDING_NOT_ASSESSED)};
    struct result result = analysed(findings, 4);
    struct report *report = build(&result, NULL);
    assert_int_equal(count_in(report, "121071", NULL), 2);
    assert_int_equal(count_in(report, "121071", "ONE"), 1);
    assert_int_equal(count_in(report, "121071", "THREE"), 1);
    assert_int_equal(count_in(report, "125007", NULL), 2);
    assert_int_equal(count_in(report, "121052", "52101004"), 1);
    assert_int_equal(count_in(report, "121052", "373068000"), 1);
    assert_int_equal(count_in(report, "ONE", "52101004"), 1);
    assert_int_equal(count_in(report, "TWO", "272519000"), 1);
    assert_int_equal(count_in(report, "THREE", "373068000"), 1);
    assert_int_equal(count_in(report, "FOUR", "373068000"), 1);
    assert_int_equal(count_in(report, "121106", "four (four): not assessed: too_short"), 1);
    assert_int_equal(count_in(report, "ZS_SCORE", NULL), 2);
    assert_false(report->header.complete);
}

/* source: CID 6047; docs/report.md for what counts as succeeded. */
static void the_summary_follows_the_states(void **state)
{
    const enum finding_state p = FINDING_PRESENT, a = FINDING_ABSENT, u = FINDING_UNDETERMINED,
                             n = FINDING_NOT_ASSESSED;
    const struct {
        enum finding_state states[2];
        const char *summary;
    } cases[] = {{{a, a}, "111241"}, {{a, p}, "111242"}, {{p, p}, "111242"}, {{a, u}, "111243"},
                 {{a, n}, "111243"}, {{p, u}, "111244"}, {{p, n}, "111244"}, {{u, u}, "111245"},
                 {{n, n}, "111245"}, {{u, n}, "111245"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct finding findings[] = {label("one", cases[i].states[0]), label("two", cases[i].states[1])};
        struct result result = analysed(findings, 2);
        struct report *report = build(&result, NULL);
        if (count_in(report, "111017", cases[i].summary) != 1 || count_in(report, "111017", NULL) != 1)
            fail_msg("case %zu", i);
    }
}

static void an_untrained_model_decides_nothing(void **state)
{
    struct finding findings[] = {label("one", FINDING_PRESENT), label("two", FINDING_UNDETERMINED)};
    struct result result = analysed(findings, 2);
    result.model.trained = false;
    struct report *report = build(&result, NULL);
    assert_int_equal(count_in(report, "121071", NULL), 0);
    assert_int_equal(count_in(report, "126010", NULL), 0);
    assert_int_equal(count_in(report, "ONE", "373068000"), 1);
    assert_int_equal(count_in(report, "111017", "111245"), 1);
    assert_int_equal(count_in(report, "121106", "untrained"), 1);
    assert_int_equal(count_in(report, "111002", "trained=no"), 1);
}

static void all_negative_still_names_model_and_thresholds(void **state)
{
    struct finding findings[] = {label("one", FINDING_ABSENT), label("two", FINDING_ABSENT)};
    struct result result = analysed(findings, 2);
    struct report *report = build(&result, NULL);
    assert_int_equal(count_in(report, "121071", NULL), 0);
    assert_int_equal(count_in(report, "111001", "demo"), 1);
    assert_int_equal(count_in(report, "111002", "weights sha256="), 1);
    assert_int_equal(count_in(report, "111002", "one: threshold=0.5"), 1);
    assert_int_equal(count_in(report, "111002", "two: threshold=0.5"), 1);
    assert_int_equal(count_in(report, "121106", "Not for clinical use"), 1);
    assert_true(report->header.complete);
    assert_null(report->header.completion_description);
}

static void not_analysed_says_why_without_a_model(void **state)
{
    struct result result = {.reason = "no_model", .reason_text = "No model takes MR.", .key_instance = -1};
    struct dicom_sr_reference objects[] = {
        {"1.2.3.4", "1.2.3.4.1", "1.2.840.10008.5.1.4.1.1.4", "1.2.3.4.5"}};
    struct report_facts facts = {.instances = objects, .instance_count = 1};
    struct report *report = build(&result, &facts);
    assert_int_equal(count_in(report, "111017", "111245"), 1);
    assert_int_equal(count_in(report, "121106", "Not analysed (no_model): No model takes MR. "), 1);
    assert_int_equal(count_in(report, "121071", NULL), 0);
    assert_int_equal(count_in(report, "111028", NULL), 0);
    assert_false(report->header.complete);
    assert_string_equal(report->header.completion_description, "Not analysed: no_model");
    assert_int_equal(report->header.current_count, 1);
    assert_string_equal(report->header.current_evidence[0].sop_uid, "1.2.3.4.5");
    assert_null(report->header.algorithm.purpose.value);
}

static void a_declined_study_keeps_the_labels_open(void **state)
{
    struct finding findings[] = {label("one", FINDING_PRESENT)};
    struct result result = analysed(findings, 1);
    result.analysed = false;
    result.reason = "too_few_slices";
    result.instance_count = 0;
    struct report *report = build(&result, NULL);
    assert_int_equal(count_in(report, "121071", NULL), 0);
    assert_int_equal(count_in(report, "ONE", "373068000"), 1);
    assert_int_equal(count_in(report, "111017", "111245"), 1);
}

static void a_calibrated_label_has_a_certainty(void **state)
{
    struct finding findings[] = {label("one", FINDING_PRESENT)};
    struct result result = analysed(findings, 1);
    findings[0].has_probability = true;
    findings[0].probability = 0.875;
    struct report *report = build(&result, NULL);
    assert_int_equal(count_in(report, "111012", NULL), 1);
    assert_int_equal(count_in(report, "ZS_SCORE", NULL), 0);
}

static void input_and_revision_are_told(void **state)
{
    struct finding findings[] = {label("one", FINDING_ABSENT)};
    struct result result = analysed(findings, 1);
    struct dicom_sr_reference old = {"1.2.3.4", "1.2.3.8", DICOM_SR_COMPREHENSIVE_3D, "1.2.3.10"};
    struct report_facts facts = {
        .predecessor = &old, .revision = 2, .start = "quiet 120 s", .input_incomplete = true};
    struct report *report = build(&result, &facts);
    assert_int_equal(
        count_in(report, "121106",
                 "Input: 1 of 2 series, 2 images; series 4 skipped: localizer; started: quiet 120 s"),
        1);
    assert_int_equal(count_in(report, "121106", "Revision 2: replaces report 1.2.3.10"), 1);
    assert_int_equal(report->header.instance_number, 2);
    assert_ptr_equal(report->header.predecessor, &old);
    assert_string_equal(report->header.completion_description, "Input incomplete");
    assert_int_equal(count_in(report, "112002", NULL), 1);
    assert_int_equal(report->header.current_count, 2);
}

static void what_was_expected_is_told_and_what_is_missing_makes_the_report_partial(void **state)
{
    struct finding findings[] = {label("one", FINDING_ABSENT)};
    struct result result = analysed(findings, 1);
    struct report_facts facts = {.expected = "a series with coronary (came)"};
    struct report *report = build(&result, &facts);
    assert_int_equal(
        count_in(report, "121106",
                 "Completeness: all that was expected had come when the analysis began: a series "
                 "with coronary (came)"),
        1);
    assert_true(report->header.complete);
    facts.expected = "3 CT or MR images (2 came)";
    facts.expected_missing = true;
    report = build(&result, &facts);
    assert_int_equal(
        count_in(report, "121106",
                 "Completeness: not all that was expected had come when the analysis began: 3 CT or "
                 "MR images (2 came)"),
        1);
    assert_int_equal(count_in(report, "121106", "Completeness"), 1);
    assert_false(report->header.complete);
    assert_string_equal(report->header.completion_description, "Input incomplete");
    facts = (struct report_facts){.expected = ""};
    assert_int_equal(count_in(build(&result, &facts), "121106",
                              "Completeness: nothing was stated of what the study would have"),
                     1);
    assert_int_equal(count_in(build(&result, NULL), "121106", "Completeness"), 0);
}

/* A view that was left blank is named where the verdict is, and the report is not complete. */
static void what_was_looked_at_is_told_and_what_was_not(void **state)
{
    struct finding findings[] = {label("one", FINDING_ABSENT)};
    struct result result = analysed(findings, 1);
    struct result_series with_role[] = {series[0], series[1]};
    with_role[0].role = "cine";
    with_role[0].why = "rule cine: description \"CINE SA\"";
    struct result_view views[] = {
        {"cine_sa", NULL, "geometry", "1.2.3.4.1", 9, 30, 270, 19, 5, "sa", NULL},
        {"lge_2ch", NULL, "description", "1.2.3.4.77", 1, 1, 1, -1, 1, "lax", "phase_sensitive"},
        {"lge_3ch", "missing", NULL, "", 0, 0, 0, 0, 0, NULL, NULL},
    };
    result.series = with_role;
    result.views = views;
    result.view_count = 3;
    result.box = (struct result_box){"estimate", 0.828125, {-12.5, 30, -1024.25}, {150, 160.5, 170}};
    digest_bytes("r", 1, result.series_rules_sha256);
    struct report *report = build(&result, NULL);
    assert_int_equal(count_in(report, "121106", "Series 3 taken: cine; rule cine: description \"CINE SA\""),
                     1);
    assert_int_equal(count_in(report, "121106",
                              "View analysed: cine_sa: series 3, recognised by geometry; short axis, slice 5 "
                              "of 9, 30 phases, 270 frames, 19 of them seen"),
                     1);
    assert_int_equal(count_in(report, "121106",
                              "View analysed: lge_2ch: series 1.2.3.4.77, recognised by description; long "
                              "axis, undecided which, phase-sensitive, 1 slices, 1 phases, 1 frames"),
                     1);
    assert_int_equal(count_in(report, "121106", "of them seen"), 1);
    assert_int_equal(count_in(report, "121106", "Not analysed: view lge_3ch (missing)"), 1);
    assert_int_equal(count_in(report, "121106", "lge_3ch"), 1);
    assert_int_equal(count_in(report, "121106",
                              "Field analysed: heart, estimated (confidence 0.83); centre -12.5, 30.0, "
                              "-1024.2 mm (L, P, S); 150.0 x 160.5 x 170.0 mm (z, y, x)"),
                     1);
    assert_int_equal(count_in(report, "121106", result.series_rules_sha256), 1);
    assert_false(report->header.complete);
    assert_string_equal(report->header.completion_description, "Not every view was analysed");
    result.view_count = 2;
    assert_true(build(&result, NULL)->header.complete);
}

static void a_study_that_was_not_analysed_has_views_only_found(void **state)
{
    struct finding findings[] = {label("one", FINDING_NOT_ASSESSED)};
    struct result result = analysed(findings, 1);
    struct result_view views[] = {{"cine_sa", NULL, "geometry", "1.2.3.4.1", 9, 30, 270, 19, 5, "sa", NULL},
                                  {"lge_3ch", "missing", NULL, "", 0, 0, 0, 0, 0, NULL, NULL}};
    result.analysed = false;
    result.reason = "missing_views";
    result.views = views;
    result.view_count = 2;
    result.box.source = "field_of_view";
    struct report *report = build(&result, NULL);
    assert_int_equal(count_in(report, "121106", "View found: cine_sa: series 3"), 1);
    assert_int_equal(count_in(report, "121106", "View analysed"), 0);
    assert_int_equal(count_in(report, "121106", "Not analysed: view lge_3ch (missing)"), 1);
    assert_int_equal(count_in(report, "121106", "Field found: whole field of view, the heart was not found"),
                     1);
}

static void a_box_says_where_it_came_from(void **state)
{
    struct finding findings[] = {label("one", FINDING_ABSENT)};
    struct result result = analysed(findings, 1);
    assert_int_equal(count_in(build(&result, NULL), "121106", "Field"), 0);
    result.box.source = "segmentation";
    assert_int_equal(
        count_in(build(&result, NULL), "121106", "Field analysed: heart, from a segmentation of the study"),
        1);
}

/* A study of 400 series, one a slice, makes no report of 400 sentences. */
static void long_lists_end(void **state)
{
    static struct result_series many[400];
    struct finding findings[] = {label("one", FINDING_ABSENT)};
    struct result result = analysed(findings, 1);
    for (int i = 0; i < 400; i++) {
        many[i] = series[i == 0 ? 0 : 1];
        many[i].series_number = i + 1;
        many[i].taken = i < 100;
    }
    static const char *warnings[70];
    for (int i = 0; i < 70; i++)
        warnings[i] = "repeated: 1";
    result.warnings = warnings;
    result.warning_count = 70;
    result.series = many;
    result.series_count = 400;
    struct report *report = build(&result, NULL);
    assert_int_equal(count_in(report, "121106", " taken: role unknown"), 32);
    assert_int_equal(count_in(report, "121106", "68 more series taken"), 1);
    assert_int_equal(count_in(report, "121106", "and 268 more series skipped"), 1);
    assert_int_equal(count_in(report, "121106", "Input warning: "), 64);
    assert_int_equal(count_in(report, "121106", "6 more input warnings"), 1);
}

static void a_segmentation_is_neither_an_image_nor_skipped(void **state)
{
    struct finding findings[] = {label("one", FINDING_ABSENT)};
    struct result result = analysed(findings, 1);
    struct result_series with_masks[] = {series[0], series[1]};
    struct result_instance with_mask[] = {instances[0], instances[1]};
    with_masks[1].reason = "organ_masks";
    snprintf(with_mask[1].sop_class, UID_SIZE, "1.2.840.10008.5.1.4.1.1.66.4");
    result.series = with_masks;
    result.instances = with_mask;
    struct report *report = build(&result, NULL);
    assert_int_equal(count_in(report, "121106", "Input: 1 of 2 series, 1 images; series 4: organ_masks"), 1);
    assert_int_equal(count_in(report, "121106", "skipped"), 0);
}

static void a_file_that_was_not_read_is_why_the_report_is_not_complete(void **state)
{
    struct finding findings[] = {label("one", FINDING_ABSENT)};
    struct result result = analysed(findings, 1);
    const char *warnings[] = {"skipped: 2 files"};
    result.warnings = warnings;
    result.warning_count = 1;
    struct report *report = build(&result, NULL);
    assert_false(report->header.complete);
    assert_string_equal(report->header.completion_description, "Not every file could be read");
}

static void clinical_use_drops_the_warning(void **state)
{
    struct finding findings[] = {label("one", FINDING_ABSENT)};
    struct result result = analysed(findings, 1);
    struct report_facts facts = {.clinical = true};
    struct report *report = build(&result, &facts);
    assert_int_equal(count_in(report, "121106", "Not for clinical use"), 0);
    assert_string_equal(report->header.series_description, "cardioscribe AI");
}

static void the_device_uid_changes_with_the_weights(void **state)
{
    struct result result = analysed(NULL, 0);
    char first[UID_SIZE], second[UID_SIZE], third[UID_SIZE];
    report_device_uid(&result, first);
    report_device_uid(&result, second);
    assert_string_equal(first, second);
    digest_bytes("x", 1, result.model.weights_sha256);
    report_device_uid(&result, second);
    assert_string_not_equal(first, second);
    digest_bytes("x", 1, result.model.prompts_sha256);
    report_device_uid(&result, third);
    assert_string_not_equal(second, third);
}

static void another_class_is_another_object(void **state)
{
    struct finding findings[] = {label("one", FINDING_PRESENT)};
    struct result result = analysed(findings, 1);
    struct report *report = build(&result, NULL);
    struct err err = ERR_INIT;
    char uid[UID_SIZE];
    size_t size;
    char first[200];
    snprintf(first, sizeof first, "%s.first", report_path);
    assert_true(report_write(report, first, &err));
    assert_true(dicom_sr_reclass(first, DICOM_SR_ENHANCED, report_class_uid, report_path, &err));
    unlink(first);
    report_class_uid("1.2.3.9", DICOM_SR_ENHANCED, uid);
    char *bytes = file_read(report_path, 1 << 20, &size, &err);
    assert_non_null(memmem(bytes, size, uid, strlen(uid)));
    assert_non_null(memmem(bytes, size, DICOM_SR_ENHANCED, strlen(DICOM_SR_ENHANCED)));
    free(bytes);
}

/* ---- codes ---- */

static bool load(const char *text, struct report_codes **codes, struct err *err)
{
    write_file(codes_path, text, strlen(text));
    return report_codes_load(codes_path, arena, codes, err);
}

static void labels_are_coded_by_the_table(void **state)
{
    struct err err = ERR_INIT;
    struct report_codes *codes;
    struct report_label found;
    assert_true(
        load("{\"labels\":[{\"id\":\"a\",\"text\":\"A\",\"state\":\"D\",\"code\":{\"value\":\"1\",\"scheme\":"
             "\"SCT\",\"meaning\":\"M\"},\"site\":null},{\"id\":\"b\",\"text\":\"B\",\"state\":\"V\","
             "\"code\":{\"value\":\"2\",\"scheme\":\"SCT\",\"meaning\":\"N\"},\"site\":{\"value\":\"3\","
             "\"scheme\":\"SCT\",\"meaning\":\"S\"}}]}",
             &codes, &err));
    assert_true(report_codes_label(codes, "a", "text", arena, &found, &err));
    assert_string_equal(found.finding.value, "1");
    assert_null(found.site.value);
    assert_true(report_codes_label(codes, "b", "text", arena, &found, &err));
    assert_string_equal(found.finding.value, "B");
    assert_string_equal(found.finding.scheme, "99CARDIOSCRIBE");
    assert_string_equal(found.finding.meaning, "text");
    assert_string_equal(found.site.value, "3");
}

static void organs_are_sites_with_a_side(void **state)
{
    struct err err = ERR_INIT;
    struct report_codes *codes;
    struct report_label label = {0};
    assert_true(
        load("{\"labels\":[],\"organs\":[{\"id\":\"kidney_left\",\"side\":\"left\",\"code\":{\"value\":"
             "\"64033007\","
             "\"scheme\":\"SCT\",\"meaning\":\"Kidney\"}},{\"id\":\"heart\",\"code\":{\"value\":\"80891009\","
             "\"scheme\":\"SCT\",\"meaning\":\"Heart\"}}]}",
             &codes, &err));
    assert_true(report_codes_organ(codes, "kidney_left", "Left kidney", arena, &label, &err));
    assert_string_equal(label.site.value, "64033007");
    assert_string_equal(label.side.value, "7771000");
    label = (struct report_label){0};
    assert_true(report_codes_organ(codes, "heart", NULL, arena, &label, &err));
    assert_string_equal(label.site.value, "80891009");
    assert_null(label.side.value);
    label = (struct report_label){0};
    assert_true(report_codes_organ(codes, "antrum", "Antrum", arena, &label, &err));
    assert_string_equal(label.site.scheme, "99CARDIOSCRIBE");
    assert_string_equal(label.site.meaning, "Antrum");
}

static void long_ids_stay_apart(void **state)
{
    struct err err = ERR_INIT;
    struct report_label left, right;
    assert_true(report_codes_label(NULL, "right_ventricular_enlargement", "a\\b", arena, &left, &err));
    assert_true(report_codes_label(NULL, "right_ventricular_hypertrophy", NULL, arena, &right, &err));
    assert_int_equal(strlen(left.finding.value), 16);
    assert_string_not_equal(left.finding.value, right.finding.value);
    assert_string_equal(left.finding.meaning, "a b");
    assert_string_equal(right.finding.meaning, "right_ventricular_hypertrophy");
}

static void a_wrong_table_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "{\"labels\":{}}",
        "{\"labels\":[],\"organs\":{}}",
        "{\"labels\":[],\"organs\":[{\"id\":\"a\"}]}",
        "{\"labels\":[],\"organs\":[{\"code\":{\"value\":\"1\",\"scheme\":\"S\",\"meaning\":\"M\"}}]}",
        "{\"labels\":[],\"organs\":[{\"id\":\"a\",\"side\":\"middle\",\"code\":{\"value\":\"1\",\"scheme\":"
        "\"S\",\"meaning\":\"M\"}}]}",
        "{\"labels\":[{}]}",
        "{\"labels\":[{\"id\":\"a\",\"text\":\"A\",\"state\":\"Q\"}]}",
        "{\"labels\":[{\"id\":\"a\",\"text\":\"A\",\"state\":\"D\",\"code\":null}]}",
        "{\"labels\":[{\"id\":\"a\",\"text\":\"A\",\"state\":\"V\"},{\"id\":\"a\",\"text\":\"A\",\"state\":"
        "\"V\"}]}",
        "{\"labels\":[{\"id\":\"a\",\"text\":\"A\",\"state\":\"D\",\"code\":{\"value\":\"12345678901234567\","
        "\"scheme\":\"SCT\",\"meaning\":\"M\"}}]}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct report_codes *codes = NULL;
        struct err err = ERR_INIT;
        if (load(wrong[i], &codes, &err))
            fail_msg("accepted: %s", wrong[i]);
        assert_int_equal(err.code, ERR_INPUT);
    }
    struct report_codes *codes = NULL;
    struct err err = ERR_INIT;
    assert_false(report_codes_load("/nonexistent/codes.json", arena, &codes, &err));
    assert_int_equal(err.code, ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_finding_item_means_present_or_undetermined, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_summary_follows_the_states, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_untrained_model_decides_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_negative_still_names_model_and_thresholds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_analysed_says_why_without_a_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_declined_study_keeps_the_labels_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_calibrated_label_has_a_certainty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(input_and_revision_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            what_was_expected_is_told_and_what_is_missing_makes_the_report_partial, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_looked_at_is_told_and_what_was_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_study_that_was_not_analysed_has_views_only_found, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_box_says_where_it_came_from, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_lists_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_segmentation_is_neither_an_image_nor_skipped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_was_not_read_is_why_the_report_is_not_complete, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(clinical_use_drops_the_warning, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_device_uid_changes_with_the_weights, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_class_is_another_object, set_up, tear_down),
        cmocka_unit_test_setup_teardown(labels_are_coded_by_the_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(organs_are_sites_with_a_side, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_ids_stay_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_table_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
