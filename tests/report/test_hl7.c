#include "made_report.h"

#include "report/annotation.h"
#include "report/hl7.h"

static const struct hl7_options options = {.sending_application = "A|B",
                                           .sending_facility = "",
                                           .receiving_application = "",
                                           .receiving_facility = "",
                                           .processing_id = "P",
                                           .accession = HL7_ACCESSION_BOTH,
                                           .enhanced = true,
                                           .modality = "CT"};

static struct dicom_sr_document *read_back(void)
{
    struct dicom_sr_document *document = NULL;
    struct err err = ERR_INIT;
    if (!dicom_sr_read(report_path, arena, &document, &err))
        fail_msg("%s", err.text);
    return document;
}

static void same_code(const struct dicom_code *was, const struct dicom_code *is)
{
    assert_string_equal(is->value, was->value ? was->value : "");
    assert_string_equal(is->scheme, was->scheme ? was->scheme : "");
    assert_string_equal(is->meaning, was->meaning ? was->meaning : "");
}

static int same_items(const struct dicom_sr_item *was, const struct dicom_sr_item *is)
{
    int count = 1;
    assert_int_equal(was->value, is->value);
    same_code(&was->name, &is->name);
    if (was->value == DICOM_SR_CODE)
        same_code(&was->code, &is->code);
    if (was->value == DICOM_SR_TEXT || was->value == DICOM_SR_UIDREF)
        assert_string_equal(was->text, is->text);
    if (was->value == DICOM_SR_NUM) {
        same_code(&was->unit, &is->unit);
        assert_true(was->number == is->number);
    }
    if (was->value == DICOM_SR_IMAGE) {
        assert_string_equal(was->sop_class, is->sop_class);
        assert_string_equal(was->sop_uid, is->sop_uid);
        assert_int_equal(was->frame, is->frame);
    }
    was = was->first_child;
    for (is = is->first_child; was && is; was = was->next, is = is->next)
        count += same_items(was, is);
    assert_true(!was && !is);
    return count;
}

static void a_report_is_read_back_item_by_item(void **state)
{
    struct finding findings[] = {label("one", FINDING_PRESENT), label("two", FINDING_ABSENT),
                                 label("three", FINDING_NOT_ASSESSED)};
    struct result result = analysed(findings, 3);
    struct dicom_sr_reference before = {"1.2.3.4", "1.2.3.8", DICOM_SR_COMPREHENSIVE_3D, "1.2.3.7"};
    struct report_facts facts = {.revision = 2, .predecessor = &before};
    struct report *report = build(&result, &facts);
    struct dicom_sr_document *document = read_back();
    assert_true(same_items(report->tree.root, document->root) > 30);
    assert_string_equal(document->sop_uid, "1.2.3.9");
    assert_string_equal(document->study_uid, "1.2.3.4");
    assert_string_equal(document->patient_id, "P-1");
    assert_string_equal(document->predecessor_uid, "1.2.3.7");
    assert_int_equal(document->revision, 2);
    assert_false(document->complete);
    assert_string_equal(document->completion_description, "Not every label could be assessed");
}

