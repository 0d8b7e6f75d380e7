/* dicom_pixels on files made here; every real transfer syntax is in tests/golden/test_volume.py. */
#include "dicom/dicom_pixels.h"

#include "dicom/dicom_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made_file.h"

static const char explicit_le[] = "1.2.840.10008.1.2.1";
static const char rle[] = "1.2.840.10008.1.2.5";

struct test {
    struct made_file file;
    struct dicom_pixels *pixels;
    struct err err;
    int32_t values[64];
};

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct test));
    return 0;
}

static int tear_down(void **state)
{
    struct test *test = *state;
    dicom_pixels_close(test->pixels);
    made_done(&test->file);
    free(test);
    return 0;
}

static void begin(struct test *test, const char *syntax, struct made_format format)
{
    made_begin(&test->file, syntax);
    made_identity(&test->file, "1.2.840.10008.5.1.4.1.1.2", "ISO_IR 100", "x");
    made_pixel_format(&test->file, format);
}

static bool open_file(struct test *test)
{
    test->err = (struct err)ERR_INIT;
    test->pixels = dicom_pixels_open(made_save(&test->file), &test->err);
    return test->pixels != NULL;
}

static void put_pixels(struct test *test, const void *bytes, size_t size)
{
    made_tag(&test->file, 0x7FE00010, "OW", (uint32_t)size);
    made_put(&test->file, bytes, size);
}

static void put_fragments(struct test *test, const uint8_t *bytes, const size_t *sizes, int count)
{
    made_tag(&test->file, 0x7FE00010, "OB", 0xFFFFFFFF);
    made_tag(&test->file, 0xFFFEE000, NULL, 0);
    for (int i = 0; i < count; i++) {
        made_tag(&test->file, 0xFFFEE000, NULL, (uint32_t)sizes[i]);
        made_put(&test->file, bytes, sizes[i]);
        bytes += sizes[i];
    }
    made_tag(&test->file, 0xFFFEE0DD, NULL, 0);
}

static void bits_above_the_high_bit_are_dropped(void **state)
{
    struct test *test = *state;
    begin(test, explicit_le, (struct made_format){1, 3, 16, 12, 11, 0, 1, "MONOCHROME2"});
    put_pixels(test, "\xFF\xFF\x01\x80\x34\x02", 6);
    assert_true(open_file(test));
    assert_true(dicom_pixels_frame(test->pixels, 0, test->values, &test->err));
    assert_int_equal(test->values[0], 0xFFF);
    assert_int_equal(test->values[1], 1);
    assert_int_equal(test->values[2], 0x234);
}

static void the_sign_is_at_the_high_bit(void **state)
{
    struct test *test = *state;
    begin(test, explicit_le, (struct made_format){1, 3, 16, 12, 11, 1, 1, "MONOCHROME2"});
    put_pixels(test, "\xFF\x0F\x00\x08\xFF\x07", 6);
    assert_true(open_file(test));
    assert_true(dicom_pixels_frame(test->pixels, 0, test->values, &test->err));
    assert_int_equal(test->values[0], -1);
    assert_int_equal(test->values[1], -2048);
    assert_int_equal(test->values[2], 2047);
}

static void values_may_be_left_aligned(void **state)
{
    struct test *test = *state;
    begin(test, explicit_le, (struct made_format){1, 1, 16, 12, 15, 0, 1, "MONOCHROME2"});
    put_pixels(test, "\x3F\x12", 2);
    assert_true(open_file(test));
    assert_true(dicom_pixels_frame(test->pixels, 0, test->values, &test->err));
    assert_int_equal(test->values[0], 0x123);
}

static void eight_and_thirtytwo_bits(void **state)
{
    struct test *test = *state;
    begin(test, explicit_le, (struct made_format){1, 3, 8, 8, 7, 1, 1, "MONOCHROME2"});
    put_pixels(test, "\x80\x7F\xFF\0", 4);
    assert_true(open_file(test));
    assert_true(dicom_pixels_frame(test->pixels, 0, test->values, &test->err));
    assert_int_equal(test->values[0], -128);
    assert_int_equal(test->values[1], 127);
    assert_int_equal(test->values[2], -1);
    dicom_pixels_close(test->pixels);
    unlink(test->file.path);
    begin(test, explicit_le, (struct made_format){1, 2, 32, 32, 31, 1, 1, "MONOCHROME2"});
    put_pixels(test, "\xFE\xFF\xFF\xFF\x01\x00\x01\x00", 8);
    assert_true(open_file(test));
    assert_true(dicom_pixels_frame(test->pixels, 0, test->values, &test->err));
    assert_int_equal(test->values[0], -2);
    assert_int_equal(test->values[1], 0x10001);
}

