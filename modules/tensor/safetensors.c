#include "tensor/safetensors.h"

#include "base/file.h"
#include "tensor/safetensors_index.h"

#include <jansson.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LENGTH_BYTES = 8 };

/* One file, or the shards of a folder. */
struct safetensors {
    char *path;
    struct stat status; /* when it was opened */
    const unsigned char *map;
    uint64_t map_bytes;
    json_t *header; /* owns the tensors' names */
    struct tensor *tensors;
    int count;
    struct safetensors **shards; /* [shard_count], in order of name; their tensors are ours too */
    int shard_count;
    char shards_sha256[DIGEST_HEX_SIZE];
};

static bool map_descriptor(struct safetensors *file, int fd, const char *path, struct err *err)
{
    const struct stat *status = &file->status;
    if (fstat(fd, &file->status) < 0)
        return err_errno(err, "stat %s", path);
    if (!S_ISREG(status->st_mode))
        return err_decline(err, "not_a_file", "%s is not a regular file", path);
    if (status->st_size < LENGTH_BYTES)
        return err_decline(err, "file_too_short", "%lld bytes are too few for a header length",
                           (long long)status->st_size);
    void *map = mmap(NULL, (size_t)status->st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return err_errno(err, "map %s", path);
    file->map = map;
    file->map_bytes = (uint64_t)status->st_size;
    return true;
}

static bool map_file(struct safetensors *file, const char *path, struct err *err)
{
    file->path = strdup(path);
    if (!file->path)
        return err_fail(err, ERR_NOMEM, "no memory for a path");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* or a FIFO would hang us */
    if (fd < 0)
        return err_errno(err, "open %s", path);
    bool ok = map_descriptor(file, fd, path, err);
    close(fd);
    return ok;
}

static bool header_length(const struct safetensors *file, uint64_t *ret, struct err *err)
{
    uint64_t length = 0;
    for (int i = 0; i < LENGTH_BYTES; i++)
        length |= (uint64_t)file->map[i] << (8 * i);
    if (length > SAFETENSORS_HEADER_MAX)
        return err_decline(err, "header_too_large", "header of %llu bytes is over the cap of %d",
                           (unsigned long long)length, SAFETENSORS_HEADER_MAX);
    if (length > file->map_bytes - LENGTH_BYTES)
        return err_decline(err, "header_beyond_file",
                           "header of %llu bytes reaches beyond the end of the file",
                           (unsigned long long)length);
    if (length == 0)
        return err_decline(err, "header_empty", "header length is 0");
    if (file->map[LENGTH_BYTES] != '{')
        return err_decline(err, "header_start", "header does not begin with '{'");
    *ret = length;
    return true;
}

static bool parse_header(struct safetensors *file, uint64_t length, struct err *err)
{
    json_error_t error;
    const char *text = (const char *)file->map + LENGTH_BYTES;
    file->header = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(file->header))
        return true;
    if (json_error_code(&error) == json_error_duplicate_key)
        return err_decline(err, "duplicate_key", "header: %.150s", error.text);
    return err_decline(err, "not_json", "header is not JSON: %.150s", error.text);
}

static bool check_metadata(const json_t *metadata, struct err *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return err_decline(err, "bad_metadata", "__metadata__ is not an object");
    json_object_foreach((json_t *)metadata, key, value)
    {
        if (!json_is_string(value))
            return err_decline(err, "bad_metadata", "__metadata__: a value is not text");
    }
    return true;
}

