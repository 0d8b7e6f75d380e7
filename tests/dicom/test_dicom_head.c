/* dicom_head_read on files made here, hostile ones included, and on the shared collection where it is. */
#include "dicom/dicom_head.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "made_file.h"

static const char ct[] = "1.2.840.10008.5.1.4.1.1.2";
static const char explicit_le[] = "1.2.840.10008.1.2.1";
static const struct made_format small = {2, 2, 16, 12, 11, 0, 1, "MONOCHROME2"};

struct test {
    struct arena *arena;
    struct made_file file;
    struct dicom_head *head;
    struct err err;
};

static int set_up(void **state)
{
    struct test *test = calloc(1, sizeof *test);
    test->arena = arena_new();
    *state = test;
    return 0;
}

static int tear_down(void **state)
{
    struct test *test = *state;
    made_done(&test->file);
    arena_free(test->arena);
    free(test);
    return 0;
}

static bool load(struct test *test)
{
    if (*test->file.path)
        unlink(test->file.path);
    test->err = (struct err)ERR_INIT;
    return dicom_head_read(made_save(&test->file), test->arena, &test->head, &test->err);
}

static void put_image(struct test *test, const char *position, const char *orientation, const char *spacing)
{
    struct made_file *file = &test->file;
    made_begin(file, explicit_le);
    made_identity(file, ct, "ISO_IR 100", "Herz \xE4\xF6");
    made_text(file, 0x00200032, "DS", position);
    made_text(file, 0x00200037, "DS", orientation);
    made_short(file, 0x00280002, 1);
    made_text(file, 0x00280004, "CS", "MONOCHROME2");
    made_short(file, 0x00280010, 2);
    made_short(file, 0x00280011, 2);
    made_text(file, 0x00280030, "DS", spacing);
    made_short(file, 0x00280100, 16);
    made_short(file, 0x00280101, 12);
    made_short(file, 0x00280102, 11);
    made_short(file, 0x00280103, 0);
    made_text(file, 0x00281052, "DS", "-1024");
    made_text(file, 0x00281053, "DS", "1");
    made_tag(file, 0x7FE00010, "OW", 8);
    made_put(file, "\0\0\1\0\2\0\3\0", 8);
}

static void a_plain_image_is_read(void **state)
{
    struct test *test = *state;
    put_image(test, "-10.5\\20\\3e1", "1\\0\\0\\0\\1\\0", "0.5\\0.75");
    assert_true(load(test));
    const struct dicom_head *head = test->head;
    assert_int_equal(head->kind, DICOM_KIND_CT);
    assert_string_equal(head->id.patient_id, "ID 7");
    assert_string_equal(head->id.series_description, "Herz \xC3\xA4\xC3\xB6");
    assert_string_equal(head->id.sop_uid, "1.2.3.4");
    assert_string_equal(head->id.transfer_syntax, explicit_le);
    assert_true(head->has_pixels);
    assert_int_equal(head->frame_count, 1);
    assert_float_equal(head->frames[0].position_lps[0], -10.5, 0);
    assert_float_equal(head->frames[0].position_lps[2], 30, 0);
    assert_float_equal(head->frames[0].spacing_y_mm, 0.5, 0);
    assert_float_equal(head->frames[0].spacing_x_mm, 0.75, 0);
    assert_float_equal(head->frames[0].intercept, -1024, 0);
    assert_false(head->has_padding);
}

static void faulty_numbers_are_read_or_missed_but_never_guessed(void **state)
{
    struct test *test = *state;
    put_image(test, " 1,5 \\ 2 \\ 3 ", "1\\0\\0\\0\\1\\0", "0.5\\0.75");
    assert_true(load(test));
    assert_float_equal(test->head->frames[0].position_lps[0], 1.5, 0);
    assert_true(test->head->frames[0].has_position);
    static const char *const junk[] = {"1\\2",      "nan\\0\\0", "1\\\\3", "0x10\\1\\1",
                                       "inf\\1\\1", "a\\b\\c",   ""};
    for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
        put_image(test, junk[i], "1\\0\\0\\0\\1\\0", "0.5\\0.75");
        assert_true(load(test));
        assert_false(test->head->frames[0].has_position);
    }
    put_image(test, "1\\2\\3", "0\\0\\0\\0\\1\\0", "0\\0.75");
    assert_true(load(test));
    assert_false(test->head->frames[0].has_orientation);
    assert_false(test->head->frames[0].has_spacing);
}

