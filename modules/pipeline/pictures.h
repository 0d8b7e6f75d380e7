/* Slices of a volume as the pictures a 2D tower takes. Part of the pipeline. */
#ifndef PIPELINE_PICTURES_H
#define PIPELINE_PICTURES_H

#include "encoder/encoder_config.h"
#include "pipeline/model.h"
#include "volume/volume.h"

/* The same plan with one phase and at most `most` of its slices, the middle one of each of as many equal
 * parts. out: *ret lives in arena, its manifest says which. errors: ERR_NOMEM. */
bool pictures_choose(const struct volume_plan *plan, int phase, int most, struct arena *arena,
                     struct volume_plan **ret, struct err *err);

/* in:  voxels [slices][y][x], as acquired. Black and white are hu_clip, or the percentiles of all voxels;
 *      rounded to 8 bits; the shorter side resized to vision.input's (PIL bicubic), the middle cut out,
 * divided by 255, (v - mean) / std of each channel, of which there are up to PREPROCESS_CHANNELS_MAX, grey in
 * all of them. out: *ret [slices][channels][y][x] in arena. errors: ERR_INPUT "constant_volume",
 * "not_finite", "absurd_geometry" (one side 16 times the other); ERR_NOMEM. source: Hugging Face
 * CLIPImageProcessor of openai/clip-vit-large-patch14; RadCLIP never published how it windowed, hence
 * docs/model-folder.md. */
bool pictures_prepare(const struct preprocess *preprocess, const struct vision_config *vision,
                      const int zyx[3], const float *voxels, struct arena *arena, float **ret,
                      struct err *err);

#endif
