/* fVLM's way: a vision transformer without class token run on a crop round each organ; the organ's learned
 * query attends to the tokens its mask touches, of every kept level.
 *
 * In the published evaluation the mask of a crop holds its own organ alone, and that organ is excepted from
 * the rule that drops organs near a border; so no organ is ever dropped for a border, and there is no key for
 * one. Organs whose crops are the same share a forward pass.
 * source: github.com/alibaba-damo-academy/fvlm, eval.py and blip_pretrain.py (forward_test_win). */
#ifndef ENCODER_ORGAN_VIT_H
#define ENCODER_ORGAN_VIT_H

#include "encoder/tower.h"

/* config: vision.arch "vit" with pool "tokens" and organ.pool "queries"; organ.crop: the least crop, 112 x
 * 288 x 352 when not given. run: one item of any size within WINDOWS_AXIS_MAX, with a mask. An organ is not
 * assessed for the reason "organ_not_in_mask", or "organ_too_large" (its box is more than four crops, or
 * the crop, which ends before the last plane, row and column of a larger organ, holds none of it). errors:
 * ERR_INPUT "mask_missing", "input_shape"; ERR_NOMEM. tap: stages of vit.h, of the crop run
 * last; "organ" [1][proj_dim] with the organ's number from 0. */
extern const struct tower organ_vit_tower;

#endif
