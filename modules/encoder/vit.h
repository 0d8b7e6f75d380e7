/* The image tower: a 3D vision transformer.
 * source: Cardiac-CLIP (arXiv 2507.22024, github.com/Sliver-g/Cardiac-CLIP); blocks as OpenAI CLIP's
 * model.py. */
#ifndef ENCODER_VIT_H
#define ENCODER_VIT_H

#include "encoder/block.h"
#include "encoder/tap.h"

/* W = width, T = tokens, K = patch_dim, D = proj_dim. */
struct vit_weights {
    const float *patch_weight;                  /* [W, K]: in the file [W, channels, pz, py, px] */
    const float *patch_bias;                    /* [W] or NULL */
    const float *cls;                           /* [W] */
    const float *pos;                           /* [T, W], row 0 the class token's; or NULL */
    const float *pre_ln_weight, *pre_ln_bias;   /* [W] or NULL */
    struct block_weights *layers;               /* [depth] */
    const float *post_ln_weight, *post_ln_bias; /* [W] or NULL */
    const float *proj_weight;                   /* [D, W] */
    const float *proj_bias;                     /* [D] or NULL */
};

/* errors: those of weights_take. */
bool vit_bind(struct weights *weights, const struct vision_config *config, struct vit_weights *ret,
              struct err *err);

/* errors: ERR_NOMEM. */
bool vit_state_init(struct block_state *state, const struct vision_config *config, struct arena *arena,
                    struct err *err);

/* in:  input [channels][z][y][x], preprocessed.
 * out: embedding[proj_dim], unit length. Allocates nothing.
 * tap: "patch" [T-1][W]; "embed" [T][W] after positions and pre_ln; "attn", "layer" [T][W] after each
 * residual; "post" [1][W]; "unit" [1][D]. errors: ERR_INPUT (the result is not finite). threads: one at a
 * time per state. */
bool vit_forward(const struct vision_config *config, const struct vit_weights *weights,
                 struct block_state *state, const float *input, float *embedding,
                 const struct encoder_tap *tap, struct err *err);

#endif
