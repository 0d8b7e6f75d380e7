/* Sizes and switches of both towers, from the sections "vision" and "text" of config.json.
 * source: docs/model-folder.md; defaults are Cardiac-CLIP's (arXiv 2507.22024 and its published code). */
#ifndef ENCODER_CONFIG_H
#define ENCODER_CONFIG_H

#include "base/err.h"

#include <jansson.h>

enum encoder_act { ENCODER_QUICK_GELU, ENCODER_GELU, ENCODER_RELU };
enum encoder_pool { ENCODER_POOL_CLS, ENCODER_POOL_MEAN, ENCODER_POOL_ARGMAX_ID };

/* Width, depth and the rest of one stack of transformer blocks. */
struct encoder_blocks {
    int width, depth, heads, mlp_dim;
    int act; /* enum encoder_act */
    double ln_eps;
};

struct vision_config {
    struct encoder_blocks blocks;
    int input_zyx[3], patch_zyx[3];
    int channels;
    int grid_zyx[3]; /* input / patch */
    int tokens;      /* grid cells and the class token */
    int patch_dim;   /* channels * patch volume */
    bool patch_bias, qkv_bias, pre_ln, post_ln, learned_pos;
    bool proj_pre_relu, proj_bias;
    int proj_dim;
};

struct text_config {
    struct encoder_blocks blocks;
    int vocab, max_pos, max_len;
    int pool; /* enum encoder_pool */
    bool type_emb, do_lower_case;
    bool proj_pre_relu, proj_bias;
    int proj_dim;
};

struct encoder_config {
    struct vision_config vision;
    struct text_config text;
};

/* errors: ERR_INPUT (a key unknown, missing, of the wrong type or out of bounds; patch does not divide input;
 * heads do not divide width; the towers' projections differ), ERR_UNSUPPORTED (a word we do not know). All
 * name the key. */
bool encoder_config_read(const json_t *vision, const json_t *text, struct encoder_config *ret,
                         struct err *err);

#endif