static bool read_shape(const json_t *shape, struct tensor *tensor, uint64_t *ret_count, struct err *err)
{
    if (!json_is_array(shape) || json_array_size(shape) > TENSOR_RANK_MAX)
        return err_decline(err, "bad_shape", "tensor %.100s: shape is not a list of at most %d axes",
                           tensor->name, TENSOR_RANK_MAX);
    uint64_t count = 1;
    tensor->rank = (int)json_array_size(shape);
    for (int i = 0; i < tensor->rank; i++) {
        const json_t *axis = json_array_get(shape, (size_t)i);
        if (!json_is_integer(axis) || json_integer_value(axis) < 0)
            return err_decline(err, "bad_shape", "tensor %.100s: axis %d is not a whole number from 0",
                               tensor->name, i);
        tensor->shape[i] = json_integer_value(axis);
        if (__builtin_mul_overflow(count, (uint64_t)tensor->shape[i], &count))
            return err_decline(err, "shape_overflow", "tensor %.100s: element count overflows", tensor->name);
    }
    *ret_count = count;
    return true;
}

static bool read_offsets(const json_t *offsets, struct tensor *tensor, const unsigned char *data,
                         uint64_t data_bytes, struct err *err)
{
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return err_decline(err, "bad_offsets", "tensor %.100s: data_offsets are not [begin, end]",
                           tensor->name);
    if ((uint64_t)json_integer_value(end) > data_bytes)
        return err_decline(err, "offset_beyond_data", "tensor %.100s: ends at %lld of %llu bytes of data",
                           tensor->name, (long long)json_integer_value(end), (unsigned long long)data_bytes);
    tensor->data = data + json_integer_value(begin);
    tensor->bytes = (uint64_t)(json_integer_value(end) - json_integer_value(begin));
    return true;
}

static bool read_entry(const json_t *entry, struct tensor *tensor, const unsigned char *data,
                       uint64_t data_bytes, struct err *err)
{
    const json_t *dtype = json_object_get(entry, "dtype");
    if (json_object_size(entry) != 3 || !json_is_string(dtype) || !json_object_get(entry, "shape") ||
        !json_object_get(entry, "data_offsets"))
        return err_decline(err, "bad_entry", "tensor %.100s: not exactly dtype, shape and data_offsets",
                           tensor->name);
    if (!tensor_dtype_parse(json_string_value(dtype), &tensor->dtype))
        return err_decline(err, "unknown_dtype", "tensor %.100s: unknown dtype %.20s", tensor->name,
                           json_string_value(dtype));
    uint64_t count = 0, bytes = 0;
    if (!read_shape(json_object_get(entry, "shape"), tensor, &count, err) ||
        !read_offsets(json_object_get(entry, "data_offsets"), tensor, data, data_bytes, err))
        return false;
    if (__builtin_mul_overflow(count, (uint64_t)tensor_dtype_bytes(tensor->dtype), &bytes))
        return err_decline(err, "shape_overflow", "tensor %.100s: size overflows", tensor->name);
    if (bytes != tensor->bytes)
        return err_decline(err, "size_mismatch",
                           "tensor %.100s: shape and dtype need %llu bytes, offsets give %llu", tensor->name,
                           (unsigned long long)bytes, (unsigned long long)tensor->bytes);
    return true;
}

static bool read_entries(struct safetensors *file, uint64_t header_bytes, struct err *err)
{
    const unsigned char *data = file->map + LENGTH_BYTES + header_bytes;
    uint64_t data_bytes = file->map_bytes - LENGTH_BYTES - header_bytes;
    file->tensors = calloc(json_object_size(file->header) + 1, sizeof *file->tensors);
    if (!file->tensors)
        return err_fail(err, ERR_NOMEM, "no memory for %zu tensors", json_object_size(file->header));
    const char *name;
    json_t *entry;
    json_object_foreach(file->header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0) {
            if (!check_metadata(entry, err))
                return false;
            continue;
        }
        struct tensor *tensor = &file->tensors[file->count];
        tensor->name = name;
        if (!read_entry(entry, tensor, data, data_bytes, err))
            return false;
        file->count++;
    }
    return true;
}

static int by_place(const void *left, const void *right)
{
    const struct tensor *a = left, *b = right;
    if (a->data != b->data)
        return a->data < b->data ? -1 : 1;
    return (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const struct tensor *)left)->name, ((const struct tensor *)right)->name);
}