/* Two planes of four pixels, most significant bytes first: 0x0102 four times 0x01, then 2 3 4 5. */
static const uint8_t coded[] = {2, 0, 0, 0, 64, 0, 0, 0, 66, 0, 0, 0, [64] = 0xFD, 0x01, 0x03, 2, 3, 4, 5, 0};

static void assert_rle(struct test *test, const size_t *sizes, int count)
{
    begin(test, rle, (struct made_format){2, 2, 16, 16, 15, 0, 1, "MONOCHROME2"});
    put_fragments(test, coded, sizes, count);
    assert_true(open_file(test));
    assert_true(dicom_pixels_frame(test->pixels, 0, test->values, &test->err));
    for (int i = 0; i < 4; i++)
        assert_int_equal(test->values[i], 0x102 + i);
}

static void rle_in_one_fragment(void **state)
{
    assert_rle(*state, (const size_t[]){sizeof coded}, 1);
}

static void rle_in_several_fragments(void **state)
{
    assert_rle(*state, (const size_t[]){66, sizeof coded - 66}, 2);
}

static void damaged_rle_is_an_error(void **state)
{
    struct test *test = *state;
    uint8_t bad[sizeof coded];
    for (size_t i = 0; i < sizeof coded; i++) {
        memcpy(bad, coded, sizeof coded);
        bad[i] ^= 0xFF;
        begin(test, rle, (struct made_format){2, 2, 16, 16, 15, 0, 1, "MONOCHROME2"});
        put_fragments(test, bad, &(size_t){sizeof bad}, 1);
        assert_true(open_file(test));
        (void)dicom_pixels_frame(test->pixels, 0, test->values, &test->err);
        dicom_pixels_close(test->pixels);
        test->pixels = NULL;
        unlink(test->file.path);
    }
    begin(test, rle, (struct made_format){2, 2, 16, 16, 15, 0, 1, "MONOCHROME2"});
    put_fragments(test, coded, &(size_t){70}, 1);
    assert_true(open_file(test));
    assert_false(dicom_pixels_frame(test->pixels, 0, test->values, &test->err));
    assert_int_equal(test->err.code, ERR_INPUT);
}

static void frames_are_counted_from_zero_and_bounded(void **state)
{
    struct test *test = *state;
    made_begin(&test->file, explicit_le);
    made_identity(&test->file, "1.2.840.10008.5.1.4.1.1.2", "ISO_IR 100", "x");
    made_short(&test->file, 0x00280002, 1);
    made_text(&test->file, 0x00280004, "CS", "MONOCHROME2");
    made_text(&test->file, 0x00280008, "IS", "2");
    made_short(&test->file, 0x00280010, 1);
    made_short(&test->file, 0x00280011, 2);
    made_short(&test->file, 0x00280100, 8);
    put_pixels(test, "\1\2\3\4", 4);
    assert_true(open_file(test));
    assert_true(dicom_pixels_frame(test->pixels, 1, test->values, &test->err));
    assert_int_equal(test->values[0], 3);
    assert_int_equal(test->values[1], 4);
    assert_true(dicom_pixels_frame(test->pixels, 0, test->values, &test->err));
    assert_int_equal(test->values[0], 1);
    assert_false(dicom_pixels_frame(test->pixels, 2, test->values, &test->err));
    assert_false(dicom_pixels_frame(test->pixels, -1, test->values, &test->err));
    assert_int_equal(test->err.code, ERR_INPUT);
}

static void colour_is_declined(void **state)
{
    struct test *test = *state;
    begin(test, explicit_le, (struct made_format){1, 1, 8, 8, 7, 0, 3, "RGB"});
    put_pixels(test, "\1\2\3\0", 4);
    assert_false(open_file(test));
    assert_int_equal(test->err.code, ERR_INPUT);
    assert_string_equal(test->err.reason, "colour_image");
}

