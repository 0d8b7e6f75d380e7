#include "base/digest.h"
#include "base/file.h"
#include "dicom/dicom_head.h"
#include "dicom/dicom_sr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct arena *arena;
static char folder[] = "/tmp/test_dicom_sr_XXXXXX";
static char source_path[64], report_path[64];

/* ---- a source object: a bare explicit little endian data set, elements in order of tag ---- */

struct element {
    unsigned group, number;
    const char *vr, *value;
};

static void write_source(const struct element *elements, size_t count)
{
    FILE *file = fopen(source_path, "wb");
    assert_non_null(file);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(elements[i].value), even = (length + 1) / 2 * 2;
        unsigned char head[8] = {elements[i].group & 0xFF,
                                 elements[i].group >> 8,
                                 elements[i].number & 0xFF,
                                 elements[i].number >> 8,
                                 (unsigned char)elements[i].vr[0],
                                 (unsigned char)elements[i].vr[1],
                                 even & 0xFF,
                                 (unsigned char)(even >> 8)};
        fwrite(head, 1, sizeof head, file);
        fwrite(elements[i].value, 1, length, file);
        if (even > length)
            fputc(strcmp(elements[i].vr, "UI") == 0 ? 0 : ' ', file);
    }
    assert_int_equal(fclose(file), 0);
}

static const struct element plain[] = {
    {0x0008, 0x0016, "UI", "1.2.840.10008.5.1.4.1.1.2"},
    {0x0008, 0x0018, "UI", "1.2.3.4.5"},
    {0x0008, 0x0020, "DA", "20251121"},
    {0x0008, 0x0030, "TM", "101500"},
    {0x0008, 0x0050, "SH", "ACC1"},
    {0x0010, 0x0010, "PN", "Doe^Jane"},
    {0x0010, 0x0020, "LO", "P-1"},
    {0x0010, 0x0040, "CS", "F"},
    {0x0020, 0x000D, "UI", "1.2.3.4"},
    {0x0020, 0x000E, "UI", "1.2.3.4.1"},
};
enum { PLAIN_COUNT = sizeof plain / sizeof plain[0] };

static int set_up_all(void **state)
{
    struct err err = ERR_INIT;
    if (!mkdtemp(folder) || !dicom_library_init(&err))
        return -1;
    snprintf(source_path, sizeof source_path, "%s/source.dcm", folder);
    snprintf(report_path, sizeof report_path, "%s/report.dcm", folder);
    return 0;
}

static int tear_down_all(void **state)
{
    unlink(source_path);
    unlink(report_path);
    dicom_library_done();
    return rmdir(folder);
}

static int set_up(void **state)
{
    arena = arena_new();
    write_source(plain, PLAIN_COUNT);
    return arena ? 0 : -1;
}

static int tear_down(void **state)
{
    arena_free(arena);
    return 0;
}

/* ---- a report on it ---- */

static struct dicom_sr_reference evidence[] = {
    {"1.2.3.4", "1.2.3.4.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.5"}};

static struct dicom_sr_source *open_source(void)
{
    struct err err = ERR_INIT;
    struct dicom_sr_source *source = dicom_sr_source_open(source_path, &err);
    if (!source)
        fail_msg("%s", err.text);
    return source;
}

static struct dicom_sr_header header_of(const struct dicom_sr_source *source)
{
    struct dicom_sr_header header = {.source = source,
                                     .sop_class = DICOM_SR_COMPREHENSIVE_3D,
                                     .sop_uid = "1.2.3.9",
                                     .series_uid = "1.2.3.8",
                                     .series_number = 99,
                                     .instance_number = 1,
                                     .complete = true,
                                     .content_unix_ms = 1763720130123,
                                     .current_evidence = evidence,
                                     .current_count = 1,
                                     .manufacturer = "m",
                                     .model_name = "n",
                                     .software_version = "1",
                                     .device_uid = "1.2.3.7"};
    return header;
}

static struct dicom_code code(const char *meaning)
{
    struct dicom_code made = {"121106", "DCM", meaning};
    return made;
}

static void give_value(struct dicom_sr_item *item)
{
    item->code = code("a code");
    item->unit = code("a unit");
    item->text = item->value == DICOM_SR_UIDREF ? "1.2.3" : "a text";
    item->sop_class = "1.2.840.10008.5.1.4.1.1.2";
    item->sop_uid = "1.2.3.4.5";
}

