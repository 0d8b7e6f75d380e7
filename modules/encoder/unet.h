/* A plain U-Net: stages of convolution, norm, activation; a decoder that doubles back, each level a
 * transposed convolution, the skip beside it, convolutions again. Its run is a list of steps, made when it is
 * opened; where every map lies in one piece of memory is decided when the size is known, each only as long as
 * someone reads it: at the last level only skip, upsampled and output exist. Skip and upsampled are never
 * joined in memory.
 *
 * source: nnU-Net v2, dynamic_network_architectures PlainConvUNet (Apache-2.0); RADAR's light decoder,
 * github.com/alibaba-damo-academy/damo-radar. */
#ifndef ENCODER_UNET_H
#define ENCODER_UNET_H

#include "encoder/tap.h"
#include "encoder/unet_config.h"
#include "encoder/weights.h"

struct unet_plan;

/* Borrowed until the next unet_reserve or unet_close. */
struct unet_map {
    const float *values; /* [channels][z][y][x] */
    int channels, zyx[3];
};

struct unet {
    struct unet_config config;
    struct unet_plan *plan;
    int zyx[3];
    int factor_zyx[3]; /* product of all strides: what an input's sides must be multiples of */
    /* After unet_run. Without values: not part of this configuration. */
    struct unet_map full; /* the last decoder map */
    struct unet_map
        skips[UNET_SKIPS];  /* the deepest first; after their 1x1x1 convolutions when there are any */
    struct unet_map logits; /* of the classes, on the last decoder map's grid */
};

/* Canonical names: unet.enc.{stage}.{conv}.{conv,norm}.*, unet.dec.{level}.up.*,
 * unet.dec.{level}.{conv}.{conv,norm}.*, unet.seg.*, unet.proj.{k}.*; level and k from the deepest.
 * errors: those of unet_config_read and weights_take. */
bool unet_open(struct unet *unet, const json_t *section, int channels, struct weights *weights,
               struct err *err);
void unet_close(struct unet *unet); /* accepts a zeroed one */

/* Make room for inputs of this size. errors: ERR_INPUT "input_shape" (not a multiple of factor_zyx, too
 * large), ERR_NOMEM. */
bool unet_reserve(struct unet *unet, const int zyx[3], struct err *err);
size_t unet_room_bytes(const struct unet *unet);

/* in: [channels][z][y][x] of the reserved size. Allocates nothing.
 * tap: "enc" s, "dec" l, "seg", "proj" k: [channels][voxels]. threads: one at a time. */
void unet_run(struct unet *unet, const float *input, const struct encoder_tap *tap);

#endif
