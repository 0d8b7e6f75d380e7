/* The worker's end of its line: bytes in pieces, lines out of them, a job each. The folder models/ is the
 * working directory, so that "demo-ct" is a model; the bench keeps it from one input to the next. */
#include "dicom/dicom_head.h"
#include "fuzz.h"
#include "pipeline/job.h"
#include "pipeline/line.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct job_bench *start(void)
{
    static struct job_bench *bench;
    struct err err = ERR_INIT;
    if (!bench)
        fuzz_must(dicom_library_init(&err) && chdir(FUZZ_MODELS) == 0, "the worker starts");
    if (!bench)
        bench = job_bench_open(NULL);
    fuzz_must(bench, "the machine has memory");
    return bench;
}

static void do_job(const char *line)
{
    char word[16];
    job_kind(line, word);
    fuzz_touch_text(word, sizeof word);
    json_t *answer = job_answer(start(), line);
    char *text = json_dumps(answer, JSON_COMPACT);
    fuzz_must(text && !strchr(text, '\n'), "an answer is one line");
    const json_t *ok = json_object_get(answer, "ok"), *error = json_object_get(answer, "error");
    fuzz_must(json_is_boolean(ok), "an answer says whether it is one");
    fuzz_must(json_is_true(ok) || json_string_value(json_object_get(error, "code")), "a refusal has a code");
    fuzz_must(json_is_true(ok) ||
                  strcmp(json_string_value(json_object_get(error, "code")), err_code_name(ERR_BUG)),
              "a bad job is no bug of ours");
    free(text);
    json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct err err = ERR_INIT;
    struct line line = {0};
    size_t piece = size ? 1 + bytes[0] : 1; /* '{' as first byte: 124 bytes */
    for (size_t at = 0; at < size; at += piece) {
        size_t left = size - at;
        fuzz_must(line_append(&line, (const char *)bytes + at, left < piece ? left : piece, &err),
                  "a short line fits");
        for (char *text; (text = line_take(&line));)
            do_job(text);
    }
    line_done(&line);
    char *rest = fuzz_text(bytes, size); /* and all of it as one line */
    do_job(rest);
    free(rest);
    return 0;
}
