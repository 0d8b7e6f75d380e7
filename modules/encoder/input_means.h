/* The mean input of each linear layer in a transformer image tower's blocks, over what the tower has seen: a
 * layer in fewer bits is corrected by it (linear_correct). As JSON: {"vision.layers.0.attn.qkv": the float32
 * numbers, eight hexadecimal digits of bits each, ...}, a name being that of the layer's weight. */
#ifndef ENCODER_INPUT_MEANS_H
#define ENCODER_INPUT_MEANS_H

#include "base/arena.h"
#include "tensor/linear.h"

#include <jansson.h>

/* Layers that are watched. All zero at the start. */
struct input_means {
    struct input_mean *last;
};

/* Watch a layer from now on. in: weight: its name, copied. errors: ERR_NOMEM. */
bool input_means_watch(struct input_means *means, const char *weight, struct linear *linear,
                       struct arena *arena, struct err *err);

/* What was seen. owns: the caller drops the reference. NULL: no memory, or a layer saw nothing finite. */
json_t *input_means_json(const struct input_means *means);

/* mean[k] of one layer. errors: ERR_INPUT: it is not there, or not k finite numbers. */
bool input_means_read(const json_t *means, const char *weight, int k, float *mean, struct err *err);

#endif
