/* Published tensor names that are read as they are. */
#ifndef ENCODER_WEIGHTS_ALIAS_H
#define ENCODER_WEIGHTS_ALIAS_H

#include <stdbool.h>

/* The published name of a canonical one, both with "{i}" where the layer's number goes. "{qkv}" in the result
 * stands for three tensors, "query", "key", "value", to be joined in this order. NULL when there is none.
 * source: state dict of github.com/Sliver-g/Cardiac-CLIP. */
const char *weights_alias(const char *canonical);

/* A tensor that published checkpoints carry and inference does not need. */
bool weights_alias_ignored(const char *name);

#endif
