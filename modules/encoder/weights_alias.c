#include "encoder/weights_alias.h"

#include <stddef.h>
#include <string.h>

#define VISUAL "vision_encoder.visual."
#define BLOCK  VISUAL "transformer.resblocks.{i}."
#define BERT   "language_encoder."
#define LAYER  BERT "encoder.layer.{i}."

// clang-format off
static const char *const aliases[][2] = {
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
    {"text.tok.weight",                   BERT "embeddings.word_embeddings.weight"},
    {"text.pos.weight",                   BERT "embeddings.position_embeddings.weight"},
    {"text.type.weight",                  BERT "embeddings.token_type_embeddings.weight"},
    {"text.emb_ln.weight",                BERT "embeddings.LayerNorm.weight"},
    {"text.emb_ln.bias",                  BERT "embeddings.LayerNorm.bias"},
    {"text.layers.{i}.attn.qkv.weight",   LAYER "attention.self.{qkv}.weight"},
    {"text.layers.{i}.attn.qkv.bias",     LAYER "attention.self.{qkv}.bias"},
    {"text.layers.{i}.attn.out.weight",   LAYER "attention.output.dense.weight"},
    {"text.layers.{i}.attn.out.bias",     LAYER "attention.output.dense.bias"},
    {"text.layers.{i}.ln1.weight",        LAYER "attention.output.LayerNorm.weight"},
    {"text.layers.{i}.ln1.bias",          LAYER "attention.output.LayerNorm.bias"},
    {"text.layers.{i}.mlp.fc1.weight",    LAYER "intermediate.dense.weight"},
    {"text.layers.{i}.mlp.fc1.bias",      LAYER "intermediate.dense.bias"},
    {"text.layers.{i}.mlp.fc2.weight",    LAYER "output.dense.weight"},
    {"text.layers.{i}.mlp.fc2.bias",      LAYER "output.dense.bias"},
    {"text.layers.{i}.ln2.weight",        LAYER "output.LayerNorm.weight"},
    {"text.layers.{i}.ln2.bias",          LAYER "output.LayerNorm.bias"},
    {"text.proj.weight",                  "multi_modal_language_proj.weight"},
    {"text.proj.bias",                    "multi_modal_language_proj.bias"},
    {"logit_scale",                       "vision_encoder.logit_scale"},
};
// clang-format on

/* A prefix ends with a dot. */
static const char *const ignored[] = {BERT "pooler.",
                                      BERT "embeddings.position_ids",
                                      "vision_encoder.token_embedding.weight",
                                      "vision_encoder.positional_embedding",
                                      "vision_encoder.ln_final.",
                                      "mim_head.",
                                      "cls_head."};

const char *weights_alias(const char *canonical)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(canonical, aliases[i][0]) == 0)
            return aliases[i][1];
    return NULL;
}

bool weights_alias_ignored(const char *name)
{
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        size_t length = strlen(ignored[i]);
        bool prefix = ignored[i][length - 1] == '.';
        if (prefix ? strncmp(name, ignored[i], length) == 0 : strcmp(name, ignored[i]) == 0)
            return true;
    }
    return false;
}
