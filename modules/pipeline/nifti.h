/* A volume as a NIfTI-1 file, written to a descriptor slab by slab. Part of the pipeline. */
#ifndef PIPELINE_NIFTI_H
#define PIPELINE_NIFTI_H

#include "base/err.h"
#include "pipeline/pipeline.h"

struct nifti {
    int fd;
};

/* A pipeline_slabs whose `to` is a struct nifti: the header before the first, then voxels.
 * errors: ERR_IO, ERR_FULL. */
bool nifti_write(void *to, const struct volume_geometry *geometry, const struct pipeline_slab *slab,
                 struct err *err);

#endif
