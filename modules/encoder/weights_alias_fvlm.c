/* source: state dict of github.com/alibaba-damo-academy/fvlm; the image tower is MONAI's ViT. */
#include "encoder/weights_alias.h"

#include <stddef.h>

#define VISUAL "visual_encoder."
#define BLOCK  VISUAL "blocks.{i}."

// clang-format off
static const struct weights_name names[] = {
    {"vision.patch.weight",               VISUAL "patch_embedding.patch_embeddings.weight"},
    {"vision.patch.bias",                 VISUAL "patch_embedding.patch_embeddings.bias"},
    {"vision.pos",                        VISUAL "patch_embedding.position_embeddings"},
    {"vision.layers.{i}.ln1.weight",      BLOCK "norm1.weight"},
    {"vision.layers.{i}.ln1.bias",        BLOCK "norm1.bias"},
    {"vision.layers.{i}.attn.qkv.weight", BLOCK "attn.qkv.weight"},
    {"vision.layers.{i}.attn.qkv.bias",   BLOCK "attn.qkv.bias"},
    {"vision.layers.{i}.attn.out.weight", BLOCK "attn.out_proj.weight"},
    {"vision.layers.{i}.attn.out.bias",   BLOCK "attn.out_proj.bias"},
    {"vision.layers.{i}.ln2.weight",      BLOCK "norm2.weight"},
    {"vision.layers.{i}.ln2.bias",        BLOCK "norm2.bias"},
    {"vision.layers.{i}.mlp.fc1.weight",  BLOCK "mlp.linear1.weight"},
    {"vision.layers.{i}.mlp.fc1.bias",    BLOCK "mlp.linear1.bias"},
    {"vision.layers.{i}.mlp.fc2.weight",  BLOCK "mlp.linear2.weight"},
    {"vision.layers.{i}.mlp.fc2.bias",    BLOCK "mlp.linear2.bias"},
    {"vision.post_ln.weight",             VISUAL "norm.weight"},
    {"vision.post_ln.bias",               VISUAL "norm.bias"},
    WEIGHTS_ALIAS_BERT("text_encoder."),
    {"text.proj.weight",                  "text_proj.weight"},
    {"text.proj.bias",                    "text_proj.bias"},
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
    "text_encoder.pooler.",
    "text_encoder.cls.",
    "text_encoder.embeddings.position_ids",
    "text_encoder.embeddings.token_type_embeddings.weight" /* its CXR-BERT adds no type term */,
    "text.type.weight",
    NULL,
};
// clang-format on

const struct weights_alias weights_alias_fvlm = {"fvlm", names, ignored};