static void single_bits_begin_anywhere_in_a_byte(void **state)
{
    struct test *test = *state;
    static const int32_t expected[2][5] = {{1, 0, 1, 0, 0}, {1, 1, 0, 1, 1}};
    begin(test, explicit_le, (struct made_format){1, 5, 1, 1, 0, 0, 1, "MONOCHROME2"});
    made_text(&test->file, 0x00280008, "IS", "2");
    put_pixels(test, "\x65\x03", 2);
    assert_true(open_file(test));
    for (int frame = 1; frame >= 0; frame--) {
        assert_true(dicom_pixels_frame(test->pixels, frame, test->values, &test->err));
        for (int i = 0; i < 5; i++)
            assert_int_equal(test->values[i], expected[frame][i]);
    }
}

static void other_bit_depths_are_unsupported(void **state)
{
    struct test *test = *state;
    begin(test, explicit_le, (struct made_format){1, 2, 64, 64, 63, 0, 1, "MONOCHROME2"});
    put_pixels(test, "0123456701234567", 16);
    assert_false(open_file(test));
    assert_int_equal(test->err.code, ERR_UNSUPPORTED);
    unlink(test->file.path);
    begin(test, rle, (struct made_format){1, 8, 1, 1, 0, 0, 1, "MONOCHROME2"});
    put_fragments(test, coded, &(size_t){sizeof coded}, 1);
    assert_false(open_file(test));
    assert_int_equal(test->err.code, ERR_UNSUPPORTED);
}

static void floating_point_is_declined(void **state)
{
    struct test *test = *state;
    begin(test, explicit_le, (struct made_format){1, 1, 32, 32, 31, 0, 1, "MONOCHROME2"});
    made_tag(&test->file, 0x7FE00008, "OF", 4);
    made_put(&test->file, "\0\0\0\0", 4);
    assert_false(open_file(test));
    assert_string_equal(test->err.reason, "float_pixels");
}

static void unsigned_values_of_32_bits_keep_every_bit(void **state)
{
    struct test *test = *state;
    begin(test, explicit_le, (struct made_format){1, 2, 32, 32, 31, 0, 1, "MONOCHROME2"});
    put_pixels(test, "\xFE\xFF\xFF\xFF\x01\x00\x00\x80", 8);
    assert_true(open_file(test));
    assert_true(dicom_pixels_frame(test->pixels, 0, test->values, &test->err));
    assert_int_equal((uint32_t)test->values[0], 0xFFFFFFFE);
    assert_int_equal((uint32_t)test->values[1], 0x80000001);
}

static void too_few_bytes_are_an_error(void **state)
{
    struct test *test = *state;
    begin(test, explicit_le, (struct made_format){4, 4, 16, 16, 15, 0, 1, "MONOCHROME2"});
    put_pixels(test, "\1\2\3\4", 4);
    assert_false(open_file(test));
    assert_int_equal(test->err.code, ERR_INPUT);
}

static void rubbish_in_every_compressed_syntax_is_an_error(void **state)
{
    struct test *test = *state;
    static const char *const syntaxes[] = {
        "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57",
        "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81",
        "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.201",
        "1.2.840.10008.1.2.5",    "1.2.840.10008.1.2.4.103"};
    for (size_t i = 0; i < sizeof syntaxes / sizeof *syntaxes; i++) {
        begin(test, syntaxes[i], (struct made_format){4, 4, 16, 16, 15, 0, 1, "MONOCHROME2"});
        uint8_t bytes[200];
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (uint8_t)(k * 37 + i);
        put_fragments(test, bytes, &(size_t){sizeof bytes}, 1);
        bool ok = open_file(test) && dicom_pixels_frame(test->pixels, 0, test->values, &test->err);
        assert_false(ok);
        assert_true(test->err.code == ERR_INPUT || test->err.code == ERR_UNSUPPORTED);
        dicom_pixels_close(test->pixels);
        test->pixels = NULL;
        unlink(test->file.path);
    }
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
        T(bits_above_the_high_bit_are_dropped),
        T(the_sign_is_at_the_high_bit),
        T(values_may_be_left_aligned),
        T(eight_and_thirtytwo_bits),
        T(rle_in_one_fragment),
        T(rle_in_several_fragments),
        T(damaged_rle_is_an_error),
        T(frames_are_counted_from_zero_and_bounded),
        T(colour_is_declined),
        T(single_bits_begin_anywhere_in_a_byte),
        T(other_bit_depths_are_unsupported),
        T(floating_point_is_declined),
        T(unsigned_values_of_32_bits_keep_every_bit),
        T(too_few_bytes_are_an_error),
        T(rubbish_in_every_compressed_syntax_is_an_error),
    };
    return cmocka_run_group_tests(tests, library_up, library_down);
}
