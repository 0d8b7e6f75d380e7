#include "pipeline/nifti.h"

#include <errno.h>
#include <unistd.h>

static bool write_all(int fd, const void *bytes, size_t size, struct err *err)
{
    for (const char *at = bytes; size > 0;) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, "write the volume");
        at += n;
        size -= (size_t)n;
    }
    return true;
}

bool nifti_write(void *to, const struct volume_geometry *geometry, const struct pipeline_slab *slab,
                 struct err *err)
{
    struct nifti *nifti = to;
    unsigned char header[VOLUME_NIFTI_HEADER_SIZE];
    const int *zyx = geometry->zyx;
    if (slab->phase == 0 && slab->first == 0) {
        volume_nifti_header(geometry, header);
        if (!write_all(nifti->fd, header, sizeof header, err))
            return false;
    }
    return write_all(nifti->fd, slab->voxels,
                     (size_t)slab->depth * (size_t)zyx[1] * (size_t)zyx[2] * sizeof *slab->voxels, err);
}
