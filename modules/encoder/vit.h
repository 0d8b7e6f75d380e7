/* A vision transformer over 3D patches; a 2D one has z = 1.
 * source: Cardiac-CLIP (arXiv 2507.22024, github.com/Sliver-g/Cardiac-CLIP); blocks as OpenAI CLIP's
 * model.py; other grids as Hugging Face's interpolate_pos_encoding (bicubic) and fVLM's (trilinear). */
#ifndef ENCODER_VIT_H
#define ENCODER_VIT_H

#include "encoder/block.h"
#include "encoder/encoder.h"

/* W = width, T = tokens of the configured input, K = patch_dim, D = proj_dim. */
struct vit_weights {
    struct linear patch;                        /* K to W: in the file [W, channels, pz, py, px] */
    const float *cls;                           /* [W] or NULL */
    const float *pos;                           /* [T, W], row 0 the class token's if there is one; or NULL */
    const float *pre_ln_weight, *pre_ln_bias;   /* [W] or NULL */
    struct block_weights *layers;               /* [depth] */
    const float *post_ln_weight, *post_ln_bias; /* [W] or NULL */
    struct linear proj;                         /* W to D; none with pool tokens */
};

struct vit {
    const struct vision_config *config; /* borrowed */
    const struct crew *crew;            /* borrowed; may be NULL */
    struct vit_weights weights;
    /* Room for the forward pass, made by vit_reserve. */
    struct arena *room;
    int zyx[3], grid_zyx[3];
    int cells, tokens; /* of one item */
    int batch;         /* items that go through at once */
    struct block_state state;
    const float *pos;                  /* [tokens][W] for this grid, or NULL */
    float *kept[ENCODER_TAPS_MAX + 1]; /* with pool tokens: [tokens][W] after each tap, last the final ones */
};

/* Bind and make room for one item of the configured size. in: config and the weights' file outlive the vit.
 * owns: vit_close frees, also after a failure. errors: those of weights_take. */
bool vit_open(struct vit *vit, const struct vision_config *config, struct weights *weights, struct err *err);
void vit_close(struct vit *vit); /* accepts a zeroed one */

/* Make room for items of that size; nothing to do when it is there. Positions are resized to another grid if
 * pos_resize says how. errors: ERR_INPUT "input_shape" (the patch does not divide it; another size than the
 * configured one, and positions that are not resized), ERR_NOMEM. */
bool vit_reserve(struct vit *vit, int items, const int zyx[3], struct err *err);

/* The forward pass of one batch as reserved, without allocation.
 * in:  input [items][channels][z][y][x]; items <= vit->batch.
 * out: vit->state.x [items][tokens][W], the residual stream after the last block; with pool tokens (items 1)
 *      also vit->kept, of which the last has gone through post_ln.
 * tap: of the batch's first item: "patch" [cells][W]; "embed" [tokens][W] after positions and pre_ln; "attn",
 *      "layer" [tokens][W] after each residual; with pool tokens "post" [tokens][W]. */
void vit_tokens(struct vit *vit, const float *input, int items, const struct encoder_tap *tap);

/* One item's tokens to one vector: post_ln, then token 0 or the mean of the patch tokens. out: pooled[W]. */
void vit_pool(struct vit *vit, int item, float *pooled);

#endif
