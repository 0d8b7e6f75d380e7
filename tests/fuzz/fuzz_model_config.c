/* config.json of a model folder, both towers' sections included. */
#include "encoder/encoder_config.h"
#include "fuzz.h"
#include "pipeline/model_config.h"

#include <math.h>
#include <string.h>

static void check_blocks(const struct encoder_blocks *blocks)
{
    fuzz_must(blocks->width > 0 && blocks->depth > 0 && blocks->mlp_dim > 0, "sizes are above 0");
    fuzz_must(blocks->heads > 0 && blocks->width % blocks->heads == 0, "heads divide the width");
    fuzz_must(blocks->ln_eps > 0, "epsilon is above 0");
}

static void check_vision(const struct vision_config *vision)
{
    int cells = 1, values = vision->channels;
    check_blocks(&vision->blocks);
    for (int i = 0; i < 3; i++) {
        fuzz_must(vision->grid_zyx[i] * vision->patch_zyx[i] == vision->input_zyx[i],
                  "patches fill the input");
        cells *= vision->grid_zyx[i];
        values *= vision->patch_zyx[i];
    }
    fuzz_must(vision->tokens == cells + vision->cls_token && vision->patch_dim == values,
              "tokens and patch_dim agree");
}

static void check_towers(const struct encoder_config *config)
{
    if (config->vision.arch != ENCODER_UNET)
        check_vision(&config->vision);
    if (!config->has_text)
        return;
    check_blocks(&config->text.blocks);
    fuzz_must(config->vision.proj_dim == config->text.proj_dim, "both towers meet");
    fuzz_must(config->text.max_len >= 2 && config->text.max_len <= config->text.max_pos,
              "a text has positions");
}

static void check_config(const struct model_config *config)
{
    const struct preprocess *preprocess = &config->preprocess;
    fuzz_touch(config->identity.name, strlen(config->identity.name));
    fuzz_touch(config->identity.version, strlen(config->identity.version));
    fuzz_touch(config->identity.manufacturer, strlen(config->identity.manufacturer));
    fuzz_touch(config->identity.family, strlen(config->identity.family));
    fuzz_touch(config->identity.calibration, strlen(config->identity.calibration));
    fuzz_must(!strcmp(preprocess->modality, "CT") || !strcmp(preprocess->modality, "MR"), "CT or MR");
    for (int i = 0; i < 3; i++)
        fuzz_must(isfinite(preprocess->mean[i]) && isfinite(preprocess->std[i]) && preprocess->std[i] > 0,
                  "mean and std can be computed with");
    const struct domain *domain = &config->domain;
    if (domain->id)
        fuzz_touch(domain->id, strlen(domain->id));
    fuzz_must(!domain->id || (domain->limit > 0 && domain->limit <= 1e6), "a domain has a limit");
    const char *on = config->identity.calibration_on;
    if (on)
        fuzz_touch(on, strlen(on));
    fuzz_must(config->score.calibration_id || (!config->score.has_calibration && !on),
              "a calibration has an id");
    fuzz_must(!preprocess->has_hu_clip || preprocess->hu_clip[0] < preprocess->hu_clip[1],
              "a clip has a width");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct err err = ERR_INIT;
    struct model_config config = {0};
    struct encoder_config towers = {0};
    if (!model_config_read(fuzz_file(bytes, size), &config, &err)) {
        fuzz_must_refuse(&err);
        return 0;
    }
    check_config(&config);
    if (encoder_config_read(&config.sections, &towers, &err))
        check_towers(&towers);
    else
        fuzz_must_refuse(&err);
    model_config_done(&config);
    return 0;
}
