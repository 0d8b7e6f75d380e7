#include "encoder/encoder_config.h"

#include "tensor/section.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* Bounds are far above any published model of this family and keep every product below 2^63. */
enum {
    AXIS_MAX = 1024,
    PATCH_MAX = 256,
    CHANNELS_MAX = 16,
    WIDTH_MAX = 8192,
    DEPTH_MAX = 128,
    HEADS_MAX = 128,
    MLP_MAX = 32768,
    VOCAB_MAX = 1000000,
    POSITIONS_MAX = 8192
};

static const char *const acts[] = {"quick_gelu", "gelu", "relu", NULL};
static const char *const proj_pres[] = {"none", "relu", NULL};

static bool check_heads(const char *section, const struct encoder_blocks *blocks, struct err *err)
{
    if (blocks->width % blocks->heads != 0)
        return err_fail(err, ERR_INPUT, "%s.heads: %d heads do not divide width %d", section, blocks->heads,
                        blocks->width);
    return true;
}

/* ---- vision ---- */

static bool derive_grid(struct vision_config *config, struct err *err)
{
    int64_t cells = 1, patch_dim = config->channels;
    for (int i = 0; i < 3; i++) {
        if (config->input_zyx[i] % config->patch_zyx[i] != 0)
            return err_fail(err, ERR_INPUT, "vision.patch: %d does not divide input %d", config->patch_zyx[i],
                            config->input_zyx[i]);
        config->grid_zyx[i] = config->input_zyx[i] / config->patch_zyx[i];
        cells *= config->grid_zyx[i];
        patch_dim *= config->patch_zyx[i];
    }
    if (cells >= ENCODER_TOKENS_MAX)
        return err_fail(err, ERR_INPUT, "vision.input: %lld patches are too many", (long long)cells);
    if (patch_dim > MLP_MAX)
        return err_fail(err, ERR_INPUT, "vision.patch: %lld values a patch are too many",
                        (long long)patch_dim);
    config->tokens = (int)cells + (config->cls_token ? 1 : 0);
    config->patch_dim = (int)patch_dim;
    return true;
}

static bool check_spacetime(const struct vision_config *config, bool divided, struct err *err)
{
    bool spacetime = config->arch == ENCODER_SPACETIME_VIT;
    if (divided != spacetime)
        return err_fail(err, ERR_INPUT, "vision.attn: divided_time_space goes with arch spacetime_vit only");
    if (!spacetime)
        return config->time_pos == 0 ||
               err_fail(err, ERR_INPUT, "vision.time_pos: only with arch spacetime_vit");
    if (config->patch_zyx[0] != 1)
        return err_fail(err, ERR_INPUT, "vision.patch: %d frames deep; a space-time tower takes 1",
                        config->patch_zyx[0]);
    return true;
}

static bool check_vision(const struct vision_config *config, struct err *err)
{
    if (config->pool == ENCODER_POOL_CLS && !config->cls_token)
        return err_fail(err, ERR_INPUT, "vision.pool: cls needs cls_token");
    if (config->tap_count && config->pool != ENCODER_POOL_TOKENS)
        return err_fail(err, ERR_INPUT, "vision.taps: only with pool tokens");
    if (config->proj_pre_relu && config->pool == ENCODER_POOL_TOKENS)
        return err_fail(err, ERR_INPUT, "vision.proj_pre: not with pool tokens");
    for (int i = 0; i < config->tap_count; i++) {
        if (config->taps[i] >= config->blocks.depth || (i && config->taps[i] <= config->taps[i - 1]))
            return err_fail(err, ERR_INPUT, "vision.taps: %d is not below depth, or does not rise",
                            config->taps[i]);
    }
    return check_heads("vision", &config->blocks, err);
}

/* The words of the vision section as they are read. */
struct vision_words {
    int attn, pool, pos, proj_pre;
};

