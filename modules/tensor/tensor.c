#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int bytes;
} dtypes[] = {
    [TENSOR_BOOL] = {"BOOL", 1},       [TENSOR_U8] = {"U8", 1},           [TENSOR_I8] = {"I8", 1},
    [TENSOR_F8_E4M3] = {"F8_E4M3", 1}, [TENSOR_F8_E5M2] = {"F8_E5M2", 1}, [TENSOR_I16] = {"I16", 2},
    [TENSOR_U16] = {"U16", 2},         [TENSOR_F16] = {"F16", 2},         [TENSOR_BF16] = {"BF16", 2},
    [TENSOR_I32] = {"I32", 4},         [TENSOR_U32] = {"U32", 4},         [TENSOR_F32] = {"F32", 4},
    [TENSOR_F64] = {"F64", 8},         [TENSOR_I64] = {"I64", 8},         [TENSOR_U64] = {"U64", 8},
};

const char *tensor_dtype_name(enum tensor_dtype dtype)
{
    return dtypes[dtype].name;
}

int tensor_dtype_bytes(enum tensor_dtype dtype)
{
    return dtypes[dtype].bytes;
}

bool tensor_dtype_parse(const char *name, enum tensor_dtype *ret)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(name, dtypes[i].name) != 0)
            continue;
        *ret = (enum tensor_dtype)i;
        return true;
    }
    return false;
}

int64_t tensor_count(const struct tensor *tensor)
{
    int64_t count = 1;
    for (int i = 0; i < tensor->rank; i++)
        count *= tensor->shape[i];
    return count;
}

void tensor_shape_text(const int64_t *shape, int rank, char text[TENSOR_SHAPE_TEXT])
{
    size_t used = (size_t)snprintf(text, TENSOR_SHAPE_TEXT, "[");
    for (int i = 0; i < rank; i++)
        used += (size_t)snprintf(text + used, TENSOR_SHAPE_TEXT - used, "%s%lld", i ? "," : "",
                                 (long long)shape[i]);
    snprintf(text + used, TENSOR_SHAPE_TEXT - used, "]");
}

bool tensor_is_f32(const struct tensor *tensor)
{
    return tensor->dtype == TENSOR_F32 && (uintptr_t)tensor->data % sizeof(float) == 0;
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* source: IEEE 754-2008 binary16. */
static float float_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = (half >> 10) & 0x1f, fraction = half & 0x3ff;
    if (exponent == 0x1f)
        return float_of_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent)
        return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float tiny = (float)fraction * 0x1p-24f;
    return sign ? -tiny : tiny;
}

static void convert_16(const struct tensor *tensor, int64_t count, float *out)
{
    for (int64_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, tensor->data + 2 * i, sizeof bits);
        out[i] = tensor->dtype == TENSOR_F16 ? float_of_half(bits) : float_of_bits((uint32_t)bits << 16);
    }
}

static void convert_64(const struct tensor *tensor, int64_t count, float *out)
{
    for (int64_t i = 0; i < count; i++) {
        double value;
        memcpy(&value, tensor->data + 8 * i, sizeof value);
        out[i] = (float)value;
    }
}

bool tensor_to_f32(const struct tensor *tensor, float *out, struct err *err)
{
    int64_t count = tensor_count(tensor);
    switch (tensor->dtype) {
    case TENSOR_F32:
        if (count)
            memcpy(out, tensor->data, (size_t)count * sizeof *out);
        return true;
    case TENSOR_F16:
    case TENSOR_BF16:
        convert_16(tensor, count, out);
        return true;
    case TENSOR_F64:
        convert_64(tensor, count, out);
        return true;
    default:
        return err_fail(err, ERR_UNSUPPORTED, "tensor %s is %s; weights are F32, F16, BF16 or F64",
                        tensor->name, tensor_dtype_name(tensor->dtype));
    }
}
