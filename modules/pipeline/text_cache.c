#include "pipeline/text_cache.h"

#include "base/file.h"
#include "tensor/ops.h"
#include "tensor/safetensors.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOLD_VALUES_MAX = 2 << 20, DIM_MAX = 8192, NAMES_MAX = 1 << 16 }; /* fits a line of the worker's */

struct made {
    const char *text;
    const float *vector;
    struct made *next;
};

struct text_cache {
    size_t dim;
    struct arena *arena;
    struct safetensors *shipped, *kept; /* NULL: none */
    bool keeps;                         /* there is a folder to keep vectors in */
    char digest[DIGEST_HEX_SIZE];
    struct err damaged;
    struct made *made, **made_end;
    size_t made_count;
};

struct text_cache *text_cache_new(int dim)
{
    struct text_cache *cache = calloc(1, sizeof *cache);
    if (cache && (cache->arena = arena_new())) {
        cache->dim = (size_t)dim;
        cache->made_end = &cache->made;
        return cache;
    }
    text_cache_close(cache);
    return NULL;
}

void text_cache_close(struct text_cache *cache)
{
    if (!cache)
        return;
    safetensors_close(cache->shipped);
    safetensors_close(cache->kept);
    arena_free(cache->arena);
    free(cache);
}

/* ---- reading ---- */

static bool check_vector(const struct tensor *tensor, size_t dim, struct err *err)
{
    char shape[TENSOR_SHAPE_TEXT];
    tensor_shape_text(tensor->shape, tensor->rank, shape);
    if (!tensor_is_f32(tensor) || tensor->rank != 1 || tensor->shape[0] != (int64_t)dim)
        return err_decline(err, "bad_text_vector", "tensor %.60s is %s %s, not an aligned F32 [%zu]",
                           tensor->name, tensor_dtype_name(tensor->dtype), shape, dim);
    const float *vector = (const float *)(const void *)tensor->data;
    if (!ops_finite(dim, vector))
        return err_decline(err, "bad_text_vector", "tensor %.60s is not finite", tensor->name);
    double length = sqrt((double)ops_dot(dim, vector, vector));
    return fabs(length - 1) < 1e-3 ||
           err_decline(err, "bad_text_vector", "tensor %.60s is %g long, not 1", tensor->name, length);
}

static bool check_vectors(const struct safetensors *file, size_t dim, struct err *err)
{
    for (int i = 0; i < safetensors_count(file); i++)
        if (!check_vector(safetensors_at(file, i), dim, err))
            return false;
    return true;
}

bool text_cache_open_shipped(struct text_cache *cache, const char *path, struct err *err)
{
    cache->shipped = safetensors_open(path, err);
    return cache->shipped && check_vectors(cache->shipped, cache->dim, err);
}

static bool check_kept(const struct text_cache *cache, const char *path, struct err *err)
{
    const char *digest = safetensors_metadata(cache->kept, "digest");
    if (!digest || strcmp(digest, cache->digest) != 0)
        return err_decline(err, "bad_text_vector", "%s does not say the digest it is named by", path);
    return check_vectors(cache->kept, cache->dim, err);
}

void text_cache_open_kept(struct text_cache *cache, const char *folder, const char digest[DIGEST_HEX_SIZE])
{
    char path[PATH_MAX];
    struct err *err = &cache->damaged;
    memcpy(cache->digest, digest, DIGEST_HEX_SIZE);
    cache->keeps = folder && snprintf(path, sizeof path, "%s/%s.safetensors", folder, digest) < PATH_MAX;
    if (!cache->keeps || (access(path, F_OK) < 0 && errno == ENOENT))
        return;
    cache->kept = safetensors_open(path, err);
    if (!cache->kept || check_kept(cache, path, err))
        return;
    safetensors_close(cache->kept);
    cache->kept = NULL;
}

static const float *in_file(const struct safetensors *file, const char *name)
{
    const struct tensor *tensor = file ? safetensors_find(file, name) : NULL;
    return tensor ? (const float *)(const void *)tensor->data : NULL;
}

const float *text_cache_shipped(const struct text_cache *cache, const char *name)
{
    return in_file(cache->shipped, name);
}

const float *text_cache_find(const struct text_cache *cache, const char *text)
{
    for (const struct made *made = cache->made; made; made = made->next)
        if (strcmp(made->text, text) == 0)
            return made->vector;
    return in_file(cache->kept, text);
}

/* ---- telling ---- */

bool text_cache_add(struct text_cache *cache, const char *text, const float *vector, struct err *err)
{
    struct made *made = ARENA_NEW(cache->arena, struct made);
    float *copy = ARENA_ARRAY(cache->arena, float, cache->dim);
    const char *name = arena_strdup(cache->arena, text);
    if (!made || !copy || !name)
        return err_fail(err, ERR_NOMEM, "no memory for text embeddings");
    memcpy(copy, vector, cache->dim * sizeof *copy);
    *made = (struct made){name, copy, NULL};
    *cache->made_end = made;
    cache->made_end = &made->next;
    cache->made_count++;
    return true;
}

static bool tell(json_t *vectors, const char *text, const float *vector, size_t dim)
{
    json_t *values = json_array();
    for (size_t i = 0; values && i < dim; i++)
        json_array_append_new(values, json_real((double)vector[i]));
    bool whole = json_array_size(values) == dim;
    return json_object_set_new(vectors, text, values) == 0 && whole;
}

