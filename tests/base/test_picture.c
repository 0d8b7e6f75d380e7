/* Pictures as PNG files: their size and form, the same bytes for the same pixels, and every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "base/picture.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct err err;

/* The bytes of a picture, read back. */
static size_t saved(const uint8_t *pixels, int width, int height, int channels, unsigned char *bytes,
                    size_t most)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    if (!picture_save(fileno(file), pixels, width, height, channels, &err))
        fail_msg("%s", err.text);
    rewind(file);
    size_t size = fread(bytes, 1, most, file);
    fclose(file);
    return size;
}

static unsigned number_at(const unsigned char *bytes)
{
    return (unsigned)bytes[0] << 24 | (unsigned)bytes[1] << 16 | (unsigned)bytes[2] << 8 | bytes[3];
}

static void a_picture_has_its_size_and_form(void **state)
{
    static const uint8_t pixels[3 * 2 * 3] = {1, 2, 3, 250};
    static const int colour_type[] = {[1] = 0, [3] = 2}; /* PNG, IHDR */
    for (int channels = 1; channels <= 3; channels += 2) {
        unsigned char bytes[1000];
        size_t size = saved(pixels, 3, 2, channels, bytes, sizeof bytes);
        assert_in_range(size, 50, sizeof bytes - 1);
        assert_memory_equal(bytes, "\x89PNG\r\n\x1a\n", 8);
        assert_int_equal(number_at(bytes + 16), 3);
        assert_int_equal(number_at(bytes + 20), 2);
        assert_int_equal(bytes[24], 8);
        assert_int_equal(bytes[25], colour_type[channels]);
    }
}

static void the_same_pixels_are_the_same_bytes(void **state)
{
    static uint8_t pixels[64 * 64];
    static unsigned char one[10000], other[10000];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * i / 7);
    size_t size = saved(pixels, 64, 64, 1, one, sizeof one);
    assert_int_equal(saved(pixels, 64, 64, 1, other, sizeof other), size);
    assert_memory_equal(one, other, size);
}

static void what_is_no_picture_is_our_bug(void **state)
{
    static const uint8_t pixels[64];
    static const int sizes[][3] = {{0, 1, 1}, {1, 0, 1}, {-1, 1, 1}, {1, 1, 2}, {1, 1, 4}, {1 << 20, 1, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        err = (struct err)ERR_INIT;
        assert_false(picture_save(1, pixels, sizes[i][0], sizes[i][1], sizes[i][2], &err));
        assert_int_equal(err.code, ERR_BUG);
    }
}

static void a_full_disk_and_a_closed_file_are_told(void **state)
{
    static const uint8_t pixels[64];
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_false(picture_save(full, pixels, 8, 8, 1, &err));
    assert_int_equal(err.code, ERR_FULL);
    close(full);
    assert_false(picture_save(full, pixels, 8, 8, 1, &err));
    assert_int_equal(err.code, ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_has_its_size_and_form),
        cmocka_unit_test(the_same_pixels_are_the_same_bytes),
        cmocka_unit_test(what_is_no_picture_is_our_bug),
        cmocka_unit_test(a_full_disk_and_a_closed_file_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
