extern "C" {
#include "dicom/dicom_j2k.h"
}

#include <openjpeg.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace
{

struct memory {
    const uint8_t *bytes;
    size_t size, position;
};

OPJ_SIZE_T read_memory(void *buffer, OPJ_SIZE_T size, void *user)
{
    memory *from = static_cast<memory *>(user);
    size_t left = from->size - from->position;
    if (!left)
        return static_cast<OPJ_SIZE_T>(-1);
    if (size > left)
        size = left;
    std::memcpy(buffer, from->bytes + from->position, size);
    from->position += size;
    return size;
}

OPJ_OFF_T skip_memory(OPJ_OFF_T size, void *user)
{
    memory *from = static_cast<memory *>(user);
    if (size < 0 || static_cast<OPJ_UINT64>(size) > from->size - from->position)
        return -1;
    from->position += static_cast<size_t>(size);
    return size;
}

OPJ_BOOL seek_memory(OPJ_OFF_T position, void *user)
{
    memory *from = static_cast<memory *>(user);
    if (position < 0 || static_cast<OPJ_UINT64>(position) > from->size)
        return OPJ_FALSE;
    from->position = static_cast<size_t>(position);
    return OPJ_TRUE;
}

void keep_silent(const char *, void *)
{
}

typedef std::unique_ptr<opj_stream_t, void (*)(opj_stream_t *)> stream_ptr;
typedef std::unique_ptr<opj_codec_t, void (*)(opj_codec_t *)> codec_ptr;
typedef std::unique_ptr<opj_image_t, void (*)(opj_image_t *)> image_ptr;

opj_stream_t *open_memory(memory *from)
{
    opj_stream_t *stream = opj_stream_default_create(OPJ_TRUE);
    if (!stream)
        return nullptr;
    opj_stream_set_user_data(stream, from, nullptr);
    opj_stream_set_user_data_length(stream, from->size);
    opj_stream_set_read_function(stream, read_memory);
    opj_stream_set_skip_function(stream, skip_memory);
    opj_stream_set_seek_function(stream, seek_memory);
    return stream;
}

opj_codec_t *open_codec(const uint8_t *bytes, size_t size)
{
    static const uint8_t jp2_box[] = {0, 0, 0, 12, 'j', 'P', ' ', ' '};
    bool is_jp2 = size > sizeof jp2_box && !std::memcmp(bytes, jp2_box, sizeof jp2_box);
    opj_codec_t *codec = opj_create_decompress(is_jp2 ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K);
    if (!codec)
        return nullptr;
    opj_set_info_handler(codec, keep_silent, nullptr);
    opj_set_warning_handler(codec, keep_silent, nullptr);
    opj_set_error_handler(codec, keep_silent, nullptr);
    opj_dparameters_t parameters;
    opj_set_default_decoder_parameters(&parameters);
    if (!opj_setup_decoder(codec, &parameters)) {
        opj_destroy_codec(codec);
        return nullptr;
    }
    return codec;
}

bool check_image(const opj_image_t *image, int rows, int columns, struct err *err)
{
    if (image->numcomps != 1)
        return err_fail(err, ERR_INPUT, "JPEG 2000: %u components, 1 expected", image->numcomps);
    const opj_image_comp_t *component = &image->comps[0];
    if (component->w != OPJ_UINT32(columns) || component->h != OPJ_UINT32(rows))
        return err_fail(err, ERR_INPUT, "JPEG 2000: %u x %u pixels, %d x %d expected", component->h,
                        component->w, rows, columns);
    if (component->prec < 1 || component->prec > 31)
        return err_fail(err, ERR_UNSUPPORTED, "JPEG 2000: %u bits", component->prec);
    return true;
}

void copy_values(const opj_image_comp_t *component, const struct dicom_pixels_shape *shape, int32_t *values)
{
    bool is_signed = shape->is_signed;
    int bits_used = std::min(int(component->prec), shape->bits_stored);
    size_t count = size_t(component->w) * component->h;
    uint32_t mask = (uint32_t(1) << bits_used) - 1, sign = uint32_t(1) << (bits_used - 1);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = uint32_t(component->data[i]) & mask;
        values[i] = is_signed && (bits & sign) ? int32_t(bits | ~mask) : int32_t(bits);
    }
}

} // namespace

extern "C" bool dicom_j2k_decode(const uint8_t *bytes, size_t size, const struct dicom_pixels_shape *shape,
                                 int32_t *values, struct err *err)
{
    memory from = {bytes, size, 0};
    stream_ptr stream(open_memory(&from), opj_stream_destroy);
    codec_ptr codec(open_codec(bytes, size), opj_destroy_codec);
    if (!stream || !codec)
        return err_fail(err, ERR_NOMEM, "JPEG 2000: no memory for the decoder");
    opj_image_t *raw = nullptr;
    bool has_header = opj_read_header(stream.get(), codec.get(), &raw);
    image_ptr image(raw, opj_image_destroy);
    if (!has_header || !image)
        return err_fail(err, ERR_INPUT, "JPEG 2000: header damaged");
    if (!check_image(image.get(), shape->rows, shape->columns, err))
        return false;
    if (!opj_decode(codec.get(), stream.get(), image.get()) || !image->comps[0].data)
        return err_fail(err, ERR_INPUT, "JPEG 2000: codestream damaged or truncated");
    if (!check_image(image.get(), shape->rows, shape->columns, err))
        return false;
    copy_values(&image->comps[0], shape, values);
    return true;
}
