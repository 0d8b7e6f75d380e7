/* Named tensors of one .safetensors file, or of a folder's shards, mapped read-only.
 * source: the format description of huggingface/safetensors: 8 bytes little-endian header length, a JSON
 * header that begins with '{' (may end in spaces), then the data, packed without hole or overlap to the end
 * of the file. */
#ifndef TENSOR_SAFETENSORS_H
#define TENSOR_SAFETENSORS_H

#include "base/digest.h"
#include "tensor/tensor.h"

struct safetensors;

/* source: the reference reader's cap on the header. */
enum { SAFETENSORS_HEADER_MAX = 100000000 };

/* Map a file and check its whole header. owns: caller closes. threads: any after opening; it never changes.
 * The file must not be cut while it is open (the map would fault).
 * errors: ERR_IO, ERR_NOMEM; ERR_INPUT with one of the reasons
 *   not_a_file, file_too_short, header_too_large (over the cap), header_beyond_file, header_empty,
 *   header_start (first byte not '{'), duplicate_key, not_json, bad_entry (not dtype, shape, data_offsets),
 *   bad_metadata, unknown_dtype, bad_shape (negative, not whole, over 8 axes), shape_overflow,
 *   bad_offsets (not two whole numbers in order), offset_beyond_data, size_mismatch (shape * dtype != bytes),
 *   overlap, hole. */
struct safetensors *safetensors_open(const char *path, struct err *err);
void safetensors_close(struct safetensors *file); /* accepts NULL */

/* The weights of a model folder: model.safetensors, or without it the shards that
 * model.safetensors.index.json names, opened as one. Every tensor of the index must be in the shard named for
 * it, and every tensor of a shard in the index: so none stands twice.
 * errors: as safetensors_open and safetensors_index_read, the file named; ERR_INPUT "not_in_index",
 * "not_in_shard" (file and tensor named). */
struct safetensors *safetensors_open_folder(const char *folder, struct err *err);
#define SAFETENSORS_NAME       "model.safetensors"
#define SAFETENSORS_INDEX_NAME "model.safetensors.index.json"

/* Has a file been replaced or written to since it was opened? */
bool safetensors_changed(const struct safetensors *file);

/* Borrowed until safetensors_close; in order of name. */
int safetensors_count(const struct safetensors *file);
const struct tensor *safetensors_at(const struct safetensors *file, int index);
/* NULL when there is none of that name. */
const struct tensor *safetensors_find(const struct safetensors *file, const char *name);

/* A text of the file's "__metadata__", borrowed; NULL when there is none, and of shards. */
const char *safetensors_metadata(const struct safetensors *file, const char *key);

/* The bytes of a tensor are not needed for now: give its whole pages back. They can be read again at any
 * time. */
void safetensors_drop(const struct safetensors *file, const struct tensor *tensor);

/* SHA-256 of the bytes that are mapped; their pages are given back after. Of shards: SHA-256 of one line
 * each, "DIGEST  NAME", in order of name, as `sha256sum *.safetensors | sha256sum` shows it. */
void safetensors_digest(const struct safetensors *file, char hex[DIGEST_HEX_SIZE]);

#endif
