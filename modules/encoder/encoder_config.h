/* Sizes and switches of both towers, from the sections "vision" and "text" of config.json. The other sections
 * are read by whoever they belong to.
 * source: docs/model-folder.md; defaults are Cardiac-CLIP's (arXiv 2507.22024 and its published code). */
#ifndef ENCODER_CONFIG_H
#define ENCODER_CONFIG_H

#include "base/err.h"
#include "base/faults.h"
#include "tensor/tile.h"

#include <jansson.h>

struct shelf;

/* Parts of config.json, borrowed. A section that is absent is NULL. */
struct encoder_sections {
    const char *family;
    const json_t *vision, *text; /* text NULL: no text tower, text vectors are shipped */
    const json_t *slice_pool, *unet, *organ;
    struct faults *faults;     /* where all that is wrong with the weights goes; NULL: the first stops */
    enum precision precision;  /* of the linear layers in the image tower's blocks; all else is fp32 */
    const json_t *input_means; /* layers in fewer bits are corrected by (input_means.h); NULL: not at all */
    bool watch_inputs;         /* gather such means, for encoder_input_means */
    struct shelf *shelf; /* where packed weights are laid, or lie already; NULL: in memory of their own */
};

enum encoder_arch { ENCODER_VIT, ENCODER_SPACETIME_VIT, ENCODER_UNET };
enum encoder_text_arch { ENCODER_BERT, ENCODER_CLIP_TEXT };
enum encoder_act { ENCODER_QUICK_GELU, ENCODER_GELU, ENCODER_RELU };
enum encoder_pos_resize { ENCODER_POS_FIXED, ENCODER_POS_BICUBIC, ENCODER_POS_TRILINEAR };
enum encoder_space_residual { ENCODER_RESIDUAL_BLOCK_INPUT, ENCODER_RESIDUAL_AFTER_TIME };
enum encoder_pool {
    ENCODER_POOL_CLS,
    ENCODER_POOL_MEAN,
    ENCODER_POOL_ARGMAX_ID, /* text: the largest id, the first of several */
    ENCODER_POOL_EOS,       /* text: the first end of text; the largest id without eos_id */
    ENCODER_POOL_TOKENS     /* vision: none, tokens go on to an organ flow */
};

/* Far above any published model; keeps every product of sizes below 2^63. */
enum { ENCODER_TAPS_MAX = 16, ENCODER_TOKENS_MAX = 65536 };

/* Width, depth and the rest of one stack of transformer blocks. */
struct encoder_blocks {
    int width, depth, heads, mlp_dim;
    int act; /* enum encoder_act */
    double ln_eps;
};

/* A U-Net has of these arch, input_zyx, channels and the projection. */
struct vision_config {
    int arch; /* enum encoder_arch */
    struct encoder_blocks blocks;
    int input_zyx[3]; /* of one item; a space-time tower: [frames, y, x] */
    int patch_zyx[3];
    int channels;
    int grid_zyx[3]; /* input / patch */
    int tokens;      /* grid cells and the class token, of one item; all frames together */
    int patch_dim;   /* channels * patch volume */
    bool patch_bias, qkv_bias, cls_token, pre_ln, post_ln, learned_pos;
    int pos_resize;                        /* enum encoder_pos_resize */
    int pool;                              /* enum encoder_pool */
    int time_pos;                          /* rows of the learned frame positions; 0: none */
    int space_residual;                    /* enum encoder_space_residual */
    int taps[ENCODER_TAPS_MAX], tap_count; /* blocks after which tokens are kept, rising, from 0 */
    bool proj_pre_relu, proj_bias;
    int proj_dim;
};

struct text_config {
    int arch; /* enum encoder_text_arch */
    struct encoder_blocks blocks;
    int vocab, max_pos, max_len;
    int pool;   /* enum encoder_pool */
    int eos_id; /* -1: the largest id of the text marks its end */
    bool causal, type_emb, do_lower_case;
    bool proj_pre_relu, proj_bias;
    int proj_dim;
};

struct encoder_config {
    struct vision_config vision;
    struct text_config text;
    bool has_text;
};

/* errors: ERR_INPUT (a key unknown, missing, of the wrong type or out of bounds; patch does not divide input;
 * heads do not divide width; the towers' projections differ), ERR_UNSUPPORTED (a word we do not know). All
 * name the key. */
bool encoder_config_read(const struct encoder_sections *sections, struct encoder_config *ret,
                         struct err *err);

#endif
