#include "findings/domain.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct arena *arena;
static char path[] = "/tmp/test_domain_XXXXXX";

static int set_up(void **state)
{
    arena = arena_new();
    return arena ? 0 : -1;
}

static int tear_down(void **state)
{
    arena_free(arena);
    return 0;
}

/* A file of that header and those values behind it. */
static struct safetensors *file_of(const char *header, const float *values, size_t count)
{
    struct err err = ERR_INIT;
    char text[512];
    unsigned char length[8] = {0};
    size_t size = (size_t)snprintf(text, sizeof text, "%-256s", header);
    length[0] = (unsigned char)size;
    length[1] = (unsigned char)(size >> 8);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(length, 1, 8, file), 8);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fwrite(values, sizeof *values, count, file), count);
    assert_int_equal(fclose(file), 0);
    struct safetensors *opened = safetensors_open(path, &err);
    if (!opened)
        fail_msg("%s", err.text);
    return opened;
}

#define MEAN   "\"mean\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}"
#define WHITEN "\"whiten\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[12,36]}"
static const float good[] = {1, 2, 3, 2, 0, 0, 0, 0, -4};

static bool read_section(const char *json, struct domain *ret, struct err *err)
{
    json_t *section = json_loads(json, 0, NULL);
    assert_non_null(section);
    bool ok = domain_config_read(section, ret, err);
    ret->id = ok ? arena_strdup(arena, ret->id) : NULL;
    json_decref(section);
    return ok;
}

static void the_section_is_read(void **state)
{
    struct err err = ERR_INIT;
    struct domain domain;
    assert_true(read_section("{\"of\":\"tower\",\"limit\":1.75,\"id\":\"phantoms 1\"}", &domain, &err));
    assert_true(domain.of_tower && domain.limit == 1.75);
    assert_string_equal(domain.id, "phantoms 1");
    assert_string_equal(domain_of(&domain), "tower");
    assert_true(read_section("{\"of\":\"embedding\",\"limit\":2,\"id\":\"x\"}", &domain, &err));
    assert_false(domain.of_tower);
    assert_string_equal(domain_of(&domain), "embedding");
    assert_true(domain_of_known("tower") && domain_of_known("embedding") && !domain_of_known("organ"));
}

static void a_wrong_section_is_refused_by_key(void **state)
{
    static const char *const cases[][2] = {
        {"{\"limit\":1,\"id\":\"x\"}", "domain.of: required"},
        {"{\"of\":\"organ\",\"limit\":1,\"id\":\"x\"}", "domain.of: \"organ\""},
        {"{\"of\":\"tower\",\"id\":\"x\"}", "domain.limit: required"},
        {"{\"of\":\"tower\",\"limit\":0,\"id\":\"x\"}", "domain.limit: not within"},
        {"{\"of\":\"tower\",\"limit\":-1,\"id\":\"x\"}", "domain.limit: not within"},
        {"{\"of\":\"tower\",\"limit\":\"1\",\"id\":\"x\"}", "domain.limit: not a number"},
        {"{\"of\":\"tower\",\"limit\":1}", "domain.id: required"},
        {"{\"of\":\"tower\",\"limit\":1,\"id\":\"\"}", "domain.id: empty"},
        {"{\"of\":\"tower\",\"limit\":1,\"id\":\"x\",\"file\":\"y\"}", "domain.file: unknown key"},
        {"[]", "domain: missing, or not an object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        struct domain domain;
        assert_false(read_section(cases[i][0], &domain, &err));
        if (strncmp(err.text, cases[i][1], strlen(cases[i][1])) != 0)
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i][1]);
    }
}

static void the_distance_is_the_root_mean_square_along_the_rows(void **state)
{
    struct err err = ERR_INIT;
    struct domain domain = {0};
    struct safetensors *file = file_of("{" MEAN "," WHITEN "}", good, 9);
    assert_true(domain_bind(&domain, file, 3, arena, NULL, &err));
    safetensors_close(file); /* it was copied */
    assert_true(domain.directions == 2 && domain.width == 3);
    const float mean[] = {1, 2, 3}, away[] = {2, 7, 5}, across[] = {1, 99, 3};
    assert_true(domain_distance(&domain, mean) == 0);
    assert_true(domain_distance(&domain, away) == sqrt((2.0 * 2 + 8 * 8) / 2));
    assert_true(domain_distance(&domain, across) == 0); /* what no row looks at */
    const float huge[] = {3e38f, -3e38f, -3e38f}, none[] = {NAN, 0, 0};
    assert_true(isfinite(domain_distance(&domain, huge)));
    assert_true(isnan(domain_distance(&domain, none)));
}

