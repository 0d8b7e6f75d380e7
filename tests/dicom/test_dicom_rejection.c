/* Rejection notes byte by byte; those that others write are read in tests/daemon/test_withdrawal.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "dicom/dicom_head.h"
#include "dicom/dicom_rejection.h"
#include "made_file.h"

static const char key_objects[] = "1.2.840.10008.5.1.4.1.1.88.59";
static const char explicit_little[] = "1.2.840.10008.1.2.1";

struct fixture {
    struct made_file file;
    struct arena *arena;
    struct err err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->arena = arena_new();
    *state = f;
    return f->arena ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    made_done(&f->file);
    arena_free(f->arena);
    free(f);
    return 0;
}

static const uint32_t undefined_length = 0xFFFFFFFF;

static void begin_sequence(struct made_file *file, uint32_t tag)
{
    made_tag(file, tag, "SQ", undefined_length);
}

static void begin_item(struct made_file *file)
{
    made_tag(file, 0xFFFEE000, NULL, undefined_length);
}

static void end_item(struct made_file *file)
{
    made_tag(file, 0xFFFEE00D, NULL, 0);
}

static void end_sequence(struct made_file *file)
{
    made_tag(file, 0xFFFEE0DD, NULL, 0);
}

static void object(struct made_file *file, const char *uid)
{
    begin_item(file);
    made_text(file, 0x00081150, "UI", "1.2.840.10008.5.1.4.1.1.2");
    made_text(file, 0x00081155, "UI", uid);
    end_item(file);
}

static void title(struct made_file *file, const char *scheme, const char *code)
{
    made_begin(file, explicit_little);
    made_identity(file, key_objects, "ISO_IR 100", "rejected");
    begin_sequence(file, 0x0040A043);
    begin_item(file);
    made_text(file, 0x00080100, "SH", code);
    made_text(file, 0x00080102, "SH", scheme);
    made_text(file, 0x00080104, "LO", "a title");
    end_item(file);
    end_sequence(file);
}

/* One study of one series with two objects; first: the first one's UID. */
static void evidence(struct made_file *file, const char *study, const char *first)
{
    begin_item(file);
    begin_sequence(file, 0x00081115);
    begin_item(file);
    begin_sequence(file, 0x00081199);
    object(file, first);
    object(file, "1.2.9");
    end_sequence(file);
    made_text(file, 0x0020000E, "UI", "1.2.3.1");
    end_item(file);
    end_sequence(file);
    made_text(file, 0x0020000D, "UI", study);
    end_item(file);
}

static const struct dicom_rejection *read_note(struct fixture *f, bool expected)
{
    const struct dicom_rejection *note = NULL;
    f->err = (struct err)ERR_INIT;
    bool ok = dicom_rejection_read(made_save(&f->file), f->arena, &note, &f->err);
    unlink(f->file.path);
    if (ok != expected)
        print_error("%s\n", f->err.text);
    assert_true(ok == expected);
    return note;
}

static void a_note_names_studies_and_objects(void **state)
{
    struct fixture *f = *state;
    title(&f->file, "DCM", "113001");
    begin_sequence(&f->file, 0x0040A375);
    evidence(&f->file, "1.2.3", "1.2.8");
    evidence(&f->file, "1.2.4", "1.2.7");
    end_sequence(&f->file);
    const struct dicom_rejection *note = read_note(f, true);
    assert_non_null(note);
    assert_string_equal(note->code, "113001");
    assert_string_equal(note->meaning, "Rejected for Quality Reasons");
    assert_int_equal(note->study_count, 2);
    assert_string_equal(note->studies[0].study_uid, "1.2.3");
    assert_int_equal(note->studies[0].count, 2);
    assert_string_equal(note->studies[0].sop_uids[0], "1.2.8");
    assert_string_equal(note->studies[0].sop_uids[1], "1.2.9");
    assert_string_equal(note->studies[1].study_uid, "1.2.4");
    assert_string_equal(note->studies[1].sop_uids[0], "1.2.7");
}

static void only_titles_that_reject_make_a_note(void **state)
{
    static const struct {
        const char *scheme, *code;
        bool rejects;
    } titles[] = {{"DCM", "113001", true},  {"DCM", "113037", true},  {"DCM", "113038", true},
                  {"DCM", "113039", false}, {"DCM", "113000", false}, {"99X", "113001", false}};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
        title(&f->file, titles[i].scheme, titles[i].code);
        begin_sequence(&f->file, 0x0040A375);
        evidence(&f->file, "1.2.3", "1.2.8");
        end_sequence(&f->file);
        assert_true((read_note(f, true) != NULL) == titles[i].rejects);
    }
}

static void a_document_without_a_title_is_no_note(void **state)
{
    struct fixture *f = *state;
    made_begin(&f->file, explicit_little);
    made_identity(&f->file, key_objects, "ISO_IR 100", "no title");
    assert_null(read_note(f, true));
}

static void a_note_that_names_nothing_is_refused(void **state)
{
    struct fixture *f = *state;
    title(&f->file, "DCM", "113037");
    read_note(f, false);
    assert_int_equal(f->err.code, ERR_INPUT);
    title(&f->file, "DCM", "113037");
    begin_sequence(&f->file, 0x0040A375);
    begin_item(&f->file);
    made_text(&f->file, 0x0020000D, "UI", "1.2.3");
    end_item(&f->file);
    end_sequence(&f->file);
    read_note(f, false);
    assert_int_equal(f->err.code, ERR_INPUT);
}

static void an_illegal_uid_is_refused(void **state)
{
    static const char *const illegal[] = {
        "", "1.2.x", "1.2.345678901234567890123456789012345678901234567890123456789012345"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof illegal / sizeof *illegal; i++) {
        title(&f->file, "DCM", "113001");
        begin_sequence(&f->file, 0x0040A375);
        evidence(&f->file, i % 2 ? "1.2.3" : illegal[i], i % 2 ? illegal[i] : "1.2.8");
        end_sequence(&f->file);
        read_note(f, false);
        assert_int_equal(f->err.code, ERR_INPUT);
    }
}

static void a_truncated_note_is_refused(void **state)
{
    struct fixture *f = *state;
    title(&f->file, "DCM", "113001");
    begin_sequence(&f->file, 0x0040A375);
    evidence(&f->file, "1.2.3", "1.2.8");
    end_sequence(&f->file);
    f->file.size -= 40;
    read_note(f, false);
    assert_int_equal(f->err.code, ERR_INPUT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_note_names_studies_and_objects),
        T(only_titles_that_reject_make_a_note),
        T(a_document_without_a_title_is_no_note),
        T(a_note_that_names_nothing_is_refused),
        T(an_illegal_uid_is_refused),
        T(a_truncated_note_is_refused),
    };
    struct err err = ERR_INIT;
    if (!dicom_library_init(&err))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
