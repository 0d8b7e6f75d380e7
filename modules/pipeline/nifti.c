#include "pipeline/nifti.h"

#include "base/file.h"

bool nifti_write(void *to, const struct volume_geometry *geometry, const struct pipeline_slab *slab,
                 struct err *err)
{
    struct nifti *nifti = to;
    unsigned char header[VOLUME_NIFTI_HEADER_SIZE];
    const int *zyx = geometry->zyx;
    if (slab->phase == 0 && slab->first == 0) {
        volume_nifti_header(geometry, header);
        if (!file_write(nifti->fd, header, sizeof header, err))
            return false;
    }
    return file_write(nifti->fd, slab->voxels,
                      (size_t)slab->depth * (size_t)zyx[1] * (size_t)zyx[2] * sizeof *slab->voxels, err);
}