static void junk_behind_a_number_makes_it_missing(void **state)
{
    struct test *test = *state;
    static const char *const junk[] = {"1x\\2\\3",  "1,000.5\\2\\3", "1,000\\2\\3",
                                       "1 0\\2\\3", "1\\2\\3-",      "1O\\2\\3"};
    for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
        put_image(test, junk[i], "1\\0\\0\\0\\1\\0", "0.5\\0.75");
        assert_true(load(test));
        if (test->head->frames[0].has_position)
            fail_msg("%s was read as %g", junk[i], test->head->frames[0].position_lps[0]);
    }
    put_image(test, " 0,625 \\-1,5\\+1e1 ", "1\\0\\0\\0\\1\\0", "0.5\\0.75");
    assert_true(load(test));
    assert_true(test->head->frames[0].has_position);
    assert_float_equal(test->head->frames[0].position_lps[0], 0.625, 0);
}

/* An image with this rescale; NULL leaves an attribute out. */
static const struct dicom_frame *with_rescale(struct test *test, const char *intercept, const char *slope)
{
    made_begin(&test->file, explicit_le);
    made_identity(&test->file, ct, "ISO_IR 100", "x");
    made_pixel_format(&test->file, small);
    if (intercept)
        made_text(&test->file, 0x00281052, "DS", intercept);
    if (slope)
        made_text(&test->file, 0x00281053, "DS", slope);
    made_tag(&test->file, 0x7FE00010, "OW", 8);
    made_put(&test->file, "\0\0\1\0\2\0\3\0", 8);
    assert_true(load(test));
    return &test->head->frames[0];
}

