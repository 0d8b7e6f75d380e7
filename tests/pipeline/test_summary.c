/* The page of a report: what it says, in which order, and what it says of what had no place. */
#include "pipeline/summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 200 };
static struct dicom_sr_item items[MOST];
static int used;
static struct summary_text text;

static struct dicom_code code(const char *value, const char *meaning)
{
    return (struct dicom_code){.value = value, .scheme = "X", .meaning = meaning};
}

static struct dicom_sr_item *add(struct dicom_sr_item *parent, enum dicom_sr_value value,
                                 struct dicom_code name)
{
    struct dicom_sr_item *item = &items[used++];
    *item = (struct dicom_sr_item){.value = value, .name = name};
    if (parent && parent->last_child)
        parent->last_child->next = item;
    else if (parent)
        parent->first_child = item;
    if (parent)
        parent->last_child = item;
    return item;
}

static void add_text(struct dicom_sr_item *parent, const char *name, const char *meaning, const char *words)
{
    add(parent, DICOM_SR_TEXT, code(name, meaning))->text = words;
}

static struct dicom_sr_item *add_code(struct dicom_sr_item *parent, const char *name, const char *meaning,
                                      const char *value)
{
    struct dicom_sr_item *item = add(parent, DICOM_SR_CODE, code(name, meaning));
    item->code = code("V", value);
    return item;
}

/* A report with one finding that is present and `labels` that are not. */
static struct dicom_sr_document report(int labels)
{
    used = 0;
    memset(items, 0, sizeof items);
    struct dicom_sr_item *root = add(NULL, DICOM_SR_CONTAINER, code("126000", "Report"));
    struct dicom_sr_item *library = add(root, DICOM_SR_CONTAINER, code("111028", "Image Library"));
    add_code(library, "121139", "Modality", "Computed Tomography");
    struct dicom_sr_item *all = add(root, DICOM_SR_CONTAINER, code("126010", "Imaging Measurements"));
    struct dicom_sr_item *group = add(all, DICOM_SR_CONTAINER, code("125007", "Measurement Group"));
    add_code(add_code(group, "121071", "Finding", "Cardiomegaly"), "363698007", "Finding Site", "Heart");
    struct dicom_sr_item *score = add(group, DICOM_SR_NUM, code("S", "Score"));
    score->number = 0.875;
    score->unit = code("1", "no units");
    add_code(group, "111000", "Algorithm Family", "Neural network");
    add_text(group, "111002", "Algorithm Parameters", "weights sha256=0");
    struct dicom_sr_item *asked = add(root, DICOM_SR_CONTAINER, code("C0034375", "Qualitative Evaluations"));
    add_code(asked, "C1", "Cardiomegaly", "Present");
    for (int i = 0; i < labels; i++)
        add_code(asked, "C2", "Pericardial effusion", "Absent");
    add_code(asked, "111017", "CAD Processing and Findings Summary", "All algorithms succeeded");
    add_text(asked, "121106", "Comment",
             "Research output of an automated algorithm. Not for clinical use. Not reviewed by a physician.");
    add_text(asked, "121106", "Comment", "Input manifest sha256=00ff");
    add_text(asked, "111001", "Algorithm Name", "demo");
    return (struct dicom_sr_document){.root = root,
                                      .patient_name = "NOBODY^KNOWS",
                                      .patient_id = "SECRET",
                                      .accession = "ACCESSION",
                                      .study_date = "20260102",
                                      .content_date = "20261122",
                                      .content_time = "141727.000000",
                                      .utc_offset = "+0100",
                                      .revision = 2,
                                      .completion_description = "some input was missing",
                                      .predecessor_uid = "1.2.3",
                                      .series_description = "cardioscribe AI - NOT FOR CLINICAL USE"};
}

static int line_of(const char *words)
{
    for (int i = 0; i < text.count; i++)
        if (strstr(text.lines[i], words))
            return i;
    return -1;
}

