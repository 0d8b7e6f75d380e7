/* source: state dict of github.com/Makiya11/CMRCLIP (Hugging Face makiyeah/CMRCLIP). */
#include "encoder/weights_alias.h"

#include <stddef.h>

#define VIDEO "video_model."
#define BLOCK VIDEO "blocks.{i}."

// clang-format off
static const struct weights_name names[] = {
    {"vision.patch.weight",               VIDEO "patch_embed.proj.weight"},
    {"vision.patch.bias",                 VIDEO "patch_embed.proj.bias"},
    {"vision.cls",                        VIDEO "cls_token"},
    {"vision.pos",                        VIDEO "pos_embed"},
    {"vision.time_pos",                   VIDEO "temporal_embed"},
    {"vision.layers.{i}.ln1.weight",      BLOCK "norm1.weight"},
    {"vision.layers.{i}.ln1.bias",        BLOCK "norm1.bias"},
    {"vision.layers.{i}.ln2.weight",      BLOCK "norm2.weight"},
    {"vision.layers.{i}.ln2.bias",        BLOCK "norm2.bias"},
    {"vision.layers.{i}.ln_t.weight",     BLOCK "norm3.weight"},
    {"vision.layers.{i}.ln_t.bias",       BLOCK "norm3.bias"},
    {"vision.layers.{i}.attn.qkv.weight", BLOCK "attn.qkv.weight"},
    {"vision.layers.{i}.attn.qkv.bias",   BLOCK "attn.qkv.bias"},
    {"vision.layers.{i}.attn.out.weight", BLOCK "attn.proj.weight"},
    {"vision.layers.{i}.attn.out.bias",   BLOCK "attn.proj.bias"},
    {"vision.layers.{i}.tattn.qkv.weight", BLOCK "timeattn.qkv.weight"},
    {"vision.layers.{i}.tattn.qkv.bias",  BLOCK "timeattn.qkv.bias"},
    {"vision.layers.{i}.tattn.out.weight", BLOCK "timeattn.proj.weight"},
    {"vision.layers.{i}.tattn.out.bias",  BLOCK "timeattn.proj.bias"},
    {"vision.layers.{i}.mlp.fc1.weight",  BLOCK "mlp.fc1.weight"},
    {"vision.layers.{i}.mlp.fc1.bias",    BLOCK "mlp.fc1.bias"},
    {"vision.layers.{i}.mlp.fc2.weight",  BLOCK "mlp.fc2.weight"},
    {"vision.layers.{i}.mlp.fc2.bias",    BLOCK "mlp.fc2.bias"},
    {"vision.post_ln.weight",             VIDEO "norm.weight"},
    {"vision.post_ln.bias",               VIDEO "norm.bias"},
    {"vision.proj.weight",                "vid_proj.1.weight"},
    {"vision.proj.bias",                  "vid_proj.1.bias"},
    WEIGHTS_ALIAS_BERT("text_model."),
    {"text.proj.weight",                  "txt_proj.1.weight"},
    {"text.proj.bias",                    "txt_proj.1.bias"},
    {NULL, NULL},
};

static const char *const ignored[] = {
    "text_model.pooler.",
    "text_model.embeddings.position_ids",
    NULL,
};
// clang-format on

const struct weights_alias weights_alias_cmr_clip = {"cmr-clip", names, ignored};