static bool read_vit(const json_t *section, struct vision_config *config, struct vision_words *words,
                     struct err *err)
{
    static const char *const archs[] = {"vit", "spacetime_vit", NULL};
    static const char *const poss[] = {"none", "learned", NULL};
    static const char *const resizes[] = {"none", "bicubic", "trilinear", NULL};
    static const char *const attns[] = {"full", "divided_time_space", NULL};
    static const char *const residuals[] = {"block_input", "after_time", NULL};
    static const char *const pools[] = {"cls", "mean", "tokens", NULL};
    struct encoder_blocks *blocks = &config->blocks;
    // clang-format off
    const struct section_key keys[] = {
        {"arch",           SECTION_WORD,   &config->arch,           true,  .words = archs},
        {"input",          SECTION_AXES,   config->input_zyx,       true,  1, AXIS_MAX},
        {"channels",       SECTION_INT,    &config->channels,       false, 1, CHANNELS_MAX},
        {"patch",          SECTION_AXES,   config->patch_zyx,       true,  1, PATCH_MAX},
        {"patch_bias",     SECTION_BOOL,   &config->patch_bias,     false},
        {"width",          SECTION_INT,    &blocks->width,          true,  1, WIDTH_MAX},
        {"depth",          SECTION_INT,    &blocks->depth,          true,  1, DEPTH_MAX},
        {"heads",          SECTION_INT,    &blocks->heads,          true,  1, HEADS_MAX},
        {"mlp_dim",        SECTION_INT,    &blocks->mlp_dim,        true,  1, MLP_MAX},
        {"act",            SECTION_WORD,   &blocks->act,            false, .words = acts},
        {"ln_eps",         SECTION_NUMBER, &blocks->ln_eps,         false, 1e-15, 0.1},
        {"cls_token",      SECTION_BOOL,   &config->cls_token,      false},
        {"pre_ln",         SECTION_BOOL,   &config->pre_ln,         false},
        {"post_ln",        SECTION_BOOL,   &config->post_ln,        false},
        {"pos",            SECTION_WORD,   &words->pos,             false, .words = poss},
        {"pos_resize",     SECTION_WORD,   &config->pos_resize,     false, .words = resizes},
        {"time_pos",       SECTION_INT,    &config->time_pos,       false, 0, AXIS_MAX},
        {"attn",           SECTION_WORD,   &words->attn,            false, .words = attns},
        {"space_residual", SECTION_WORD,   &config->space_residual, false, .words = residuals},
        {"qkv_bias",       SECTION_BOOL,   &config->qkv_bias,       false},
        {"pool",           SECTION_WORD,   &words->pool,            false, .words = pools},
        {"taps",           SECTION_INTS,   config->taps,            false, 0, DEPTH_MAX,
         .count = &config->tap_count, .most = ENCODER_TAPS_MAX},
        {"proj_pre",       SECTION_WORD,   &words->proj_pre,        false, .words = proj_pres},
        {"proj_dim",       SECTION_INT,    &config->proj_dim,       true,  1, WIDTH_MAX},
        {"proj_bias",      SECTION_BOOL,   &config->proj_bias,      false},
    };
    // clang-format on
    return section_read(section, "vision", keys, COUNT(keys), err);
}

/* What a U-Net says of itself here; its stages are in the section "unet". */
static bool read_unet(const json_t *section, struct vision_config *config, struct err *err)
{
    int ignored;
    static const char *const archs[] = {"unet", NULL};
    // clang-format off
    const struct section_key keys[] = {
        {"arch",      SECTION_WORD, &ignored,           true,  .words = archs},
        {"input",     SECTION_INT3, config->input_zyx,  true,  1, AXIS_MAX},
        {"channels",  SECTION_INT,  &config->channels,  false, 1, CHANNELS_MAX},
        {"proj_dim",  SECTION_INT,  &config->proj_dim,  true,  1, WIDTH_MAX},
        {"proj_bias", SECTION_BOOL, &config->proj_bias, false},
    };
    // clang-format on
    config->arch = ENCODER_UNET;
    config->pool = ENCODER_POOL_TOKENS;
    return section_read(section, "vision", keys, COUNT(keys), err);
}

static bool read_vision(const json_t *section, struct vision_config *config, struct err *err)
{
    static const int pools[] = {ENCODER_POOL_CLS, ENCODER_POOL_MEAN, ENCODER_POOL_TOKENS};
    struct vision_words words = {.pos = 1};
    const char *arch = json_string_value(json_object_get(section, "arch"));
    *config = (struct vision_config){.channels = 1,
                                     .cls_token = true,
                                     .pre_ln = true,
                                     .post_ln = true,
                                     .qkv_bias = true,
                                     .proj_bias = true,
                                     .blocks = {.act = ENCODER_QUICK_GELU, .ln_eps = 1e-5}};
    if (arch && strcmp(arch, "unet") == 0)
        return read_unet(section, config, err);
    if (!read_vit(section, config, &words, err))
        return false;
    config->pool = pools[words.pool];
    config->learned_pos = words.pos == 1;
    config->proj_pre_relu = words.proj_pre == 1;
    return derive_grid(config, err) && check_spacetime(config, words.attn == 1, err) &&
           check_vision(config, err);
}

/* ---- text ---- */

/* BERT's defaults are PubMedBERT's; CLIP's those of openai/clip-vit-large-patch14. fVLM runs its CXR-BERT
 * without the token type term, whether or not the checkpoint holds that table (docs/model-folder.md). */