static void an_illegible_rescale_is_not_an_absent_one(void **state)
{
    struct test *test = *state;
    static const char *const bad[][2] = {{"-1O24.0", "1"},  {"-1,024.0", "1"}, {"-1,024", "1"},
                                         {"-10 24.0", "1"}, {"-1024", "1x"},   {"-1024", "0"},
                                         {"-1024", NULL},   {NULL, "1"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct dicom_frame *frame = with_rescale(test, bad[i][0], bad[i][1]);
        assert_false(frame->has_rescale);
        assert_true(frame->bad_rescale);
    }
    assert_true(with_rescale(test, " -1024 ", " 1 ")->has_rescale);
    assert_false(test->head->frames[0].bad_rescale);
    assert_false(with_rescale(test, NULL, NULL)->bad_rescale);
    assert_false(with_rescale(test, "", "")->bad_rescale);
}

static void padding_is_read_as_the_pixels_are(void **state)
{
    struct test *test = *state;
    static const struct {
        uint32_t said;
        int is_signed, stored, meant;
    } cases[] = {{63536, 0, 12, 2096},  {63536, 1, 12, -2000}, {63536, 1, 16, -2000},
                 {63536, 0, 16, 63536}, {2096, 1, 12, -2000},  {4095, 0, 12, 4095}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct made_format format = small;
        format.is_signed = cases[i].is_signed;
        format.stored = cases[i].stored;
        format.high_bit = cases[i].stored - 1;
        made_begin(&test->file, explicit_le);
        made_identity(&test->file, ct, "ISO_IR 100", "x");
        made_pixel_format(&test->file, format);
        made_short(&test->file, 0x00280120, cases[i].said);
        made_tag(&test->file, 0x7FE00010, "OW", 8);
        made_put(&test->file, "\0\0\1\0\2\0\3\0", 8);
        assert_true(load(test));
        assert_true(test->head->has_padding);
        assert_int_equal(test->head->padding, cases[i].meant);
    }
}

/* An encapsulated object of one fragment. */
static bool load_encapsulated(struct test *test, const char *transfer_syntax, const char *frames)
{
    struct made_file *file = &test->file;
    made_begin(file, transfer_syntax);
    made_identity(file, ct, "ISO_IR 100", "x");
    made_short(file, 0x00280002, 1);
    made_text(file, 0x00280008, "IS", frames);
    made_short(file, 0x00280010, 2);
    made_short(file, 0x00280011, 2);
    made_short(file, 0x00280100, 8);
    made_tag(file, 0x7FE00010, "OB", 0xFFFFFFFF);
    made_tag(file, 0xFFFEE000, NULL, 0);
    made_tag(file, 0xFFFEE000, NULL, 8);
    made_put(file, "12345678", 8);
    made_tag(file, 0xFFFEE0DD, NULL, 0);
    return load(test);
}

static void more_frames_than_fragments_are_refused(void **state)
{
    struct test *test = *state;
    static const char *const syntaxes[] = {"1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90",
                                           "1.2.840.10008.1.2.4.70"};
    for (size_t i = 0; i < sizeof syntaxes / sizeof *syntaxes; i++) {
        assert_true(load_encapsulated(test, syntaxes[i], "1"));
        assert_int_equal(test->head->frame_count, 1);
        assert_false(load_encapsulated(test, syntaxes[i], "131072"));
        assert_int_equal(test->err.code, ERR_INPUT);
        assert_non_null(strstr(test->err.text, "131072"));
    }
    assert_false(load_encapsulated(test, syntaxes[0], "1o"));
    assert_non_null(strstr(test->err.text, "Number of Frames"));
    /* a film is one fragment, and never decoded here */
    assert_true(load_encapsulated(test, "1.2.840.10008.1.2.4.102", "131072"));
    assert_false(test->head->has_pixels);
}

static void every_cut_is_an_error_or_a_head_without_pixels(void **state)
{
    struct test *test = *state;
    put_image(test, "1\\2\\3", "1\\0\\0\\0\\1\\0", "0.5\\0.75");
    size_t whole = test->file.size;
    for (size_t size = 0; size < whole; size++) {
        test->file.size = size;
        bool ok = load(test);
        if (ok)
            assert_false(test->head->has_pixels);
        else
            assert_int_equal(test->err.code, ERR_INPUT);
        if (size >= whole - 8) /* inside the pixels */
            assert_false(ok);
    }
    assert_non_null(strstr(test->err.text, "truncated"));
}

static void no_byte_that_changes_brings_it_down(void **state)
{
    struct test *test = *state;
    put_image(test, "1\\2\\3", "1\\0\\0\\0\\1\\0", "0.5\\0.75");
    for (size_t i = 132; i < test->file.size; i++) {
        uint8_t kept = test->file.bytes[i];
        for (int value = 0; value < 256; value += 51) {
            test->file.bytes[i] = (uint8_t)value;
            (void)load(test);
        }
        test->file.bytes[i] = kept;
    }
}

static void what_is_no_dicom_is_refused(void **state)
{
    struct test *test = *state;
    made_put(&test->file, "hello, this is no DICOM file at all, only text", 46);
    assert_false(load(test));
    assert_int_equal(test->err.code, ERR_INPUT);
    assert_false(dicom_head_read("/nonexistent/file", test->arena, &test->head, &test->err));
    assert_int_equal(test->err.code, ERR_IO);
    assert_false(dicom_head_read("/tmp", test->arena, &test->head, &test->err));
    assert_int_equal(test->err.code, ERR_INPUT);
}

static void more_pixels_than_bytes_are_refused(void **state)
{
    struct test *test = *state;
    struct made_format huge = small;
    huge.rows = huge.columns = 46341;
    made_begin(&test->file, explicit_le);
    made_identity(&test->file, ct, "ISO_IR 100", "x");
    made_pixel_format(&test->file, huge);
    made_tag(&test->file, 0x7FE00010, "OW", 8);
    made_put(&test->file, "12345678", 8);
    assert_false(load(test));
    assert_int_equal(test->err.code, ERR_INPUT);
}

static void absurd_frame_counts_are_refused(void **state)
{
    struct test *test = *state;
    made_begin(&test->file, explicit_le);
    made_identity(&test->file, ct, "ISO_IR 100", "x");
    made_short(&test->file, 0x00280002, 1);
    made_text(&test->file, 0x00280008, "IS", "2000000000");
    made_short(&test->file, 0x00280010, 1);
    made_short(&test->file, 0x00280011, 1);
    made_short(&test->file, 0x00280100, 8);
    made_tag(&test->file, 0x7FE00010, "OW", 8);
    made_put(&test->file, "12345678", 8);
    assert_false(load(test));
    assert_int_equal(test->err.code, ERR_INPUT);
}

static void a_frame_count_that_is_no_number_spoils_only_what_is_analysed(void **state)
{
    static const char *const classes[] = {ct, "1.2.840.10008.5.1.4.1.1.481.2"};
    struct test *test = *state;
    for (int i = 0; i < 2; i++) {
        made_begin(&test->file, explicit_le);
        made_identity(&test->file, classes[i], "ISO_IR 100", "x");
        made_text(&test->file, 0x00280008, "IS", "1A");
        made_short(&test->file, 0x00280010, 2);
        made_short(&test->file, 0x00280011, 2);
        made_short(&test->file, 0x00280100, 16);
        made_tag(&test->file, 0x7FE00010, "OW", 8);
        made_put(&test->file, "12345678", 8);
        assert_int_equal(load(test), i);
    }
    assert_false(test->head->has_pixels);
    assert_int_equal(test->head->frame_count, 0);
}

static void missing_rows_mean_no_pixels(void **state)
{
    struct test *test = *state;
    made_begin(&test->file, explicit_le);
    made_identity(&test->file, ct, "ISO_IR 100", "x");
    made_short(&test->file, 0x00280011, 2);
    made_tag(&test->file, 0x7FE00010, "OW", 8);
    made_put(&test->file, "12345678", 8);
    assert_true(load(test));
    assert_false(test->head->has_pixels);
    assert_int_equal(test->head->frame_count, 0);
}

static void long_identifiers_are_refused(void **state)
{
    struct test *test = *state;
    made_begin(&test->file, explicit_le);
    made_text(&test->file, 0x00080016, "UI", ct);
    made_text(&test->file, 0x00080018, "UI",
              "1.2.3456789012345678901234567890123456789012345678901234567890123456789012345");
    assert_false(load(test));
    assert_int_equal(test->err.code, ERR_INPUT);
}

static void deep_nesting_costs_an_error_not_the_process(void **state)
{
    struct test *test = *state;
    made_begin(&test->file, explicit_le);
    made_text(&test->file, 0x00080016, "UI", ct);
    for (int i = 0; i < 100000; i++) {
        made_tag(&test->file, 0x00081115, "SQ", 0xFFFFFFFF);
        made_tag(&test->file, 0xFFFEE000, NULL, 0xFFFFFFFF);
    }
    assert_false(load(test));
    assert_int_equal(test->err.code, ERR_INPUT);
    assert_non_null(strstr(test->err.text, "nested"));
}

static void a_flood_of_elements_is_refused(void **state)
{
    struct test *test = *state;
    made_begin(&test->file, explicit_le);
    made_text(&test->file, 0x00080016, "UI", ct);
    size_t start = test->file.size, count = 4 << 20;
    test->file.bytes = realloc(test->file.bytes, start + 8 * count);
    test->file.room = start + 8 * count;
    for (size_t i = 0; i < count; i++)
        memcpy(test->file.bytes + start + 8 * i, "\x09\x00\x10\x10LO\0\0", 8);
    test->file.size = start + 8 * count;
    assert_false(load(test));
    assert_int_equal(test->err.code, ERR_INPUT);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    assert_true(used.ru_maxrss < 3L << 20); /* KiB */
}

/* An enhanced object of two frames; position per frame, the rest shared. */
static void per_frame_groups_go_before_shared_ones(void **state)
{
    struct test *test = *state;
    struct made_file *file = &test->file;
    made_begin(file, explicit_le);
    made_identity(file, "1.2.840.10008.5.1.4.1.1.4.1", "ISO_IR 100", "x");
    made_short(file, 0x00280002, 1);
    made_text(file, 0x00280004, "CS", "MONOCHROME2");
    made_text(file, 0x00280008, "IS", "2");
    made_short(file, 0x00280010, 2);
    made_short(file, 0x00280011, 2);
    made_short(file, 0x00280100, 8);
    for (int shared = 1; shared >= 0; shared--) {
        made_tag(file, shared ? 0x52009229 : 0x52009230, "SQ", 0xFFFFFFFF);
        for (int item = 0; item < 2 - shared; item++) {
            made_tag(file, 0xFFFEE000, NULL, 0xFFFFFFFF);
            made_tag(file, 0x00209113, "SQ", 0xFFFFFFFF); /* Plane Position */
            made_tag(file, 0xFFFEE000, NULL, 0xFFFFFFFF);
            made_text(file, 0x00200032, "DS", shared ? "9\\9\\9" : item ? "0\\0\\5" : "0\\0\\4");
            made_tag(file, 0xFFFEE00D, NULL, 0);
            made_tag(file, 0xFFFEE0DD, NULL, 0);
            if (shared) {
                made_tag(file, 0x00209116, "SQ", 0xFFFFFFFF); /* Plane Orientation */
                made_tag(file, 0xFFFEE000, NULL, 0xFFFFFFFF);
                made_text(file, 0x00200037, "DS", "1\\0\\0\\0\\1\\0");
                made_tag(file, 0xFFFEE00D, NULL, 0);
                made_tag(file, 0xFFFEE0DD, NULL, 0);
            }
            made_tag(file, 0xFFFEE00D, NULL, 0);
        }
        made_tag(file, 0xFFFEE0DD, NULL, 0);
    }
    made_tag(file, 0x7FE00010, "OB", 8);
    made_put(file, "12345678", 8);
    assert_true(load(test));
    assert_int_equal(test->head->kind, DICOM_KIND_MR);
    assert_int_equal(test->head->frame_count, 2);
    assert_float_equal(test->head->frames[0].position_lps[2], 4, 0);
    assert_float_equal(test->head->frames[1].position_lps[2], 5, 0);
    assert_true(test->head->frames[1].has_orientation);
    assert_false(test->head->frames[1].has_spacing);
}

static void classes_have_their_kind(void **state)
{
    (void)state;
    assert_int_equal(dicom_class_kind(ct), DICOM_KIND_CT);
    assert_int_equal(dicom_class_kind("1.2.840.10008.5.1.4.1.1.2.1"), DICOM_KIND_CT);
    assert_int_equal(dicom_class_kind("1.2.840.10008.5.1.4.1.1.2.2"), DICOM_KIND_CT);
    assert_int_equal(dicom_class_kind("1.2.840.10008.5.1.4.1.1.4"), DICOM_KIND_MR);
    assert_int_equal(dicom_class_kind("1.2.840.10008.5.1.4.1.1.4.1"), DICOM_KIND_MR);
    assert_int_equal(dicom_class_kind("1.2.840.10008.5.1.4.1.1.4.4"), DICOM_KIND_MR);
    assert_int_equal(dicom_class_kind("1.2.840.10008.5.1.4.1.1.4.2"), DICOM_KIND_OTHER);
    assert_int_equal(dicom_class_kind("1.2.840.10008.5.1.4.1.1.88.34"), DICOM_KIND_OTHER);
    assert_int_equal(dicom_class_kind("1.2.840.10008.5.1.4.1.1.7"), DICOM_KIND_OTHER);
    assert_int_equal(dicom_class_kind("1.2.840.10008.1.1"), DICOM_KIND_UNKNOWN);
    assert_int_equal(dicom_class_kind("1.2.3"), DICOM_KIND_UNKNOWN);
    assert_int_equal(dicom_class_kind(""), DICOM_KIND_UNKNOWN);
}

/* ---- the shared collection ---- */

static int read_folder(struct test *test, const char *folder, int *ret_refused)
{
    DIR *open = opendir(folder);
    int count = 0;
    for (struct dirent *entry; open && (entry = readdir(open));) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (*entry->d_name == '.')
            continue;
        if (entry->d_type == DT_DIR) {
            count += read_folder(test, path, ret_refused);
            continue;
        }
        struct arena *arena = arena_new();
        if (!dicom_head_read(path, arena, &test->head, &test->err)) {
            assert_int_equal(test->err.code, ERR_INPUT);
            assert_true(strlen(test->err.text) > 8);
            (*ret_refused)++;
        }
        arena_free(arena);
        count++;
    }
    if (open)
        closedir(open);
    return count;
}

