/* model.safetensors.index.json: which file of a folder holds which tensor.
 * source: Hugging Face's sharded checkpoints: {"metadata": {...}, "weight_map": {"TENSOR": "FILE"}}. */
#ifndef TENSOR_SAFETENSORS_INDEX_H
#define TENSOR_SAFETENSORS_INDEX_H

#include "base/err.h"

#include <jansson.h>

enum { SAFETENSORS_SHARDS_MAX = 1000, SAFETENSORS_SHARD_NAME_MAX = 255 };

struct safetensors_index {
    json_t *root;
    const json_t *weight_map;
    const char **files; /* [file_count]: each once, in order of strcmp; borrowed from root */
    int file_count;     /* at least 1 */
};

/* A file name is letters, digits, '.', '_' and '-', begins with no '.', and ends in ".safetensors": so it
 * lies in the folder. owns: safetensors_index_done frees. errors: ERR_IO, ERR_NOMEM; ERR_INPUT "bad_index"
 * (what is wrong, by key, tensor or file name). */
bool safetensors_index_read(const char *path, struct safetensors_index *ret, struct err *err);
void safetensors_index_done(struct safetensors_index *index); /* accepts a zeroed one */

/* The file that holds a tensor, borrowed; NULL when the index does not name it. */
const char *safetensors_index_file(const struct safetensors_index *index, const char *tensor);

#endif
