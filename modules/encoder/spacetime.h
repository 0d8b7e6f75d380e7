/* A vision transformer over the frames of a video with divided space-time attention.
 *
 * A block, with x (tokens, W), norms a = ln_t, b = ln1, c = ln2:
 *     u = x + time(a(x));  y = x + space(b(u));  x = y + fc2(act(fc1(c(y))))
 * With space_residual "after_time" y = u + space(b(u)). Both attentions: the class query sees all tokens; a
 * patch query sees the class key and, in time, the patches at its place in every frame, in space, the patches
 * of its frame. Token 1 + f * cells + p is patch p of frame f; it gets pos[1 + p] + time_pos[f], the class
 * token pos[0] alone.
 * source: CMR-CLIP, github.com/Makiya11/CMRCLIP, after github.com/m-bain/frozen-in-time
 * (SpaceTimeTransformer).
 */
#ifndef ENCODER_SPACETIME_H
#define ENCODER_SPACETIME_H

#include "encoder/tower.h"

/* in:  items = frames, 1 to vision.input[0]; zyx = [1, y, x] of vision.input. Fewer frames use the first rows
 *      of time_pos.
 * tap: "patch" [frames * cells][W]; "embed", "time" (u), "attn" (y), "layer" [tokens][W]; "post" [1][W];
 *      "unit" [1][D].
 * memory: 3 W + max(3 W, mlp_dim) floats a token: 270 MB for 12,545 tokens of width 768. */
extern const struct tower spacetime_tower;

#endif
