/* A weights file. */
#include "fuzz.h"
#include "tensor/safetensors.h"

#include <stdlib.h>
#include <string.h>

enum { CONVERT_MAX = 1 << 16 };

static void convert(const struct tensor *tensor)
{
    struct err err = ERR_INIT;
    int64_t count = tensor_count(tensor);
    if (count > CONVERT_MAX)
        return;
    float *values = malloc((size_t)count * sizeof *values + 1);
    fuzz_must(values, "the machine has memory");
    if (!tensor_to_f32(tensor, values, &err))
        fuzz_must_refuse(&err);
    free(values);
}

static void check_tensor(const struct safetensors *file, int index)
{
    char text[TENSOR_SHAPE_TEXT];
    const struct tensor *tensor = safetensors_at(file, index);
    fuzz_must(tensor->rank >= 0 && tensor->rank <= TENSOR_RANK_MAX, "a rank is bounded");
    fuzz_must((uint64_t)tensor_count(tensor) * (uint64_t)tensor_dtype_bytes(tensor->dtype) == tensor->bytes,
              "shape and bytes agree");
    fuzz_must(safetensors_find(file, tensor->name) == tensor, "a tensor is found by its name");
    fuzz_must(index == 0 || strcmp(safetensors_at(file, index - 1)->name, tensor->name) < 0,
              "tensors are in order of name");
    tensor_shape_text(tensor->shape, tensor->rank, text);
    fuzz_touch_text(text, sizeof text);
    fuzz_touch(tensor->data, tensor->bytes);
    (void)tensor_is_f32(tensor);
    convert(tensor);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct err err = ERR_INIT;
    struct safetensors *file = safetensors_open(fuzz_file(bytes, size), &err);
    if (!file)
        fuzz_must_refuse(&err);
    for (int i = 0; file && i < safetensors_count(file); i++)
        check_tensor(file, i);
    safetensors_close(file);
    return 0;
}
