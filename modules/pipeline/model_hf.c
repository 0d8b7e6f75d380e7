#include "pipeline/model_hf.h"

#include <stdio.h>
#include <string.h>

/* One of the two sections. */
struct part {
    const char *name;
    const json_t *json;
};

static bool find_part(const json_t *root, const char *name, struct part *ret, struct err *err)
{
    char dict[64];
    snprintf(dict, sizeof dict, "%s_dict", name);
    const json_t *json = json_object_get(root, dict);
    if (!json || json_is_null(json))
        json = json_object_get(root, name);
    *ret = (struct part){name, json};
    return !json || json_is_null(json) || json_is_object(json) ||
           err_fail(err, ERR_INPUT, "%s: not an object", name);
}

/* What stands there, or what transformers takes when nothing does. Kept as JSON: our own table checks it. */
static json_t *get(const struct part *part, const char *key, json_t *otherwise)
{
    json_t *value = json_object_get(part->json, key);
    if (!value || json_is_null(value))
        return otherwise;
    json_decref(otherwise);
    return json_incref(value);
}

static json_t *whole(const struct part *part, const char *key, int otherwise)
{
    return get(part, key, json_integer(otherwise));
}

static json_t *blocks(const struct part *part, int width, int heads, int mlp_dim)
{
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "width", whole(part, "hidden_size", width), "depth",
                     whole(part, "num_hidden_layers", 12), "heads", whole(part, "num_attention_heads", heads),
                     "mlp_dim", whole(part, "intermediate_size", mlp_dim), "act",
                     get(part, "hidden_act", json_string("quick_gelu")), "ln_eps",
                     get(part, "layer_norm_eps", json_real(1e-5)));
}

static json_t *square(json_t *side)
{
    json_t *pair = json_pack("[O,O]", side, side);
    json_decref(side);
    return pair;
}

static json_t *vision(const struct part *part, json_t *proj_dim)
{
    json_t *section = blocks(part, 768, 12, 3072);
    json_t *rest =
        json_pack("{s:s,s:o,s:o,s:o,s:O,s:b}", "arch", "vit", "input", square(whole(part, "image_size", 224)),
                  "channels", whole(part, "num_channels", 3), "patch", square(whole(part, "patch_size", 32)),
                  "proj_dim", proj_dim, "proj_bias", 0);
    json_object_update(section, rest);
    json_decref(rest);
    return section;
}

static json_t *text(const struct part *part, json_t *proj_dim)
{
    enum { LEGACY_EOS = 2 };
    json_t *section = blocks(part, 512, 8, 2048);
    json_t *eos = whole(part, "eos_token_id", LEGACY_EOS);
    json_t *rest = json_pack(
        "{s:s,s:o,s:o,s:O,s:b}", "arch", "clip", "vocab", whole(part, "vocab_size", 49408), "max_pos",
        whole(part, "max_position_embeddings", 77), "proj_dim", proj_dim, "proj_bias", 0);
    if (json_integer_value(eos) != LEGACY_EOS || !json_is_integer(eos))
        json_object_set(rest, "eos_id", eos);
    json_decref(eos);
    json_object_update(section, rest);
    json_decref(rest);
    return section;
}

/* What a study is prepared with: the values of the published preprocessor_config.json (OPENAI_CLIP_MEAN and
 * OPENAI_CLIP_STD of transformers). */
static json_t *preprocess(void)
{
    return json_pack("{s:s,s:s,s:[f,f,f],s:[f,f,f]}", "modality", "CT", "norm", "meanstd", "mean", 0.48145466,
                     0.4578275, 0.40821073, "std", 0.26862954, 0.26130258, 0.27577711);
}

/* "openai/clip-vit-large-patch14" and "/models/clip-vit-large-patch14" alike. */
static const char *model_name(const json_t *root)
{
    const char *path = json_string_value(json_object_get(root, "_name_or_path"));
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *name = slash ? slash + 1 : path;
    return name && *name && strlen(name) <= 64 ? name : "clip";
}

bool model_hf_is_theirs(const json_t *root)
{
    return json_is_object(root) && !json_object_get(root, "family") && json_object_get(root, "model_type");
}

json_t *model_hf_config(const json_t *root, struct err *err)
{
    const char *type = json_string_value(json_object_get(root, "model_type"));
    if (!type || strcmp(type, "clip") != 0) {
        err_fail(err, ERR_UNSUPPORTED, "model_type: \"%.40s\" is not supported", type ? type : "");
        return NULL;
    }
    struct part top = {"", root}, picture, words;
    if (!find_part(root, "vision_config", &picture, err) || !find_part(root, "text_config", &words, err))
        return NULL;
    json_t *proj_dim = whole(&top, "projection_dim", 512);
    json_t *ours =
        json_pack("{s:s,s:s,s:s,s:s,s:b,s:o,s:o,s:o}", "name", model_name(root), "version", "unstated",
                  "manufacturer", "unstated", "family", "clip", "trained", 1, "vision",
                  vision(&picture, proj_dim), "text", text(&words, proj_dim), "preprocess", preprocess());
    json_decref(proj_dim);
    if (!ours)
        err_fail(err, ERR_NOMEM, "no memory for a configuration");
    return ours;
}
