#include "pipeline/job_tensor.h"

#include "base/file.h"
#include "tensor/safetensors.h"

#include <stdio.h>
#include <string.h>

enum { AXES_MAX = 5, AXIS_MAX = 65536 };
static const int64_t values_max = (int64_t)1 << 32;

/* Pictures [items][channels][y][x] or volumes [channels][z][y][x]. */
static bool takes_pictures(const struct vision_config *vision)
{
    return vision->arch == ENCODER_SPACETIME_VIT ||
           (vision->arch == ENCODER_VIT && vision->input_zyx[0] == 1 && vision->patch_zyx[0] == 1);
}

static bool bad_input(const struct tensor *tensor, const struct vision_config *vision, struct err *err)
{
    char text[TENSOR_SHAPE_TEXT];
    tensor_shape_text(tensor->shape, tensor->rank, text);
    const int *zyx = vision->input_zyx;
    if (takes_pictures(vision))
        return err_decline(err, "bad_input_tensor",
                           "tensor \"input\" is %s %s; the model takes F32 [%d,%d,%d] or several of them",
                           tensor_dtype_name(tensor->dtype), text, vision->channels, zyx[1], zyx[2]);
    return err_decline(err, "bad_input_tensor",
                       "tensor \"input\" is %s %s; the model takes F32 [%d,%d,%d,%d]",
                       tensor_dtype_name(tensor->dtype), text, vision->channels, zyx[0], zyx[1], zyx[2]);
}

/* Axes that are not there are 1. */
static bool read_axes(const struct tensor *tensor, int axes[AXES_MAX])
{
    int missing = AXES_MAX - tensor->rank;
    int64_t count = 1;
    if (tensor->dtype != TENSOR_F32 || tensor->rank < 3 || missing < 0)
        return false;
    for (int i = 0; i < AXES_MAX; i++) {
        int64_t axis = i < missing ? 1 : tensor->shape[i - missing];
        if (axis < 1 || axis > AXIS_MAX || count > values_max / axis)
            return false;
        count *= axis;
        axes[i] = (int)axis;
    }
    return axes[0] == 1;
}

static bool read_shape(const struct tensor *tensor, const struct vision_config *vision,
                       struct encoder_input *ret, struct err *err)
{
    int axes[AXES_MAX];
    if (!read_axes(tensor, axes))
        return bad_input(tensor, vision, err);
    bool pictures = takes_pictures(vision);
    if (axes[pictures ? 2 : 1] != vision->channels)
        return bad_input(tensor, vision, err);
    *ret = (struct encoder_input){.items = pictures ? axes[1] : 1,
                                  .zyx = {pictures ? 1 : axes[2], axes[3], axes[4]}};
    return true;
}

static bool read_values(const struct tensor *tensor, struct arena *arena, struct encoder_input *ret,
                        struct err *err)
{
    float *values = ARENA_ARRAY(arena, float, (size_t)tensor_count(tensor));
    ret->values = values;
    return values ? tensor_to_f32(tensor, values, err)
                  : err_fail(err, ERR_NOMEM, "no memory for the input tensor");
}

static bool read_mask(const struct tensor *tensor, struct arena *arena, struct encoder_input *ret,
                      struct err *err)
{
    char text[TENSOR_SHAPE_TEXT];
    int from = tensor->rank - 3;
    bool fits = tensor->dtype == TENSOR_U8 && from >= 0;
    for (int i = 0; fits && i < tensor->rank; i++)
        fits = tensor->shape[i] == (i < from ? 1 : ret->zyx[i - from]);
    tensor_shape_text(tensor->shape, tensor->rank, text);
    if (!fits)
        return err_decline(err, "bad_input_tensor", "tensor \"mask\" is %s %s; the input needs U8 [%d,%d,%d]",
                           tensor_dtype_name(tensor->dtype), text, ret->zyx[0], ret->zyx[1], ret->zyx[2]);
    uint8_t *mask = ARENA_ARRAY(arena, uint8_t, (size_t)tensor->bytes);
    if (!mask)
        return err_fail(err, ERR_NOMEM, "no memory for the mask");
    ret->mask = memcpy(mask, tensor->data, (size_t)tensor->bytes);
    return true;
}

static bool read_file(const struct safetensors *file, const struct vision_config *vision, struct arena *arena,
                      struct encoder_input *ret, struct err *err)
{
    const struct tensor *input = safetensors_find(file, "input"), *mask = safetensors_find(file, "mask");
    if (!input)
        return err_decline(err, "bad_input_tensor", "the file has no tensor named \"input\"");
    return read_shape(input, vision, ret, err) && read_values(input, arena, ret, err) &&
           (!mask || read_mask(mask, arena, ret, err));
}

bool job_tensor_read(const struct model *model, const char *path, struct arena *arena,
                     struct encoder_input *ret, struct err *err)
{
    struct safetensors *file = safetensors_open(path, err);
    if (!file)
        return false;
    bool ok = read_file(file, model_vision(model), arena, ret, err);
    safetensors_close(file);
    return ok;
}

/* ---- into a file ---- */

static size_t item_values(const struct encoder_input *input, int channels)
{
    return (size_t)channels * (size_t)input->zyx[0] * (size_t)input->zyx[1] * (size_t)input->zyx[2];
}

/* Padded so that the values are aligned. Returns its length. */
static size_t write_header(const struct encoder_input *input, const struct vision_config *vision,
                           size_t value_bytes, size_t mask_bytes, char text[512])
{
    const int *zyx = input->zyx;
    bool pictures = takes_pictures(vision);
    int length =
        snprintf(text, 256, "{\"input\":{\"dtype\":\"F32\",\"shape\":[%d,%d,%d,%d],\"data_offsets\":[0,%zu]}",
                 pictures ? input->items : vision->channels, pictures ? vision->channels : zyx[0], zyx[1],
                 zyx[2], value_bytes);
    if (mask_bytes)
        length += snprintf(text + length, 240,
                           ",\"mask\":{\"dtype\":\"U8\",\"shape\":[%d,%d,%d],\"data_offsets\":[%zu,%zu]}",
                           zyx[0], zyx[1], zyx[2], value_bytes, value_bytes + mask_bytes);
    text[length++] = '}';
    while (length % 8)
        text[length++] = ' ';
    return (size_t)length;
}

bool job_tensor_write(const struct model *model, const struct encoder_input *input, int fd, struct err *err)
{
    const struct vision_config *vision = model_vision(model);
    char text[512];
    unsigned char length[8] = {0};
    size_t values = (size_t)input->items * item_values(input, vision->channels) * sizeof *input->values;
    size_t mask = input->mask ? item_values(input, 1) : 0;
    size_t size = write_header(input, vision, values, mask, text);
    length[0] = (unsigned char)size;
    length[1] = (unsigned char)(size >> 8);
    return file_write(fd, length, sizeof length, err) && file_write(fd, text, size, err) &&
           file_write(fd, input->values, values, err) && file_write(fd, input->mask, mask, err);
}