/* In float the difference would vanish. */
static void it_is_computed_in_double(void **state)
{
    struct err err = ERR_INIT;
    struct domain domain = {0};
    const float values[] = {16777216, 0, 0, 1, 0, 0, 0, 1, 0}, v[] = {16777216, 0x1p-30f, 0};
    struct safetensors *file = file_of("{" MEAN "," WHITEN "}", values, 9);
    assert_true(domain_bind(&domain, file, 3, arena, NULL, &err));
    safetensors_close(file);
    assert_true(domain_distance(&domain, v) == sqrt(0x1p-60 / 2));
    const float other[] = {16777218, 0x1p-30f, 0};
    assert_true(domain_distance(&domain, other) == sqrt((4 + 0x1p-60) / 2));
}

static void wrong_statistics_are_refused_by_tensor(void **state)
{
    const float unfit[] = {1, NAN, 3, 1, 0, 0, 0, 0, 1}, endless[] = {1, 2, 3, 1, INFINITY, 0, 0, 0, 1},
                zeros[9] = {1, 1, 1};
    const struct {
        const char *header;
        const float *values;
        int width;
        const char *reason, *words;
    } cases[] = {
        {"{\"whiten\":{\"dtype\":\"F32\",\"shape\":[3,3],\"data_offsets\":[0,36]}}", good, 3,
         "domain_missing", "tensor mean is missing"},
        {"{\"mean\":{\"dtype\":\"F32\",\"shape\":[9],\"data_offsets\":[0,36]}}", good, 9, "domain_missing",
         "tensor whiten is missing"},
        {"{" MEAN "," WHITEN "}", good, 4, "domain_shape", "tensor mean is F32 [3]; the model needs F32 [4]"},
        {"{" MEAN ",\"whiten\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[12,36]}}", good, 3,
         "domain_shape", "tensor whiten is F32 [3,2]; the model needs F32 [K,3]"},
        {"{" MEAN ",\"whiten\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[12,36]}}", good, 3,
         "domain_shape", "tensor whiten is F32 [6]"},
        {"{" MEAN ",\"whiten\":{\"dtype\":\"F16\",\"shape\":[4,3],\"data_offsets\":[12,36]}}", good, 3,
         "domain_shape", "tensor whiten is F16 [4,3]"},
        {"{" MEAN ",\"whiten\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[12,12]},"
         "\"x\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[12,36]}}",
         good, 3, "domain_shape", "tensor whiten is F32 [0,3]"},
        {"{" MEAN "," WHITEN "}", unfit, 3, "domain_not_finite", "tensor mean"},
        {"{" MEAN "," WHITEN "}", endless, 3, "domain_not_finite", "tensor whiten"},
        {"{" MEAN "," WHITEN "}", zeros, 3, "domain_zero", "tensor whiten is all zeros"},
        {"{" MEAN ",\"whiten\":{\"dtype\":\"F32\",\"shape\":[1,3],\"data_offsets\":[12,24]},"
         "\"cov\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[24,36]}}",
         good, 3, "domain_unknown", "tensor cov has no place"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = ERR_INIT;
        struct domain domain = {0};
        struct safetensors *file = file_of(cases[i].header, cases[i].values, 9);
        if (domain_bind(&domain, file, cases[i].width, arena, NULL, &err))
            fail_msg("case %zu was taken", i);
        assert_int_equal(err.code, ERR_INPUT);
        assert_string_equal(err.reason, cases[i].reason);
        if (!strstr(err.text, cases[i].words))
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].words);
        safetensors_close(file);
    }
}

static void a_check_tells_all_of_them(void **state)
{
    struct err err = ERR_INIT;
    struct domain domain = {0};
    struct faults faults;
    faults_init(&faults, arena);
    struct safetensors *file =
        file_of("{" MEAN ",\"cov\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[12,36]}}", good, 9);
    assert_true(domain_bind(&domain, file, 5, arena, &faults, &err));
    safetensors_close(file);
    assert_int_equal(faults.count, 3);
    const char *const words[] = {DOMAIN_FILE ": tensor mean is F32 [3]",
                                 DOMAIN_FILE ": tensor whiten is missing",
                                 DOMAIN_FILE ": tensor cov has no place"};
    const struct fault *fault = faults.first;
    for (int i = 0; i < 3; i++, fault = fault->next)
        if (strncmp(fault->err.text, words[i], strlen(words[i])) != 0)
            fail_msg("\"%s\" does not say \"%s\"", fault->err.text, words[i]);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    int fd = mkstemp(path);
    if (fd < 0)
        return 77;
    close(fd);
    const struct CMUnitTest tests[] = {T(the_section_is_read),
                                       T(a_wrong_section_is_refused_by_key),
                                       T(the_distance_is_the_root_mean_square_along_the_rows),
                                       T(it_is_computed_in_double),
                                       T(wrong_statistics_are_refused_by_tensor),
                                       T(a_check_tells_all_of_them)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
