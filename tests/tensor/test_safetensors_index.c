#include "tensor/safetensors.h"
#include "tensor/safetensors_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/test_safetensors_indexXXXXXX";

static const char *in_folder(const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(in_folder(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

/* A shard whose tensors are bytes: one a letter of `names`, its value the letter. */
static void write_shard(const char *name, const char *names)
{
    char header[1000] = "{";
    size_t count = strlen(names);
    for (size_t i = 0; i < count; i++)
        snprintf(header + strlen(header), sizeof header - strlen(header),
                 "%s\"%c\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[%zu,%zu]}", i ? "," : "",
                 names[i], i, i + 1);
    strcat(header, "}");
    FILE *file = fopen(in_folder(name), "wb");
    assert_non_null(file);
    unsigned char length[8] = {(unsigned char)strlen(header), (unsigned char)(strlen(header) >> 8)};
    fwrite(length, 1, 8, file);
    fputs(header, file);
    fputs(names, file);
    assert_int_equal(fclose(file), 0);
}

static void refused(const char *reason, const char *text)
{
    struct err err = ERR_INIT;
    assert_null(safetensors_open_folder(folder, &err));
    if (strcmp(err.reason, reason) != 0 || !strstr(err.text, text))
        fail_msg("%s: %s; wanted %s: %s", err.reason, err.text, reason, text);
}

static int make(void **state)
{
    write_text(SAFETENSORS_INDEX_NAME, "{\"metadata\":{\"total_size\":3},\"weight_map\":{\"a\":\"m-1."
                                       "safetensors\",\"b\":\"m-2.safetensors\","
                                       "\"c\":\"m-1.safetensors\"}}");
    write_shard("m-1.safetensors", "ca");
    write_shard("m-2.safetensors", "b");
    return 0;
}

static int sweep(void **state)
{
    static const char *const names[] = {SAFETENSORS_NAME, SAFETENSORS_INDEX_NAME, "m-1.safetensors",
                                        "m-2.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_folder(names[i]));
    return 0;
}

static void opens_shards_as_one(void **state)
{
    struct err err = ERR_INIT;
    struct safetensors *file = safetensors_open_folder(folder, &err);
    assert_non_null(file);
    assert_int_equal(safetensors_count(file), 3);
    for (int i = 0; i < 3; i++) {
        const struct tensor *tensor = safetensors_at(file, i);
        const char name[] = {(char)('a' + i), '\0'};
        assert_string_equal(tensor->name, name);
        assert_int_equal(*tensor->data, 'a' + i);
        assert_ptr_equal(safetensors_find(file, name), tensor);
    }
    assert_null(safetensors_find(file, "d"));
    safetensors_close(file);
}

/* What `sha256sum m-*.safetensors | sha256sum` prints. */
static void digests_a_list_of_digests(void **state)
{
    struct err err = ERR_INIT;
    char list[300], hex[DIGEST_HEX_SIZE], wanted[DIGEST_HEX_SIZE];
    struct safetensors *file = safetensors_open_folder(folder, &err);
    assert_non_null(file);
    assert_true(digest_file(in_folder("m-1.safetensors"), 0, hex, &err));
    snprintf(list, sizeof list, "%s  m-1.safetensors\n", hex);
    assert_true(digest_file(in_folder("m-2.safetensors"), 0, hex, &err));
    snprintf(list + strlen(list), sizeof list - strlen(list), "%s  m-2.safetensors\n", hex);
    digest_bytes(list, strlen(list), wanted);
    safetensors_digest(file, hex);
    assert_string_equal(hex, wanted);
    safetensors_close(file);
}

static void prefers_a_whole_file(void **state)
{
    struct err err = ERR_INIT;
    write_shard(SAFETENSORS_NAME, "z");
    struct safetensors *file = safetensors_open_folder(folder, &err);
    assert_non_null(file);
    assert_int_equal(safetensors_count(file), 1);
    safetensors_close(file);
}

static void refuses_what_index_and_shards_do_not_share(void **state)
{
    write_shard("m-2.safetensors", "ba");
    refused("not_in_index", "m-2.safetensors: tensor a is what the index places in m-1.safetensors");
    write_shard("m-2.safetensors", "bd");
    refused("not_in_index", "m-2.safetensors: tensor d is not in the index");
    write_shard("m-2.safetensors", "b");
    write_shard("m-1.safetensors", "a");
    refused("not_in_shard", "m-1.safetensors: has no tensor c");
    write_text("m-1.safetensors", "not tensors");
    refused("header_too_large", "m-1.safetensors: ");
    unlink(in_folder("m-1.safetensors"));
    refused("", "m-1.safetensors: ");
}

static void refuses_each_bad_index(void **state)
{
    static const char *const bad[][2] = {
        {"[]", "not a JSON object"},
        {"{\"weight_map\":{\"a\":1}", "line 1"},
        {"{}", "weight_map: names no tensor"},
        {"{\"weight_map\":{}}", "weight_map: names no tensor"},
        {"{\"weight_map\":[\"a\"]}", "weight_map: not an object"},
        {"{\"weights\":{},\"weight_map\":{\"a\":\"m-1.safetensors\"}}", "weights: unknown key"},
        {"{\"weight_map\":{\"a\":\"m-1.safetensors\",\"a\":\"m-1.safetensors\"}}", "duplicate"},
        {"{\"weight_map\":{\"a\":7}}", "tensor a"},
        {"{\"weight_map\":{\"a\":\"../m-1.safetensors\"}}", "tensor a"},
        {"{\"weight_map\":{\"a\":\"/tmp/m-1.safetensors\"}}", "tensor a"},
        {"{\"weight_map\":{\"a\":\"..safetensors\"}}", "tensor a"},
        {"{\"weight_map\":{\"a\":\".safetensors\"}}", "tensor a"},
        {"{\"weight_map\":{\"a\":\"m-1.bin\"}}", "tensor a"},
        {"{\"weight_map\":{\"a\":\"m 1.safetensors\"}}", "tensor a"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_text(SAFETENSORS_INDEX_NAME, bad[i][0]);
        refused("bad_index", bad[i][1]);
        refused("bad_index", SAFETENSORS_INDEX_NAME ": ");
    }
}

static void says_what_is_missing(void **state)
{
    sweep(state);
    refused("", SAFETENSORS_NAME ": ");
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(opens_shards_as_one, make, sweep),
        cmocka_unit_test_setup_teardown(digests_a_list_of_digests, make, sweep),
        cmocka_unit_test_setup_teardown(prefers_a_whole_file, make, sweep),
        cmocka_unit_test_setup_teardown(refuses_what_index_and_shards_do_not_share, make, sweep),
        cmocka_unit_test_setup_teardown(refuses_each_bad_index, make, sweep),
        cmocka_unit_test_setup_teardown(says_what_is_missing, make, sweep),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
