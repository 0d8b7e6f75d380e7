#include "pipeline/model_config.h"

#include "pipeline/model_hf.h"
#include "tensor/section.h"

#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const char *const modalities[] = {"CT", "MR", NULL};

/* Is it grey pictures, one by one or as a video? */
static bool takes_pictures(const struct encoder_sections *sections)
{
    const char *arch = json_string_value(json_object_get(sections->vision, "arch"));
    const json_t *input = json_object_get(sections->vision, "input"); /* checked by the encoder */
    if (!arch || sections->organ)
        return false;
    return strcmp(arch, "spacetime_vit") == 0 ||
           (strcmp(arch, "vit") == 0 &&
            (json_array_size(input) == 2 || json_integer_value(json_array_get(input, 0)) == 1));
}

static bool check_norm(const struct preprocess *preprocess, bool has_mean_std,
                       const struct encoder_sections *sections, struct err *err)
{
    bool meanstd = preprocess->norm == PREPROCESS_MEANSTD;
    if (!meanstd && takes_pictures(sections))
        return err_fail(err, ERR_INPUT,
                        "preprocess.norm: pictures and frames are grey of 8 bits, so only meanstd");
    if (meanstd != has_mean_std)
        return err_fail(err, ERR_INPUT, "preprocess.mean and std: %s",
                        meanstd ? "required with norm meanstd" : "only with norm meanstd");
    if (preprocess->norm == PREPROCESS_RANGE01 && !preprocess->has_hu_clip)
        return err_fail(err, ERR_INPUT, "preprocess.hu_clip: required with norm range01");
    return true;
}

/* Is the model's input a whole volume, without organs? */
static bool takes_cubes(const struct encoder_sections *sections)
{
    const char *arch = json_string_value(json_object_get(sections->vision, "arch"));
    const json_t *input = json_object_get(sections->vision, "input");
    return !sections->organ && arch && strcmp(arch, "vit") == 0 && json_array_size(input) == 3 &&
           json_integer_value(json_array_get(input, 0)) > 1;
}

/* One for each channel of a volume. */
static bool set_windows(const struct encoder_sections *sections, struct preprocess *ret, struct err *err)
{
    json_int_t channels = json_integer_value(json_object_get(sections->vision, "channels"));
    if (!takes_cubes(sections) || channels != ret->window_count)
        return err_fail(err, ERR_INPUT,
                        "preprocess.windows: one for each of the channels of a vit of volumes");
    if (ret->has_hu_clip || ret->norm != PREPROCESS_RANGE01)
        return err_fail(err, ERR_INPUT, "preprocess.windows: with norm range01, and without hu_clip");
    ret->has_hu_clip = true;
    memcpy(ret->hu_clip, ret->windows[0], sizeof ret->hu_clip);
    return true;
}

static bool read_pad(const json_t *section, struct preprocess *ret, struct err *err)
{
    static const char *const wheres[] = {"end", "both", NULL};
    int where = ret->pad_both;
    // clang-format off
    const struct section_key keys[] = {
        {"size",  SECTION_INT3,   ret->pad_size_zyx, true,  0, 2048},
        {"where", SECTION_WORD,   &where,            false, .words = wheres},
        {"value", SECTION_NUMBER, &ret->pad_value,   false, -1e6, 1e6},
    };
    // clang-format on
    if (section && !section_read(section, "preprocess.pad", keys, COUNT(keys), err))
        return false;
    ret->pad_both = where == 1;
    return true;
}

/* What the published evaluations do. source: fvlm (a ViT: box of the masks, padded on both sides) and
 * damo-radar (a U-Net: box of what is not zero, padded at the end by its windows), both with this margin. */
static void set_grounded(const struct encoder_sections *sections, struct preprocess *ret)
{
    static const int margin_zyx[3] = {5, 20, 20};
    const char *arch = json_string_value(json_object_get(sections->vision, "arch"));
    bool vit = !arch || strcmp(arch, "vit") == 0;
    if (!sections->organ)
        return;
    memcpy(ret->crop_margin_zyx, margin_zyx, sizeof margin_zyx);
    ret->crop = vit ? PREPROCESS_CROP_MASK : PREPROCESS_CROP_NONZERO;
    ret->pad_both = vit;
    const json_t *input = json_object_get(sections->vision, "input"); /* checked by the encoder */
    for (size_t i = 0; vit && json_array_size(input) == 3 && i < 3; i++) {
        json_int_t side = json_integer_value(json_array_get(input, i));
        ret->pad_size_zyx[i] = side > 0 && side <= 2048 ? (int)side : 0;
    }
}