static bool check_packing(struct safetensors *file, uint64_t header_bytes, struct err *err)
{
    const unsigned char *at = file->map + LENGTH_BYTES + header_bytes, *end = file->map + file->map_bytes;
    qsort(file->tensors, (size_t)file->count, sizeof *file->tensors, by_place);
    for (int i = 0; i < file->count; i++) {
        const struct tensor *tensor = &file->tensors[i];
        if (tensor->data < at)
            return err_decline(err, "overlap", "tensor %.100s overlaps its neighbour", tensor->name);
        if (tensor->data > at)
            return err_decline(err, "hole", "%lld unused bytes before tensor %.100s",
                               (long long)(tensor->data - at), tensor->name);
        at = tensor->data + tensor->bytes;
    }
    if (at != end)
        return err_decline(err, "hole", "%lld unused bytes at the end", (long long)(end - at));
    qsort(file->tensors, (size_t)file->count, sizeof *file->tensors, by_name);
    return true;
}

static bool open_file(struct safetensors *file, const char *path, struct err *err)
{
    uint64_t length = 0;
    return map_file(file, path, err) && header_length(file, &length, err) &&
           parse_header(file, length, err) && read_entries(file, length, err) &&
           check_packing(file, length, err);
}

struct safetensors *safetensors_open(const char *path, struct err *err)
{
    struct safetensors *file = calloc(1, sizeof *file);
    if (!file) {
        err_fail(err, ERR_NOMEM, "no memory to open %s", path);
        return NULL;
    }
    if (open_file(file, path, err))
        return file;
    safetensors_close(file);
    return NULL;
}

/* ---- a folder ---- */

static bool path_in(const char *folder, const char *name, char path[PATH_MAX], struct err *err)
{
    return snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX ||
           err_fail(err, ERR_INPUT, "path of the model folder is too long");
}

/* Every tensor of a shard is one the index places there. */
static bool check_shard(const struct safetensors *shard, const char *name,
                        const struct safetensors_index *index, struct err *err)
{
    for (int i = 0; i < shard->count; i++) {
        const char *tensor = shard->tensors[i].name, *file = safetensors_index_file(index, tensor);
        if (!file)
            return err_decline(err, "not_in_index", "tensor %.100s is not in the index", tensor);
        if (strcmp(file, name) != 0)
            return err_decline(err, "not_in_index", "tensor %.100s is what the index places in %.60s", tensor,
                               file);
    }
    return true;
}

static bool open_shards(struct safetensors *file, const char *folder, const struct safetensors_index *index,
                        struct err *err)
{
    char path[PATH_MAX];
    size_t room = (size_t)index->file_count;
    file->shards = calloc(room, sizeof *file->shards);
    if (!file->shards)
        return err_fail(err, ERR_NOMEM, "no memory for %zu shards", room);
    for (int i = 0; i < index->file_count; i++) {
        const char *name = index->files[i];
        if (!path_in(folder, name, path, err))
            return false;
        file->shards[i] = safetensors_open(path, err);
        file->shard_count += file->shards[i] != NULL;
        if (!file->shards[i] || !check_shard(file->shards[i], name, index, err))
            return err_prefix(err, "%.100s", name);
        file->count += file->shards[i]->count;
    }
    return true;
}

/* No shard holds a tensor that the index does not place there, so none is in two of them. */
static bool join_shards(struct safetensors *file, const struct safetensors_index *index, struct err *err)
{
    const char *name;
    json_t *value;
    int count = 0;
    file->tensors = calloc((size_t)file->count + 1, sizeof *file->tensors);
    if (!file->tensors)
        return err_fail(err, ERR_NOMEM, "no memory for %d tensors", file->count);
    for (int i = 0; i < file->shard_count; i++) {
        size_t more = (size_t)file->shards[i]->count;
        memcpy(file->tensors + count, file->shards[i]->tensors, more * sizeof *file->tensors);
        count += (int)more;
    }
    qsort(file->tensors, (size_t)file->count, sizeof *file->tensors, by_name);
    json_object_foreach((json_t *)index->weight_map, name, value)
    {
        if (!safetensors_find(file, name))
            return err_decline(err, "not_in_shard",
                               "%.100s: has no tensor %.100s, which the index places there",
                               json_string_value(value), name);
    }
    return true;
}

