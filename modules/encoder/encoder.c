#include "encoder/encoder.h"

#include "encoder/bert.h"
#include "encoder/clip_text.h"
#include "encoder/organ_vit.h"
#include "encoder/spacetime.h"
#include "encoder/unet_mean.h"
#include "encoder/unet_query.h"
#include "encoder/vit_tower.h"
#include "tensor/ops.h"

#include <stdlib.h>
#include <string.h>

struct encoder {
    const struct crew *crew; /* borrowed; may be NULL */
    struct arena *arena;
    struct encoder_config config;
    const struct tower *tower;
    void *image;              /* the tower's own */
    struct bert_weights bert; /* one of the two, by text.arch */
    struct clip_text_weights clip_text;
    const float *logit_scale, *temp; /* [] or NULL */
    struct block_state text_state;
    struct input_means means; /* empty: nobody asks */
    uint64_t weights_bytes;
};

/* Where an architecture plugs in. NULL with err set: the key that names what is not there. */
static const struct tower *choose_tower(const struct encoder_sections *sections,
                                        const struct vision_config *vision, struct err *err)
{
    const char *pool = json_string_value(json_object_get(sections->organ, "pool"));
    if (vision->arch == ENCODER_UNET && sections->precision != PRECISION_FP32) {
        err_fail(err, ERR_UNSUPPORTED, "precision %s: a U-Net is computed in fp32 only",
                 precision_name(sections->precision));
        return NULL;
    }
    if (vision->arch == ENCODER_SPACETIME_VIT && !sections->organ)
        return &spacetime_tower;
    if (vision->arch == ENCODER_VIT && sections->organ)
        return &organ_vit_tower;
    if (vision->arch == ENCODER_VIT && vision->pool != ENCODER_POOL_TOKENS)
        return &vit_tower;
    if (vision->arch == ENCODER_UNET && sections->organ)
        return pool && strcmp(pool, "queries") == 0 ? &unet_query_tower : &unet_mean_tower;
    if (vision->arch == ENCODER_SPACETIME_VIT)
        err_fail(err, ERR_UNSUPPORTED, "organ: not supported with arch spacetime_vit");
    else
        err_fail(err, ERR_INPUT, "organ: the section is missing");
    return NULL;
}

/* Optional: a model whose configuration fixes the scale needs none. */
static bool bind_scalar(struct weights *weights, const char *name, const float **ret, struct err *err)
{
    return !weights_have(weights, name, 0, 0) || weights_take(weights, name, 0, WEIGHTS_AXES(1), ret, err);
}

static bool bind_text(struct encoder *encoder, struct weights *weights, struct err *err)
{
    const struct text_config *text = &encoder->config.text;
    if (!encoder->config.has_text)
        return true;
    weights->precision = PRECISION_FP32;
    weights->watched = NULL;
    bool bound = text->arch == ENCODER_CLIP_TEXT ? clip_text_bind(weights, text, &encoder->clip_text, err)
                                                 : bert_bind(weights, text, &encoder->bert, err);
    return bound && block_state_init(&encoder->text_state, &text->blocks, 1, text->max_len, 0, encoder->crew,
                                     encoder->arena, err);
}

static bool bind(struct encoder *encoder, const struct encoder_sections *sections,
                 const struct safetensors *file, struct err *err)
{
    struct weights weights = {0};
    int before = sections->faults ? sections->faults->count : 0;
    encoder->tower = choose_tower(sections, &encoder->config.vision, err);
    bool ok = encoder->tower && weights_init(&weights, sections, file, encoder->crew, encoder->arena, err);
    weights.watched = sections->watch_inputs ? &encoder->means : NULL;
    ok = ok && encoder->tower->open(sections, &encoder->config, &weights, &encoder->image, err) &&
         bind_text(encoder, &weights, err) &&
         bind_scalar(&weights, "logit_scale", &encoder->logit_scale, err) &&
         bind_scalar(&weights, "temp", &encoder->temp, err) && weights_check_all_taken(&weights, err);
    ok = ok && (!sections->faults || sections->faults->count == before);
    weights_done(&weights);
    encoder->weights_bytes = ok ? weights.values * sizeof(float) : 0;
    return ok;
}

struct encoder *encoder_open(const struct encoder_sections *sections, const struct safetensors *weights,
                             const struct crew *crew, struct err *err)
{
    struct encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder || !(encoder->arena = arena_new())) {
        err_fail(err, ERR_NOMEM, "no memory for an encoder");
        encoder_close(encoder);
        return NULL;
    }
    encoder->crew = crew;
    if (encoder_config_read(sections, &encoder->config, err) && bind(encoder, sections, weights, err))
        return encoder;
    encoder_close(encoder);
    return NULL;
}

void encoder_close(struct encoder *encoder)
{
    if (!encoder)
        return;
    if (encoder->tower)
        encoder->tower->close(encoder->image);
    arena_free(encoder->arena);
    free(encoder);
}

const struct encoder_config *encoder_config(const struct encoder *encoder)
{
    return &encoder->config;
}

bool encoder_has_logit_scale(const struct encoder *encoder)
{
    return encoder->logit_scale != NULL;
}

double encoder_logit_scale(const struct encoder *encoder)
{
    return encoder->logit_scale ? (double)*encoder->logit_scale : 0.0;
}

bool encoder_has_temp(const struct encoder *encoder)
{
    return encoder->temp != NULL;
}

double encoder_temp(const struct encoder *encoder)
{
    return encoder->temp ? (double)*encoder->temp : 0.0;
}

uint64_t encoder_weights_bytes(const struct encoder *encoder)
{
    return encoder->weights_bytes;
}

json_t *encoder_input_means(const struct encoder *encoder, struct err *err)
{
    json_t *means = encoder->means.last ? input_means_json(&encoder->means) : NULL;
    if (!means)
        err_fail(err, ERR_INPUT, "no layer of the encoder has seen a finite input");
    return means;
}

bool encoder_image(struct encoder *encoder, const struct encoder_input *input, struct encoder_output *ret,
                   const struct encoder_tap *tap, struct err *err)
{
    const int *zyx = input->zyx;
    size_t voxels = (size_t)zyx[0] * (size_t)zyx[1] * (size_t)zyx[2];
    size_t count = (size_t)input->items * (size_t)encoder->config.vision.channels * voxels;
    if (!ops_finite(count, input->values))
        return err_decline(err, "input_not_finite", "the input holds a value that is not finite");
    *ret = (struct encoder_output){0};
    return encoder->tower->run(encoder->image, input, ret, tap, err);
}

bool encoder_text(struct encoder *encoder, const int *ids, int count, float *embedding,
                  const struct encoder_tap *tap, struct err *err)
{
    if (!encoder->config.has_text)
        return err_fail(err, ERR_UNSUPPORTED, "text: the model has no text tower");
    const struct text_config *text = &encoder->config.text;
    struct block_state *state = &encoder->text_state;
    if (text->arch == ENCODER_CLIP_TEXT)
        return clip_text_forward(text, &encoder->clip_text, state, ids, count, embedding, tap, err);
    return bert_forward(text, &encoder->bert, state, ids, count, embedding, tap, err);
}
