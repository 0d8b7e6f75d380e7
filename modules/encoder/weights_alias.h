/* Published tensor names that are read as they are: one table a family, each in a file of its own.
 * source: models named at each table; canonical names: docs/model-folder.md. */
#ifndef ENCODER_WEIGHTS_ALIAS_H
#define ENCODER_WEIGHTS_ALIAS_H

#include <stdbool.h>

/* Both with "{i}" and "{j}" where numbers go. "{query}" or "{q}" in a published name stands for three tensors
 * to be joined in this order: query, key, value; or q, k, v. */
struct weights_name {
    const char *canonical, *published;
};

struct weights_alias {
    const char *family;
    const struct weights_name *names; /* ends with a NULL pair; NULL: only canonical names */
    const char *const *ignored; /* what checkpoints carry and inference does not need; ends with NULL. A name
                                   that ends with a dot is a prefix, one that begins with a dot a suffix,
                                   one that does both stands anywhere */
};

/* The table of a family; one without any names when it has none. */
const struct weights_alias *weights_alias_of(const char *family);

/* The published name of a canonical one; NULL when there is none. */
const char *weights_alias_find(const struct weights_alias *alias, const char *canonical);

bool weights_alias_ignored(const struct weights_alias *alias, const char *name);

extern const struct weights_alias weights_alias_cardiac_clip, weights_alias_cmr_clip, weights_alias_clip,
    weights_alias_radclip, weights_alias_fvlm, weights_alias_radar, weights_alias_ct_glip;

/* A BERT under prefix P, as transformers names it. source: Hugging Face modeling_bert.py. */
#define WEIGHTS_ALIAS_BERT(P)                                                                                \
    {"text.tok.weight", P "embeddings.word_embeddings.weight"},                                              \
        {"text.pos.weight", P "embeddings.position_embeddings.weight"},                                      \
        {"text.type.weight", P "embeddings.token_type_embeddings.weight"},                                   \
        {"text.emb_ln.weight", P "embeddings.LayerNorm.weight"},                                             \
        {"text.emb_ln.bias", P "embeddings.LayerNorm.bias"},                                                 \
        {"text.layers.{i}.attn.qkv.weight", P "encoder.layer.{i}.attention.self.{query}.weight"},            \
        {"text.layers.{i}.attn.qkv.bias", P "encoder.layer.{i}.attention.self.{query}.bias"},                \
        {"text.layers.{i}.attn.out.weight", P "encoder.layer.{i}.attention.output.dense.weight"},            \
        {"text.layers.{i}.attn.out.bias", P "encoder.layer.{i}.attention.output.dense.bias"},                \
        {"text.layers.{i}.ln1.weight", P "encoder.layer.{i}.attention.output.LayerNorm.weight"},             \
        {"text.layers.{i}.ln1.bias", P "encoder.layer.{i}.attention.output.LayerNorm.bias"},                 \
        {"text.layers.{i}.mlp.fc1.weight", P "encoder.layer.{i}.intermediate.dense.weight"},                 \
        {"text.layers.{i}.mlp.fc1.bias", P "encoder.layer.{i}.intermediate.dense.bias"},                     \
        {"text.layers.{i}.mlp.fc2.weight", P "encoder.layer.{i}.output.dense.weight"},                       \
        {"text.layers.{i}.mlp.fc2.bias", P "encoder.layer.{i}.output.dense.bias"},                           \
        {"text.layers.{i}.ln2.weight", P "encoder.layer.{i}.output.LayerNorm.weight"},                       \
    {                                                                                                        \
        "text.layers.{i}.ln2.bias", P "encoder.layer.{i}.output.LayerNorm.bias"                              \
    }

/* A plain U-Net under prefix P, as nnU-Net names it; the head is that of decoder level HEAD.
 * source: dynamic_network_architectures PlainConvUNet. */
#define WEIGHTS_ALIAS_NNUNET_BLOCK(OURS, THEIRS)                                                             \
    {OURS ".conv.weight", THEIRS ".conv.weight"}, {OURS ".conv.bias", THEIRS ".conv.bias"},                  \
        {OURS ".norm.weight", THEIRS ".norm.weight"}, {OURS ".norm.bias", THEIRS ".norm.bias"},              \
        {OURS ".norm.running_mean", THEIRS ".norm.running_mean"},                                            \
    {                                                                                                        \
        OURS ".norm.running_var", THEIRS ".norm.running_var"                                                 \
    }
#define WEIGHTS_ALIAS_NNUNET(P, HEAD)                                                                        \
    WEIGHTS_ALIAS_NNUNET_BLOCK("unet.enc.{i}.{j}", P "encoder.stages.{i}.0.convs.{j}"),                      \
        WEIGHTS_ALIAS_NNUNET_BLOCK("unet.dec.{i}.{j}", P "decoder.stages.{i}.convs.{j}"),                    \
        {"unet.dec.{i}.up.weight", P "decoder.transpconvs.{i}.weight"},                                      \
        {"unet.dec.{i}.up.bias", P "decoder.transpconvs.{i}.bias"},                                          \
        {"unet.seg.weight", P "decoder.seg_layers." HEAD ".weight"},                                         \
    {                                                                                                        \
        "unet.seg.bias", P "decoder.seg_layers." HEAD ".bias"                                                \
    }

#endif
