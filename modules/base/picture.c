#include "base/picture.h"

#include "base/file.h"

#include <png.h>
#include <stdlib.h>

enum { SIDE_MAX = 1 << 15 };

static bool save(png_image *image, int fd, const uint8_t *pixels, struct err *err)
{
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(*image);
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return err_fail(err, ERR_NOMEM, "no memory for a picture of %zu bytes", (size_t)size);
    bool ok = png_image_write_to_memory(image, bytes, &size, 0, pixels, 0, NULL)
                  ? file_write(fd, bytes, size, err)
                  : err_fail(err, ERR_NOMEM, "a picture cannot be written: %s", image->message);
    free(bytes);
    return ok;
}

bool picture_save(int fd, const uint8_t *pixels, int width, int height, int channels, struct err *err)
{
    bool grey = channels == 1;
    if (width < 1 || width > SIDE_MAX || height < 1 || height > SIDE_MAX || (!grey && channels != 3))
        return err_fail(err, ERR_BUG, "a picture of %d x %d pixels, %d channels", width, height, channels);
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = grey ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB};
    bool ok = save(&image, fd, pixels, err);
    png_image_free(&image);
    return ok;
}
