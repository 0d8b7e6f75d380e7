#include "encoder/weights.h"

#include "base/shelf.h"
#include "encoder/weights_alias.h"
#include "tensor/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 160 };

/* Zeros that stand in for tensors that do not fit; calloc, for nobody touches the large ones. */
struct weights_blank {
    struct weights_blank *next;
    float *values;
    size_t count;
};

bool weights_init(struct weights *weights, const struct encoder_sections *sections,
                  const struct safetensors *file, const struct crew *crew, struct arena *arena,
                  struct err *err)
{
    *weights = (struct weights){.file = file,
                                .alias = weights_alias_of(sections->family),
                                .arena = arena,
                                .crew = crew,
                                .precision = sections->precision,
                                .input_means = sections->input_means,
                                .shelf = sections->shelf,
                                .faults = sections->faults,
                                .faults_before = sections->faults ? sections->faults->count : 0};
    weights->taken = ARENA_ARRAY(arena, bool, (size_t)safetensors_count(file));
    return weights->taken || err_fail(err, ERR_NOMEM, "no memory to bind weights");
}

void weights_done(struct weights *weights)
{
    free(weights->scratch);
    weights->scratch = NULL;
    while (weights->blanks) {
        struct weights_blank *next = weights->blanks->next;
        free(weights->blanks->values);
        free(weights->blanks);
        weights->blanks = next;
    }
}

static bool take_blank(struct weights *weights, const int *axes, const float **ret, struct err *err)
{
    size_t count = 1;
    for (; *axes; axes++)
        count *= (size_t)*axes;
    if (!weights->blanks || weights->blanks->count < count) {
        struct weights_blank *blank = calloc(1, sizeof *blank);
        if (!blank)
            return err_fail(err, ERR_NOMEM, "no memory to check weights");
        *blank = (struct weights_blank){weights->blanks, calloc(count, sizeof(float)), count};
        weights->blanks = blank;
        if (!blank->values)
            return err_fail(err, ERR_NOMEM, "no memory to check weights");
    }
    *ret = weights->blanks->values;
    return true;
}

/* Room for values that are made: of the arena, or for a moment if they are packed next. */
static float *room(struct weights *weights, size_t count)
{
    if (!weights->packing)
        return ARENA_ARRAY(weights->arena, float, count);
    if (count > weights->scratch_count) {
        free(weights->scratch);
        weights->scratch = malloc(count * sizeof *weights->scratch);
        weights->scratch_count = weights->scratch ? count : 0;
    }
    return weights->scratch;
}

/* Only faults are looked for by now. */
static bool broken(const struct weights *weights)
{
    return weights->faults && weights->faults->count > weights->faults_before;
}

/* Replace the first `mark` in `pattern`, if there is one. */
static void replace(const char *pattern, const char *mark, const char *with, char name[NAME_SIZE])
{
    const char *at = strstr(pattern, mark);
    if (at)
        snprintf(name, NAME_SIZE, "%.*s%s%s", (int)(at - pattern), pattern, with, at + strlen(mark));
    else
        snprintf(name, NAME_SIZE, "%s", pattern);
}

static void expand(const char *pattern, int i, int j, char name[NAME_SIZE])
{
    char number[16], half[NAME_SIZE];
    snprintf(number, sizeof number, "%d", i);
    replace(pattern, "{i}", number, half);
    snprintf(number, sizeof number, "%d", j);
    replace(half, "{j}", number, name);
}

/* Axes of length 1 say nothing. */
static bool same_shape(const struct tensor *tensor, const int *axes)
{
    int at = 0;
    for (; *axes; axes++) {
        if (*axes == 1)
            continue;
        while (at < tensor->rank && tensor->shape[at] == 1)
            at++;
        if (at == tensor->rank || tensor->shape[at++] != *axes)
            return false;
    }
    while (at < tensor->rank && tensor->shape[at] == 1)
        at++;
    return at == tensor->rank;
}

static bool check_shape(const struct tensor *tensor, const int *axes, struct err *err)
{
    if (same_shape(tensor, axes))
        return true;
    char has[TENSOR_SHAPE_TEXT], wants[TENSOR_SHAPE_TEXT];
    int64_t wanted[TENSOR_RANK_MAX];
    int rank = 0;
    for (; axes[rank] && rank < TENSOR_RANK_MAX; rank++)
        wanted[rank] = axes[rank];
    tensor_shape_text(tensor->shape, tensor->rank, has);
    tensor_shape_text(wanted, rank, wants);
    return err_decline(err, "weights_shape", "tensor %.90s has shape %.60s, the configuration needs %.60s",
                       tensor->name, has, wants);
}

