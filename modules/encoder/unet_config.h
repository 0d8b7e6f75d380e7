/* Sizes and switches of a U-Net, from the section "unet" of config.json.
 * source: docs/model-folder.md; nnU-Net v2's plain U-Net (github.com/MIC-DKFZ/dynamic-network-architectures).
 */
#ifndef ENCODER_UNET_CONFIG_H
#define ENCODER_UNET_CONFIG_H

#include "base/err.h"

#include <jansson.h>

enum { UNET_STAGES_MAX = 8, UNET_CONVS_MAX = 4, UNET_SKIPS = 3 };
enum unet_norm { UNET_NORM_INSTANCE, UNET_NORM_BATCH };
enum unet_out_map { UNET_OUT_FULL, UNET_OUT_SKIPS };

struct unet_config {
    int channels; /* of the input */
    int stages;
    int features[UNET_STAGES_MAX];
    int kernels_zyx[UNET_STAGES_MAX][3]; /* odd */
    int strides_zyx[UNET_STAGES_MAX][3]; /* of the first convolution of a stage */
    int convs_enc, convs_dec;
    int dec_levels; /* from the deepest; all: stages - 1 */
    int norm;       /* enum unet_norm */
    double norm_eps;
    float slope;    /* of the activation below zero; 0: ReLU */
    bool bias;      /* convolutions have one */
    int out_map;    /* enum unet_out_map: the last decoder map, or the deepest three encoder maps */
    int classes;    /* of the 1x1x1 head on the last decoder map; 0: none */
    double overlap; /* of neighbouring windows; the window is vision.input */
    int map_dim;    /* of the 1x1x1 convolutions on the three encoder maps; 0: none */
};

/* errors: ERR_INPUT, ERR_UNSUPPORTED; key named. */
bool unet_config_read(const json_t *section, int channels, struct unet_config *ret, struct err *err);

#endif
