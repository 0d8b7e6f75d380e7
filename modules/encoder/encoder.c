#include "encoder/encoder.h"

#include "encoder/bert.h"
#include "encoder/vit.h"
#include "tensor/ops.h"

#include <stdlib.h>
#include <string.h>

struct encoder {
    struct arena *arena;
    struct encoder_config config;
    struct vit_weights vit;
    struct bert_weights bert;
    const float *logit_scale; /* [] or NULL */
    struct block_state image_state, text_state;
};

/* Optional: a model whose configuration fixes the scale needs none. */
static bool bind_logit_scale(struct encoder *encoder, struct weights *weights, struct err *err)
{
    if (weights_take(weights, "logit_scale", 0, WEIGHTS_AXES(1), &encoder->logit_scale, err))
        return true;
    if (strcmp(err->reason, "weights_missing") != 0)
        return false;
    *err = (struct err)ERR_INIT;
    return true;
}

static bool bind(struct encoder *encoder, const struct safetensors *file, struct err *err)
{
    struct weights weights;
    return weights_init(&weights, file, encoder->arena, err) &&
           vit_bind(&weights, &encoder->config.vision, &encoder->vit, err) &&
           bert_bind(&weights, &encoder->config.text, &encoder->bert, err) &&
           bind_logit_scale(encoder, &weights, err) && weights_check_all_taken(&weights, err) &&
           vit_state_init(&encoder->image_state, &encoder->config.vision, encoder->arena, err) &&
           bert_state_init(&encoder->text_state, &encoder->config.text, encoder->arena, err);
}

struct encoder *encoder_open(const json_t *vision, const json_t *text, const struct safetensors *weights,
                             struct err *err)
{
    struct encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder || !(encoder->arena = arena_new())) {
        err_fail(err, ERR_NOMEM, "no memory for an encoder");
        encoder_close(encoder);
        return NULL;
    }
    if (encoder_config_read(vision, text, &encoder->config, err) && bind(encoder, weights, err))
        return encoder;
    encoder_close(encoder);
    return NULL;
}

void encoder_close(struct encoder *encoder)
{
    if (!encoder)
        return;
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

bool encoder_image(struct encoder *encoder, const float *input, float *embedding,
                   const struct encoder_tap *tap, struct err *err)
{
    const struct vision_config *c = &encoder->config.vision;
    size_t count =
        (size_t)c->channels * (size_t)c->input_zyx[0] * (size_t)c->input_zyx[1] * (size_t)c->input_zyx[2];
    if (!ops_finite(count, input))
        return err_decline(err, "input_not_finite", "the input holds a value that is not finite");
    return vit_forward(c, &encoder->vit, &encoder->image_state, input, embedding, tap, err);
}

bool encoder_text(struct encoder *encoder, const int *ids, int count, float *embedding,
                  const struct encoder_tap *tap, struct err *err)
{
    return bert_forward(&encoder->config.text, &encoder->bert, &encoder->text_state, ids, count, embedding,
                        tap, err);
}
