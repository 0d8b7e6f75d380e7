/* The config.json of a stock Hugging Face CLIP folder (openai/clip-vit-*), said in our own words, so that
 * such a folder runs as it is. Part of the model. source: transformers configuration_clip.py: defaults of
 * CLIPConfig, CLIPTextConfig and CLIPVisionConfig; text_config_dict and vision_config_dict, where they stand,
 * replace text_config and vision_config; modeling_clip.py: eos_token_id 2 means the place of the largest id.
 */
#ifndef PIPELINE_MODEL_HF_H
#define PIPELINE_MODEL_HF_H

#include "base/err.h"

#include <jansson.h>

/* Is it Hugging Face's rather than ours? */
bool model_hf_is_theirs(const json_t *root);

/* A config.json of ours as a new value. What is of no use at inference (dropout and the like) is not looked
 * at. owns: caller decrefs. NULL: ERR_INPUT, ERR_UNSUPPORTED (key named), ERR_NOMEM. */
json_t *model_hf_config(const json_t *root, struct err *err);

#endif