static void it_says_what_the_report_says_the_cautions_first(void **state)
{
    struct dicom_sr_document document = report(2);
    summary_write(&document, &text);
    assert_string_equal(text.lines[0], "cardioscribe AI - NOT FOR CLINICAL USE");
    assert_string_equal(text.lines[1], "Preliminary, unverified, PARTIAL: some input was missing");
    assert_string_equal(text.lines[2],
                        "Study of 20260102; revision 2, analysed 20261122 141727 +0100; replaces an");
    assert_string_equal(text.lines[3], "earlier report");
    assert_int_equal(line_of("Algorithm: demo"), 4);
    int caution = line_of("Not for clinical use."),
        finding = line_of("Finding (Heart): Cardiomegaly; Score: 0.875");
    int label = line_of("Cardiomegaly: Present");
    assert_true(caution > 4 && caution < finding && finding < label);
    assert_true(line_of("All algorithms succeeded") > 4 && line_of("All algorithms succeeded") < finding);
    assert_int_equal(line_of("Pericardial effusion: Absent"), label + 1);
    assert_int_equal(text.count, label + 3);
    assert_int_equal(text.left_out, 0);
}

static void it_names_no_patient_no_digest_and_no_library(void **state)
{
    static const char *const never[] = {"NOBODY",     "SECRET",  "ACCESSION", "sha256",
                                        "Tomography", "network", "1.2.3"};
    struct dicom_sr_document document = report(2);
    summary_write(&document, &text);
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        assert_int_equal(line_of(never[i]), -1);
}

static void long_lines_are_wrapped_at_blanks_and_words_without_any_are_cut(void **state)
{
    char word[3 * SUMMARY_COLUMNS + 1];
    memset(word, 'w', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    struct dicom_sr_document document = report(0);
    document.series_description = word;
    summary_write(&document, &text);
    for (int i = 0; i < 3; i++)
        assert_int_equal(strlen(text.lines[i]), SUMMARY_COLUMNS);
    int caution = line_of("Research output");
    assert_string_equal(text.lines[caution],
                        "Research output of an automated algorithm. Not for clinical use. Not reviewed by");
    assert_string_equal(text.lines[caution + 1], "a physician.");
}

static void characters_count_not_bytes(void **state)
{
    char word[2 * SUMMARY_COLUMNS + 3] = "";
    for (int i = 0; i < SUMMARY_COLUMNS + 1; i++)
        strcat(word, "\xc3\xa9");
    struct dicom_sr_document document = report(0);
    document.series_description = word;
    summary_write(&document, &text);
    assert_int_equal(strlen(text.lines[0]), 2 * SUMMARY_COLUMNS);
    assert_string_equal(text.lines[1], "\xc3\xa9");
}

static void what_has_no_place_is_counted_on_the_last_line(void **state)
{
    struct dicom_sr_document document = report(0);
    summary_write(&document, &text);
    int others = text.count, labels = SUMMARY_LINES - others + 5;
    document = report(labels);
    summary_write(&document, &text);
    assert_int_equal(text.count, SUMMARY_LINES);
    assert_int_equal(text.left_out, 6);
    assert_string_equal(text.lines[SUMMARY_LINES - 1], "6 more lines: see the structured report");
    assert_true(line_of("Not for clinical use.") > 0);
}

static void every_line_is_drawn_within_the_page(void **state)
{
    const uint8_t *pixels;
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    struct dicom_sr_document document = report(100);
    summary_write(&document, &text);
    assert_true(summary_draw(&text, arena, &pixels, &err));
    int inked = 0;
    for (int i = 0; i < text.count; i++) {
        bool any = false;
        for (int at = (20 + 24 * i) * SUMMARY_WIDTH; at < (20 + 24 * i + 18) * SUMMARY_WIDTH; at++)
            any = any || pixels[at] == 255;
        assert_int_equal(any, text.lines[i][0] && strcmp(text.lines[i], " ") != 0);
        inked += any;
    }
    assert_true(inked > 40);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_the_report_says_the_cautions_first),
        cmocka_unit_test(it_names_no_patient_no_digest_and_no_library),
        cmocka_unit_test(long_lines_are_wrapped_at_blanks_and_words_without_any_are_cut),
        cmocka_unit_test(characters_count_not_bytes),
        cmocka_unit_test(what_has_no_place_is_counted_on_the_last_line),
        cmocka_unit_test(every_line_is_drawn_within_the_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
