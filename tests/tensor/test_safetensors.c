#include "tensor/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/test_safetensorsXXXXXX";

static void write_file(const char *header, size_t data_bytes)
{
    FILE *file = fopen(path, "wb");
    uint64_t length = strlen(header);
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++)
        prefix[i] = (unsigned char)(length >> (8 * i));
    assert_int_equal(fwrite(prefix, 1, 8, file), 8);
    assert_int_equal(fwrite(header, 1, length, file), length);
    for (size_t i = 0; i < data_bytes; i++)
        fputc((int)i, file);
    fclose(file);
}

static void refused(const char *header, size_t data_bytes, const char *reason)
{
    struct err err = ERR_INIT;
    write_file(header, data_bytes);
    assert_null(safetensors_open(path, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_string_equal(err.reason, reason);
}

static void reads_names_shapes_and_bytes(void **state)
{
    struct err err = ERR_INIT;
    write_file("{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"U8\",\"shape\":[2,3],\"data_"
               "offsets\":[4,10]},"
               "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
               "\"e\":{\"dtype\":\"F64\",\"shape\":[0,7],\"data_offsets\":[4,4]}}  ",
               10);
    struct safetensors *file = safetensors_open(path, &err);
    assert_non_null(file);
    assert_int_equal(safetensors_count(file), 3);
    const struct tensor *b = safetensors_find(file, "b");
    assert_int_equal(b->rank, 2);
    assert_int_equal(b->shape[1], 3);
    assert_int_equal(b->bytes, 6);
    assert_int_equal(b->data[5], 9);
    assert_int_equal(tensor_count(safetensors_find(file, "a")), 1);
    assert_int_equal(tensor_count(safetensors_find(file, "e")), 0);
    assert_null(safetensors_find(file, "c"));
    char ours[DIGEST_HEX_SIZE], whole[DIGEST_HEX_SIZE];
    safetensors_digest(file, ours);
    assert_true(digest_file(path, 0, whole, &err));
    assert_string_equal(ours, whole);
    safetensors_close(file);
}

#define ONE(dtype, shape, offsets)                                                                           \
    "{\"w\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void bytes_that_were_dropped_can_be_read_again(void **state)
{
    enum { COUNT = 100000 };
    struct err err = ERR_INIT;
    char hex[DIGEST_HEX_SIZE], again[DIGEST_HEX_SIZE];
    write_file("{\"a\":{\"dtype\":\"U8\",\"shape\":[100000],\"data_offsets\":[0,100000]}}", COUNT);
    struct safetensors *file = safetensors_open(path, &err);
    const struct tensor *a = safetensors_find(file, "a");
    safetensors_digest(file, hex);
    safetensors_drop(file, a);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(a->data[i], i & 255);
    safetensors_digest(file, again);
    assert_string_equal(hex, again);
    safetensors_close(file);
}

static void says_when_its_file_is_another(void **state)
{
    const char *const header = "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
    struct err err = ERR_INIT;
    write_file(header, 1);
    struct safetensors *file = safetensors_open(path, &err);
    assert_false(safetensors_changed(file));
    unlink(path);
    assert_true(safetensors_changed(file));
    write_file(header, 1);
    assert_true(safetensors_changed(file));
    safetensors_close(file);
}

static void refuses_each_fault_with_its_reason(void **state)
{
    refused("", 0, "header_empty");
    refused("[]", 0, "header_start");
    refused(" {}", 0, "header_start");
    refused("{", 0, "not_json");
    refused("{}", 1, "hole");
    refused("{\"w\":1}", 0, "bad_entry");
    refused("{\"w\":{\"dtype\":\"F32\",\"shape\":[]}}", 0, "bad_entry");
    refused("{\"w\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1],\"more\":1}}", 1, "bad_entry");
    refused("{\"__metadata__\":{\"a\":1}}", 0, "bad_metadata");
    refused("{\"__metadata__\":[]}", 0, "bad_metadata");
    refused(ONE("F33", "[1]", "[0,4]"), 4, "unknown_dtype");
    refused(ONE("F32", "[-1]", "[0,4]"), 4, "bad_shape");
    refused(ONE("F32", "[1.0]", "[0,4]"), 4, "bad_shape");
    refused(ONE("F32", "1", "[0,4]"), 4, "bad_shape");
    refused(ONE("U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, "bad_shape");
    refused(ONE("F32", "[4294967296,4294967296]", "[0,0]"), 0, "shape_overflow");
    refused(ONE("F32", "[4611686018427387904]", "[0,0]"), 0, "shape_overflow");
    refused(ONE("F32", "[1]", "[0,4,4]"), 4, "bad_offsets");
    refused(ONE("F32", "[1]", "[4,0]"), 4, "bad_offsets");
    refused(ONE("F32", "[1]", "[-4,0]"), 4, "bad_offsets");
    refused(ONE("F32", "[1]", "[0,9223372036854775807]"), 4, "offset_beyond_data");
    refused(ONE("F32", "[2]", "[0,8]"), 4, "offset_beyond_data");
    refused(ONE("F32", "[2]", "[0,4]"), 4, "size_mismatch");
    refused(ONE("F32", "[1]", "[4,8]"), 8, "hole");
    refused(ONE("F32", "[1]", "[0,4]"), 5, "hole");
}

static void refuses_repeated_names_and_shared_bytes(void **state)
{
    refused("{\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
            "\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
            1, "duplicate_key");
    refused("{\"v\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
            "\"w\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
            2, "overlap");
}

static void refuses_lengths_beyond_file_and_cap(void **state)
{
    static const unsigned char beyond[8] = {200}, over[8] = {0x01, 0xe1, 0xf5, 0x05}; /* 100,000,001 */
    static const unsigned char huge[8] = {255, 255, 255, 255, 255, 255, 255, 255};
    const unsigned char *const prefixes[] = {beyond, over, huge};
    const char *const reasons[] = {"header_beyond_file", "header_too_large", "header_too_large"};
    for (int i = 0; i < 3; i++) {
        struct err err = ERR_INIT;
        FILE *file = fopen(path, "wb");
        assert_int_equal(fwrite(prefixes[i], 1, 8, file), 8);
        fputs("{}", file);
        fclose(file);
        assert_null(safetensors_open(path, &err));
        assert_string_equal(err.reason, reasons[i]);
    }
    struct err err = ERR_INIT;
    assert_int_equal(truncate(path, 7), 0);
    assert_null(safetensors_open(path, &err));
    assert_string_equal(err.reason, "file_too_short");
}

static void says_io_when_there_is_no_file(void **state)
{
    struct err err = ERR_INIT;
    assert_null(safetensors_open("/nonexistent/file", &err));
    assert_int_equal(err.code, ERR_IO);
    assert_null(safetensors_open("/tmp", &err));
    assert_string_equal(err.reason, "not_a_file");
}

static void does_not_wait_for_a_fifo(void **state)
{
    struct err err = ERR_INIT;
    char fifo[] = "/tmp/test_safetensorsXXXXXX";
    assert_non_null(mkdtemp(fifo));
    char pipe[64];
    snprintf(pipe, sizeof pipe, "%s/fifo", fifo);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_null(safetensors_open(pipe, &err));
    assert_string_equal(err.reason, "not_a_file");
    unlink(pipe);
    rmdir(fifo);
}

/* Every byte string must be answered, never crashed on: each single-byte change of a good file. */
static void survives_any_changed_byte(void **state)
{
    static const char header[] =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"U8\","
        "\"shape\":[1],\"data_offsets\":[8,9]}}";
    int opened = 0;
    for (size_t at = 0; at < sizeof header - 1; at++)
        for (int bit = 0; bit < 8; bit++) {
            char changed[sizeof header];
            struct err err = ERR_INIT;
            memcpy(changed, header, sizeof header);
            changed[at] = (char)(changed[at] ^ (1 << bit));
            if (!changed[at])
                continue;
            write_file(changed, 9);
            struct safetensors *file = safetensors_open(path, &err);
            assert_true(file ? err.code == ERR_NONE : err.reason[0] != '\0');
            opened += file != NULL;
            safetensors_close(file);
        }
    assert_true(opened > 0 && opened < 60); /* other names and types of the same size are good files */
}

struct shared_case {
    const char *name, *reason;
};

static void judges_the_shared_files(void **state)
{
    static const struct shared_case cases[] = {
        {"bad_duplicate_key", "duplicate_key"},
        {"bad_hole", "hole"},
        {"bad_leading_space", "header_start"},
        {"bad_len_beyond_file", "header_beyond_file"},
        {"bad_len_over_100mb", "header_too_large"},
        {"bad_len_zero", "header_empty"},
        {"bad_negative_dim", "bad_shape"},
        {"bad_not_json", "not_json"},
        {"bad_offset_beyond", "offset_beyond_data"},
        {"bad_overlap", "overlap"},
        {"bad_shape_overflow", "shape_overflow"},
        {"bad_size_mismatch", "size_mismatch"},
        {"bad_three_offsets", "bad_offsets"},
        {"bad_unknown_dtype", "unknown_dtype"},
        {"valid_all_dtypes", NULL},
        {"valid_metadata_and_padding", NULL},
        {"valid_one_f32_2x3", NULL},
        {"valid_unordered_keys", NULL},
        {"valid_zero_size_tensor", NULL},
    };
    const char *shared = getenv("CARDIOSCRIBE_SHARED");
    shared = shared ? shared : getenv("BESIDE_CHECKOUT");
    if (!shared || access(shared, R_OK) != 0)
        skip(); /* no shared data on this machine */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        char name[4096];
        snprintf(name, sizeof name, "%s/data/safetensors/%s.safetensors", shared, cases[i].name);
        struct safetensors *file = safetensors_open(name, &err);
        if (cases[i].reason)
            assert_null(file);
        else
            assert_non_null(file);
        assert_string_equal(err.reason, cases[i].reason ? cases[i].reason : "");
        safetensors_close(file);
    }
}

int main(void)
{
    close(mkstemp(path));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_names_shapes_and_bytes),
        cmocka_unit_test(bytes_that_were_dropped_can_be_read_again),
        cmocka_unit_test(says_when_its_file_is_another),
        cmocka_unit_test(refuses_each_fault_with_its_reason),
        cmocka_unit_test(refuses_repeated_names_and_shared_bytes),
        cmocka_unit_test(refuses_lengths_beyond_file_and_cap),
        cmocka_unit_test(says_io_when_there_is_no_file),
        cmocka_unit_test(does_not_wait_for_a_fifo),
        cmocka_unit_test(survives_any_changed_byte),
        cmocka_unit_test(judges_the_shared_files),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
