/* Text of data sets as dicom_head_read gives it. */
#include "dicom/dicom_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made_file.h"

static const char ct[] = "1.2.840.10008.5.1.4.1.1.2";
static const char explicit_le[] = "1.2.840.10008.1.2.1";

static void text_of_every_character_set_becomes_utf8(void **state)
{
    static const struct {
        const char *charset, *sent, *wanted;
    } texts[] = {
        {"", "Brust 1", "Brust 1"},
        {"ISO_IR 144", "\xC1\xE0\xE3\xDA", "\xD0\xA1\xD1\x80\xD1\x83\xD0\xBA"},
        {"ISO_IR 166", "\xA1", "\xE0\xB8\x81"},
        {"ISO_IR 203", "\xA4", "\xE2\x82\xAC"},
        {"ISO_IR 192", "\xE7\x8E\x8B", "\xE7\x8E\x8B"},
        {"GB18030", "\xCD\xF5", "\xE7\x8E\x8B"},
        {"GBK", "\xCD\xF5", "\xE7\x8E\x8B"},
        {"\\ISO 2022 IR 58", "A \033$)A\xCD\xF5", "A \xE7\x8E\x8B"},
        {"\\ISO 2022 IR 87", "A \033$B;3ED\033(B B", "A \xE5\xB1\xB1\xE7\x94\xB0 B"},
        {"\\ISO 2022 IR 159", "\033$(D0!\033(B", "\xE4\xB8\x82"},
        {"ISO 2022 IR 13\\ISO 2022 IR 87", "\xD4 \033$B;3\033(J", "\xEF\xBE\x94 \xE5\xB1\xB1"},
        {"\\ISO 2022 IR 100\\ISO 2022 IR 144", "\033-A\xE4\033-L\xC1", "\xC3\xA4\xD0\xA1"},
        /* in a text ^ is a character; in a name it would end what the escape began */
        {"\\ISO 2022 IR 149", "\033$)C\xFB\xF3^\xD1\xCE", "\xE6\xB4\xAA^\xE5\x90\x89"},
        {"\\ISO 2022 IR 149", "\033$)C\xFB\xF3\t\xD1\xCE", "?$)C?? ??"},
        {"\\ISO 2022 IR 87", "\033$B;3E\033(B", "?$B;3E?(B"},
        {"\\ISO 2022 IR 87", "\033$Z;3", "?$Z;3"},
        {"ISO_IR 192", "A \xE7\x8E", "A ??"},
        {"GB18030", "\033$)A", "?$)A"},
        {"", "\xE4", "?"},
        {"KLINGON", "CTA \xE4 75%", "CTA ? 75%"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct made_file file = {0};
        struct dicom_head *head;
        struct err err = ERR_INIT;
        struct arena *arena = arena_new();
        made_begin(&file, explicit_le);
        made_identity(&file, ct, texts[i].charset, texts[i].sent);
        assert_true(dicom_head_read(made_save(&file), arena, &head, &err));
        if (strcmp(head->id.series_description, texts[i].wanted) != 0)
            fail_msg("text %zu became %s", i, head->id.series_description);
        made_done(&file);
        arena_free(arena);
    }
}

static int library_up(void **state)
{
    struct err err = ERR_INIT;
    return dicom_library_init(&err) ? 0 : -1;
}

static int library_down(void **state)
{
    dicom_library_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(text_of_every_character_set_becomes_utf8)};
    return cmocka_run_group_tests(tests, library_up, library_down);
}
