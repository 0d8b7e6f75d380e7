/* precision.json: how far a model's answers in fewer bits lie from those in float32, as measured on this
 * folder's weights ("cardioscribe model measure" writes it). What nobody measured, or what was found outside
 * its bound, is not opened. source: docs/model-folder.md. */
#ifndef PIPELINE_MODEL_PRECISION_H
#define PIPELINE_MODEL_PRECISION_H

#include "base/err.h"
#include "tensor/tile.h"

#include <jansson.h>

#define MODEL_PRECISION_FILE "precision.json"
enum { MODEL_PRECISION_MAX_BYTES = 64 << 20 };

/* The least cosine between embeddings that is accepted: bf16 0.9999, int8 0.999. The file may want more. */
double model_precision_bound(enum precision precision);

/* in: path of the file, which need not be there. out: *ret_means: what the model is corrected by
 * (encoder/input_means.h), or NULL; owns: the caller drops the reference. errors: ERR_INPUT:
 * "precision_not_measured" (of these weights), "precision_out_of_bound", "precision_means" (it was corrected
 * by what is not there); what is wrong with the file. */
bool model_precision_check(const char *path, enum precision precision, const char *weights_sha256,
                           json_t **ret_means, struct err *err);

/* What the file says, an object; an empty one where there is none. owns: the caller drops the reference. NULL
 * with err. */
json_t *model_precision_read(const char *path, struct err *err);

#endif
