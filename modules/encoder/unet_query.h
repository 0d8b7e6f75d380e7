/* RADAR: a U-Net encoder; its light decoder predicts the organs, so no mask is given; 1x1x1 convolutions
 * bring the three deepest maps to one width; each organ's learned query attends to the cells of those maps
 * that its predicted mask touches; a linear an organ, unit length.
 *
 * First every window (vision.input, unet.overlap): an organ's vector comes from the first window in which its
 * mask keeps 2 voxels clear of every border. Then, for each organ of the table that has none yet, a crop of
 * at least a window (organ.crop, when given) round its part of the stitched mask, zeros at its end up to
 * whole multiples of the U-Net's factor; there its own border rule is waived, and other organs that have no
 * vector yet may find theirs, as in the published code.
 *
 * reasons of an organ without a vector: "organ_not_found" (predicted nowhere), "organ_too_large" (its crop
 * would be over four windows).
 *
 * errors: ERR_INPUT "input_shape", "scores_not_finite" (of the mask); ERR_NOMEM.
 *
 * tap: those of unet.h, of every run; "organ" o [1][proj_dim] as each is found.
 *
 * source: damo-radar RADAR_inference/inference_demo.py, vision_branch.py. */
#ifndef ENCODER_UNET_QUERY_H
#define ENCODER_UNET_QUERY_H

#include "encoder/tower.h"

extern const struct tower unet_query_tower;

#endif