json_t *text_cache_told(const struct text_cache *cache)
{
    size_t kept = cache->kept ? (size_t)safetensors_count(cache->kept) : 0;
    if (!cache->keeps || !cache->made || (cache->made_count + kept) * cache->dim > TOLD_VALUES_MAX)
        return NULL;
    json_t *vectors = json_object();
    bool ok = vectors;
    for (size_t i = 0; ok && i < kept; i++) {
        const struct tensor *tensor = safetensors_at(cache->kept, (int)i);
        ok = tell(vectors, tensor->name, (const float *)(const void *)tensor->data, cache->dim);
    }
    for (const struct made *made = cache->made; ok && made; made = made->next)
        ok = tell(vectors, made->text, made->vector, cache->dim);
    json_t *told = json_pack("{s:s,s:o}", "digest", cache->digest, "vectors", vectors);
    if (told && cache->damaged.code != ERR_NONE)
        json_object_set_new(told, "damaged", json_string(cache->damaged.text));
    if (ok)
        return told;
    json_decref(told);
    return NULL;
}

/* ---- keeping ---- */

static bool take_vector(const char *text, const json_t *values, size_t dim, float *out, struct err *err)
{
    for (size_t i = 0; i < dim; i++) {
        const json_t *value = json_array_get(values, i);
        if (!json_is_number(value))
            return err_fail(err, ERR_INPUT, "the vector of \"%.60s\" is not %zu numbers", text, dim);
        out[i] = (float)json_number_value(value);
    }
    return json_array_size(values) == dim ||
           err_fail(err, ERR_INPUT, "the vector of \"%.60s\" is not %zu numbers", text, dim);
}

/* The header of a .safetensors file, padded so that the data is aligned. owns: the caller frees. */
static char *header(const char *digest, const json_t *vectors, size_t dim, struct err *err)
{
    const char *text;
    json_t *value, *root = json_pack("{s:{s:s}}", "__metadata__", "digest", digest);
    size_t at = 0, bytes = dim * sizeof(float);
    json_object_foreach((json_t *)vectors, text, value)
    {
        json_t *entry = json_pack("{s:s,s:[I],s:[I,I]}", "dtype", "F32", "shape", (json_int_t)dim,
                                  "data_offsets", (json_int_t)at, (json_int_t)(at + bytes));
        json_object_set_new(root, text, entry);
        at += bytes;
    }
    char *compact = json_dumps(root, JSON_COMPACT), *padded = NULL;
    json_decref(root);
    if (compact && asprintf(&padded, "%*s", -(int)((strlen(compact) + 7) / 8 * 8), compact) < 0)
        padded = NULL;
    free(compact);
    if (!padded)
        err_fail(err, ERR_NOMEM, "no memory for text embeddings");
    return padded;
}

static bool put(FILE *file, const void *bytes, size_t size)
{
    return fwrite(bytes, 1, size, file) == size;
}

static bool check_told(const json_t *vectors, size_t dim, float *values, struct err *err)
{
    const char *text;
    json_t *value;
    json_object_foreach((json_t *)vectors, text, value)
    {
        if (!take_vector(text, value, dim, values, err))
            return false;
    }
    return true;
}

static bool put_vectors(FILE *file, const json_t *vectors, size_t dim, float *values, struct err *err)
{
    const char *text;
    json_t *value;
    json_object_foreach((json_t *)vectors, text, value)
    {
        if (!take_vector(text, value, dim, values, err))
            return false;
        if (!put(file, values, dim * sizeof *values))
            return err_errno(err, "write text embeddings");
    }
    return true;
}

static bool write_file(const char *path, const char *head, const json_t *vectors, size_t dim, float *values,
                       struct err *err)
{
    unsigned char length[8] = {0};
    size_t size = strlen(head);
    for (int i = 0; i < 4; i++)
        length[i] = (unsigned char)(size >> (8 * i));
    FILE *file = fopen(path, "wbe");
    if (!file)
        return err_errno(err, "create %s", path);
    bool ok = (put(file, length, sizeof length) && put(file, head, size)) || err_errno(err, "write %s", path);
    ok = ok && put_vectors(file, vectors, dim, values, err);
    if (fclose(file) != 0 && ok)
        ok = err_errno(err, "write %s", path);
    return ok;
}

static bool is_digest(const char *text)
{
    return text && strlen(text) == DIGEST_HEX_SIZE - 1 && strspn(text, "0123456789abcdef") == strlen(text);
}

bool text_cache_keep(const char *folder, const json_t *told, char name[TEXT_CACHE_NAME_SIZE], struct err *err)
{
    char path[PATH_MAX], part[PATH_MAX];
    float values[DIM_MAX];
    const char *digest = json_string_value(json_object_get(told, "digest"));
    const json_t *vectors = json_object_get(told, "vectors");
    size_t dim = json_array_size(json_object_iter_value(json_object_iter((json_t *)vectors)));
    if (!is_digest(digest) || json_object_size(vectors) > NAMES_MAX || dim < 1 || dim > DIM_MAX)
        return err_fail(err, ERR_INPUT, "what a worker told of text embeddings is none");
    snprintf(name, TEXT_CACHE_NAME_SIZE, "%s.safetensors", digest);
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= PATH_MAX ||
        snprintf(part, sizeof part, "%s/%s.part", folder, digest) >= PATH_MAX)
        return err_fail(err, ERR_INPUT, "path of the state folder is too long");
    if (!check_told(vectors, dim, values, err))
        return false;
    char *head = header(digest, vectors, dim, err);
    bool ok = head && write_file(part, head, vectors, dim, values, err) && file_commit(part, path, err);
    free(head);
    return ok;
}
