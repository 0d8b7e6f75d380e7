/* source: state dict of github.com/alibaba-damo-academy/damo-radar. */
#include "encoder/weights_alias.h"

#include <stddef.h>

// clang-format off
static const struct weights_name names[] = {
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
    ".num_batches_tracked",
    "temp", /* configured as score.scale */
    NULL,
};
// clang-format on

const struct weights_alias weights_alias_radar = {"radar", names, ignored};
