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
    TOKENS_MAX = 65536,
    VOCAB_MAX = 1000000,
    POSITIONS_MAX = 8192
};

static const char *const acts[] = {"quick_gelu", "gelu", "relu", NULL};
static const char *const pools[] = {"cls", "mean", "argmax_id", NULL};
static const char *const proj_pres[] = {"none", "relu", NULL};

static bool check_heads(const char *section, const struct encoder_blocks *blocks, struct err *err)
{
    if (blocks->width % blocks->heads != 0)
        return err_fail(err, ERR_INPUT, "%s.heads: %d heads do not divide width %d", section, blocks->heads,
                        blocks->width);
    return true;
}

static bool derive_vision(struct vision_config *config, struct err *err)
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
    if (cells >= TOKENS_MAX)
        return err_fail(err, ERR_INPUT, "vision.input: %lld patches are too many", (long long)cells);
    if (patch_dim > MLP_MAX)
        return err_fail(err, ERR_INPUT, "vision.patch: %lld values a patch are too many",
                        (long long)patch_dim);
    config->tokens = (int)cells + 1;
    config->patch_dim = (int)patch_dim;
    return check_heads("vision", &config->blocks, err);
}

static bool read_vision(const json_t *section, struct vision_config *config, struct err *err)
{
    static const char *const archs[] = {"vit", NULL};
    static const char *const poss[] = {"none", "learned", NULL};
    static const char *const cls_only[] = {"cls", NULL};
    static const char *const none_only[] = {"none", NULL};
    static const char *const full_only[] = {"full", NULL};
    struct encoder_blocks *blocks = &config->blocks;
    int ignored = 0, pos = 1, proj_pre = 0;
    bool cls_token = true;
    *config = (struct vision_config){
        .channels = 1, .pre_ln = true, .post_ln = true, .qkv_bias = true, .proj_bias = true};
    *blocks = (struct encoder_blocks){.act = ENCODER_QUICK_GELU, .ln_eps = 1e-5};
    // clang-format off
    const struct section_key keys[] = {
        {"arch",       SECTION_WORD,   &ignored,            true,  .words = archs},
        {"input",      SECTION_INT3,   config->input_zyx,   true,  1, AXIS_MAX},
        {"channels",   SECTION_INT,    &config->channels,   false, 1, CHANNELS_MAX},
        {"patch",      SECTION_INT3,   config->patch_zyx,   true,  1, PATCH_MAX},
        {"patch_bias", SECTION_BOOL,   &config->patch_bias, false},
        {"width",      SECTION_INT,    &blocks->width,      true,  1, WIDTH_MAX},
        {"depth",      SECTION_INT,    &blocks->depth,      true,  1, DEPTH_MAX},
        {"heads",      SECTION_INT,    &blocks->heads,      true,  1, HEADS_MAX},
        {"mlp_dim",    SECTION_INT,    &blocks->mlp_dim,    true,  1, MLP_MAX},
        {"act",        SECTION_WORD,   &blocks->act,        false, .words = acts},
        {"ln_eps",     SECTION_NUMBER, &blocks->ln_eps,     false, 1e-15, 0.1},
        {"cls_token",  SECTION_BOOL,   &cls_token,          false},
        {"pre_ln",     SECTION_BOOL,   &config->pre_ln,     false},
        {"post_ln",    SECTION_BOOL,   &config->post_ln,    false},
        {"pos",        SECTION_WORD,   &pos,                false, .words = poss},
        {"pos_resize", SECTION_WORD,   &ignored,            false, .words = none_only},
        {"attn",       SECTION_WORD,   &ignored,            false, .words = full_only},
        {"qkv_bias",   SECTION_BOOL,   &config->qkv_bias,   false},
        {"pool",       SECTION_WORD,   &ignored,            false, .words = cls_only},
        {"proj_pre",   SECTION_WORD,   &proj_pre,           false, .words = proj_pres},
        {"proj_dim",   SECTION_INT,    &config->proj_dim,   true,  1, WIDTH_MAX},
        {"proj_bias",  SECTION_BOOL,   &config->proj_bias,  false},
    };
    // clang-format on
    if (!section_read(section, "vision", keys, COUNT(keys), err))
        return false;
    config->learned_pos = pos == 1;
    config->proj_pre_relu = proj_pre == 1;
    if (!cls_token)
        return err_fail(err, ERR_UNSUPPORTED, "vision.cls_token: false is not supported");
    return derive_vision(config, err);
}

static bool read_text(const json_t *section, struct text_config *config, struct err *err)
{
    static const char *const archs[] = {"bert", NULL};
    struct encoder_blocks *blocks = &config->blocks;
    int ignored = 0, proj_pre = 0;
    bool causal = false;
    *config =
        (struct text_config){.max_pos = 512, .pool = ENCODER_POOL_CLS, .type_emb = true, .proj_bias = true};
    *blocks = (struct encoder_blocks){.act = ENCODER_GELU, .ln_eps = 1e-12};
    // clang-format off
    const struct section_key keys[] = {
        {"arch",          SECTION_WORD,   &ignored,               true,  .words = archs},
        {"vocab",         SECTION_INT,    &config->vocab,         true,  1, VOCAB_MAX},
        {"width",         SECTION_INT,    &blocks->width,         true,  1, WIDTH_MAX},
        {"depth",         SECTION_INT,    &blocks->depth,         true,  1, DEPTH_MAX},
        {"heads",         SECTION_INT,    &blocks->heads,         true,  1, HEADS_MAX},
        {"mlp_dim",       SECTION_INT,    &blocks->mlp_dim,       true,  1, MLP_MAX},
        {"act",           SECTION_WORD,   &blocks->act,           false, .words = acts},
        {"ln_eps",        SECTION_NUMBER, &blocks->ln_eps,        false, 1e-15, 0.1},
        {"max_pos",       SECTION_INT,    &config->max_pos,       false, 2, POSITIONS_MAX},
        {"max_len",       SECTION_INT,    &config->max_len,       true,  2, POSITIONS_MAX},
        {"causal",        SECTION_BOOL,   &causal,                false},
        {"type_emb",      SECTION_BOOL,   &config->type_emb,      false},
        {"do_lower_case", SECTION_BOOL,   &config->do_lower_case, true},
        {"pool",          SECTION_WORD,   &config->pool,          true,  .words = pools},
        {"proj_pre",      SECTION_WORD,   &proj_pre,              false, .words = proj_pres},
        {"proj_dim",      SECTION_INT,    &config->proj_dim,      true,  1, WIDTH_MAX},
        {"proj_bias",     SECTION_BOOL,   &config->proj_bias,     false},
    };
    // clang-format on
    if (!section_read(section, "text", keys, COUNT(keys), err))
        return false;
    config->proj_pre_relu = proj_pre == 1;
    if (causal)
        return err_fail(err, ERR_UNSUPPORTED, "text.causal: true is not supported");
    if (config->max_len > config->max_pos)
        return err_fail(err, ERR_INPUT, "text.max_len: %d is over max_pos %d", config->max_len,
                        config->max_pos);
    return check_heads("text", blocks, err);
}

bool encoder_config_read(const json_t *vision, const json_t *text, struct encoder_config *ret,
                         struct err *err)
{
    if (!read_vision(vision, &ret->vision, err) || !read_text(text, &ret->text, err))
        return false;
    if (ret->vision.proj_dim != ret->text.proj_dim)
        return err_fail(err, ERR_INPUT, "text.proj_dim: %d differs from vision.proj_dim %d",
                        ret->text.proj_dim, ret->vision.proj_dim);
    return true;
}
