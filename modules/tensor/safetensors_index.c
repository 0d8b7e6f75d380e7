#include "tensor/safetensors_index.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 64 << 20 };

static bool plain_name(const char *name)
{
    static const char end[] = ".safetensors", plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                        "0123456789._-";
    size_t size = strlen(name), end_size = sizeof end - 1;
    return size > end_size && size <= SAFETENSORS_SHARD_NAME_MAX && *name != '.' &&
           strspn(name, plain) == size && strcmp(name + size - end_size, end) == 0;
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static bool list_files(struct safetensors_index *index, struct err *err)
{
    const char *tensor;
    json_t *file;
    int count = 0;
    index->files = calloc(json_object_size(index->weight_map), sizeof *index->files);
    if (!index->files)
        return err_fail(err, ERR_NOMEM, "no memory for an index");
    json_object_foreach((json_t *)index->weight_map, tensor, file)
    {
        const char *name = json_string_value(file);
        if (!name || strlen(name) != json_string_length(file) || !plain_name(name))
            return err_decline(err, "bad_index",
                               "weight_map: tensor %.100s is in no plain name of a .safetensors file",
                               tensor);
        index->files[count++] = name;
    }
    qsort(index->files, (size_t)count, sizeof *index->files, by_text);
    for (int i = 0; i < count; i++)
        if (i == 0 || strcmp(index->files[i], index->files[index->file_count - 1]) != 0)
            index->files[index->file_count++] = index->files[i];
    return index->file_count <= SAFETENSORS_SHARDS_MAX ||
           err_decline(err, "bad_index", "weight_map names more than %d files", SAFETENSORS_SHARDS_MAX);
}

static bool check_keys(const json_t *root, struct err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)root, key, value)
    {
        if (strcmp(key, "metadata") != 0 && strcmp(key, "weight_map") != 0)
            return err_decline(err, "bad_index", "%.60s: unknown key", key);
        if (!json_is_object(value))
            return err_decline(err, "bad_index", "%.60s: not an object", key);
    }
    return json_object_size(json_object_get(root, "weight_map")) > 0 ||
           err_decline(err, "bad_index", "weight_map: names no tensor");
}

bool safetensors_index_read(const char *path, struct safetensors_index *ret, struct err *err)
{
    size_t size;
    json_error_t error;
    *ret = (struct safetensors_index){0};
    char *bytes = file_read(path, FILE_MAX, &size, err);
    if (!bytes)
        return false;
    ret->root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    free(bytes);
    if (!json_is_object(ret->root))
        err_decline(err, "bad_index", "not a JSON object: line %d: %.150s", error.line, error.text);
    ret->weight_map = json_object_get(ret->root, "weight_map");
    if (json_is_object(ret->root) && check_keys(ret->root, err) && list_files(ret, err))
        return true;
    safetensors_index_done(ret);
    return false;
}

void safetensors_index_done(struct safetensors_index *index)
{
    json_decref(index->root);
    free(index->files);
    *index = (struct safetensors_index){0};
}

const char *safetensors_index_file(const struct safetensors_index *index, const char *tensor)
{
    return json_string_value(json_object_get(index->weight_map, tensor));
}