static void everything_shared_is_read_or_refused_with_a_reason(void **state)
{
    struct test *test = *state;
    const char *shared = getenv("CARDIOSCRIBE_SHARED");
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/data", shared ? shared : SHARED_BESIDE);
    struct stat info;
    if (stat(folder, &info) < 0) {
        print_message("skipped: no shared data (CARDIOSCRIBE_SHARED)\n");
        skip();
    }
    int refused = 0, count = read_folder(test, folder, &refused);
    print_message("%d files, %d refused\n", count, refused);
    assert_true(count > 400);
    assert_true(refused > 5 && refused < 60);
}

static int library_up(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    return dicom_library_init(&err) ? 0 : -1;
}

static int library_down(void **state)
{
    (void)state;
    dicom_library_done();
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_plain_image_is_read),
        T(faulty_numbers_are_read_or_missed_but_never_guessed),
        T(junk_behind_a_number_makes_it_missing),
        T(an_illegible_rescale_is_not_an_absent_one),
        T(padding_is_read_as_the_pixels_are),
        T(more_frames_than_fragments_are_refused),
        T(every_cut_is_an_error_or_a_head_without_pixels),
        T(no_byte_that_changes_brings_it_down),
        T(what_is_no_dicom_is_refused),
        T(more_pixels_than_bytes_are_refused),
        T(absurd_frame_counts_are_refused),
        T(a_frame_count_that_is_no_number_spoils_only_what_is_analysed),
        T(missing_rows_mean_no_pixels),
        T(long_identifiers_are_refused),
        T(deep_nesting_costs_an_error_not_the_process),
        T(a_flood_of_elements_is_refused),
        T(per_frame_groups_go_before_shared_ones),
        T(classes_have_their_kind),
        T(everything_shared_is_read_or_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, library_up, library_down);
}
