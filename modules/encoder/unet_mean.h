/* CT-GLIP style: a U-Net's last decoder map, window by window, its mean inside each organ of the given mask,
 * an optional linear, unit length. CT-GLIP itself was never released; what is not in the paper is
 * configurable. An input of any size is padded with zeros at its end to at least one window (vision.input);
 * windows without an organ are not run.
 *
 * reasons of an organ without a vector: "organ_not_in_mask".
 *
 * errors: ERR_INPUT "mask_missing"; "input_shape".
 *
 * tap: those of unet.h, of every window; "mean" o [1][channels] of every organ that is there.
 *
 * source: arXiv 2404.15272; docs/model-folder.md, family ct-glip. */
#ifndef ENCODER_UNET_MEAN_H
#define ENCODER_UNET_MEAN_H

#include "encoder/tower.h"

extern const struct tower unet_mean_tower;

#endif