static bool digest_shards(struct safetensors *file, const struct safetensors_index *index, struct err *err)
{
    struct digest *digest = digest_new();
    if (!digest)
        return err_fail(err, ERR_NOMEM, "no memory for a digest");
    for (int i = 0; i < file->shard_count; i++) {
        char hex[DIGEST_HEX_SIZE];
        safetensors_digest(file->shards[i], hex);
        digest_update(digest, hex, strlen(hex));
        digest_update(digest, "  ", 2);
        digest_update(digest, index->files[i], strlen(index->files[i]));
        digest_update(digest, "\n", 1);
    }
    digest_finish(digest, file->shards_sha256);
    return true;
}

static struct safetensors *open_sharded(const char *folder, const char *index_path, struct err *err)
{
    struct safetensors_index index;
    if (!safetensors_index_read(index_path, &index, err)) {
        err_prefix(err, SAFETENSORS_INDEX_NAME);
        return NULL;
    }
    struct safetensors *file = calloc(1, sizeof *file);
    bool ok = file ? open_shards(file, folder, &index, err) && join_shards(file, &index, err) &&
                         digest_shards(file, &index, err)
                   : err_fail(err, ERR_NOMEM, "no memory to open %s", folder);
    safetensors_index_done(&index);
    if (ok)
        return file;
    safetensors_close(file);
    return NULL;
}

struct safetensors *safetensors_open_folder(const char *folder, struct err *err)
{
    char whole[PATH_MAX], index[PATH_MAX];
    if (!path_in(folder, SAFETENSORS_NAME, whole, err) ||
        !path_in(folder, SAFETENSORS_INDEX_NAME, index, err))
        return NULL;
    if (access(whole, F_OK) < 0 && access(index, F_OK) == 0)
        return open_sharded(folder, index, err);
    struct safetensors *file = safetensors_open(whole, err);
    if (!file)
        err_prefix(err, SAFETENSORS_NAME);
    return file;
}

/* ---- the rest ---- */

void safetensors_close(struct safetensors *file)
{
    if (!file)
        return;
    for (int i = 0; i < file->shard_count; i++)
        safetensors_close(file->shards[i]);
    free(file->shards);
    json_decref(file->header);
    free(file->tensors);
    free(file->path);
    if (file->map)
        munmap((void *)file->map, file->map_bytes);
    free(file);
}

bool safetensors_changed(const struct safetensors *file)
{
    struct stat now;
    if (file->path && (stat(file->path, &now) < 0 || !file_same(&file->status, &now)))
        return true;
    for (int i = 0; i < file->shard_count; i++)
        if (safetensors_changed(file->shards[i]))
            return true;
    return false;
}

int safetensors_count(const struct safetensors *file)
{
    return file->count;
}

const struct tensor *safetensors_at(const struct safetensors *file, int index)
{
    return &file->tensors[index];
}

const struct tensor *safetensors_find(const struct safetensors *file, const char *name)
{
    struct tensor key = {.name = name};
    return bsearch(&key, file->tensors, (size_t)file->count, sizeof key, by_name);
}

const char *safetensors_metadata(const struct safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

void safetensors_drop(const struct safetensors *file, const struct tensor *tensor)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)tensor->data + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)tensor->data + tensor->bytes) / page * page;
    if (from < end)
        madvise((void *)from, end - from, MADV_DONTNEED); /* a hint: nothing is lost when it fails */
}

void safetensors_digest(const struct safetensors *file, char hex[DIGEST_HEX_SIZE])
{
    if (file->shard_count)
        memcpy(hex, file->shards_sha256, DIGEST_HEX_SIZE);
    else
        digest_bytes(file->map, file->map_bytes, hex);
    if (file->map)
        madvise((void *)file->map, file->map_bytes, MADV_DONTNEED);
}
