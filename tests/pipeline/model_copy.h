/* A copy of models/demo-ct that a test may change. Part of test_model and test_model_shelf. */
#ifndef TESTS_PIPELINE_MODEL_COPY_H
#define TESTS_PIPELINE_MODEL_COPY_H

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *demo; /* folder of models/demo-ct */
static char copy[] = "/tmp/test_modelXXXXXX";

static char *read_demo(const char *name, size_t *ret_size)
{
    struct err err = ERR_INIT;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", demo, name);
    char *bytes = file_read(path, 1 << 24, ret_size, &err);
    assert_non_null(bytes);
    return bytes;
}

static void write_copy(const char *name, const char *bytes, size_t size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", copy, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static const char *const names[] = {"config.json", "model.safetensors", "vocab.txt", "prompts.json"};

static int fresh_copy(void **state)
{
    for (int i = 0; i < 4; i++) {
        size_t size;
        char *bytes = read_demo(names[i], &size);
        write_copy(names[i], bytes, size);
        free(bytes);
    }
    return 0;
}

#endif
