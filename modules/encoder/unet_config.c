#include "encoder/unet_config.h"

#include "tensor/section.h"

enum { FEATURES_MAX = 4096, CLASSES_MAX = 256, KERNEL_MAX = 7, STRIDE_MAX = 4 };

/* [[z, y, x], ...], one a stage. */
static bool read_triples(const json_t *list, const char *key, int stages, int max, int into[][3],
                         struct err *err)
{
    if (json_array_size(list) != (size_t)stages)
        return err_fail(err, ERR_INPUT, "unet.%s: %zu entries, features has %d", key, json_array_size(list),
                        stages);
    for (int i = 0; i < stages; i++) {
        const json_t *triple = json_array_get(list, (size_t)i);
        if (json_array_size(triple) != 3)
            return err_fail(err, ERR_INPUT, "unet.%s: not lists of three whole numbers", key);
        for (size_t j = 0; j < 3; j++) {
            const json_t *number = json_array_get(triple, j);
            json_int_t value = json_integer_value(number);
            if (!json_is_integer(number) || value < 1 || value > max)
                return err_fail(err, ERR_INPUT, "unet.%s: not whole numbers within 1 and %d", key, max);
            into[i][j] = (int)value;
        }
    }
    return true;
}

static bool check(const struct unet_config *c, struct err *err)
{
    for (int i = 0; i < c->stages; i++)
        for (int j = 0; j < 3; j++)
            if (c->kernels_zyx[i][j] % 2 == 0)
                return err_fail(err, ERR_INPUT, "unet.kernels: %d is even", c->kernels_zyx[i][j]);
    if (c->dec_levels >= c->stages)
        return err_fail(err, ERR_INPUT, "unet.dec_levels: %d, but %d stages", c->dec_levels, c->stages);
    if (c->classes && c->dec_levels == 0)
        return err_fail(err, ERR_INPUT, "unet.classes: needs a decoder");
    if (c->out_map == UNET_OUT_SKIPS && c->stages < UNET_SKIPS)
        return err_fail(err, ERR_INPUT, "unet.out_map: skips needs %d stages", UNET_SKIPS);
    if (c->map_dim && c->out_map != UNET_OUT_SKIPS)
        return err_fail(err, ERR_INPUT, "unet.map_dim: only with out_map skips");
    return true;
}

bool unet_config_read(const json_t *section, int channels, struct unet_config *ret, struct err *err)
{
    static const char *const norms[] = {"instance", "batch", NULL};
    static const char *const acts[] = {"relu", "leaky_relu", NULL};
    static const char *const maps[] = {"full", "skips", NULL};
    const json_t *kernels = NULL, *strides = NULL;
    int act = 1;
    double slope = 0.01;
    *ret = (struct unet_config){.channels = channels,
                                .convs_enc = 2,
                                .convs_dec = 2,
                                .dec_levels = -1,
                                .norm_eps = 1e-5,
                                .overlap = 0.25,
                                .bias = true};
    // clang-format off
    const struct section_key keys[] = {
        {"features",   SECTION_INTS,   ret->features,     true,  1, FEATURES_MAX,
         .count = &ret->stages, .most = UNET_STAGES_MAX},
        {"kernels",    SECTION_LIST,   &kernels,          true},
        {"strides",    SECTION_LIST,   &strides,          true},
        {"convs_enc",  SECTION_INT,    &ret->convs_enc,   false, 1, UNET_CONVS_MAX},
        {"convs_dec",  SECTION_INT,    &ret->convs_dec,   false, 1, UNET_CONVS_MAX},
        {"dec_levels", SECTION_INT,    &ret->dec_levels,  false, 0, UNET_STAGES_MAX},
        {"norm",       SECTION_WORD,   &ret->norm,        false, .words = norms},
        {"norm_eps",   SECTION_NUMBER, &ret->norm_eps,    false, 1e-15, 0.1},
        {"act",        SECTION_WORD,   &act,              false, .words = acts},
        {"slope",      SECTION_NUMBER, &slope,            false, 0, 1},
        {"bias",       SECTION_BOOL,   &ret->bias,        false},
        {"out_map",    SECTION_WORD,   &ret->out_map,     false, .words = maps},
        {"classes",    SECTION_INT,    &ret->classes,     false, 0, CLASSES_MAX},
        {"overlap",    SECTION_NUMBER, &ret->overlap,     false, 0, 0.9},
        {"map_dim",    SECTION_INT,    &ret->map_dim,     false, 0, FEATURES_MAX},
    };
    // clang-format on
    if (!section_read(section, "unet", keys, sizeof keys / sizeof *keys, err))
        return false;
    if (ret->stages < 1)
        return err_fail(err, ERR_INPUT, "unet.features: empty");
    if (ret->dec_levels < 0)
        ret->dec_levels = ret->stages - 1;
    ret->slope = act == 0 ? 0.0f : (float)slope;
    return read_triples(kernels, "kernels", ret->stages, KERNEL_MAX, ret->kernels_zyx, err) &&
           read_triples(strides, "strides", ret->stages, STRIDE_MAX, ret->strides_zyx, err) &&
           check(ret, err);
}