static struct text_config text_defaults(const char *family, const json_t *section)
{
    const char *arch = json_string_value(json_object_get(section, "arch"));
    if (arch && strcmp(arch, "clip") == 0)
        return (struct text_config){.arch = ENCODER_CLIP_TEXT,
                                    .max_pos = 77,
                                    .pool = ENCODER_POOL_EOS,
                                    .eos_id = -1,
                                    .causal = true,
                                    .do_lower_case = true,
                                    .blocks = {.act = ENCODER_QUICK_GELU, .ln_eps = 1e-5}};
    return (struct text_config){.max_pos = 512,
                                .pool = ENCODER_POOL_CLS,
                                .eos_id = -1,
                                .type_emb = strcmp(family, "fvlm") != 0,
                                .proj_bias = true,
                                .blocks = {.act = ENCODER_GELU, .ln_eps = 1e-12}};
}

static bool check_text(const struct text_config *config, struct err *err)
{
    bool clip = config->arch == ENCODER_CLIP_TEXT;
    if (config->causal != clip)
        return err_fail(err, ERR_UNSUPPORTED, "text.causal: %s is not supported with arch %s",
                        clip ? "false" : "true", clip ? "clip" : "bert");
    if (clip && config->type_emb)
        return err_fail(err, ERR_INPUT, "text.type_emb: only with arch bert");
    if (config->max_len > config->max_pos)
        return err_fail(err, ERR_INPUT, "text.max_len: %d is over max_pos %d", config->max_len,
                        config->max_pos);
    return check_heads("text", &config->blocks, err);
}

static bool read_text(const char *family, const json_t *section, struct text_config *config, struct err *err)
{
    static const char *const archs[] = {"bert", "clip", NULL};
    static const char *const pools[] = {"cls", "mean", "argmax_id", "eos", NULL};
    struct encoder_blocks *blocks = &config->blocks;
    int pad_id, proj_pre = 0;
    *config = text_defaults(family, section);
    bool bert = config->arch == ENCODER_BERT;
    // clang-format off
    const struct section_key keys[] = {
        {"arch",          SECTION_WORD,   &config->arch,          true,  .words = archs},
        {"vocab",         SECTION_INT,    &config->vocab,         true,  1, VOCAB_MAX},
        {"width",         SECTION_INT,    &blocks->width,         true,  1, WIDTH_MAX},
        {"depth",         SECTION_INT,    &blocks->depth,         true,  1, DEPTH_MAX},
        {"heads",         SECTION_INT,    &blocks->heads,         true,  1, HEADS_MAX},
        {"mlp_dim",       SECTION_INT,    &blocks->mlp_dim,       true,  1, MLP_MAX},
        {"act",           SECTION_WORD,   &blocks->act,           false, .words = acts},
        {"ln_eps",        SECTION_NUMBER, &blocks->ln_eps,        false, 1e-15, 0.1},
        {"max_pos",       SECTION_INT,    &config->max_pos,       false, 2, POSITIONS_MAX},
        {"max_len",       SECTION_INT,    &config->max_len,       bert,  2, POSITIONS_MAX},
        {"causal",        SECTION_BOOL,   &config->causal,        false},
        {"type_emb",      SECTION_BOOL,   &config->type_emb,      false},
        {"do_lower_case", SECTION_BOOL,   &config->do_lower_case, bert},
        {"pool",          SECTION_WORD,   &config->pool,          bert,  .words = pools},
        {"eos_id",        SECTION_INT,    &config->eos_id,        false, 0, VOCAB_MAX},
        {"pad_id",        SECTION_INT,    &pad_id,                false, 0, VOCAB_MAX},
        {"proj_pre",      SECTION_WORD,   &proj_pre,              false, .words = proj_pres},
        {"proj_dim",      SECTION_INT,    &config->proj_dim,      true,  1, WIDTH_MAX},
        {"proj_bias",     SECTION_BOOL,   &config->proj_bias,     false},
    };
    // clang-format on
    if (!section_read(section, "text", keys, COUNT(keys), err))
        return false;
    config->proj_pre_relu = proj_pre == 1;
    if (config->max_len == 0)
        config->max_len = config->max_pos;
    return check_text(config, err);
}

bool encoder_config_read(const struct encoder_sections *sections, struct encoder_config *ret, struct err *err)
{
    *ret = (struct encoder_config){.has_text = sections->text != NULL};
    if (!read_vision(sections->vision, &ret->vision, err) ||
        (ret->has_text && !read_text(sections->family, sections->text, &ret->text, err)))
        return false;
    if (ret->has_text && ret->vision.proj_dim != ret->text.proj_dim)
        return err_fail(err, ERR_INPUT, "text.proj_dim: %d differs from vision.proj_dim %d",
                        ret->text.proj_dim, ret->vision.proj_dim);
    return true;
}
