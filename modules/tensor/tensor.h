/* A tensor as it lies in a file: type, shape and bytes, nothing computed.
 * source: safetensors format description (dtype names, row-major, little endian). */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum tensor_dtype {
    TENSOR_BOOL,
    TENSOR_U8,
    TENSOR_I8,
    TENSOR_F8_E4M3,
    TENSOR_F8_E5M2,
    TENSOR_I16,
    TENSOR_U16,
    TENSOR_F16,
    TENSOR_BF16,
    TENSOR_I32,
    TENSOR_U32,
    TENSOR_F32,
    TENSOR_F64,
    TENSOR_I64,
    TENSOR_U64
};

enum { TENSOR_RANK_MAX = 8, TENSOR_SHAPE_TEXT = 200 };

/* owns: nothing; name and data are borrowed from whoever made the view. data need not be aligned. */
struct tensor {
    const char *name;
    enum tensor_dtype dtype;
    int rank;                       /* 0 for a scalar */
    int64_t shape[TENSOR_RANK_MAX]; /* slowest axis first */
    const unsigned char *data;
    uint64_t bytes;
};

/* "F32", "BF16", ...: borrowed, static. */
const char *tensor_dtype_name(enum tensor_dtype dtype);
/* False when the name is none we know. */
bool tensor_dtype_parse(const char *name, enum tensor_dtype *ret);
/* Bytes of one element. */
int tensor_dtype_bytes(enum tensor_dtype dtype);

/* Number of elements; a scalar has one. The shape must already have been checked against the bytes. */
int64_t tensor_count(const struct tensor *tensor);

/* Elements of one channel of a volume. in: each axis below 2^21. */
static inline size_t tensor_voxels(const int zyx[3])
{
    return (size_t)zyx[0] * (size_t)zyx[1] * (size_t)zyx[2];
}

/* "[768,1,8,8,8]" */
void tensor_shape_text(const int64_t *shape, int rank, char text[TENSOR_SHAPE_TEXT]);

/* True when data can be used as float[] where it lies. */
bool tensor_is_f32(const struct tensor *tensor);

/* Convert F32, F16, BF16 or F64 to float. in: out has room for tensor_count floats.
 * errors: ERR_UNSUPPORTED for every other type. */
bool tensor_to_f32(const struct tensor *tensor, float *out, struct err *err);

#endif
