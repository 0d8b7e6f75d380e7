/* The protocol's refusals: none may end the worker, each must say what was wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const bad_lines[][2] = {
    {"", "no JSON"},
    {"nonsense", "no JSON"},
    {"[1]", "no JSON object"},
    {"{\"job\":\"study\",\"job\":\"text\"}", "no JSON"},
    {"{}", "no text \"job\""},
    {"{\"job\":7}", "no text \"job\""},
    {"{\"job\":\"a\\u0000b\"}", "no JSON"},
    {"{\"job\":\"dance\"}", "no job of that name"},
    {"{\"job\":\"study\"}", "no text \"model\""},
    {"{\"job\":\"study\",\"model\":\"/nonexistent\",\"files\":[]}", "config.json"},
    {"{\"job\":\"check\",\"path\":\"/nonexistent\"}", "/nonexistent"},
    {"{\"job\":\"volume\",\"fd\":3}", "no list \"files\""},
    {"{\"job\":\"volume\",\"files\":[3],\"fd\":3}", "no text"},
    {"{\"job\":\"volume\",\"files\":[]}", "no descriptor"},
    {"{\"job\":\"volume\",\"files\":[],\"fd\":1}", "no descriptor"},
    {"{\"job\":\"volume\",\"files\":[],\"fd\":9}", "none of 0 files"},
};

static void every_bad_line_is_refused_with_its_reason(void **state)
{
    struct job_bench *bench = job_bench_open();
    assert_non_null(bench);
    for (size_t i = 0; i < sizeof bad_lines / sizeof *bad_lines; i++) {
        json_t *answer = job_answer(bench, bad_lines[i][0]);
        const json_t *error = json_object_get(answer, "error");
        const char *text = json_string_value(json_object_get(error, "text"));
        assert_true(json_is_false(json_object_get(answer, "ok")));
        assert_non_null(json_string_value(json_object_get(error, "code")));
        assert_non_null(text);
        if (!strstr(text, bad_lines[i][1]))
            fail_msg("%s: \"%s\" does not say \"%s\"", bad_lines[i][0], text, bad_lines[i][1]);
        json_decref(answer);
    }
    job_bench_close(bench);
}

static void the_kind_of_a_line_is_told(void **state)
{
    char word[16];
    job_kind("{\"job\":\"study\",\"files\":[]}", word);
    assert_string_equal(word, "study");
    job_kind("{\"job\":\"a word that is longer than any\"}", word);
    assert_int_equal(strlen(word), 15);
    job_kind("{\"job\":[]}", word);
    assert_string_equal(word, "");
    job_kind("{", word);
    assert_string_equal(word, "");
}

/* A safetensors file of one F32 tensor, judged by the check job. */
static void a_good_file_passes_its_check(void **state)
{
    static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
    char path[] = "/tmp/job-check-XXXXXX", line[128];
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    uint64_t length = sizeof header - 1, data = 0;
    fwrite(&length, 8, 1, file);
    fwrite(header, 1, length, file);
    fwrite(&data, 8, 1, file);
    fclose(file);
    struct job_bench *bench = job_bench_open();
    snprintf(line, sizeof line, "{\"job\":\"check\",\"path\":\"%s\"}", path);
    json_t *answer = job_answer(bench, line);
    assert_true(json_is_true(json_object_get(answer, "ok")));
    assert_string_equal(json_string_value(json_object_get(answer, "kind")), "safetensors");
    assert_int_equal(json_integer_value(json_object_get(answer, "tensors")), 1);
    assert_int_equal(json_integer_value(json_object_get(answer, "bytes")), 8);
    json_decref(answer);
    truncate(path, 20);
    answer = job_answer(bench, line);
    assert_true(json_is_false(json_object_get(answer, "ok")));
    json_decref(answer);
    job_bench_close(bench);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bad_line_is_refused_with_its_reason),
        cmocka_unit_test(the_kind_of_a_line_is_told),
        cmocka_unit_test(a_good_file_passes_its_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
