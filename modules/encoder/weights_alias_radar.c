/* source: state dict of github.com/alibaba-damo-academy/damo-radar. */
#include "encoder/weights_alias.h"

#include <stddef.h>

// clang-format off
static const struct weights_name names[] = {
    WEIGHTS_ALIAS_NNUNET("visual_encoder.UNet.", "3"),
    {"unet.proj.0.weight",                "visual_encoder.proj1.weight"},
    {"unet.proj.0.bias",                  "visual_encoder.proj1.bias"},
    {"unet.proj.1.weight",                "visual_encoder.proj2.weight"},
    {"unet.proj.1.bias",                  "visual_encoder.proj2.bias"},
    {"unet.proj.2.weight",                "visual_encoder.proj3.weight"},
    {"unet.proj.2.bias",                  "visual_encoder.proj3.bias"},
    {"organ.query",                       "query_tokens"},
    {"organ.attn.qkv.weight",             "attention.in_proj_weight"},
    {"organ.attn.qkv.bias",               "attention.in_proj_bias"},
    {"organ.attn.out.weight",             "attention.out_proj.weight"},
    {"organ.attn.out.bias",               "attention.out_proj.bias"},
    {"organ.proj.{i}.weight",             "vision_projs.{i}.weight"},
    {"organ.proj.{i}.bias",               "vision_projs.{i}.bias"},
    {NULL, NULL},
};

static const char *const ignored[] = {
    "text_encoder.",
    "text_proj.",
    "visual_encoder.UNet.decoder.encoder.",
    "visual_encoder.UNet.decoder.seg_layers.",
    ".all_modules.",
    ".num_batches_tracked",
    NULL,
};
// clang-format on

const struct weights_alias weights_alias_radar = {"radar", names, ignored};
