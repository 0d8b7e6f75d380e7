/* dicom_head_read: acquisition, phase, concatenation, and numbers read with tolerance, classic and enhanced.
 */
#include "dicom/dicom_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made_file.h"

static const char ct[] = "1.2.840.10008.5.1.4.1.1.2", enhanced_mr[] = "1.2.840.10008.5.1.4.1.1.4.1";
static const char enhanced_ct[] = "1.2.840.10008.5.1.4.1.1.2.1", mr[] = "1.2.840.10008.5.1.4.1.1.4";
static const char explicit_le[] = "1.2.840.10008.1.2.1";
static const struct made_format small = {2, 2, 8, 8, 7, 0, 1, "MONOCHROME2"};

struct test {
    struct arena *arena;
    struct made_file file;
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

static struct made_file *begin(struct test *test, const char *sop_class, const char *description)
{
    made_begin(&test->file, explicit_le);
    made_identity(&test->file, sop_class, "ISO_IR 100", description);
    return &test->file;
}

static const struct dicom_head *read_head(struct test *test)
{
    struct dicom_head *head = NULL;
    if (*test->file.path)
        unlink(test->file.path);
    if (!dicom_head_read(made_save(&test->file), test->arena, &head, &test->err))
        fail_msg("%s", test->err.text);
    return head;
}

static const struct dicom_head *finish(struct test *test, const char *frames)
{
    if (frames)
        made_text(&test->file, 0x00280008, "IS", frames);
    made_pixel_format(&test->file, small);
    made_tag(&test->file, 0x7FE00010, "OB", 8);
    made_put(&test->file, "12345678", 8);
    return read_head(test);
}

static void a_classic_image_says_how_it_was_acquired(void **state)
{
    struct test *test = *state;
    struct made_file *file = begin(test, mr, "cine");
    made_text(file, 0x00180080, "DS", "3.1");
    made_text(file, 0x00181062, "IS", "870");
    made_text(file, 0x00181090, "IS", "25");
    made_text(file, 0x00185100, "CS", "FFS");
    made_text(file, 0x00189037, "CS", "RETROSPECTIVE");
    made_text(file, 0x00201002, "IS", "250");
    made_text(file, 0x00201206, "IS", "7");
    made_text(file, 0x00201208, "IS", "901");
    made_text(file, 0x00204000, "LT", "J\xE4ger 60 %");
    made_text(file, 0x00280301, "CS", "YES");
    const struct dicom_head *head = finish(test, NULL);
    assert_float_equal(head->interval_ms, 870, 0);
    assert_int_equal(head->cardiac_images, 25);
    assert_string_equal(head->cardiac_sync, "RETROSPECTIVE");
    assert_int_equal(head->images_in_acquisition, 250);
    assert_int_equal(head->study_series, 7);
    assert_int_equal(head->study_objects, 901);
    assert_string_equal(head->image_comments, "J\xC3\xA4ger 60 %");
    assert_true(head->burnt_in);
    assert_false(head->frames[0].has_phase_percent); /* no CT */
    assert_false(head->odd_number);
    begin(test, ct, "x");
    made_text(&test->file, 0x00180060, "DS", "120");
    made_text(&test->file, 0x00280301, "CS", "NO");
    head = finish(test, NULL);
    assert_float_equal(head->tube_kv, 120, 0);
    assert_false(head->burnt_in);
    assert_float_equal(head->interval_ms, 0, 0);
    assert_int_equal(head->concatenation_part, 0);
    assert_string_equal(head->concatenation_uid, "");
}

/* One item of a sequence that holds one number, with the little endian IEEE double of `number` or a DS. */
static void put_group(struct made_file *file, uint32_t group, uint32_t tag, const char *vr, double number)
{
    made_tag(file, group, "SQ", 0xFFFFFFFF);
    made_tag(file, 0xFFFEE000, NULL, 0xFFFFFFFF);
    if (!strcmp(vr, "FD")) {
        made_tag(file, tag, "FD", 8);
        made_put(file, &number, 8);
    } else {
        char text[20];
        snprintf(text, sizeof text, "%g", number);
        made_text(file, tag, vr, text);
    }
    made_tag(file, 0xFFFEE00D, NULL, 0);
    made_tag(file, 0xFFFEE0DD, NULL, 0);
}

static void begin_item(struct made_file *file, uint32_t sequence)
{
    made_tag(file, sequence, "SQ", 0xFFFFFFFF);
    made_tag(file, 0xFFFEE000, NULL, 0xFFFFFFFF);
}

static void end_item(struct made_file *file)
{
    made_tag(file, 0xFFFEE00D, NULL, 0);
    made_tag(file, 0xFFFEE0DD, NULL, 0);
}

/* Frames whose Frame Type is this, one item each, and whose Complex Image Component is that. */
static void put_frame_kinds(struct made_file *file, const char *const types[], const char *const components[],
                            int count)
{
    made_tag(file, 0x52009230, "SQ", 0xFFFFFFFF);
    for (int i = 0; i < count; i++) {
        made_tag(file, 0xFFFEE000, NULL, 0xFFFFFFFF);
        made_tag(file, 0x00189226, "SQ", 0xFFFFFFFF); /* MR Image Frame Type */
        made_tag(file, 0xFFFEE000, NULL, 0xFFFFFFFF);
        if (types[i])
            made_text(file, 0x00089007, "CS", types[i]);
        if (components[i])
            made_text(file, 0x00089208, "CS", components[i]);
        made_tag(file, 0xFFFEE00D, NULL, 0);
        made_tag(file, 0xFFFEE0DD, NULL, 0);
        made_tag(file, 0xFFFEE00D, NULL, 0);
    }
    made_tag(file, 0xFFFEE0DD, NULL, 0);
}

static const struct dicom_frame *load_kinds(struct test *test, const char *const types[],
                                            const char *const components[], int count)
{
    struct made_file *file = begin(test, enhanced_mr, "x");
    char number[12];
    snprintf(number, sizeof number, "%d", count);
    made_short(file, 0x00280002, 1);
    made_text(file, 0x00280008, "IS", number);
    made_short(file, 0x00280010, 1);
    made_short(file, 0x00280011, 2);
    made_short(file, 0x00280100, 8);
    put_frame_kinds(file, types, components, count);
    made_tag(file, 0x7FE00010, "OB", (uint32_t)(2 * count));
    for (int i = 0; i < count; i++)
        made_put(file, "12", 2);
    return read_head(test)->frames;
}

static void frames_of_another_type_are_of_another_kind(void **state)
{
    struct test *test = *state;
    static const char *const types[] = {"ORIGINAL\\PRIMARY\\M\\NONE", "ORIGINAL\\PRIMARY\\P\\NONE",
                                        "ORIGINAL\\PRIMARY\\M\\NONE"};
    static const char *const none[3];
    const struct dicom_frame *frames = load_kinds(test, types, none, 3);
    assert_int_not_equal(frames[0].kind_hash, 0);
    assert_int_not_equal(frames[0].kind_hash, frames[1].kind_hash);
    assert_int_equal(frames[0].kind_hash, frames[2].kind_hash);
    begin(test, mr, "x");
    frames = finish(test, NULL)->frames;
    assert_int_equal(frames[0].kind_hash, 0);
    assert_null(frames[0].type);
}

static void a_frame_says_its_own_type(void **state)
{
    static const char *const types[] = {"ORIGINAL\\PRIMARY\\LATE\\NONE", "ORIGINAL\\PRIMARY\\LATE\\NONE",
                                        "ORIGINAL\\PRIMARY\\LATE\\NONE", NULL};
    static const char *const components[] = {NULL, "MAGNITUDE", "REAL", NULL};
    const struct dicom_frame *frames = load_kinds(*state, types, components, 4);
    assert_string_equal(frames[0].type, "ORIGINAL\\PRIMARY\\LATE\\NONE");
    assert_string_equal(frames[1].type, "ORIGINAL\\PRIMARY\\LATE\\NONE\\MAGNITUDE");
    assert_string_equal(frames[2].type, "ORIGINAL\\PRIMARY\\LATE\\NONE\\REAL");
    assert_int_not_equal(frames[1].kind_hash, frames[2].kind_hash);
    assert_null(frames[3].type);
}

static void many_types_of_frames_are_told_apart_but_not_all_kept(void **state)
{
    enum { COUNT = 40 };
    static char texts[COUNT][200];
    static const char *types[COUNT], *none[COUNT];
    for (int i = 0; i < COUNT; i++) {
        memset(texts[i], 'A' + i % 20, sizeof texts[i] - 1);
        types[i] = texts[i];
    }
    const struct dicom_frame *frames = load_kinds(*state, types, none, COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_ptr_equal(frames[i].type, frames[i % 20].type);
        assert_int_equal(!frames[i].type, i % 20 >= 16);
        assert_int_equal(frames[i].type ? strlen(frames[i].type) : 128, 128);
        assert_int_not_equal(frames[i].kind_hash, frames[(i + 1) % COUNT].kind_hash);
    }
}

static void each_frame_has_its_inversion_time(void **state)
{
    struct made_file *file = begin(*state, enhanced_mr, "x");
    made_tag(file, 0x52009230, "SQ", 0xFFFFFFFF);
    for (int i = 0; i < 2; i++) {
        made_tag(file, 0xFFFEE000, NULL, 0xFFFFFFFF);
        put_group(file, 0x00189115, 0x00189079, "FD", 260 + 40 * i);
        made_tag(file, 0xFFFEE00D, NULL, 0);
    }
    made_tag(file, 0xFFFEE0DD, NULL, 0);
    const struct dicom_head *head = finish(*state, "2");
    assert_float_equal(head->frames[0].inversion_ms, 260, 0);
    assert_float_equal(head->frames[1].inversion_ms, 300, 0);
}

static void an_enhanced_image_says_it_in_its_groups(void **state)
{
    struct test *test = *state;
    struct made_file *file = begin(test, enhanced_mr, "x");
    made_text(file, 0x00209161, "UI", "1.2.99");
    made_tag(file, 0x00209162, "US", 2);
    made_number(file, 2, 2);
    made_tag(file, 0x00209163, "US", 2);
    made_number(file, 3, 2);
    begin_item(file, 0x52009229);
    put_group(file, 0x00189112, 0x00180080, "DS", 4.5);
    put_group(file, 0x00189114, 0x00189082, "FD", 1.25);
    put_group(file, 0x00189115, 0x00189079, "FD", 280);
    put_group(file, 0x00189118, 0x00209251, "FD", 900);
    put_group(file, 0x00189197, 0x00189217, "FD", 150);
    put_group(file, 0x00289110, 0x00180050, "DS", 8);
    end_item(file);
    const struct dicom_head *head = finish(test, "2");
    assert_float_equal(head->echo_ms, 1.25, 0);
    assert_float_equal(head->frames[0].inversion_ms, 280, 0);
    assert_float_equal(head->interval_ms, 900, 0);
    assert_float_equal(head->velocity_cm_s, 150, 0);
    assert_float_equal(head->slice_thickness_mm, 8, 0);
    assert_string_equal(head->concatenation_uid, "1.2.99");
    assert_int_equal(head->concatenation_part, 2);
    assert_int_equal(head->concatenation_parts, 3);
    file = begin(test, enhanced_ct, "x");
    begin_item(file, 0x52009229);
    put_group(file, 0x00189325, 0x00180060, "DS", 100);
    end_item(file);
    assert_float_equal(finish(test, "2")->tube_kv, 100, 0);
}

static const struct dicom_frame *phase_of(struct test *test, const char *description, const char *options,
                                          const char *comments)
{
    struct made_file *file = begin(test, ct, description);
    made_text(file, 0x00180022, "CS", options);
    made_text(file, 0x00204000, "LT", comments);
    return &finish(test, NULL)->frames[0];
}

static void a_phase_that_only_text_names_is_read(void **state)
{
    struct test *test = *state;
    const struct dicom_frame *frame = phase_of(test, "CTA 75 %", "", "");
    assert_true(frame->has_phase_percent);
    assert_float_equal(frame->phase_percent, 75, 0);
    assert_float_equal(phase_of(test, "CTA 75 %", "TP30PC0965\\X", "")->phase_percent, 30, 0);
    assert_float_equal(phase_of(test, "CTA 75 %", "TP30PC0965", "phase 40%")->phase_percent, 40, 0);
    assert_false(phase_of(test, "CTA 0 - 90 %", "HELICAL", "")->has_phase_percent);
    struct made_file *file = begin(test, ct, "CTA 75 %");
    made_tag(file, 0x00209241, "FL", 4);
    made_put(file, &(float){45}, 4);
    assert_float_equal(finish(test, NULL)->frames[0].phase_percent, 45, 0); /* the attribute goes first */
}

static void a_delay_of_a_cardiac_group_is_told_from_a_trigger_time(void **state)
{
    struct test *test = *state;
    struct made_file *file = begin(test, mr, "x");
    made_text(file, 0x00181060, "DS", "120");
    const struct dicom_frame *frame = &finish(test, NULL)->frames[0];
    assert_true(frame->has_trigger && !frame->is_delay);
    assert_float_equal(frame->trigger_ms, 120, 0);
    file = begin(test, enhanced_mr, "x");
    begin_item(file, 0x52009229);
    put_group(file, 0x00189118, 0x00209153, "FD", 340);
    end_item(file);
    frame = &finish(test, "2")->frames[1];
    assert_true(frame->has_trigger && frame->is_delay);
    assert_float_equal(frame->trigger_ms, 340, 0);
}

static void acquisition_and_content_time_are_two(void **state)
{
    struct test *test = *state;
    struct made_file *file = &test->file;
    made_begin(file, explicit_le);
    made_text(file, 0x00080016, "UI", ct);
    made_text(file, 0x00080018, "UI", "1.2.3.4");
    made_text(file, 0x00080032, "TM", "000130.5");
    made_text(file, 0x00080033, "TM", "000200");
    const struct dicom_frame *frame = &finish(test, NULL)->frames[0];
    assert_true(frame->has_acquisition_time && frame->has_time);
    assert_float_equal(frame->acquisition_s, 90.5, 0);
    assert_float_equal(frame->time_s, 120, 0);
}

/* Unsigned CT without a rescale begins at -1024; MR, signed CT and a damaged rescale do not. */
static void without_a_rescale_unsigned_ct_begins_at_air(void **state)
{
    struct test *test = *state;
    begin(test, ct, "x");
    const struct dicom_frame *frame = &finish(test, NULL)->frames[0];
    assert_false(frame->has_rescale);
    assert_float_equal(frame->intercept, -1024, 0);
    assert_float_equal(frame->slope, 1, 0);
    begin(test, mr, "x");
    assert_float_equal(finish(test, NULL)->frames[0].intercept, 0, 0);
    begin(test, ct, "x");
    made_text(&test->file, 0x00281053, "DS", "1");
    assert_float_equal(finish(test, NULL)->frames[0].intercept, 0, 0);
    begin(test, ct, "x");
    struct made_format format = small;
    format.is_signed = 1;
    made_pixel_format(&test->file, format);
    made_tag(&test->file, 0x7FE00010, "OB", 8);
    made_put(&test->file, "12345678", 8);
    unlink(test->file.path);
    struct dicom_head *head;
    assert_true(dicom_head_read(made_save(&test->file), test->arena, &head, &test->err));
    assert_float_equal(head->frames[0].intercept, 0, 0);
}

static void numbers_read_with_tolerance_are_flagged(void **state)
{
    struct test *test = *state;
    static const struct {
        const char *position, *spacing, *intercept;
        bool odd;
    } cases[] = {{"1.5\\2\\3", "0.5\\0.75", "-1024", false},
                 {" 1.5 \\ 2\\ 3 ", "0.5\\0.75", "-1024", false},
                 {"1,5\\2\\3", "0.5\\0.75", "-1024", true},
                 {"1.5\\2\\3", "0,5\\0.75", "-1024", true},
                 {"1.5\\2\\3", "0.5\\0.75", "-1024,0", true},
                 {"-112.123456789012\\2\\3", "0.5\\0.75", "-1024", true},
                 {"-112.12345678901\\2\\3", "0.5\\0.75", "-1024", false},
                 {"1\\2\\3\\4", "0.5\\0.75", "-1024", true},
                 {"1\\2\\\t3", "0.5\\0.75", "-1024", true},
                 {"1\\2", "0.5\\0.75", "-1024", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct made_file *file = begin(test, ct, "x");
        made_text(file, 0x00200032, "DS", cases[i].position);
        made_text(file, 0x00280030, "DS", cases[i].spacing);
        made_text(file, 0x00281052, "DS", cases[i].intercept);
        made_text(file, 0x00281053, "DS", "1");
        const struct dicom_head *head = finish(test, NULL);
        if (head->odd_number != cases[i].odd)
            fail_msg("case %zu: %d", i, head->odd_number);
        assert_true(head->frames[0].has_spacing && head->frames[0].has_rescale);
    }
    begin(test, ct, "x");
    made_text(&test->file, 0x00180050, "DS", "0,625");
    assert_true(finish(test, NULL)->odd_number);
}

static void a_binary_number_is_never_odd(void **state)
{
    struct test *test = *state;
    struct made_file *file = begin(test, ct, "x");
    double position[3] = {-112.12345678901234, 1.0 / 3, 2.0 / 3};
    made_tag(file, 0x00200032, "FD", sizeof position);
    made_put(file, position, sizeof position);
    const struct dicom_head *head = finish(test, NULL);
    assert_true(head->frames[0].has_position);
    assert_float_equal(head->frames[0].position_lps[1], 1.0 / 3, 1e-12);
    assert_false(head->odd_number);
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
        T(a_classic_image_says_how_it_was_acquired),
        T(frames_of_another_type_are_of_another_kind),
        T(a_frame_says_its_own_type),
        T(many_types_of_frames_are_told_apart_but_not_all_kept),
        T(each_frame_has_its_inversion_time),
        T(an_enhanced_image_says_it_in_its_groups),
        T(a_phase_that_only_text_names_is_read),
        T(a_delay_of_a_cardiac_group_is_told_from_a_trigger_time),
        T(acquisition_and_content_time_are_two),
        T(without_a_rescale_unsigned_ct_begins_at_air),
        T(numbers_read_with_tolerance_are_flagged),
        T(a_binary_number_is_never_odd),
    };
    return cmocka_run_group_tests(tests, library_up, library_down);
}