static void tree_of(struct dicom_sr_tree *tree)
{
    struct dicom_code title = {"126000", "DCM", "Imaging Measurement Report"};
    dicom_sr_tree_init(tree, arena, title, "1500");
    give_value(dicom_sr_add(tree, tree->root, DICOM_SR_CONTAINS, DICOM_SR_TEXT, code("Comment")));
}

static bool write_report(const struct dicom_sr_header *header, const struct dicom_sr_tree *tree,
                         struct err *err)
{
    return dicom_sr_write(header, tree, report_path, err);
}

/* ---- tests ---- */

static const char *const classes[] = {DICOM_SR_COMPREHENSIVE_3D, DICOM_SR_COMPREHENSIVE, DICOM_SR_ENHANCED};

/* source: PS3.3 tables A.35.2-2, A.35.3-2, A.35.13-2: the rows TID 1500 uses, and neighbours they forbid. */
static const struct {
    enum dicom_sr_value parent;
    enum dicom_sr_relation relation;
    enum dicom_sr_value child;
    bool allowed;
} relations[] = {
    {DICOM_SR_CONTAINER, DICOM_SR_CONTAINS, DICOM_SR_CONTAINER, true},
    {DICOM_SR_CONTAINER, DICOM_SR_CONTAINS, DICOM_SR_CODE, true},
    {DICOM_SR_CONTAINER, DICOM_SR_CONTAINS, DICOM_SR_TEXT, true},
    {DICOM_SR_CONTAINER, DICOM_SR_CONTAINS, DICOM_SR_NUM, true},
    {DICOM_SR_CONTAINER, DICOM_SR_CONTAINS, DICOM_SR_UIDREF, true},
    {DICOM_SR_CONTAINER, DICOM_SR_CONTAINS, DICOM_SR_IMAGE, true},
    {DICOM_SR_CONTAINER, DICOM_SR_HAS_OBS_CONTEXT, DICOM_SR_TEXT, true},
    {DICOM_SR_CONTAINER, DICOM_SR_HAS_OBS_CONTEXT, DICOM_SR_UIDREF, true},
    {DICOM_SR_CONTAINER, DICOM_SR_HAS_OBS_CONTEXT, DICOM_SR_IMAGE, false},
    {DICOM_SR_CONTAINER, DICOM_SR_HAS_ACQ_CONTEXT, DICOM_SR_CODE, true},
    {DICOM_SR_CONTAINER, DICOM_SR_HAS_ACQ_CONTEXT, DICOM_SR_UIDREF, true},
    {DICOM_SR_CONTAINER, DICOM_SR_HAS_CONCEPT_MOD, DICOM_SR_CODE, true},
    {DICOM_SR_CONTAINER, DICOM_SR_HAS_CONCEPT_MOD, DICOM_SR_TEXT, true},
    {DICOM_SR_CONTAINER, DICOM_SR_HAS_CONCEPT_MOD, DICOM_SR_NUM, false},
    {DICOM_SR_CONTAINER, DICOM_SR_HAS_CONCEPT_MOD, DICOM_SR_UIDREF, false},
    {DICOM_SR_CONTAINER, DICOM_SR_INFERRED_FROM, DICOM_SR_CODE, false},
    {DICOM_SR_CODE, DICOM_SR_HAS_CONCEPT_MOD, DICOM_SR_CODE, true},
    {DICOM_SR_CODE, DICOM_SR_CONTAINS, DICOM_SR_CODE, false},
    {DICOM_SR_NUM, DICOM_SR_CONTAINS, DICOM_SR_TEXT, false},
    {DICOM_SR_NUM, DICOM_SR_INFERRED_FROM, DICOM_SR_IMAGE, true},
    {DICOM_SR_UIDREF, DICOM_SR_CONTAINS, DICOM_SR_TEXT, false},
};

