/* Stock CLIP, and RadCLIP, which is saved from the same class.
 * source: Hugging Face modeling_clip.py, CLIPModel ("pre_layrnorm" is theirs); github.com/luzhixiu/RadCLIP.
 */
#include "encoder/weights_alias.h"

#include <stddef.h>

#define VISION "vision_model."
#define TEXT   "text_model."
#define LAYER  "encoder.layers.{i}."

// clang-format off
static const struct weights_name names[] = {
    {"vision.patch.weight",               VISION "embeddings.patch_embedding.weight"},
    {"vision.cls",                        VISION "embeddings.class_embedding"},
    {"vision.pos",                        VISION "embeddings.position_embedding.weight"},
    {"vision.pre_ln.weight",              VISION "pre_layrnorm.weight"},
    {"vision.pre_ln.bias",                VISION "pre_layrnorm.bias"},
    {"vision.layers.{i}.ln1.weight",      VISION LAYER "layer_norm1.weight"},
    {"vision.layers.{i}.ln1.bias",        VISION LAYER "layer_norm1.bias"},
    {"vision.layers.{i}.attn.qkv.weight", VISION LAYER "self_attn.{q}_proj.weight"},
    {"vision.layers.{i}.attn.qkv.bias",   VISION LAYER "self_attn.{q}_proj.bias"},
    {"vision.layers.{i}.attn.out.weight", VISION LAYER "self_attn.out_proj.weight"},
    {"vision.layers.{i}.attn.out.bias",   VISION LAYER "self_attn.out_proj.bias"},
    {"vision.layers.{i}.ln2.weight",      VISION LAYER "layer_norm2.weight"},
    {"vision.layers.{i}.ln2.bias",        VISION LAYER "layer_norm2.bias"},
    {"vision.layers.{i}.mlp.fc1.weight",  VISION LAYER "mlp.fc1.weight"},
    {"vision.layers.{i}.mlp.fc1.bias",    VISION LAYER "mlp.fc1.bias"},
    {"vision.layers.{i}.mlp.fc2.weight",  VISION LAYER "mlp.fc2.weight"},
    {"vision.layers.{i}.mlp.fc2.bias",    VISION LAYER "mlp.fc2.bias"},
    {"vision.post_ln.weight",             VISION "post_layernorm.weight"},
    {"vision.post_ln.bias",               VISION "post_layernorm.bias"},
    {"vision.proj.weight",                "visual_projection.weight"},
    {"text.tok.weight",                   TEXT "embeddings.token_embedding.weight"},
    {"text.pos.weight",                   TEXT "embeddings.position_embedding.weight"},
    {"text.layers.{i}.ln1.weight",        TEXT LAYER "layer_norm1.weight"},
    {"text.layers.{i}.ln1.bias",          TEXT LAYER "layer_norm1.bias"},
    {"text.layers.{i}.attn.qkv.weight",   TEXT LAYER "self_attn.{q}_proj.weight"},
    {"text.layers.{i}.attn.qkv.bias",     TEXT LAYER "self_attn.{q}_proj.bias"},
    {"text.layers.{i}.attn.out.weight",   TEXT LAYER "self_attn.out_proj.weight"},
    {"text.layers.{i}.attn.out.bias",     TEXT LAYER "self_attn.out_proj.bias"},
    {"text.layers.{i}.ln2.weight",        TEXT LAYER "layer_norm2.weight"},
    {"text.layers.{i}.ln2.bias",          TEXT LAYER "layer_norm2.bias"},
    {"text.layers.{i}.mlp.fc1.weight",    TEXT LAYER "mlp.fc1.weight"},
    {"text.layers.{i}.mlp.fc1.bias",      TEXT LAYER "mlp.fc1.bias"},
    {"text.layers.{i}.mlp.fc2.weight",    TEXT LAYER "mlp.fc2.weight"},
    {"text.layers.{i}.mlp.fc2.bias",      TEXT LAYER "mlp.fc2.bias"},
    {"text.final_ln.weight",              TEXT "final_layer_norm.weight"},
    {"text.final_ln.bias",                TEXT "final_layer_norm.bias"},
    {"text.proj.weight",                  "text_projection.weight"},
    {NULL, NULL},
};

static const char *const ignored[] = {
    "vision_model.embeddings.position_ids",
    "text_model.embeddings.position_ids",
    NULL,
};
// clang-format on

const struct weights_alias weights_alias_clip = {"clip", names, ignored};
const struct weights_alias weights_alias_radclip = {"radclip", names, ignored};