static const struct tensor *find(struct weights *weights, const char *name)
{
    const struct tensor *tensor = safetensors_find(weights->file, name);
    if (!tensor)
        return NULL;
    weights->taken[tensor - safetensors_at(weights->file, 0)] = true;
    weights->values += (uint64_t)tensor_count(tensor);
    return tensor;
}

static bool missing(const char *name, const char *alias, struct err *err)
{
    if (!alias || !*alias)
        return err_decline(err, "weights_missing", "tensor %.90s is missing", name);
    return err_decline(err, "weights_missing", "tensor %.90s is missing (nor is there %.120s)", name, alias);
}

static bool check_finite(const char *name, size_t count, const float *values, struct err *err)
{
    return ops_finite(count, values) ||
           err_decline(err, "weights_not_finite", "tensor %.90s holds a value that is not finite", name);
}

static bool take_one(struct weights *weights, const struct tensor *tensor, const int *axes, const float **ret,
                     struct err *err)
{
    if (!check_shape(tensor, axes, err))
        return false;
    if (weights->packed)
        return true;
    size_t count = (size_t)tensor_count(tensor);
    const float *values = (const float *)(const void *)tensor->data;
    if (!tensor_is_f32(tensor)) {
        float *copy = room(weights, count);
        if (!copy)
            return err_fail(err, ERR_NOMEM, "no memory for tensor %.90s", tensor->name);
        if (!tensor_to_f32(tensor, copy, err))
            return false;
        safetensors_drop(weights->file, tensor);
        values = copy;
    } else {
        weights->mapped = tensor;
    }
    if (!check_finite(tensor->name, count, values, err))
        return false;
    *ret = values;
    return true;
}

/* How a published name says that query, key and value are three tensors. */
static const struct {
    const char *mark, *parts[3];
} splits[] = {{"{query}", {"query", "key", "value"}}, {"{q}", {"q", "k", "v"}}};
enum { SPLITS = sizeof splits / sizeof *splits };

static int split_of(const char *pattern)
{
    int split = 0;
    while (split < SPLITS && !strstr(pattern, splits[split].mark))
        split++;
    return split;
}

/* Join query, key and value along the first axis. */
static bool take_split(struct weights *weights, const char *canonical, const char *pattern, const int *axes,
                       const float **ret, struct err *err)
{
    int split = split_of(pattern);
    int part_axes[TENSOR_RANK_MAX] = {axes[0] / 3, axes[1]};
    size_t part_count = (size_t)part_axes[0] * (size_t)(axes[1] ? axes[1] : 1);
    float *joined = weights->packed ? NULL : room(weights, 3 * part_count);
    if (!joined && !weights->packed)
        return err_fail(err, ERR_NOMEM, "no memory for tensor %.90s", canonical);
    for (size_t i = 0; i < 3; i++) {
        char name[NAME_SIZE];
        replace(pattern, splits[split].mark, splits[split].parts[i], name);
        const struct tensor *tensor = find(weights, name);
        if (!tensor)
            return missing(canonical, name, err);
        if (!check_shape(tensor, part_axes, err))
            return false;
        if (weights->packed)
            continue;
        if (!tensor_to_f32(tensor, joined + i * part_count, err))
            return false;
        safetensors_drop(weights->file, tensor);
    }
    *ret = joined;
    return weights->packed || check_finite(canonical, 3 * part_count, joined, err);
}

static bool take_at(struct weights *weights, const char *name, int i, int j, const int *axes,
                    const float **ret, struct err *err)
{
    char canonical[NAME_SIZE], alias[NAME_SIZE] = "";
    expand(name, i, j, canonical);
    const struct tensor *tensor = find(weights, canonical);
    if (tensor)
        return take_one(weights, tensor, axes, ret, err);
    const char *pattern = weights_alias_find(weights->alias, name);
    if (pattern)
        expand(pattern, i, j, alias);
    if (split_of(alias) < SPLITS)
        return take_split(weights, canonical, alias, axes, ret, err);
    tensor = *alias ? find(weights, alias) : NULL;
    return tensor ? take_one(weights, tensor, axes, ret, err) : missing(canonical, alias, err);
}

bool weights_take_at(struct weights *weights, const char *name, int i, int j, const int *axes,
                     const float **ret, struct err *err)
{
    return take_at(weights, name, i, j, axes, ret, err) ||
           (faults_pass(weights->faults, err) && take_blank(weights, axes, ret, err));
}

bool weights_take(struct weights *weights, const char *name, int layer, const int *axes, const float **ret,
                  struct err *err)
{
    return weights_take_at(weights, name, layer, 0, axes, ret, err);
}