static void each_class_checks_relations(void **state)
{
    struct dicom_sr_source *source = open_source();
    struct dicom_sr_header header = header_of(source);
    for (size_t c = 0; c < 3; c++) {
        header.sop_class = classes[c];
        for (size_t i = 0; i < sizeof relations / sizeof relations[0]; i++) {
            struct dicom_sr_tree tree;
            struct err err = ERR_INIT;
            tree_of(&tree);
            struct dicom_sr_item *parent = tree.root;
            if (relations[i].parent != DICOM_SR_CONTAINER) {
                parent =
                    dicom_sr_add(&tree, tree.root, DICOM_SR_CONTAINS, relations[i].parent, code("parent"));
                give_value(parent);
            }
            give_value(dicom_sr_add(&tree, parent, relations[i].relation, relations[i].child, code("child")));
            if (write_report(&header, &tree, &err) != relations[i].allowed)
                fail_msg("class %zu, relation %zu: %s", c, i, err.text);
            if (!relations[i].allowed)
                assert_int_equal(err.code, ERR_BUG);
        }
    }
    dicom_sr_source_close(source);
}

static void the_same_inputs_give_the_same_bytes(void **state)
{
    struct dicom_sr_source *source = open_source();
    struct dicom_sr_header header = header_of(source);
    struct dicom_sr_tree tree;
    struct err err = ERR_INIT;
    char first[DIGEST_HEX_SIZE], second[DIGEST_HEX_SIZE];
    tree_of(&tree);
    assert_true(write_report(&header, &tree, &err));
    assert_true(digest_file(report_path, 0, first, &err));
    dicom_sr_source_close(source);
    usleep(1100 * 1000); /* a clock would show */
    source = open_source();
    header.source = source;
    assert_true(write_report(&header, &tree, &err));
    assert_true(digest_file(report_path, 0, second, &err));
    assert_string_equal(first, second);
    dicom_sr_source_close(source);
}

/* What the report says after a source with these elements, as text. */
static char *written_with(const struct element *elements, size_t count, const char **ret_notes)
{
    struct dicom_sr_tree tree;
    struct err err = ERR_INIT;
    write_source(elements, count);
    struct dicom_sr_source *source = open_source();
    struct dicom_sr_header header = header_of(source);
    tree_of(&tree);
    if (!write_report(&header, &tree, &err))
        fail_msg("%s", err.text);
    *ret_notes = arena_strdup(arena, dicom_sr_source_notes(source));
    dicom_sr_source_close(source);
    char *text = dicom_sr_text(report_path, &err);
    assert_non_null(text);
    return text;
}

static void patient_and_study_are_copied(void **state)
{
    const char *notes;
    char *text = written_with(plain, PLAIN_COUNT, &notes);
    assert_string_equal(notes, "");
    assert_non_null(strstr(text, "Doe^Jane"));
    assert_non_null(strstr(text, "#P-1"));
    assert_non_null(strstr(text, "PRELIMINARY"));
    assert_non_null(strstr(text, "UNVERIFIED"));
    assert_non_null(strstr(text, "2025-11-21 10:15:30"));
    free(text);
}

static void illegal_values_are_left_empty_and_noted(void **state)
{
    struct element odd[PLAIN_COUNT];
    const char *notes;
    memcpy(odd, plain, sizeof odd);
    odd[2].value = "20120000";
    odd[3].value = "25:00";
    odd[7].value = "X";
    free(written_with(odd, PLAIN_COUNT, &notes));
    assert_non_null(strstr(notes, "StudyDate"));
    assert_non_null(strstr(notes, "StudyTime"));
    assert_non_null(strstr(notes, "PatientSex"));
    assert_null(strstr(notes, "20120000"));
    size_t size;
    struct err err = ERR_INIT;
    char *bytes = file_read(report_path, 1 << 20, &size, &err);
    assert_null(memmem(bytes, size, "20120000", 8));
    assert_non_null(memmem(bytes, size, "ACC1", 4));
    free(bytes);
}

static void an_identifier_stays_whatever_its_length(void **state)
{
    struct element odd[PLAIN_COUNT];
    const char *notes;
    const char *id = "0123456789012345678901234567890123456789012345678901234567890123456789";
    memcpy(odd, plain, sizeof odd);
    odd[6].value = id;
    char *text = written_with(odd, PLAIN_COUNT, &notes);
    assert_non_null(strstr(text, id));
    assert_non_null(strstr(notes, "PatientID"));
    free(text);
}

