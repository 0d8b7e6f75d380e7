/* Organ masks on a volume's grid: the frames of a segmentation as they lie in space, nearest neighbour. */
#ifndef VOLUME_VOLUME_MASK_H
#define VOLUME_VOLUME_MASK_H

#include "volume/volume.h"

enum { VOLUME_MASK_PLANES = 4096 };

/* One segmentation object. Borrowed for the call. */
struct volume_mask_source {
    const struct dicom_head *head;
    const uint8_t *frame_number; /* [frame_count]: what the frame paints, from 1; 0: nothing */
    double spacing_z_mm;         /* as stated; 0, or frames lie closer: what the positions say */
    bool (*read)(void *reader, int frame, uint8_t *inside, struct err *err); /* [rows][columns], 0 or 1 */
    void *reader;
};

/* Paint numbers[z][y][x] of the grid: each voxel takes what lies at its centre, in patient coordinates; the
 * segmentation may be oblique to the grid, or coarser, or smaller. Where two numbers meet, in the object or
 * with what the voxel held before, the smaller stays.
 * errors: ERR_INPUT "segmentation_geometry" (a frame without position, orientation or spacing; frames not
 * parallel, sheared, of two spacings or not on a regular lattice; rows not square to columns; too many
 * planes); those of read; ERR_NOMEM.
 * source: DICOM PS3.3 C.7.6.2.1.1 (the plane of a frame), C.8.20. Tolerances are ours: directions 1e-3, half
 * a millimetre or a quarter of a pixel across, a fifth of the plane distance along. */
bool volume_mask(const struct volume_geometry *grid, const struct volume_mask_source *source,
                 uint8_t *numbers, struct err *err);

#endif
