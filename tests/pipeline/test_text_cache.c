/* Text embeddings kept between runs: the same bits, or computed again. */
#include "base/file.h"
#include "pipeline/model.h"
#include "pipeline/text_cache.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { DIM = 4 };

static const char *demo; /* folder of models/demo-ct */
static char kept[] = "/tmp/test_text_cacheXXXXXX", copy[] = "/tmp/test_text_modelXXXXXX";
static const char digest[DIGEST_HEX_SIZE] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const float one[DIM] = {0.6f, -0.8f, 0, 0}, two[DIM] = {0.5f, 0.5f, -0.5f, 0.49999997f};

static char *path_of(const char *folder, const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static int sweep(void **state)
{
    DIR *folder = opendir(kept);
    for (const struct dirent *entry; (entry = readdir(folder));)
        unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
    return 0;
}

static struct text_cache *reopen(const char *folder)
{
    struct text_cache *cache = text_cache_new(DIM);
    assert_non_null(cache);
    text_cache_open_kept(cache, folder, digest);
    return cache;
}

static void add(struct text_cache *cache, const char *text, const float *vector)
{
    struct err err = ERR_INIT;
    assert_true(text_cache_add(cache, text, vector, &err));
}

/* As it goes from worker to daemon: through text. Returns what was said of damage. */
static char *keep(const struct text_cache *cache)
{
    struct err err = ERR_INIT;
    char name[TEXT_CACHE_NAME_SIZE];
    json_t *told = text_cache_told(cache);
    assert_non_null(told);
    char *line = json_dumps(told, JSON_COMPACT);
    json_decref(told);
    told = json_loads(line, 0, NULL);
    free(line);
    if (!text_cache_keep(kept, told, name, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(name, digest, DIGEST_HEX_SIZE - 1);
    const char *damaged = json_string_value(json_object_get(told, "damaged"));
    char *said = strdup(damaged ? damaged : "");
    json_decref(told);
    return said;
}

static void keep_two(void)
{
    struct text_cache *cache = reopen(kept);
    add(cache, "There is \"no\" éffusion.", one);
    add(cache, "two", two);
    free(keep(cache));
    text_cache_close(cache);
}

static char *kept_file(size_t *ret_size)
{
    struct err err = ERR_INIT;
    char name[TEXT_CACHE_NAME_SIZE];
    snprintf(name, sizeof name, "%s.safetensors", digest);
    char *bytes = file_read(path_of(kept, name), 1 << 20, ret_size, &err);
    assert_non_null(bytes);
    return bytes;
}

static void write_kept(const char *bytes, size_t size)
{
    char name[TEXT_CACHE_NAME_SIZE];
    snprintf(name, sizeof name, "%s.safetensors", digest);
    write_file(path_of(kept, name), bytes, size);
}

static void reads_the_bits_it_was_told(void **state)
{
    keep_two();
    struct text_cache *cache = reopen(kept);
    assert_memory_equal(text_cache_find(cache, "There is \"no\" éffusion."), one, sizeof one);
    assert_memory_equal(text_cache_find(cache, "two"), two, sizeof two);
    assert_null(text_cache_find(cache, "three"));
    assert_null(text_cache_shipped(cache, "two"));
    assert_null(text_cache_told(cache)); /* nothing was computed */
    text_cache_close(cache);
}

static void tells_all_when_one_was_missing(void **state)
{
    keep_two();
    struct text_cache *cache = reopen(kept);
    add(cache, "three", one);
    free(keep(cache));
    text_cache_close(cache);
    cache = reopen(kept);
    assert_memory_equal(text_cache_find(cache, "two"), two, sizeof two);
    assert_memory_equal(text_cache_find(cache, "three"), one, sizeof one);
    text_cache_close(cache);
}

static void tells_nothing_without_a_folder(void **state)
{
    struct text_cache *cache = reopen(NULL);
    add(cache, "two", two);
    assert_memory_equal(text_cache_find(cache, "two"), two, sizeof two);
    assert_null(text_cache_told(cache));
    text_cache_close(cache);
}

/* Whatever byte is wrong, a vector that is found is finite and of unit length; else there is none, and it is
 * said why. */
static void survives_any_changed_byte(void **state)
{
    size_t size;
    int damaged = 0;
    keep_two();
    char *bytes = kept_file(&size);
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x41;
        write_kept(bytes, size);
        struct text_cache *cache = reopen(kept);
        const float *found = text_cache_find(cache, "two");
        float length = 0;
        for (int k = 0; found && k < DIM; k++)
            length += found[k] * found[k];
        assert_true(!found || fabsf(length - 1) < 0.01f);
        add(cache, "two", two);
        char *said = keep(cache);
        damaged += *said != '\0';
        free(said);
        text_cache_close(cache);
        bytes[i] ^= 0x41;
    }
    assert_true(damaged > 150);
    free(bytes);
}

static void refuses(const void *from, const void *to, size_t length, const char *reason)
{
    size_t size;
    keep_two();
    char *bytes = kept_file(&size), *at = memmem(bytes, size, from, length);
    assert_non_null(at);
    memcpy(at, to, length);
    write_kept(bytes, size);
    free(bytes);
    struct text_cache *cache = reopen(kept);
    assert_null(text_cache_find(cache, "two"));
    add(cache, "two", two);
    char *said = keep(cache);
    if (!strstr(said, reason))
        fail_msg("said \"%s\", wanted \"%s\"", said, reason);
    free(said);
    text_cache_close(cache);
}

static void says_what_is_damaged(void **state)
{
    static const float nan_bits[DIM] = {0.5f, 0.5f, -0.5f, NAN}, longer[DIM] = {0.5f, 0.5f, -0.5f, 1};
    refuses("{\"digest\":\"0", "{\"digest\":\"f", 12, "does not say the digest it is named by");
    refuses("\"shape\":[4]", "\"shape\":[3]", 11, "need 12 bytes");
    refuses("\"F32\"", "\"I32\"", 5, "is I32 [4], not an aligned F32 [4]");
    refuses(two, nan_bits, sizeof two, "tensor two is not finite");
    refuses(two, longer, sizeof two, "long, not 1");
}

static void keeps_no_nonsense(void **state)
{
    static const char *const bad[] = {"{}",
                                      "{\"digest\":\"%s\"}",
                                      "{\"digest\":\"%s\",\"vectors\":{}}",
                                      "{\"digest\":\"%s\",\"vectors\":{\"a\":[]}}",
                                      "{\"digest\":\"%s\",\"vectors\":{\"a\":[1,\"2\"]}}",
                                      "{\"digest\":\"%s\",\"vectors\":{\"a\":[1,0],\"b\":[1]}}",
                                      "{\"digest\":\"%s\",\"vectors\":{\"a\":[1,0],\"b\":[1,0,0]}}",
                                      "{\"digest\":\"../x%s\",\"vectors\":{\"a\":[1]}}",
                                      "{\"digest\":7,\"vectors\":{\"a\":[1]}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = ERR_INIT;
        char text[400], name[TEXT_CACHE_NAME_SIZE];
        const char *percent = strstr(bad[i], "%s");
        snprintf(text, sizeof text, "%.*s%s%s", percent ? (int)(percent - bad[i]) : (int)strlen(bad[i]),
                 bad[i], percent ? digest : "", percent ? percent + 2 : "");
        json_t *told = json_loads(text, 0, NULL);
        assert_non_null(told);
        assert_false(text_cache_keep(kept, told, name, &err));
        assert_int_equal(err.code, ERR_INPUT);
        json_decref(told);
    }
    struct err err = ERR_INIT;
    char name[TEXT_CACHE_NAME_SIZE], text[200];
    snprintf(text, sizeof text, "{\"digest\":\"%s\",\"vectors\":{\"a\":[1]}}", digest);
    json_t *told = json_loads(text, 0, NULL);
    assert_false(text_cache_keep("/nonexistent", told, name, &err));
    assert_int_equal(err.code, ERR_IO);
    json_decref(told);
    assert_int_equal(rmdir(kept), 0); /* nothing was left behind */
    assert_ptr_equal(mkdtemp(strcpy(kept, "/tmp/test_text_cacheXXXXXX")), kept);
}

/* ---- with a model ---- */

static void copy_model(void)
{
    static const char *const names[] = {"config.json", "model.safetensors", "vocab.txt", "prompts.json"};
    for (int i = 0; i < 4; i++) {
        struct err err = ERR_INIT;
        size_t size;
        char *bytes = file_read(path_of(demo, names[i]), 1 << 24, &size, &err);
        assert_non_null(bytes);
        write_file(path_of(copy, names[i]), bytes, size);
        free(bytes);
    }
}

static struct model *open_copy(const char *folder)
{
    struct err err = ERR_INIT;
    struct model *model = model_open(copy, &(struct model_options){.text_folder = folder}, &err);
    if (!model)
        fail_msg("%s", err.text);
    return model;
}

/* Every cosine of every label with an embedding that has no zero. */
static void score(struct model *model, double cosines[2 * 64], int *ret_count)
{
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    struct result result = {0};
    int dim = model_dim(model);
    float *embedding = malloc((size_t)dim * sizeof *embedding);
    for (int i = 0; i < dim; i++)
        embedding[i] = 0.01f * (float)(i + 1);
    struct encoder_output output = {.vector = embedding};
    assert_true(model_score(model, &output, arena, &result, &err));
    const struct finding *findings = result.findings;
    *ret_count = result.finding_count;
    assert_true(*ret_count > 1 && *ret_count <= 64);
    for (int i = 0; i < *ret_count; i++) {
        cosines[2 * i] = findings[i].cosine_positive;
        cosines[2 * i + 1] = findings[i].cosine_negative;
    }
    free(embedding);
    arena_free(arena);
}

static void keep_of(const struct model *model)
{
    struct err err = ERR_INIT;
    char name[TEXT_CACHE_NAME_SIZE];
    json_t *told = model_text_told(model);
    assert_non_null(told);
    assert_true(text_cache_keep(kept, told, name, &err));
    assert_memory_equal(name, model_text_digest(model), DIGEST_HEX_SIZE - 1);
    json_decref(told);
}

static void scores_alike_computed_and_kept(void **state)
{
    double computed[128], read[128];
    int count, same;
    copy_model();
    struct model *model = open_copy(kept);
    score(model, computed, &count);
    keep_of(model);
    model_close(model);
    model = open_copy(kept);
    assert_null(model_text_told(model)); /* nothing was computed */
    score(model, read, &same);
    assert_int_equal(count, same);
    assert_memory_equal(computed, read, 2 * (size_t)count * sizeof *computed);
    model_close(model);
}

static void changed_prompts_are_another_file(void **state)
{
    struct err err = ERR_INIT;
    size_t size;
    char before[DIGEST_HEX_SIZE];
    copy_model();
    struct model *model = open_copy(kept);
    keep_of(model);
    snprintf(before, sizeof before, "%s", model_text_digest(model));
    model_close(model);
    char *bytes = file_read(path_of(copy, "prompts.json"), 1 << 20, &size, &err),
         *at = strstr(bytes, "There is");
    assert_non_null(at);
    memcpy(at, "Where is", 8);
    write_file(path_of(copy, "prompts.json"), bytes, size);
    free(bytes);
    model = open_copy(kept);
    assert_string_not_equal(before, model_text_digest(model));
    keep_of(model);
    model_close(model);
}

/* A file of vectors by label: the daemon's writer serves as converter. */
static void ship(const char *label, const float *values, int dim)
{
    struct err err = ERR_INIT;
    char name[TEXT_CACHE_NAME_SIZE];
    json_t *list = json_array();
    for (int i = 0; i < dim; i++)
        json_array_append_new(list, json_real((double)values[i]));
    json_t *told = json_pack("{s:s,s:{s:o}}", "digest", digest, "vectors", label, list);
    assert_true(text_cache_keep(copy, told, name, &err));
    char from[4096];
    snprintf(from, sizeof from, "%s", path_of(copy, name));
    assert_int_equal(rename(from, path_of(copy, TEXT_CACHE_SHIPPED)), 0);
    json_decref(told);
}

static void shipped_vectors_come_first(void **state)
{
    struct err err = ERR_INIT;
    double computed[128], shipped[128];
    int count;
    size_t size;
    float vector[8192] = {0};
    copy_model();
    char *bytes = file_read(path_of(copy, "prompts.json"), 1 << 20, &size, &err), label[100];
    json_t *root = json_loadb(bytes, size, 0, NULL);
    snprintf(label, sizeof label, "labels.%s.negative",
             json_string_value(json_object_get(json_array_get(json_object_get(root, "labels"), 0), "id")));
    json_decref(root);
    free(bytes);
    struct model *model = open_copy(NULL);
    int dim = model_dim(model);
    score(model, computed, &count);
    model_close(model);
    vector[dim - 1] = 1;
    ship(label, vector, dim);
    model = open_copy(NULL);
    score(model, shipped, &count);
    assert_true(fabs(shipped[1] - 0.01 * dim) < 1e-6);
    shipped[1] = computed[1];
    assert_memory_equal(computed, shipped, 2 * (size_t)count * sizeof *computed);
    model_close(model);
    vector[dim - 1] = 2;
    ship(label, vector, dim);
    assert_null(model_open(copy, NULL, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, "text_cache.safetensors: tensor labels."));
    assert_non_null(strstr(err.text, "is 2 long, not 1"));
    unlink(path_of(copy, TEXT_CACHE_SHIPPED));
}

int main(void)
{
    demo = getenv("CARDIOSCRIBE_DEMO_MODEL");
    if (!demo || !mkdtemp(kept) || !mkdtemp(copy))
        return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(reads_the_bits_it_was_told, sweep),
        cmocka_unit_test_teardown(tells_all_when_one_was_missing, sweep),
        cmocka_unit_test_teardown(tells_nothing_without_a_folder, sweep),
        cmocka_unit_test_teardown(survives_any_changed_byte, sweep),
        cmocka_unit_test_teardown(says_what_is_damaged, sweep),
        cmocka_unit_test_teardown(keeps_no_nonsense, sweep),
        cmocka_unit_test_teardown(scores_alike_computed_and_kept, sweep),
        cmocka_unit_test_teardown(changed_prompts_are_another_file, sweep),
        cmocka_unit_test_teardown(shipped_vectors_come_first, sweep),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    static const char *const names[] = {"config.json", "model.safetensors", "vocab.txt", "prompts.json"};
    for (int i = 0; i < 4; i++)
        unlink(path_of(copy, names[i]));
    rmdir(copy);
    rmdir(kept);
    return failed;
}