/* The next of what is packed. */
static void *place(struct weights *weights, size_t bytes, struct err *err)
{
    void *piece = weights->shelf ? shelf_next(weights->shelf, bytes) : arena_alloc(weights->arena, bytes, 1);
    if (!piece && shelf_is_full(weights->shelf))
        err_fail(err, ERR_BUG, "what was packed before has no piece of %zu bytes here", bytes);
    else if (!piece)
        err_fail(err, ERR_NOMEM, "no memory for %zu bytes of packed weights", bytes);
    return piece;
}

static bool pack(struct weights *weights, enum precision precision, const int *axes, const float *values,
                 struct linear *ret, struct err *err)
{
    int k = 1;
    for (const int *axis = axes + 1; *axis; axis++)
        k *= *axis;
    void *panels = place(weights, linear_bytes(precision, axes[0], k), err);
    if (!panels)
        return false;
    if (weights->packed)
        linear_take(ret, precision, axes[0], k, NULL, panels);
    else
        linear_pack(ret, precision, axes[0], k, values, NULL, weights->crew, panels);
    return true;
}

/* Its values are not needed any more. */
static void drop_mapped(struct weights *weights)
{
    if (weights->mapped)
        safetensors_drop(weights->file, weights->mapped);
    weights->mapped = NULL;
}

/* With its bias. in: bias_name NULL: there is none. out: values: NULL when they need not be read. */
static bool take_matrix(struct weights *weights, enum precision precision, const char *name,
                        const char *bias_name, int layer, const int *axes, const float **values,
                        struct linear *ret, struct err *err)
{
    const float *bias = NULL;
    *values = NULL;
    *ret = (struct linear){0};
    if (bias_name && !weights_take(weights, bias_name, layer, WEIGHTS_AXES(axes[0]), &bias, err))
        return false;
    weights->packing = true;
    weights->packed = shelf_is_full(weights->shelf);
    weights->mapped = NULL;
    bool ok = weights_take(weights, name, layer, axes, values, err) &&
              (broken(weights) || pack(weights, precision, axes, *values, ret, err));
    weights->packing = weights->packed = false;
    ret->bias = bias;
    return ok;
}

bool weights_take_linear(struct weights *weights, const char *name, const char *bias_name, int layer,
                         const int *axes, struct linear *ret, struct err *err)
{
    const float *values;
    bool ok = take_matrix(weights, PRECISION_FP32, name, bias_name, layer, axes, &values, ret, err);
    drop_mapped(weights);
    return ok;
}

static bool correct(struct weights *weights, const char *name, const float *values, struct linear *linear,
                    struct err *err)
{
    float *corrected = place(weights, (size_t)linear->n * sizeof *corrected, err);
    if (!corrected)
        return false;
    if (shelf_is_full(weights->shelf)) {
        linear->bias = corrected;
        return true;
    }
    float *mean = malloc((size_t)linear->k * sizeof *mean);
    bool ok = mean ? input_means_read(weights->input_means, name, linear->k, mean, err)
                   : err_fail(err, ERR_NOMEM, "no memory for a mean input");
    if (ok)
        linear_correct(linear, values, mean, weights->crew, corrected);
    free(mean);
    return ok;
}

bool weights_take_block_linear(struct weights *weights, const char *pattern, const char *bias_name, int layer,
                               const int *axes, struct linear *ret, struct err *err)
{
    char name[NAME_SIZE];
    const float *values;
    expand(pattern, layer, 0, name);
    if (!take_matrix(weights, weights->precision, pattern, bias_name, layer, axes, &values, ret, err))
        return false;
    if (broken(weights))
        return true;
    bool corrected = weights->input_means && ret->precision != PRECISION_FP32;
    if (corrected && !correct(weights, name, values, ret, err))
        return false;
    drop_mapped(weights);
    return !weights->watched || ret->k > LINEAR_K_MOST ||
           input_means_watch(weights->watched, name, ret, weights->arena, err);
}

bool weights_have(const struct weights *weights, const char *name, int i, int j)
{
    char full[NAME_SIZE], first[NAME_SIZE];
    expand(name, i, j, full);
    if (safetensors_find(weights->file, full))
        return true;
    const char *pattern = weights_alias_find(weights->alias, name);
    if (!pattern)
        return false;
    expand(pattern, i, j, full);
    int split = split_of(full);
    replace(full, split < SPLITS ? splits[split].mark : "{", split < SPLITS ? splits[split].parts[0] : "{",
            first);
    return safetensors_find(weights->file, first) != NULL;
}

bool weights_check_all_taken(const struct weights *weights, struct err *err)
{
    for (int i = 0; i < safetensors_count(weights->file); i++) {
        const char *name = safetensors_at(weights->file, i)->name;
        if (weights->taken[i] || weights_alias_ignored(weights->alias, name))
            continue;
        err_decline(err, "weights_unknown", "tensor %.90s has no place in this configuration", name);
        if (!faults_pass(weights->faults, err))
            return false;
    }
    return true;
}
