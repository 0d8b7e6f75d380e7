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
 * "irregular_shift", "oblique_axes", "no_pixel_spacing", "colour_image", "bad_rescale", "mixed_rescale",
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
 * units do not depend on the display. Voxels more than half a pixel outside their frame (shift_yx_px) become
 * VOLUME_AIR_HU in CT, 0 in MR. Holds up to four slices a seat; the values do not depend on the number of
 * seats. errors: those of the reader; ERR_INPUT "not_finite" (a rescaled value is too large for a float);
 * ERR_NOMEM; ERR_BUG for a phase the plan does not have. */
enum { VOLUME_AIR_HU = -1024 };
bool volume_fill(const struct volume_plan *plan, int phase, const struct volume_reader *reader, float *voxels,
                 struct err *err);

/* The same, but voxels whose stored value is padding (Pixel Padding Value, or the range to its limit) or that
 * lie outside their frame become `padding_value`, which may be NAN. An interpolated voxel is padding when one
 * of its sources is. */
bool volume_fill_padded(const struct volume_plan *plan, int phase, const struct volume_reader *reader,
                        float padding_value, float *voxels, struct err *err);

/* `depth` slices of one phase from slice `first` on as a plan of their own, borrowing the slices and warnings
 * of the other; the manifest stays that of the whole. To go through a volume that is not held. */
struct volume_plan volume_part(const struct volume_plan *plan, int phase, int first, int depth);

/* ---- grids: other voxels in the same place, as a geometry of one phase ----
 *
 * Canonical orientation: x grows to patient left, y to posterior, z to the head: the axis permutation and
 * flips closest to it; nothing is rotated. */

/* The whole field of view in the canonical orientation, cut into out_zyx voxels. errors: ERR_BUG (no size).
 * source: torch.nn.functional.interpolate, align_corners=False: voxel i lies at (i + 0.5) * in / out - 0.5.
 */
bool volume_cover(const struct volume_geometry *geometry, const int out_zyx[3], struct volume_geometry *ret,
                  struct err *err);

/* The same, with as many voxels as published preprocessing takes for voxels of `spacing_zyx_mm`: those that
 * fit the field of view whole, at least one; they are stretched to fill it.
 * errors: ERR_INPUT "volume_too_large" (more than VOLUME_SIDE_MAX along an axis, or VOLUME_HELD_MAX in all).
 * source: RADAR, RADAR_inference/inference_demo.py; fVLM, data/resize.py: int(size * spacing / wanted), MONAI
 * Resized. */
enum { VOLUME_SIDE_MAX = 2048, VOLUME_HELD_MAX = 1 << 28 };
bool volume_regrid(const struct volume_geometry *geometry, const double spacing_zyx_mm[3],
                   struct volume_geometry *ret, struct err *err);

/* A box of size_zyx_mm along the canonical axes round centre_lps, cut into out_zyx voxels; it may reach
 * outside the field of view. errors: ERR_BUG (no size). */
bool volume_box(const struct volume_geometry *geometry, const double centre_lps[3],
                const double size_zyx_mm[3], const int out_zyx[3], struct volume_geometry *ret,
                struct err *err);

/* Values of one phase at the voxel centres of a grid, trilinear, as volume_fill gives them; within the field
 * of view (half a voxel round the outermost centres) edges are clamped, beyond it a value is `outside`, which
 * may be NAN. So is one with padding or a place outside its frame among the voxels it is made of.
 * in:  grid: any whose axes run along those of the plan, in any order and direction.
 * out: [z][y][x] of the grid. Only slices that the grid needs are read, each once (a frame that two
 *      interpolated slices share, for both); holds up to five slices a seat (one as the grid cuts it), never
 *      the volume. Does not depend on the number of seats.
 * errors: those of volume_fill; ERR_BUG for a grid that is turned against the plan. */
bool volume_sample(const struct volume_plan *plan, int phase, const struct volume_reader *reader,
                   const struct volume_geometry *grid, float outside, float *out, struct err *err);

/* A NIfTI-1 header (348 bytes and 4 of extension flag) for float32 voxels in our order [phase][z][y][x],
 * with the sform and qform in RAS. source: nifti1.h of the NIfTI data format working group. */
enum { VOLUME_NIFTI_HEADER_SIZE = 352 };
void volume_nifti_header(const struct volume_geometry *geometry, unsigned char header[352]);

#endif
