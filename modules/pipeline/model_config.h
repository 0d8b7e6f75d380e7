/* config.json of a model folder: what the model is and what it wants, the encoder's sections passed on
 * unread. source: docs/model-folder.md. */
#ifndef PIPELINE_MODEL_CONFIG_H
#define PIPELINE_MODEL_CONFIG_H

#include "base/err.h"
#include "encoder/encoder_config.h"
#include "findings/domain.h"
#include "findings/score.h"
#include "pipeline/model.h"

#include <jansson.h>

/* All text is borrowed from `root`. */
struct model_config {
    json_t *root;
    bool stock;                       /* derived from a Hugging Face folder: it may come without prompts */
    struct model_identity identity;   /* without digests and calibration */
    struct encoder_sections sections; /* the encoder's own */
    struct score_config score;        /* scale not yet resolved */
    struct preprocess preprocess;
    struct domain domain; /* statistics not yet bound */
};

/* in: path of a config.json of ours, or of a stock Hugging Face CLIP. owns: model_config_done frees. errors:
 * ERR_IO, ERR_NOMEM, ERR_INPUT, ERR_UNSUPPORTED (key named). */
bool model_config_read(const char *path, struct model_config *ret, struct err *err);
void model_config_done(struct model_config *config); /* accepts a zeroed one */

#endif
