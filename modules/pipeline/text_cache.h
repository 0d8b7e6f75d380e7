/* Unit vectors of texts that need not be computed again.
 *
 * Shipped: text_cache.safetensors in the model folder, each tensor the vector of one side of a label
 * ("labels.ID.positive", "labels.ID.negative") or whatever a prompt is named by; it stands before any text.
 * Kept: DIGEST.safetensors in a folder of ours, each tensor named by its text. The digest is over all that
 * the vectors depend on, so a file is right or it is damaged; it stands in the file's metadata too.
 * Both: F32 [dim], finite, of unit length.
 *
 * Only the daemon writes: the worker, which computes, is shut off from writing, and answers what it made as
 * JSON: {"digest": HEX, "damaged": TEXT, "vectors": {TEXT: [...]}}, "damaged" only where a file was. */
#ifndef PIPELINE_TEXT_CACHE_H
#define PIPELINE_TEXT_CACHE_H

#include "base/arena.h"
#include "base/digest.h"
#include "base/err.h"

#include <jansson.h>

#define TEXT_CACHE_SHIPPED "text_cache.safetensors"

struct text_cache;

/* owns: the caller closes. NULL: no memory. threads: one at a time. */
struct text_cache *text_cache_new(int dim);
void text_cache_close(struct text_cache *cache); /* accepts NULL */

/* Read the shipped file. errors: ERR_INPUT (tensor named), and as safetensors_open. */
bool text_cache_open_shipped(struct text_cache *cache, const char *path, struct err *err);

/* Read folder/DIGEST.safetensors where there is one. A damaged one counts as none, and is told. folder may be
 * NULL: nothing is kept. */
void text_cache_open_kept(struct text_cache *cache, const char *folder, const char digest[DIGEST_HEX_SIZE]);

/* A vector [dim], borrowed until the cache is closed; NULL when there is none. */
const float *text_cache_shipped(const struct text_cache *cache, const char *name);
const float *text_cache_find(const struct text_cache *cache, const char *text);

/* Keep the vector [dim] of a text, which is copied. errors: ERR_NOMEM. */
bool text_cache_add(struct text_cache *cache, const char *text, const float *vector, struct err *err);

/* What there is to tell: all vectors by text when at least one had to be computed and a folder keeps them;
 * else NULL. owns: the caller drops the reference. */
json_t *text_cache_told(const struct text_cache *cache);

/* The daemon's side: write what was told, durably, replacing what is there; a write that fails may leave
 * DIGEST.part. out: name, of the file in folder.
 * errors: ERR_INPUT (told is not as above), ERR_IO, ERR_FULL, ERR_NOMEM. */
enum { TEXT_CACHE_NAME_SIZE = 80 };
bool text_cache_keep(const char *folder, const json_t *told, char name[TEXT_CACHE_NAME_SIZE],
                     struct err *err);

#endif
