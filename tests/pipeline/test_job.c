/* The protocol's refusals: none may end the worker, each must say what was wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dicom/dicom_head.h"
#include "pipeline/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../dicom/made_file.h"

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
    {"{\"job\":\"volume\",\"files\":[]}", "no number \"fd\""},
    {"{\"job\":\"volume\",\"files\":[],\"fd\":1}", "no number \"fd\""},
    {"{\"job\":\"study\",\"input_fd\":2}", "no number \"input_fd\""},
    {"{\"job\":\"study\",\"picture_fd\":2}", "no number \"picture_fd\""},
    {"{\"job\":\"study\",\"input_fd\":3,\"picture_fd\":4}", "one descriptor"},
    {"{\"job\":\"pixels\",\"fd\":5}", "no text \"file\""},
    {"{\"job\":\"pixels\",\"file\":\"/x\"}", "no number \"fd\""},
    {"{\"job\":\"pixels\",\"file\":\"/x\",\"fd\":5,\"frame\":0}", "no number \"frame\""},
    {"{\"job\":\"pixels\",\"file\":\"/x\",\"fd\":5,\"frame\":1.5}", "no number \"frame\""},
    {"{\"job\":\"volume\",\"files\":[],\"fd\":9}", "none of 0 files"},
    {"{\"job\":\"volume\",\"files\":[],\"fd\":9,\"series\":4}", "no text \"series\""},
    {"{\"job\":\"volume\",\"files\":[],\"fd\":9,\"rules\":{}}", "no text \"rules\""},
    {"{\"job\":\"volume\",\"files\":[],\"fd\":9,\"rules\":\"{\"}", "series rules: line 1"},
    {"{\"job\":\"volume\",\"files\":[],\"fd\":9,\"rules\":\"{\\\"rules\\\":[{}]}\"}", "rules[0]"},
};

static void every_bad_line_is_refused_with_its_reason(void **state)
{
    struct job_bench *bench = job_bench_open(NULL);
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
    struct job_bench *bench = job_bench_open(NULL);
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

/* One slice of a CT series at this height; what made it stays with the caller. */
static void make_slice(struct made_file *file, int number, double z)
{
    char text[32];
    made_begin(file, "1.2.840.10008.1.2.1");
    made_text(file, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2");
    snprintf(text, sizeof text, "1.2.3.4.%d", number);
    made_text(file, 0x00080018, "UI", text);
    made_text(file, 0x0020000D, "UI", "1.2.3");
    made_text(file, 0x0020000E, "UI", "1.2.3.1");
    snprintf(text, sizeof text, "0\\0\\%.1f", z);
    made_text(file, 0x00200032, "DS", text);
    made_text(file, 0x00200037, "DS", "1\\0\\0\\0\\1\\0");
    made_short(file, 0x00280002, 1);
    made_text(file, 0x00280004, "CS", "MONOCHROME2");
    made_short(file, 0x00280010, 2);
    made_short(file, 0x00280011, 2);
    made_text(file, 0x00280030, "DS", "1\\1");
    made_short(file, 0x00280100, 16);
    made_short(file, 0x00280101, 12);
    made_short(file, 0x00280102, 11);
    made_short(file, 0x00280103, 0);
    made_text(file, 0x00281052, "DS", "-1024");
    made_text(file, 0x00281053, "DS", "1");
    made_tag(file, 0x7FE00010, "OW", 8);
    made_put(file, "\0\0\1\0\2\0\3\0", 8);
    made_save(file);
}

static void a_volume_says_that_it_was_resampled(void **state)
{
    struct made_file slices[6] = {0};
    struct job_bench *bench = job_bench_open(NULL);
    json_t *files = json_array();
    FILE *out = tmpfile();
    for (int i = 0; i < 6; i++) {
        make_slice(&slices[i], i, i == 3 ? 6.3 : 2 * i);
        json_array_append_new(files, json_string(slices[i].path));
    }
    json_t *job = json_pack("{s:s,s:o,s:i}", "job", "volume", "files", files, "fd", fileno(out));
    char *line = json_dumps(job, 0);
    json_t *answer = job_answer(bench, line);
    assert_true(json_is_true(json_object_get(answer, "ok")));
    assert_int_equal(json_integer_value(json_object_get(answer, "files")), 6);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(answer, "zyx"), 0)), 6);
    const json_t *warnings = json_object_get(answer, "warnings");
    assert_int_equal(json_array_size(warnings), 1);
    assert_non_null(strstr(json_string_value(json_array_get(warnings, 0)), "resampled: "));
    json_decref(answer);
    json_decref(job);
    free(line);
    fclose(out);
    for (int i = 0; i < 6; i++)
        made_done(&slices[i]);
    job_bench_close(bench);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_volume_says_that_it_was_resampled),
        cmocka_unit_test(every_bad_line_is_refused_with_its_reason),
        cmocka_unit_test(the_kind_of_a_line_is_told),
        cmocka_unit_test(a_good_file_passes_its_check),
    };
    return cmocka_run_group_tests(tests, library_up, library_down);
}
