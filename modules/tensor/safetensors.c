#include "tensor/safetensors.h"

#include <jansson.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LENGTH_BYTES = 8 };

struct safetensors {
    const unsigned char *map;
    uint64_t map_bytes;
    json_t *header; /* owns the tensors' names */
    struct tensor *tensors;
    int count;
};

static bool map_descriptor(struct safetensors *file, int fd, const char *path, struct err *err)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return err_errno(err, "stat %s", path);
    if (!S_ISREG(status.st_mode))
        return err_decline(err, "not_a_file", "%s is not a regular file", path);
    if (status.st_size < LENGTH_BYTES)
        return err_decline(err, "file_too_short", "%lld bytes are too few for a header length",
                           (long long)status.st_size);
    void *map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return err_errno(err, "map %s", path);
    file->map = map;
    file->map_bytes = (uint64_t)status.st_size;
    return true;
}

static bool map_file(struct safetensors *file, const char *path, struct err *err)
{
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

void safetensors_close(struct safetensors *file)
{
    if (!file)
        return;
    json_decref(file->header);
    free(file->tensors);
    if (file->map)
        munmap((void *)file->map, file->map_bytes);
    free(file);
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
    digest_bytes(file->map, file->map_bytes, hex);
}
