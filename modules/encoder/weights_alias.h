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
                                   that ends with a dot is a prefix, one that begins with a dot a suffix */
};

/* The table of a family; one without any names when it has none. */
const struct weights_alias *weights_alias_of(const char *family);

/* The published name of a canonical one; NULL when there is none. */
const char *weights_alias_find(const struct weights_alias *alias, const char *canonical);

bool weights_alias_ignored(const struct weights_alias *alias, const char *name);

extern const struct weights_alias weights_alias_cardiac_clip, weights_alias_cmr_clip, weights_alias_clip,
    weights_alias_radclip, weights_alias_fvlm, weights_alias_radar;

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

#endif
