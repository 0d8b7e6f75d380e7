/* A volume as a NIfTI-1 file, written to a descriptor phase by phase. Part of the pipeline. */
#ifndef PIPELINE_NIFTI_H
#define PIPELINE_NIFTI_H

#include "base/err.h"
#include "volume/volume.h"

struct nifti {
    int fd;
};

/* A pipeline_phase whose `to` is a struct nifti: the header before phase 0, then voxels.
 * errors: ERR_IO, ERR_FULL. */
bool nifti_write_phase(void *to, const struct volume_geometry *geometry, int phase, const float *voxels,
                       struct err *err);

#endif