static void names_become_utf8(void **state)
{
    static const struct {
        const char *charset, *sent, *wanted, *note;
    } names[] = {
        {"ISO_IR 100", "Buc^J\xE9r\xF4me", "Buc^J\xC3\xA9r\xC3\xB4me", ""},
        {"ISO_IR 192", "Wang=\xE7\x8E\x8B", "Wang=\xE7\x8E\x8B", ""},
        /* PS3.5 annexes H.3.1 and I.2 */
        {"\\ISO 2022 IR 87", "Yamada^Tarou=\033$B;3ED\033(B^\033$BB@O:\033(B",
         "Yamada^Tarou=\xE5\xB1\xB1\xE7\x94\xB0^\xE5\xA4\xAA\xE9\x83\x8E", ""},
        {"\\ISO 2022 IR 149", "Hong^Gildong=\033$)C\xFB\xF3^\033$)C\xD1\xCE\xD4\xD7",
         "Hong^Gildong=\xE6\xB4\xAA^\xE5\x90\x89\xE6\xB4\x9E", ""},
        {"\\ISO 2022 IR 149", "Hong=\033$)C\xFB\xF3^\xD1\xCE", "Hong=?$)C??^??", "SpecificCharacterSet"},
        {"ISO 2022 IR 13\\ISO 2022 IR 87", "\xD4\xCF\xC0\xDE",
         "\xEF\xBE\x94\xEF\xBE\x8F\xEF\xBE\x80\xEF\xBE\x9E", ""},
        {"\\ISO 2022 IR 87", "Broken=\033$B;3E\033(B", "Broken=?$B;3E?(B", "SpecificCharacterSet"},
        {"no such set", "J\xE9r", "J?r", "SpecificCharacterSet"},
        {"ISO_IR 192", "J\xE9r", "J?r", "SpecificCharacterSet"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct element odd[PLAIN_COUNT + 1];
        const char *notes;
        odd[0] = (struct element){0x0008, 0x0005, "CS", names[i].charset};
        memcpy(odd + 1, plain, sizeof plain);
        odd[6].value = names[i].sent;
        char *text = written_with(odd, PLAIN_COUNT + 1, &notes);
        if (!strstr(text, names[i].wanted) || !strstr(notes, names[i].note) || (!*names[i].note && *notes))
            fail_msg("name %zu became:\n%s\nnotes: %s", i, text, notes);
        free(text);
    }
}

static void times_follow_the_source_offset(void **state)
{
    struct element odd[PLAIN_COUNT + 1];
    const char *notes;
    memcpy(odd, plain, sizeof plain);
    memmove(odd + 6, odd + 5, (PLAIN_COUNT - 5) * sizeof odd[0]);
    odd[5] = (struct element){0x0008, 0x0201, "SH", "+0100"};
    char *text = written_with(odd, PLAIN_COUNT + 1, &notes);
    assert_non_null(strstr(text, "2025-11-21 11:15:30"));
    free(text);
}

static void a_source_without_a_study_is_refused(void **state)
{
    struct err err = ERR_INIT;
    write_source(plain, 8);
    assert_null(dicom_sr_source_open(source_path, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_string_equal(err.reason, "no_study_uid");
    FILE *file = fopen(source_path, "wb");
    fputs("This is no DICOM object, only some English text of no great length.", file);
    fclose(file);
    assert_null(dicom_sr_source_open(source_path, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_null(dicom_sr_source_open("/nonexistent/file", &err));
}

static void failures_say_their_code(void **state)
{
    struct dicom_sr_source *source = open_source();
    struct dicom_sr_header header = header_of(source);
    struct dicom_sr_tree tree;
    struct err err = ERR_INIT;
    tree_of(&tree);
    assert_false(dicom_sr_write(&header, &tree, "/nonexistent/folder/report.dcm", &err));
    assert_int_equal(err.code, ERR_IO);
    header.sop_class = "1.2.840.10008.5.1.4.1.1.88.11"; /* Basic Text SR */
    assert_false(write_report(&header, &tree, &err));
    assert_int_equal(err.code, ERR_BUG);
    tree.out_of_memory = true;
    assert_false(write_report(&header, &tree, &err));
    assert_int_equal(err.code, ERR_NOMEM);
    dicom_sr_source_close(source);
    assert_null(dicom_sr_text(source_path, &err));
    assert_int_equal(err.code, ERR_INPUT);
    dicom_sr_source_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_class_checks_relations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_inputs_give_the_same_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(patient_and_study_are_copied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(illegal_values_are_left_empty_and_noted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_identifier_stays_whatever_its_length, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_become_utf8, set_up, tear_down),
        cmocka_unit_test_setup_teardown(times_follow_the_source_offset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_source_without_a_study_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_say_their_code, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
