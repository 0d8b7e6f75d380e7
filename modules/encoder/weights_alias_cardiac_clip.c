/* source: state dict of github.com/Sliver-g/Cardiac-CLIP. */
#include "encoder/weights_alias.h"

#include <stddef.h>

#define VISUAL "vision_encoder.visual."
#define BLOCK  VISUAL "transformer.resblocks.{i}."

// clang-format off
static const struct weights_name names[] = {
    {"vision.patch.weight",               VISUAL "conv1.weight"},
    {"vision.cls",                        VISUAL "class_embedding"},
    {"vision.pos",                        VISUAL "positional_embedding"},
    {"vision.pre_ln.weight",              VISUAL "ln_pre.weight"},
    {"vision.pre_ln.bias",                VISUAL "ln_pre.bias"},
    {"vision.layers.{i}.ln1.weight",      BLOCK "ln_1.weight"},
    {"vision.layers.{i}.ln1.bias",        BLOCK "ln_1.bias"},
    {"vision.layers.{i}.attn.qkv.weight", BLOCK "attn.in_proj_weight"},
    {"vision.layers.{i}.attn.qkv.bias",   BLOCK "attn.in_proj_bias"},
    {"vision.layers.{i}.attn.out.weight", BLOCK "attn.out_proj.weight"},
    {"vision.layers.{i}.attn.out.bias",   BLOCK "attn.out_proj.bias"},
    {"vision.layers.{i}.ln2.weight",      BLOCK "ln_2.weight"},
    {"vision.layers.{i}.ln2.bias",        BLOCK "ln_2.bias"},
    {"vision.layers.{i}.mlp.fc1.weight",  BLOCK "mlp.c_fc.weight"},
    {"vision.layers.{i}.mlp.fc1.bias",    BLOCK "mlp.c_fc.bias"},
    {"vision.layers.{i}.mlp.fc2.weight",  BLOCK "mlp.c_proj.weight"},
    {"vision.layers.{i}.mlp.fc2.bias",    BLOCK "mlp.c_proj.bias"},
    {"vision.post_ln.weight",             VISUAL "ln_post.weight"},
    {"vision.post_ln.bias",               VISUAL "ln_post.bias"},
    {"vision.proj.weight",                "multi_modal_vision_proj.weight"},
    {"vision.proj.bias",                  "multi_modal_vision_proj.bias"},
    WEIGHTS_ALIAS_BERT("language_encoder."),
    {"text.proj.weight",                  "multi_modal_language_proj.weight"},
    {"text.proj.bias",                    "multi_modal_language_proj.bias"},
    {"logit_scale",                       "vision_encoder.logit_scale"},
    {NULL, NULL},
};

static const char *const ignored[] = {
    "language_encoder.pooler.",
    "language_encoder.embeddings.position_ids",
    "vision_encoder.token_embedding.weight",
    "vision_encoder.positional_embedding",
    "vision_encoder.ln_final.",
    "mim_head.",
    "cls_head.",
    NULL,
};
// clang-format on

const struct weights_alias weights_alias_cardiac_clip = {"cardiac-clip", names, ignored};