static bool read_frames(const struct encoder_sections *sections, const json_t *section,
                        struct preprocess *ret, struct err *err)
{
    const char *arch = json_string_value(json_object_get(sections->vision, "arch"));
    const json_t *axes = json_object_get(sections->vision, "input"); /* checked by the encoder */
    int input[3] = {0};
    if (!arch || strcmp(arch, "spacetime_vit") != 0)
        return !section || err_fail(err, ERR_INPUT, "preprocess.frames: only with arch spacetime_vit");
    for (size_t i = 0; i < 3; i++) {
        json_int_t side = json_integer_value(json_array_get(axes, i));
        input[i] = side > 0 && side <= 1024 ? (int)side : 0;
    }
    if (ret->has_hu_clip)
        return err_fail(err, ERR_INPUT, "preprocess.hu_clip: not with arch spacetime_vit");
    return model_frames_read(section, input, &ret->frames, err);
}

/* Which keys the preprocess section has. */
struct asked {
    bool spacing, crop, margin, margin_mm, pad, windows;
};

static bool check_crop(const struct preprocess *preprocess, const struct encoder_sections *sections,
                       const struct asked *asked, struct err *err)
{
    bool grounded = sections->organ, cubes = takes_cubes(sections);
    bool heart = preprocess->crop == PREPROCESS_CROP_HEART;
    if ((asked->margin || asked->pad) && !grounded)
        return err_fail(err, ERR_INPUT, "preprocess.crop_margin and pad: only with organs");
    if ((asked->spacing || asked->crop) && !grounded && !cubes)
        return err_fail(err, ERR_INPUT, "preprocess.spacing and crop: only with organs, or a vit of volumes");
    if (grounded && !(preprocess->spacing_zyx_mm[0] > 0))
        return err_fail(err, ERR_INPUT, "preprocess.spacing: required with organs");
    if (asked->crop && !(grounded ? !heart : heart || preprocess->crop == PREPROCESS_CROP_NONE))
        return err_fail(err, ERR_INPUT,
                        "preprocess.crop: none, mask or nonzero with organs; else none or heart");
    if (heart && strcmp(preprocess->modality, "CT") != 0)
        return err_fail(err, ERR_INPUT, "preprocess.crop: the heart is only found in CT");
    if ((asked->margin_mm || (asked->spacing && cubes)) && !heart)
        return err_fail(err, ERR_INPUT, "preprocess.crop_margin_mm and spacing: only with crop heart");
    return true;
}

/* source: models.md's reading of Cardiac-CLIP, which takes volumes that are already cut; ours otherwise. */
static void set_heart(const struct encoder_sections *sections, bool asked, struct preprocess *ret)
{
    bool ct = strcmp(ret->modality, "CT") == 0;
    if (!asked && ct && takes_cubes(sections) && strcmp(sections->family, "cardiac-clip") == 0)
        ret->crop = PREPROCESS_CROP_HEART;
}

/* Words of the series rules; which there are, a site decides. */
static bool read_roles(const json_t *list, struct preprocess *ret, struct err *err)
{
    size_t count = json_array_size(list);
    if (list && (count == 0 || count > PREPROCESS_ROLES_MAX))
        return err_fail(err, ERR_INPUT, "preprocess.roles: not 1 to %d words", PREPROCESS_ROLES_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *role = json_string_value(json_array_get(list, i));
        if (!role || !*role || strlen(role) > 39)
            return err_fail(err, ERR_INPUT, "preprocess.roles: not a list of words");
        ret->roles[ret->role_count++] = role;
    }
    return true;
}

