/* A volume: one series as it lies in space, one or several phases. */
#ifndef VOLUME_VOLUME_H
#define VOLUME_VOLUME_H

#include "base/arena.h"
#include "base/crew.h"
#include "base/digest.h"
#include "base/err.h"
#include "dicom/dicom_records.h"

/* Where one slice's pixels are. A slice of a regular series is one frame, and next_weight is 0; where a
 * missing slice is interpolated or irregular positions are laid on a regular grid, it is
 * (1 - next_weight) * at + next_weight * next, the two frames on either side; `at` is then the one below.
 * Voxel (y, x) is pixel (y - shift[0], x - shift[1]) of its frame, bilinear; not 0 only where a gantry tilt
 * is sheared away, and then the slice is larger than its frames. */
struct volume_slice {
    struct dicom_frame_ref at;   /* head never NULL */
    struct dicom_frame_ref next; /* head NULL when next_weight is 0 */
    double next_weight;
    double shift_yx_px[2], next_shift_yx_px[2];
};

/* Geometry of voxel (z, y, x): centre at origin + z*step_z + y*step_y + x*step_x, in mm, LPS.
 * step_z always points to growing distance along normal = row x column. */
struct volume_geometry {
    int zyx[3];
    int phases;
    double origin_lps[3];
    double step_z_lps[3], step_y_lps[3], step_x_lps[3];
    double spacing_zyx_mm[3];
};

struct volume_plan {
    struct volume_geometry geometry;
    const struct volume_slice *slices; /* [phase][z] */
    const char **warnings;
    int warning_count;
    char manifest_sha256[DIGEST_HEX_SIZE]; /* of sources (SOP UID, frame), geometry and transforms */
};

/* Lay out the frames of one stack: sort by position along the normal (never by instance number or slice
 * location), rank phases inside each position, find gaps, duplicates, tilt, mixed spacing.
 * in:     frames of one stack (study.h), any order; their heads must outlive the plan. least_positions: 2 for
 *         a volume; with 1 a single slice position will do, whose spacing is then its slice thickness, or 1.
 * out:    everything lives in arena. Phases are in the order of time, as far as the objects say.
 * errors: ERR_INPUT with reason: "no_pixels", "no_geometry", "mixed_orientation", "mixed_sizes",
 * "too_few_slices", "too_many_slices", "missing_slices", "irregular_spacing", "mixed_phases", "gantry_tilt",
 * "oblique_axes", "no_pixel_spacing", "colour_image", "bad_rescale", "mixed_rescale",
 * "absurd_geometry", "mixed_series"; ERR_NOMEM.
 * source: the table in docs/volumes.md, which also has every tolerance and warning. */
bool volume_plan(const struct dicom_frame_ref *frames, int frame_count, int least_positions,
                 struct arena *arena, struct volume_plan **ret, struct err *err);

/* One frame as it was read: stored values as dicom_pixels.h gives them, and what they mean. */
struct volume_frame {
    int32_t *stored; /* [rows][columns], filled by the reader */
    const struct dicom_lut
        *lut; /* set by the reader; NULL: slope and intercept. Borrowed until its next frame */
};

/* Where frames come from, and who reads them; on each seat of the crew (base/crew.h) one frame at a time, on
 * several seats at once. */
struct volume_reader {
    bool (*read)(void *from, int seat, const struct dicom_frame_ref *at, struct volume_frame *frame,
                 struct err *err);
    void *from;
    const struct crew *crew; /* NULL: one frame after the other, seat 0 */
};

/* Fill voxels [z][y][x] of one phase with rescaled values (Modality LUT, or slope and intercept, of each
 * frame; padding is left as its rescaled value). MR in MONOCHROME1 has its stored range turned over first
 * (with a LUT, the LUT's range afterwards), so that a larger value is brighter; CT is left alone, Hounsfield
 * units do not depend on the display. Holds two slices a seat; the values do not depend on the number of
 * seats. errors: those of the reader; ERR_NOMEM; ERR_BUG for a phase the plan does not have. */
bool volume_fill(const struct volume_plan *plan, int phase, const struct volume_reader *reader, float *voxels,
                 struct err *err);

/* The same, but voxels whose stored value is padding (Pixel Padding Value, or the range to its limit) become
 * `padding_value`, which may be NAN. An interpolated voxel is padding when one of its two sources is. */
bool volume_fill_padded(const struct volume_plan *plan, int phase, const struct volume_reader *reader,
                        float padding_value, float *voxels, struct err *err);

/* Turn to the canonical orientation (x grows to patient left, y to posterior, z to the head: the axis
 * permutation and flips closest to it), then resample to out_zyx: trilinear, align_corners=false, edges
 * clamped, over the whole field of view. source: docs/model-folder.md, key preprocess.resize;
 * torch.nn.functional.interpolate(mode="trilinear", align_corners=False). */
bool volume_resample(const struct volume_geometry *geometry, const float *voxels, const int out_zyx[3],
                     float *out, struct err *err);

/* The grid that volume_resample fills in the canonical orientation when voxels are `spacing_zyx_mm` apart: as
 * many as fit the field of view, rounded, at least one; so that its spacing is that to within half a voxel
 * over the whole length. out: *ret with one phase. errors: ERR_INPUT "volume_too_large" (more than
 * VOLUME_SIDE_MAX along an axis). */
enum { VOLUME_SIDE_MAX = 2048 };
bool volume_regrid(const struct volume_geometry *geometry, const double spacing_zyx_mm[3],
                   struct volume_geometry *ret, struct err *err);

/* A NIfTI-1 header (348 bytes and 4 of extension flag) for float32 voxels in our order [phase][z][y][x],
 * with the sform and qform in RAS. source: nifti1.h of the NIfTI data format working group. */
enum { VOLUME_NIFTI_HEADER_SIZE = 352 };
void volume_nifti_header(const struct volume_geometry *geometry, unsigned char header[352]);

#endif
