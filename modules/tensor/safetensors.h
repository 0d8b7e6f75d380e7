/* Named tensors of one .safetensors file, mapped read-only.
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

/* Borrowed until safetensors_close; in order of name. */
int safetensors_count(const struct safetensors *file);
const struct tensor *safetensors_at(const struct safetensors *file, int index);
/* NULL when there is none of that name. */
const struct tensor *safetensors_find(const struct safetensors *file, const char *name);

/* The bytes of a tensor are not needed for now: give its whole pages back. They can be read again at any
 * time. */
void safetensors_drop(const struct safetensors *file, const struct tensor *tensor);

/* SHA-256 of the bytes that are mapped. */
void safetensors_digest(const struct safetensors *file, char hex[DIGEST_HEX_SIZE]);

#endif