static bool read_preprocess(const struct encoder_sections *sections, const json_t *section,
                            struct preprocess *ret, struct err *err)
{
    static const char *const crops[] = {"none", "mask", "nonzero", "heart", NULL};
    const json_t *pad = NULL, *frames = NULL;
    struct asked asked = {0};
    static const char *const norms[] = {"minmax", "range01", "meanstd", NULL};
    static const char *const orientations[] = {"lps", NULL};
    static const char *const resizes[] = {"trilinear", NULL};
    static const char *const paddings[] = {"air", NULL};
    static const char *const lossies[] = {"accept", "reject", NULL};
    const json_t *roles = NULL;
    int ignored = 0, modality = 0, lossy = 0, norm = PREPROCESS_MINMAX;
    bool has_mean = false, has_std = false;
    *ret = (struct preprocess){
        .min_slices = 1, .std = {1, 1, 1}, .max_slices = 64, .percentile = {1, 99}, .crop_margin_mm = 5};
    set_grounded(sections, ret);
    int crop = ret->crop;
    // clang-format off
    const struct section_key keys[] = {
        {"modality",         SECTION_WORD,    &modality,              true,  .words = modalities},
        {"min_slices",       SECTION_INT,     &ret->min_slices,       false, 1, 100000},
        {"max_spacing_z_mm", SECTION_NUMBER,  &ret->max_spacing_z_mm, false, 0, 1000},
        {"min_field_mm",     SECTION_NUMBER,  &ret->min_field_mm,     false, 0, 1000},
        {"min_length_mm",    SECTION_NUMBER,  &ret->min_length_mm,    false, 0, 3000},
        {"gated",            SECTION_BOOL,    &ret->gated,            false},
        {"complete",         SECTION_BOOL,    &ret->complete,         false},
        {"lossy",            SECTION_WORD,    &lossy,                 false, .words = lossies},
        {"roles",            SECTION_LIST,    &roles,                 false},
        {"hu_clip",          SECTION_NUMBER2, ret->hu_clip,           false, -1e6, 1e6,
         .present = &ret->has_hu_clip},
        {"windows",          SECTION_PAIRS,   ret->windows,           false, -1e6, 1e6, .present = &asked.windows,
         .count = &ret->window_count, .most = PREPROCESS_CHANNELS_MAX},
        {"norm",             SECTION_WORD,    &norm,                  false, .words = norms},
        {"mean",             SECTION_NUMBERS, ret->mean,              false, -1e6, 1e6, .present = &has_mean,
         .most = 3},
        {"std",              SECTION_NUMBERS, ret->std,               false, 1e-6, 1e6, .present = &has_std,
         .most = 3},
        {"max_slices",       SECTION_INT,     &ret->max_slices,       false, 1, 4096},
        {"percentile",       SECTION_NUMBER2, ret->percentile,        false, 0, 100},
        {"spacing",          SECTION_NUMBERS, ret->spacing_zyx_mm,    false, 0.05, 100, .present = &asked.spacing,
         .most = 3},
        {"crop",             SECTION_WORD,    &crop,                  false, .words = crops, .present = &asked.crop},
        {"crop_margin",      SECTION_INT3,    ret->crop_margin_zyx,   false, 0, 2048, .present = &asked.margin},
        {"crop_margin_mm",   SECTION_NUMBER,  &ret->crop_margin_mm,   false, 0, 200, .present = &asked.margin_mm},
        {"pad",              SECTION_OBJECT,  &pad,                   false},
        {"frames",           SECTION_OBJECT,  &frames,                false},
        {"orientation",      SECTION_WORD,    &ignored,               false, .words = orientations},
        {"resize",           SECTION_WORD,    &ignored,               false, .words = resizes},
        {"padding",          SECTION_WORD,    &ignored,               false, .words = paddings},
    };
    // clang-format on
    if (!section_read(section, "preprocess", keys, COUNT(keys), err))
        return false;
    snprintf(ret->modality, sizeof ret->modality, "%s", modalities[modality]);
    ret->norm = norm;
    ret->crop = crop;
    ret->refuse_lossy = lossy == 1;
    set_heart(sections, asked.crop, ret);
    asked.pad = pad;
    if (!read_roles(roles, ret, err) || (asked.windows && !set_windows(sections, ret, err)) ||
        !read_pad(pad, ret, err) || !read_frames(sections, frames, ret, err) ||
        !check_crop(ret, sections, &asked, err))
        return false;
    if (has_mean != has_std)
        return err_fail(err, ERR_INPUT, "preprocess.mean and std: one without the other");
    return check_norm(ret, has_mean, sections, err);
}

