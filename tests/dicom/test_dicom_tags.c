/* dicom_tag_find, dicom_tags_read: attributes by the names that a site writes. */
#include "dicom/dicom_head.h"
#include "dicom/dicom_tags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made_file.h"

static void an_attribute_is_found_by_keyword_and_by_number(void **state)
{
    struct err err = ERR_INIT;
    uint32_t tag;
    assert_true(dicom_tag_find("BodyPartExamined", &tag, &err) && tag == 0x00180015);
    assert_true(dicom_tag_find("(0018,0015)", &tag, &err) && tag == 0x00180015);
    assert_true(dicom_tag_find("(0008,103e)", &tag, &err) && tag == 0x0008103e);
    assert_true(dicom_tag_find("(0019,10AB)", &tag, &err) && tag == 0x001910ab);
}

static void what_has_no_value_to_compare_is_refused(void **state)
{
    static const char *const wrong[] = {"BodyPart",
                                        "",
                                        "(0018,0015",
                                        "(0018,0015) ",
                                        "(18,15)",
                                        "(0018,001G)",
                                        "0018,0015",
                                        "bodypartexamined",
                                        "PixelData",
                                        "(7FE0,0010)",
                                        "MediaStorageSOPClassUID",
                                        "(0002,0010)",
                                        "(0000,0100)",
                                        "RequestAttributesSequence"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err err = ERR_INIT;
        uint32_t tag;
        if (dicom_tag_find(wrong[i], &tag, &err) || err.code != ERR_INPUT || !*err.text)
            fail_msg("\"%s\" was taken", wrong[i]);
    }
}

static void values_are_read_and_absent_ones_are_empty(void **state)
{
    static const uint32_t tags[] = {0x00080008, 0x0008103e, 0x00180015, 0x00191001, 0x00200012};
    struct made_file file = {0};
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    const char *values[5];
    made_begin(&file, "1.2.840.10008.1.2.1");
    made_identity(&file, "1.2.840.10008.5.1.4.1.1.2", "ISO_IR 100", "Herz J\xE4ger");
    made_text(&file, 0x00180015, "CS", "HEART ");
    made_text(&file, 0x00190010, "LO", "ACME");
    made_text(&file, 0x00191001, "LO", "room\\7");
    if (!dicom_tags_read(made_save(&file), tags, 5, arena, values, &err))
        fail_msg("%s", err.text);
    assert_string_equal(values[1], "Herz J\xC3\xA4ger");
    assert_string_equal(values[2], "HEART");
    assert_string_equal(values[3], "room\\7");
    assert_string_equal(values[4], "");
    made_done(&file);
    assert_false(dicom_tags_read("/nowhere/at.all", tags, 5, arena, values, &err));
    assert_int_equal(err.code, ERR_IO);
    arena_free(arena);
}

static int open_library(void **state)
{
    struct err err = ERR_INIT;
    return dicom_library_init(&err) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attribute_is_found_by_keyword_and_by_number),
        cmocka_unit_test(what_has_no_value_to_compare_is_refused),
        cmocka_unit_test(values_are_read_and_absent_ones_are_empty),
    };
    return cmocka_run_group_tests(tests, open_library, NULL);
}