static void what_is_no_report_is_refused(void **state)
{
    struct dicom_sr_document *document = NULL;
    struct err err = ERR_INIT;
    assert_false(dicom_sr_read(source_path, arena, &document, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_null(document);
}

static char *message_of(const struct result *result)
{
    build(result, NULL);
    char *message = hl7_oru_r01(read_back(), &options);
    assert_non_null(message);
    return message;
}

static void the_same_report_is_the_same_message(void **state)
{
    struct finding findings[] = {label("one", FINDING_PRESENT)};
    struct result result = analysed(findings, 1);
    char id[HL7_CONTROL_ID_SIZE], *first = message_of(&result), *second = message_of(&result);
    assert_string_equal(first, second);
    hl7_control_id("1.2.3.9", id);
    assert_int_equal(strlen(id), 20);
    assert_non_null(strstr(first, id));
    assert_non_null(strstr(first, "MSH|^~\\&|A\\F\\B|"));
    assert_null(strchr(first, '\n'));
    free(first);
    free(second);
}

static int flagged(const char *message)
{
    int count = 0;
    for (const char *at = message; (at = strstr(at, "|||A|||")); at++)
        count++;
    return count;
}

static void a_calibrated_probability_flags_and_a_score_does_not(void **state)
{
    struct finding findings[] = {label("one", FINDING_PRESENT), label("two", FINDING_PRESENT),
                                 label("three", FINDING_ABSENT)};
    struct result result = analysed(findings, 3);
    char *message = message_of(&result);
    assert_int_equal(flagged(message), 0);
    free(message);
    result.model.calibration = "platt-1";
    for (int i = 1; i < 3; i++) {
        findings[i].has_calibration = findings[i].has_probability = true;
        findings[i].probability = 0.9;
    }
    message = message_of(&result);
    assert_int_equal(flagged(message), 1);
    assert_non_null(strstr(message, "|TWO^two^99CARDIOSCRIBE|"));
    free(message);
}

static void a_number_has_no_exponent(void **state)
{
    static const struct {
        double number;
        const char *text;
    } cases[] = {{0, "0"},
                 {1, "1"},
                 {-0.5, "-0.5"},
                 {87.3, "87.3"},
                 {100, "100"},
                 {1e-5, "0.00001"},
                 {1.0 / 3, "0.3333333333"},
                 {1e15, "1000000000000000"},
                 {2e-9, "0.000000002"},
                 {99.99999999999, "100"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[HL7_NUMBER_SIZE];
        hl7_number(cases[i].number, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void answers_are_read(void **state)
{
    static const struct {
        const char *bytes;
        enum hl7_answer answer;
        const char *words;
    } cases[] = {
        {"MSH|^~\\&|X\rMSA|AA|ID1\r", HL7_ANSWER_ACCEPTED, "AA"},
        {"MSH|^~\\&|X\rMSA|CA|ID1|fine", HL7_ANSWER_ACCEPTED, "CA: fine"},
        {"MSH|^~\\&|X\nMSA|AE|ID1||\nERR|a|b\n", HL7_ANSWER_ERROR, "AE"},
        {"MSH|^~\\&|X\rMSA|CE|ID1||\rERR||||||||no\torder|\r", HL7_ANSWER_ERROR, "CE: no order"},
        {"MSA|AR|ID1\r", HL7_ANSWER_REJECTED, "AR"},
        {"MSA#CR#ID1\r", HL7_ANSWER_REJECTED, "CR"},
        {"MSA|AA|ID2\r", HL7_ANSWER_STRANGE, "AA"},
        {"MSA|AA|ID11\r", HL7_ANSWER_STRANGE, "AA"},
        {"MSA|AX|ID1\r", HL7_ANSWER_STRANGE, "AX"},
        {"MSA|AA", HL7_ANSWER_STRANGE, "AA"},
        {"MSA", HL7_ANSWER_STRANGE, ""},
        {"", HL7_ANSWER_STRANGE, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[HL7_WORDS_SIZE];
        enum hl7_answer answer = hl7_read_answer(cases[i].bytes, strlen(cases[i].bytes), "ID1", words);
        assert_int_equal(answer, cases[i].answer);
        assert_string_equal(words, cases[i].words);
    }
}

static void an_event_has_no_embedding_and_no_name(void **state)
{
    struct finding findings[] = {label("one", FINDING_PRESENT)};
    struct result result = analysed(findings, 1);
    build(&result, NULL);
    json_t *stored = json_pack("{s:[f,f],s:[{s:s,s:[f]}],s:b}", "embedding", 0.6, 0.8, "organs", "id",
                               "heart", "embedding", 1.0, "analysed", 1);
    json_t *event = annotation_json(read_back(), stored);
    assert_non_null(event);
    json_t *told = json_object_get(event, "result");
    assert_null(json_object_get(told, "embedding"));
    assert_null(json_object_get(json_array_get(json_object_get(told, "organs"), 0), "embedding"));
    assert_true(json_is_true(json_object_get(told, "analysed")));
    assert_int_equal(json_array_size(json_object_get(stored, "embedding")), 2); /* ours is as it was */
    assert_null(json_object_get(json_object_get(event, "study"), "patient_name"));
    json_decref(event);
    json_decref(stored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_report_is_read_back_item_by_item, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_report_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_report_is_the_same_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_calibrated_probability_flags_and_a_score_does_not, set_up,
                                        tear_down),
        cmocka_unit_test(a_number_has_no_exponent),
        cmocka_unit_test(answers_are_read),
        cmocka_unit_test_setup_teardown(an_event_has_no_embedding_and_no_name, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