static bool read_domain(const struct encoder_sections *sections, const json_t *section, struct domain *ret,
                        struct err *err)
{
    if (sections->organ)
        return err_fail(err, ERR_UNSUPPORTED,
                        "domain: not supported with organs, which have no vector of the study");
    return domain_config_read(section, ret, err);
}

static bool read_root(struct model_config *config, struct err *err)
{
    static const char *const families[] = {"cardiac-clip", "cmr-clip", "radclip", "ct-glip",
                                           "fvlm",         "radar",    "clip",    NULL};
    struct encoder_sections *sections = &config->sections;
    struct model_identity *id = &config->identity;
    const json_t *score = NULL, *preprocess = NULL, *domain = NULL;
    const char *ignored_text = NULL;
    int ignored = 0;
    // clang-format off
    const struct section_key keys[] = {
        {"name",            SECTION_TEXT,   &id->name,         true,  .max = 64},
        {"version",         SECTION_TEXT,   &id->version,      true,  .max = 64},
        {"manufacturer",    SECTION_TEXT,   &id->manufacturer, true,  .max = 64},
        {"family",          SECTION_WORD,   &ignored,          true,  .words = families},
        {"trained",         SECTION_BOOL,   &id->trained,      true},
        {"license",         SECTION_TEXT,   &ignored_text,     false, .max = 1000},
        {"intended_use",    SECTION_TEXT,   &ignored_text,     false, .max = 4000},
        {"training_data",   SECTION_TEXT,   &ignored_text,     false, .max = 4000},
        {"limitations",     SECTION_TEXT,   &ignored_text,     false, .max = 4000},
        {"source",          SECTION_TEXT,   &ignored_text,     false, .max = 1000},
        {"vision",          SECTION_OBJECT, &sections->vision, true},
        {"text",            SECTION_OBJECT, &sections->text,   false},
        {"slice_pool",      SECTION_OBJECT, &sections->slice_pool, false},
        {"unet",            SECTION_OBJECT, &sections->unet,   false},
        {"organ",           SECTION_OBJECT, &sections->organ,  false},
        {"score",           SECTION_OBJECT, &score,            false},
        {"preprocess",      SECTION_OBJECT, &preprocess,       true},
        {"domain",          SECTION_OBJECT, &domain,           false},
    };
    // clang-format on
    if (!section_read(config->root, "", keys, COUNT(keys), err))
        return false;
    id->family = sections->family = families[ignored];
    if (!sections->text && strcmp(id->family, "radar") != 0)
        return err_fail(err, ERR_INPUT, "text: required, but missing");
    return score_config_read(score, &config->score, err) &&
           read_preprocess(sections, preprocess, &config->preprocess, err) &&
           (!domain || read_domain(sections, domain, &config->domain, err));
}

/* A stock folder's file becomes one of ours. */
static bool translate(struct model_config *config, struct err *err)
{
    if (!model_hf_is_theirs(config->root))
        return true;
    json_t *ours = model_hf_config(config->root, err);
    json_decref(config->root);
    config->root = ours;
    config->stock = true;
    return ours;
}

bool model_config_read(const char *path, struct model_config *ret, struct err *err)
{
    struct model_config config = {0};
    config.root = section_file(path, NULL, NULL, err);
    if (!config.root)
        return false;
    if (!translate(&config, err) || !read_root(&config, err)) {
        model_config_done(&config);
        return err_prefix(err, "config.json");
    }
    config.identity.score = score_name(&config.score);
    config.identity.calibration = config.score.calibration_id ? config.score.calibration_id : "none";
    config.identity.calibration_on = config.score.calibration_on;
    *ret = config;
    return true;
}

void model_config_done(struct model_config *config)
{
    json_decref(config->root);
    config->root = NULL;
}
